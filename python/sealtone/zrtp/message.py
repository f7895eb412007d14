"""What all ZRTP messages share (RFC 6189 5.1): the header with its preamble, length and type block, and short MACs."""

from __future__ import annotations

from enum import Enum

from sealtone.zrtp.errors import MalformedPacket
from sealtone.zrtp.packet import MESSAGE_HEADER_OCTETS, PREAMBLE

MAC_OCTETS = 8
"""MACs, the IDs of shared secrets and the keyID of Preshared mode are truncated to their 64 leftmost bits."""

ZID_OCTETS = 12
HASH_IMAGE_OCTETS = 32


class Kind(bytes, Enum):
    """The type blocks (RFC 6189 5.1.1, Table 1). They are octets since those are hashed once, and names each time."""

    HELLO = b"Hello   "
    HELLO_ACK = b"HelloACK"
    COMMIT = b"Commit  "
    DHPART1 = b"DHPart1 "
    DHPART2 = b"DHPart2 "
    CONFIRM1 = b"Confirm1"
    CONFIRM2 = b"Confirm2"
    CONF2_ACK = b"Conf2ACK"
    ERROR = b"Error   "
    ERROR_ACK = b"ErrorACK"
    GO_CLEAR = b"GoClear "
    CLEAR_ACK = b"ClearACK"
    SAS_RELAY = b"SASrelay"
    RELAY_ACK = b"RelayACK"
    PING = b"Ping    "
    PING_ACK = b"PingACK "


KINDS = {kind.value: kind for kind in Kind}


def build(kind: Kind, body: bytes) -> bytes:
    """The whole message around `body`, whose length is a multiple of four octets."""
    words = (MESSAGE_HEADER_OCTETS + len(body)) // 4
    return PREAMBLE + words.to_bytes(2, "big") + kind.value + body


def body_of(message: bytes, kind: Kind, least: int, most: int | None = None) -> bytes:
    """The body of a framed message of the given kind, whose length lies in the bounds (`most` None: exactly `least`).

    Raises MalformedPacket.
    """
    if message[4:MESSAGE_HEADER_OCTETS] != kind.value:
        raise MalformedPacket(f"not a {kind.name} message")
    body = message[MESSAGE_HEADER_OCTETS:]
    if not least <= len(body) <= (least if most is None else most):
        raise MalformedPacket(f"a {kind.name} message of {len(message)} octets")
    return body


def names_in(octets: bytes) -> tuple[str, ...]:
    """Four-character names. They are kept as they came; octets outside ASCII become U+00xx, so nothing is lost."""
    text = octets.decode("latin-1")
    return tuple([text[at : at + 4] for at in range(0, len(text), 4)])


def octets_of(names: tuple[str, ...]) -> bytes:
    """The reverse of `names_in`."""
    return "".join(names).encode("latin-1")
