"""The short messages: acknowledgements, Error (RFC 6189 5.9), GoClear (5.11), Ping and PingACK (5.15, 5.16)."""

from __future__ import annotations

from dataclasses import dataclass

from sealtone.zrtp.message import MAC_OCTETS, Kind, body_of, build

ENDPOINT_HASH_OCTETS = 8

HELLO_ACK = build(Kind.HELLO_ACK, b"")
CONF2_ACK = build(Kind.CONF2_ACK, b"")
ERROR_ACK = build(Kind.ERROR_ACK, b"")
CLEAR_ACK = build(Kind.CLEAR_ACK, b"")
RELAY_ACK = build(Kind.RELAY_ACK, b"")

ACKNOWLEDGEMENTS = frozenset({Kind.HELLO_ACK, Kind.CONF2_ACK, Kind.ERROR_ACK, Kind.CLEAR_ACK, Kind.RELAY_ACK})


def check_acknowledgement(message: bytes, kind: Kind) -> None:
    """Three words and no more; raises MalformedPacket."""
    body_of(message, kind, 0)


@dataclass(frozen=True, slots=True)
class Error:
    """`code` is one of ErrorCode, or a number unknown to us."""

    code: int

    @classmethod
    def parse(cls, message: bytes) -> Error:
        """Raises MalformedPacket."""
        return cls(int.from_bytes(body_of(message, Kind.ERROR, 4), "big"))

    def encode(self) -> bytes:
        return build(Kind.ERROR, int(self.code).to_bytes(4, "big"))


@dataclass(frozen=True, slots=True)
class GoClear:
    """A wish to go on unencrypted. `mac`: eight octets under the sender's HMAC key, over the type block (4.7.2)."""

    mac: bytes

    @classmethod
    def parse(cls, message: bytes) -> GoClear:
        """Raises MalformedPacket."""
        return cls(body_of(message, Kind.GO_CLEAR, MAC_OCTETS))

    def encode(self) -> bytes:
        return build(Kind.GO_CLEAR, self.mac)


@dataclass(frozen=True, slots=True)
class Ping:
    """A question whether there is a ZRTP endpoint, and which. `endpoint_hash`: eight octets that tell it apart."""

    version: str
    endpoint_hash: bytes

    @classmethod
    def parse(cls, message: bytes) -> Ping:
        """Raises MalformedPacket."""
        body = body_of(message, Kind.PING, 4 + ENDPOINT_HASH_OCTETS)
        return cls(body[:4].decode("latin-1"), body[4:])

    def encode(self) -> bytes:
        return build(Kind.PING, self.version.encode("latin-1") + self.endpoint_hash)


@dataclass(frozen=True, slots=True)
class PingAck:
    """The answer: the answering side's endpoint hash, and the hash and the source identifier of the Ping."""

    version: str
    endpoint_hash: bytes
    received_hash: bytes
    received_ssrc: int

    @classmethod
    def parse(cls, message: bytes) -> PingAck:
        """Raises MalformedPacket."""
        body = body_of(message, Kind.PING_ACK, 8 + 2 * ENDPOINT_HASH_OCTETS)
        return cls(body[:4].decode("latin-1"), body[4:12], body[12:20], int.from_bytes(body[20:], "big"))

    def encode(self) -> bytes:
        body = self.version.encode("latin-1") + self.endpoint_hash + self.received_hash
        return build(Kind.PING_ACK, body + self.received_ssrc.to_bytes(4, "big"))
