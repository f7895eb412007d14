"""Parameters of codecs, a=fmtp: read from a phone, written as our own, answered by each codec's rules.

How it works, and its rules:

1. A parameter that cannot be read is as one that was left out: odd spelling costs the parameter, not the call. Nothing
   here raises for what a phone wrote. The first of two equal names counts.
2. Where a codec passes from phone to phone, its parameters pass as they were written, since they are the far phone's
   (`relayed`); what follows is for codecs that the server itself decodes and encodes.
3. Most parameters are declarative: each side says what it wants to receive, and an answer needs not repeat them (Opus,
   RFC 7587 7.1; Speex, RFC 5574 5.1). iLBC's mode and G.729's annexb are agreed on (RFC 3952 5, RFC 4856 2.1.9 with
   RFC 7261 3).
4. Codecs that are not in the catalogue (AMR and its modes) have no parameters here: they pass, or are not used.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from sealtone.sdp.media import Codec

MAX_LENGTH: Final = 512
"""Characters of an fmtp that are read; no codec here needs a quarter of them."""
MAX_PARAMETERS: Final = 32

OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)
OPUS_BITRATES: Final = (6_000, 510_000)
"""Lowest and highest maxaveragebitrate (RFC 7587 6.1)."""
SILK_BITRATES: Final = (5_000, 40_000)

_PAIR: Final = re.compile(r"\s*([A-Za-z0-9-]{1,40})\s*=\s*\"?([^\";]*?)\"?\s*")
_EVENTS: Final = re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3})?(?:,[0-9]{1,3}(?:-[0-9]{1,3})?){0,31}")


class OpusParameters(NamedTuple):
    """RFC 7587 6.1. Each says what its writer wants to receive, except those that begin with sprop: what it sends."""

    max_playback_rate: int = 48_000
    """Hz."""
    sprop_max_capture_rate: int = 48_000
    """Hz."""
    max_average_bitrate: int = 0
    """Bits a second; 0: not said."""
    stereo: bool = False
    sprop_stereo: bool = False
    cbr: bool = False
    use_inband_fec: bool = False
    use_dtx: bool = False

    def __str__(self) -> str:
        return _joined(
            ("maxplaybackrate", self.max_playback_rate if self.max_playback_rate != 48_000 else 0),
            ("sprop-maxcapturerate", self.sprop_max_capture_rate if self.sprop_max_capture_rate != 48_000 else 0),
            ("maxaveragebitrate", self.max_average_bitrate),
            ("stereo", self.stereo),
            ("sprop-stereo", self.sprop_stereo),
            ("cbr", self.cbr),
            ("useinbandfec", self.use_inband_fec),
            ("usedtx", self.use_dtx),
        )


class SilkParameters(NamedTuple):
    """draft-spittka-silk-payload-format 6.1: what its writer wants to receive."""

    max_average_bitrate: int = 0
    """Bits a second; 0: not said."""
    use_inband_fec: bool = True
    use_dtx: bool = False

    def __str__(self) -> str:
        return _joined(
            ("maxaveragebitrate", self.max_average_bitrate),
            ("useinbandfec", "" if self.use_inband_fec else "0"),
            ("usedtx", self.use_dtx),
        )


class IlbcParameters(NamedTuple):
    """RFC 3952 4.1. The frame is 30 ms where nothing is said."""

    mode: Literal[20, 30] = 30

    def __str__(self) -> str:
        return f"mode={self.mode}"


class G729Parameters(NamedTuple):
    """RFC 4856 2.1.9: whether annex B's silence is wanted; it is where nothing is said."""

    annexb: bool = True

    def __str__(self) -> str:
        return "" if self.annexb else "annexb=no"


