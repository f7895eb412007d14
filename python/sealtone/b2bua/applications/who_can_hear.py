"""“Who can hear me?” says how the caller's own leg is protected, and reads out the SAS of a ZRTP leg to be compared.

How it goes:

1. What the leg reached is told: state, signalling, voice, cipher, who could listen.
2. A SAS that nobody has compared yet is read out. 1: it is what the phone shows; 2: it differs; *: once more.
3. Where nothing is pressed the string is read out again, `_ROUNDS` times in all; then the call ends and nothing is
   noted. Where there is nothing to compare, it ends after one wait.
4. If what the leg reached changes meanwhile (keys come, or a person compared elsewhere) it is told anew.

Whoever stands in the middle of a ZRTP leg can speak with the server's voice, and press a key for the caller. So a key
only confirms a SAS where that is known not to be so: the phone's Hello is the one announced in signalling that is
encrypted (`keys_count`). Else the person is asked to confirm it on the panel, which nobody on this line holds. A key
that says it differs always counts: it takes trust away.
"""

from __future__ import annotations

from typing import Literal

from sealtone.b2bua.applications.application import Command, Commands, Compared, HangUp, Play
from sealtone.b2bua.applications.prompts import WAIT, last_spoken, protection_spoken, sas_spoken, spoken
from sealtone.b2bua.zrtp_in_call import SAS_DIFFERS
from sealtone.model import LegSecurity
from sealtone.model.announcements import Language

_ROUNDS = 3
_OVER = "the announcement was over"


def keys_count(reached: LegSecurity) -> bool:
    """Whether a pressed key can only be the caller's own: its ZRTP is bound to signalling that is encrypted."""
    return reached.signalling_is_encrypted and reached.zrtp is not None and reached.zrtp.hello_hash_matched is True


class WhoCanHear:
    """One run. Enrolment is the same with an introduction."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._stage: Literal["telling", "comparing", "leaving"] = "telling"
        self._reached = LegSecurity()
        self._rounds = 0
        self._reason = _OVER

    def introduction(self) -> tuple[str, ...]:
        """Prompts that come before all else."""
        return ()

    def started(self, reached: LegSecurity) -> Commands:
        return self._tell(reached)

    def reached(self, reached: LegSecurity) -> Commands:
        if self._stage == "leaving" or _told(reached) == _told(self._reached):
            self._reached = reached
            return ()
        if self._stage == "comparing" and reached.sas_verified:
            return self._tell(reached, "sas-matches")
        return self._tell(reached)

    def digit(self, digit: str) -> Commands:
        if self._stage == "leaving":
            return ()
        if digit == "*":
            return self._compare() if self._stage == "comparing" else self._tell(self._reached)
        if self._stage == "comparing" and digit == "1" and keys_count(self._reached):
            return (Compared(True),)
        if self._stage == "comparing" and digit == "2":
            return (Compared(False), *self._leave(SAS_DIFFERS, "sas-differs", "goodbye"))
        return ()

    def played(self) -> Commands:
        if self._stage == "leaving":
            return (HangUp(self._reason),)
        if self._stage == "telling":
            return self._leave(_OVER, "goodbye")
        self._rounds += 1
        return self._compare() if self._rounds < _ROUNDS else self._leave(_OVER, "sas-not-compared", "goodbye")

    def _tell(self, reached: LegSecurity, *first: str) -> Commands:
        self._reached = reached
        names = (*(first or self.introduction()), *protection_spoken(reached))
        if reached.zrtp is None or not reached.zrtp.sas:
            return self._end_with(names)
        if reached.sas_verified:
            return self._end_with(names if first else (*names, "sas-checked"))
        self._rounds = 0
        return self._compare(*names)

    def _end_with(self, names: tuple[str, ...]) -> Commands:
        self._stage = "telling"
        return (Play((*spoken(self._language, *names, "press-star"), WAIT, WAIT)),)

    def _compare(self, *first: str) -> Commands:
        self._stage = "comparing"
        sas = self._reached.zrtp.sas if self._reached.zrtp is not None else ""
        shown = "sas-words" if ":" in sas else "sas-characters"
        press = "sas-press" if keys_count(self._reached) else "sas-press-differ"
        before, after = spoken(self._language, *first, shown), spoken(self._language, press)
        return (Play((*before, *sas_spoken(self._language, sas), *after, WAIT, WAIT)),)

    def _leave(self, reason: str, *names: str) -> tuple[Command, ...]:
        self._stage = "leaving"
        self._reason = reason
        return (Play(last_spoken(self._language, *names)),)


def _told(reached: LegSecurity) -> tuple[object, ...]:
    """What of it a person is told."""
    sas = reached.zrtp.sas if reached.zrtp is not None else ""
    return protection_spoken(reached), sas, keys_count(reached)
