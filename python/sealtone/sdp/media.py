"""The small vocabulary of a media line: direction, codec, address."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

from sealtone.sdp.session import SdpError


class Direction(StrEnum):
    """Which way media flows, from the view of whoever wrote the description (RFC 8866, 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.SENDONLY

    @property
    def receives(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.RECVONLY

    @property
    def reverse(self) -> Direction:
        """The same flow seen from the other side."""
        return _REVERSE[self]

    def intersect(self, other: Direction) -> Direction:
        """What is left when both limits apply (both seen from the same side)."""
        return direction(self.sends and other.sends, self.receives and other.receives)


_REVERSE: Final = {
    Direction.SENDRECV: Direction.SENDRECV,
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.RECVONLY: Direction.SENDONLY,
    Direction.INACTIVE: Direction.INACTIVE,
}


def direction(sends: bool, receives: bool) -> Direction:
    """The direction that sends and receives so."""
    if sends:
        return Direction.SENDRECV if receives else Direction.SENDONLY
    return Direction.RECVONLY if receives else Direction.INACTIVE


class Codec(NamedTuple):
    """One format of an audio line. `encoding` and `fmtp` are kept as their sender wrote them."""

    payload_type: int
    encoding: str
    clock: int
    """RTP clock rate in Hz."""
    channels: int = 1
    fmtp: str | None = None

    @property
    def is_telephone_event(self) -> bool:
        return self.encoding.lower() == "telephone-event"

    def same_format(self, other: Codec) -> bool:
        """Whether both name one format, whatever payload type and parameters they give it."""
        _, encoding, clock, channels, _ = self
        _, other_encoding, other_clock, other_channels, _ = other
        return (
            clock == other_clock
            and channels == other_channels
            and (encoding == other_encoding or encoding.lower() == other_encoding.lower())
        )


# RFC 3551 table 4: payload types that need no rtpmap.
STATIC_CODECS: Final[dict[int, Codec]] = {
    codec.payload_type: codec
    for codec in (
        Codec(0, "PCMU", 8000),
        Codec(3, "GSM", 8000),
        Codec(4, "G723", 8000),
        Codec(5, "DVI4", 8000),
        Codec(6, "DVI4", 16000),
        Codec(7, "LPC", 8000),
        Codec(8, "PCMA", 8000),
        Codec(9, "G722", 8000),
        Codec(10, "L16", 44100, 2),
        Codec(11, "L16", 44100),
        Codec(12, "QCELP", 8000),
        Codec(13, "CN", 8000),
        Codec(14, "MPA", 90000),
        Codec(15, "G728", 8000),
        Codec(16, "DVI4", 11025),
        Codec(17, "DVI4", 22050),
        Codec(18, "G729", 8000),
    )
}


_PAYLOAD_TYPES: Final = frozenset(map(str, range(128)))


def read_codecs(formats: Iterable[str], rtpmaps: dict[str, str], fmtps: dict[str, str]) -> tuple[Codec, ...]:
    """The codecs of an m-line, in its order. Dynamic payload types without an rtpmap mean nothing and are left out.

    Raises `SdpError` for a format that is no payload type.
    """
    codecs: list[Codec] = []
    seen: set[str] = set()
    for text in formats:
        if text in seen:
            continue
        seen.add(text)
        # "00" beside "0" would give one payload type two meanings.
        if text not in _PAYLOAD_TYPES:
            raise SdpError("an audio line lists a format that is no RTP payload type")
        payload_type = int(text)
        rtpmap = rtpmaps.get(text)
        if rtpmap is None:
            static = STATIC_CODECS.get(payload_type)
            if static is None:
                continue
            fmtp = fmtps.get(text)
            codecs.append(static if fmtp is None else static._replace(fmtp=fmtp))
        else:
            codecs.append(_read_rtpmap(payload_type, rtpmap, fmtps.get(text)))
    return tuple(codecs)


@lru_cache(maxsize=512)  # the phones of one make say the same in every call
def _read_rtpmap(payload_type: int, rtpmap: str, fmtp: str | None) -> Codec:
    """``<encoding>/<clock>[/<channels>]`` (RFC 8866, 6.6)."""
    encoding, _, rest = rtpmap.partition("/")
    clock_text, slash, channels_text = rest.partition("/")
    channels_text = channels_text.strip() if slash else "1"
    clock_text = clock_text.strip()
    if (
        not encoding
        or " " in encoding
        or not (clock_text.isascii() and clock_text.isdigit() and len(clock_text) <= 7 and int(clock_text))
        or not (channels_text.isascii() and channels_text.isdigit() and len(channels_text) <= 2 and int(channels_text))
    ):
        raise SdpError("an rtpmap line is not valid")
    return Codec(payload_type, encoding, int(clock_text), int(channels_text), fmtp)


NULL_ADDRESSES: Final = frozenset({"0.0.0.0", "::"})


@lru_cache(maxsize=1024)
def read_address(text: str) -> str:
    """The literal of a ``IN IP4 <address>`` value. Raises `SdpError` for names, multicast and broadcast.

    The address family is that of the literal: phones that write IP4 before an IPv6 address exist, and the
    literal leaves no doubt.
    """
    words = text.split()
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise SdpError("a connection line is not valid")
    address = words[2]
    if ":" in address:
        return _ipv6(address)
    parts = address.split(".")
    if len(parts) != 4:
        raise SdpError("a connection line names no single IP address")
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 3 and (len(part) == 1 or part[0] != "0")):
            raise SdpError("a connection line names no single IP address")
        if int(part) > 255:
            raise SdpError("a connection line names no single IP address")
    if int(parts[0]) >= 224:
        raise SdpError("a connection line names a multicast or reserved address")
    return address


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise SdpError("a connection line names no single IP address") from None
    if address.is_multicast or address.scope_id is not None:
        raise SdpError("a connection line names a multicast or scoped address")
    return address.compressed
