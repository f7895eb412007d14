"""The voice codecs that the server itself may speak, by the names that people use for them.

A name is the encoding in lower case, with its RTP clock where one encoding has several: "opus", "silk/16000". Codecs
that are not listed here pass between two phones that share them, but are never decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, NamedTuple

from sealtone.sdp.media import Codec


class CatalogueCodec(NamedTuple):
    """A voice codec: how it is offered, and in which packets it can be sent."""

    name: str
    codec: Codec
    """As we write it where nothing else is known: with its static payload type, or the dynamic one we like best."""
    frame_ms: int
    """A packet holds a whole number of these."""
    packet_ms: int
    """The usual packet."""
    longest_ms: int
    """No packet of ours is longer."""


def _entry(
    name: str, codec: Codec, frame_ms: int = 20, packet_ms: int = 20, longest_ms: int = 60
) -> tuple[str, CatalogueCodec]:
    return name, CatalogueCodec(name, codec, frame_ms, packet_ms, longest_ms)


CATALOGUE: Final[MappingProxyType[str, CatalogueCodec]] = MappingProxyType(
    dict(
        (
            _entry("opus", Codec(96, "opus", 48_000, 2), 10),
            _entry("g722", Codec(9, "G722", 8_000), 10),
            _entry("silk/24000", Codec(117, "SILK", 24_000)),
            _entry("silk/16000", Codec(116, "SILK", 16_000)),
            _entry("silk/12000", Codec(115, "SILK", 12_000)),
            _entry("silk/8000", Codec(114, "SILK", 8_000)),
            _entry("speex/32000", Codec(120, "speex", 32_000)),
            _entry("speex/16000", Codec(119, "speex", 16_000)),
            _entry("speex/8000", Codec(118, "speex", 8_000)),
            _entry("pcma", Codec(8, "PCMA", 8_000), 10),
            _entry("pcmu", Codec(0, "PCMU", 8_000), 10),
            _entry("g729", Codec(18, "G729", 8_000), 10),
            _entry("ilbc", Codec(113, "iLBC", 8_000), 30, 30),
            _entry("gsm", Codec(3, "GSM", 8_000)),
        )
    )
)
"""By name, in the order in which they are told to people."""

DEFAULT_ORDER: Final[tuple[str, ...]] = (
    "opus",
    "g722",
    "pcma",
    "pcmu",
    "g729",
    "ilbc",
    "speex/16000",
    "speex/8000",
    "silk/16000",
    "gsm",
)
"""What the server adds of its own to the offer to a user whose list is empty, best first.

What sounds better comes first, G.711 before what costs quality to save bandwidth. The rarer rates of SILK and Speex
are left out, so that an INVITE over UDP stays within one packet; a user's own list may name them.
"""

EVENT_CLOCKS: Final = MappingProxyType({8_000: 101, 48_000: 110, 16_000: 111, 12_000: 112, 24_000: 109, 32_000: 108})
"""The payload type we like best for telephone-event, by the clock of the voice it goes with (RFC 4733 2.1)."""

_NAMES: Final = MappingProxyType(
    {(entry.codec.encoding.lower(), entry.codec.clock, entry.codec.channels): name for name, entry in CATALOGUE.items()}
)


def name_of(codec: Codec) -> str:
    """The codec's name in the catalogue; empty when it is not there."""
    return _NAMES.get((codec.encoding.lower(), codec.clock, codec.channels), "")


def canonical_name(text: str) -> str | None:
    """The name that a person means: in any case, with or without the clock where there is but one; None for none."""
    name = text.strip().lower()
    if name in CATALOGUE:
        return name
    encoding, slash, clock = name.partition("/")
    entry = CATALOGUE.get(encoding)
    return encoding if entry is not None and slash and clock == str(entry.codec.clock) else None


def is_voice(codec: Codec) -> bool:
    """Whether it carries a call: telephone-event, comfort noise and redundancy do not."""
    return codec.encoding.lower() not in _COMPANIONS


_COMPANIONS: Final = frozenset({"telephone-event", "cn", "red", "ulpfec"})


def packet_time(name: str, frame_ms: int, wanted_ms: int | None, most_ms: int | None) -> int:
    """Milliseconds of a packet of ours: what the phone wants (ptime), never more than it takes (maxptime).

    `frame_ms`: of the codec as agreed (iLBC has two). A phone that takes less than one frame gets one all the same:
    there is no smaller packet.
    """
    entry = CATALOGUE[name]
    usual = entry.packet_ms if frame_ms == entry.frame_ms else max(frame_ms, 20)
    wanted = min(wanted_ms or usual, most_ms or entry.longest_ms, entry.longest_ms)
    return max(wanted - wanted % frame_ms, frame_ms)


def listed(names: Iterable[str]) -> str:
    """Codec names as a sentence holds them: "opus, g722 and pcma"."""
    words = tuple(names)
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
