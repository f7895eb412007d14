"""The names of sounds. What each says stands in sounds/en.txt and ru.txt; tones are the same in each language."""

from __future__ import annotations

from typing import Final

from sealtone.model import LegSecurity, Protection, ZrtpStage, leg_state
from sealtone.model.announcements import Language
from sealtone.srtp_keys import SrtpSuite, ZrtpSuite

BEEP: Final = "beep"
MUSIC: Final = "music"
OPEN_TONE: Final = "open-tone"
PAUSE: Final = "pause"
"""A third of a second of silence."""
WAIT: Final = "wait"
"""Four seconds of silence, in which a key may be pressed."""


def spoken(language: Language, *names: str) -> tuple[str, ...]:
    """Prompts in a language, with a pause before each, so that a phone has opened its ear and sentences stand apart."""
    return tuple(sound for name in names for sound in (PAUSE, f"{language.value}/{name}"))


def last_spoken(language: Language, *names: str) -> tuple[str, ...]:
    """Prompts before the server hangs up: a phone still has some of them to play when all have been sent."""
    return (*spoken(language, *names), PAUSE)


def sas_spoken(language: Language, sas: str) -> tuple[str, ...]:
    """A SAS read out: its characters with example words, or its two words from the PGP word list (always English)."""
    if ":" in sas:
        return tuple(sound for word in sas.lower().split(":") for sound in (PAUSE, f"pgp/{word}"))
    return spoken(language, *(f"letter-{character}" for character in sas))


def protection_spoken(reached: LegSecurity) -> tuple[str, ...]:
    """The prompts that say what a leg reached, and who could listen to it: of that leg alone."""
    names = [f"state-{leg_state(reached).value}"]
    names.append("signalling-encrypted" if reached.signalling_is_encrypted else "signalling-open")
    if reached.protection is Protection.NONE or reached.suite_rx is None or reached.suite_tx is None:
        absent = reached.zrtp is not None and reached.zrtp.stage is ZrtpStage.ABSENT
        return (*names, "voice-zrtp-absent" if absent else "voice-none", "listen-anyone")
    weakest = min(reached.suite_rx, reached.suite_tx, key=lambda suite: (not suite.short_tag, suite.key_len))
    names += [f"voice-{reached.protection.value}", _cipher(weakest)]
    if weakest.short_tag:
        names.append("tag-short")
    if reached.protection is Protection.ZRTP and not reached.sas_verified:
        return (*names, "listen-server-unless")
    return (*names, "listen-server")


def _cipher(suite: SrtpSuite) -> str:
    twofish = isinstance(suite, ZrtpSuite) and "_2FS" in suite.value
    return f"cipher-{'twofish' if twofish else 'aes'}-{8 * suite.key_len}"