class SpeexParameters(NamedTuple):
    """RFC 5574 4.1.1: what its writer wants to receive."""

    vbr: Literal["off", "on", "vad"] = "off"
    cng: bool = False
    modes: tuple[int, ...] = ()
    """Of the narrow-band or wide-band modes, the preferred one first; empty: any."""

    def __str__(self) -> str:
        mode = f'"{",".join(map(str, self.modes))}"' if len(self.modes) > 1 else "".join(map(str, self.modes))
        return _joined(
            ("vbr", self.vbr if self.vbr != "off" else ""), ("cng", "on" if self.cng else ""), ("mode", mode)
        )


class EventParameters(NamedTuple):
    """RFC 4733 2.4.1 and 7.1.1: the events that its writer can receive; 0 to 15 where nothing is said."""

    events: frozenset[int] = frozenset(range(16))

    def __str__(self) -> str:
        parts: list[str] = []
        numbers = sorted(self.events)
        while numbers:
            first = last = numbers.pop(0)
            while numbers and numbers[0] == last + 1:
                last = numbers.pop(0)
            parts.append(str(first) if first == last else f"{first}-{last}")
        return ",".join(parts)


class NoParameters(NamedTuple):
    """G.711, G.722, GSM and comfort noise have none; those of a codec that is not ours are not read."""

    def __str__(self) -> str:
        return ""


Parameters = (
    OpusParameters | SilkParameters | IlbcParameters | G729Parameters | SpeexParameters | EventParameters | NoParameters
)

OUR_OPUS: Final = OpusParameters(use_inband_fec=True)
OUR_EVENTS: Final = EventParameters(frozenset(range(17)))
"""DTMF and flash."""


@lru_cache(maxsize=512)
def read(codec: Codec) -> Parameters:
    """What a codec's fmtp says, with the defaults of its format where it is silent. Never raises."""
    kind = codec.encoding.lower()
    text = codec.fmtp or ""
    if len(text) > MAX_LENGTH:
        text = ""
    if kind == "telephone-event":
        return _read_events(text)
    pairs = _pairs(text)
    if kind == "opus":
        return OpusParameters(
            max_playback_rate=_rate(pairs.get("maxplaybackrate")),
            sprop_max_capture_rate=_rate(pairs.get("sprop-maxcapturerate")),
            max_average_bitrate=_number(pairs.get("maxaveragebitrate"), *OPUS_BITRATES),
            stereo=_flag(pairs, "stereo"),
            sprop_stereo=_flag(pairs, "sprop-stereo"),
            cbr=_flag(pairs, "cbr"),
            use_inband_fec=_flag(pairs, "useinbandfec"),
            use_dtx=_flag(pairs, "usedtx"),
        )
    if kind == "silk":
        return SilkParameters(
            max_average_bitrate=_number(pairs.get("maxaveragebitrate"), *SILK_BITRATES),
            use_inband_fec=pairs.get("useinbandfec") != "0",
            use_dtx=_flag(pairs, "usedtx"),
        )
    if kind == "ilbc":
        return IlbcParameters(20 if pairs.get("mode") == "20" else 30)
    if kind == "g729":
        return G729Parameters(pairs.get("annexb", "").lower() != "no")
    if kind == "speex":
        return _read_speex(pairs)
    return NoParameters()


def written(parameters: Parameters) -> str | None:
    """The value of the fmtp line; None where there is nothing to say."""
    return str(parameters) or None


def ours(codec: Codec) -> Codec:
    """A codec as we offer it where we decode it ourselves.

    iLBC is offered with 20 ms: an answer with 30 is as good, and the lower delay is worth its bits (RFC 3952 5).
    G.729's annex B is offered, since it can be refused.
    """
    kind = codec.encoding.lower()
    if kind == "opus":
        return codec._replace(fmtp=written(OUR_OPUS))
    if kind == "ilbc":
        return codec._replace(fmtp=written(IlbcParameters(20)))
    if kind == "telephone-event":
        return codec._replace(fmtp=written(OUR_EVENTS))
    return codec if codec.fmtp is None else codec._replace(fmtp=None)


