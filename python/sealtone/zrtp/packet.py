"""ZRTP packets around the messages (RFC 6189 5): header, magic cookie, source identifier, CRC-32C.

::

    |0 0 0 1|Not Used (set to zero) |         Sequence Number       |
    |                 Magic Cookie 'ZRTP' (0x5a525450)              |
    |                        Source Identifier                      |
    |           ZRTP Message (length depends on Message Type)       |
    |                          CRC (1 word)                         |

The CRC is that of RFC 4960 (Castagnoli), over everything before it, and stands on the wire with its least significant
octet first. First octets 16 to 19 are ZRTP's (RFC 7983); 17 marks a fragment of a message too long for one packet, an
extension of newer phones that carries post-quantum key agreements and that only `sealtone.zrtp.observer` reads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sealtone.zrtp.errors import CrcMismatch, MalformedPacket

COOKIE = b"ZRTP"
HEADER_OCTETS = 12
CRC_OCTETS = 4
OVERHEAD_OCTETS = HEADER_OCTETS + CRC_OCTETS
MESSAGE_HEADER_OCTETS = 12
PREAMBLE = b"\x50\x5a"
MAX_PACKET_OCTETS = 3072
"""The longest message is a Confirm or SASrelay with 511 words of signature: 2120 octets. More is not ZRTP."""

_PLAIN, _FRAGMENT = 0x10, 0x11
_HEADER = struct.Struct(">BBH4sI")
_FRAGMENT_HEADER_OCTETS = 8
_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits reversed


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc32c(data: bytes) -> bytes:
    """The four octets of the CRC as they stand on the wire."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for octet in data:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


Checksum = Callable[[bytes], bytes]
"""`crc32c`, or the native part's: in Python the CRCs are a sixth of what a handshake by X25519 costs."""


def is_zrtp(datagram: bytes) -> bool:
    """Whether a datagram on a media port is ZRTP: by its first octet (RFC 7983) and the magic cookie."""
    return len(datagram) >= OVERHEAD_OCTETS and 16 <= datagram[0] <= 19 and datagram[4:8] == COOKIE


def source_of(datagram: bytes) -> int:
    """The source identifier of what may be a packet, before anything is checked."""
    return int.from_bytes(datagram[8:12], "big")


class Packet(NamedTuple):
    """One packet with a whole message.

    `message` is the message with its own header (preamble, length, type block): what MACs and hashes are made over.
    """

    sequence: int
    ssrc: int
    message: bytes

    @property
    def kind(self) -> bytes:
        """The message type block, eight octets such as b"Hello   "."""
        return self.message[4:12]

    @classmethod
    def parse(cls, datagram: bytes, checksum: Checksum = crc32c) -> Packet:
        """Raises MalformedPacket for what is no whole ZRTP packet, CrcMismatch for a damaged one.

        The message's length field has to fit the datagram exactly.
        """
        if not is_zrtp(datagram):
            raise MalformedPacket("not ZRTP")
        if datagram[0] != _PLAIN:
            raise MalformedPacket("not a whole message in one packet")
        if len(datagram) < OVERHEAD_OCTETS + MESSAGE_HEADER_OCTETS or len(datagram) > MAX_PACKET_OCTETS:
            raise MalformedPacket("too short or too long")
        _, _, sequence, _, ssrc = _HEADER.unpack_from(datagram)
        message = datagram[HEADER_OCTETS:-CRC_OCTETS]
        if message[:2] != PREAMBLE or int.from_bytes(message[2:4], "big") * 4 != len(message):
            raise MalformedPacket("the message's length does not fit the packet")
        if checksum(datagram[:-CRC_OCTETS]) != datagram[-CRC_OCTETS:]:
            raise CrcMismatch("the CRC does not fit the packet")
        return cls(sequence, ssrc, message)

    def encode(self, checksum: Checksum = crc32c) -> bytes:
        """The datagram."""
        body = _HEADER.pack(_PLAIN, 0, self.sequence, COOKIE, self.ssrc) + self.message
        return body + checksum(body)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One packet with a part of a message, as post-quantum ZRTP sends them. Offsets and lengths are in octets."""

    ssrc: int
    message_id: int
    total: int
    offset: int
    part: bytes

    @classmethod
    def parse(cls, datagram: bytes) -> Fragment:
        """Raises MalformedPacket or CrcMismatch."""
        start = HEADER_OCTETS + _FRAGMENT_HEADER_OCTETS
        if not is_zrtp(datagram) or datagram[0] != _FRAGMENT or len(datagram) < start + CRC_OCTETS:
            raise MalformedPacket("not a fragment")
        message_id, total, offset, length = struct.unpack_from(">HHHH", datagram, HEADER_OCTETS)
        part = datagram[start:-CRC_OCTETS]
        if length * 4 != len(part) or offset + length > total:
            raise MalformedPacket("the fragment's length does not fit the packet")
        if crc32c(datagram[:-CRC_OCTETS]) != datagram[-CRC_OCTETS:]:
            raise CrcMismatch("the CRC does not fit the packet")
        return cls(source_of(datagram), message_id, total * 4, offset * 4, part)