def answered(offered: Codec) -> Codec:
    """The offered codec as we answer it where we decode it ourselves.

    Opus: our own wishes, declared (RFC 7587 7.1). iLBC: the offer's mode, which we can always serve: an offer of 30 may
    not be answered with 20 (RFC 3952 5). G.729: no where the offer says no (RFC 7261 3.2). Events: those of both.
    """
    parameters = read(offered)
    if isinstance(parameters, EventParameters):
        common = EventParameters(parameters.events & OUR_EVENTS.events)
        return offered._replace(fmtp=written(common) if common.events else written(EventParameters()))
    if isinstance(parameters, IlbcParameters | G729Parameters):
        return offered._replace(fmtp=written(parameters))
    return ours(offered)


def relayed(offered: Codec, accepted: Codec) -> Codec:
    """The offered codec as it is answered where the far phone, which `accepted` it, decodes it.

    Its parameters are the far phone's own words. Only what must not be answered is put right: iLBC's 20 to an offer of
    30, and annex B to who offered none.
    """
    theirs, asked = read(accepted), read(offered)
    if isinstance(theirs, IlbcParameters) and isinstance(asked, IlbcParameters):
        if asked.mode > theirs.mode:
            return offered._replace(fmtp=written(asked))
    elif (
        isinstance(theirs, G729Parameters) and isinstance(asked, G729Parameters) and theirs.annexb and not asked.annexb
    ):
        return offered._replace(fmtp=written(asked))
    return offered if offered.fmtp == accepted.fmtp else offered._replace(fmtp=accepted.fmtp)


def agreed(ours_said: Codec, theirs_said: Codec) -> Parameters:
    """What we may send: by what the phone said, and by what both said where the two have to agree."""
    theirs, mine = read(theirs_said), read(ours_said)
    if isinstance(theirs, IlbcParameters) and isinstance(mine, IlbcParameters):
        return theirs if theirs.mode >= mine.mode else mine
    if isinstance(theirs, G729Parameters) and isinstance(mine, G729Parameters):
        return G729Parameters(theirs.annexb and mine.annexb)
    return theirs


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(";")[:MAX_PARAMETERS]:
        found = _PAIR.fullmatch(part)
        if found is not None:
            pairs.setdefault(found[1].lower(), found[2].strip())
    return pairs


def _number(text: str | None, lowest: int, highest: int) -> int:
    """A number within its limits; 0 where there is none. One that is out of them is brought back to the nearer one."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 9) or not int(text):
        return 0
    return min(max(int(text), lowest), highest)


def _rate(text: str | None) -> int:
    """A sample rate that Opus has: the next one above what was said (RFC 7587 6.1 permits any)."""
    number = _number(text, OPUS_RATES[0], OPUS_RATES[-1])
    return next((rate for rate in OPUS_RATES if rate >= number), 48_000) if number else 48_000


def _flag(pairs: dict[str, str], name: str) -> bool:
    return pairs.get(name) == "1"


def _read_speex(pairs: dict[str, str]) -> SpeexParameters:
    vbr = pairs.get("vbr", "off").lower()
    modes: list[int] = []
    for word in pairs.get("mode", "").split(",")[:16]:
        word = word.strip()
        if word.isascii() and word.isdigit() and len(word) <= 2 and int(word) <= 10 and int(word) not in modes:
            modes.append(int(word))
    return SpeexParameters(
        "on" if vbr == "on" else "vad" if vbr == "vad" else "off", pairs.get("cng", "").lower() == "on", tuple(modes)
    )


def _read_events(text: str) -> EventParameters:
    """``0-15,66`` as it stands, or behind ``events=``."""
    text = text.strip().lower().removeprefix("events=").replace(" ", "")
    if not _EVENTS.fullmatch(text):
        return EventParameters()
    events: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        end = int(last) if dash else int(first)
        events.update(range(int(first), min(end, 255) + 1))
    return EventParameters(frozenset(number for number in events if number <= 255)) if events else EventParameters()


def _joined(*pairs: tuple[str, str | int]) -> str:
    """Pairs with a value; no, zero and an empty text are left out."""
    return ";".join([f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in pairs if value])
