"""The DHPart1 and DHPart2 messages (RFC 6189 5.5 and 5.6)."""

from __future__ import annotations

from dataclasses import dataclass

from sealtone.zrtp.algorithms import PUBLIC_VALUE_OCTETS
from sealtone.zrtp.errors import MalformedPacket
from sealtone.zrtp.message import HASH_IMAGE_OCTETS, MAC_OCTETS, Kind, body_of, build

_IDS_END = HASH_IMAGE_OCTETS + 4 * MAC_OCTETS


@dataclass(frozen=True, slots=True)
class SecretIds:
    """The four IDs by which two sides find out which secrets they share: eight octets each, random where there is
    none (RFC 6189 4.3.1)."""

    rs1: bytes
    rs2: bytes
    aux: bytes
    pbx: bytes

    @classmethod
    def parse(cls, octets: bytes) -> SecretIds:
        """From 32 octets."""
        return cls(octets[:8], octets[8:16], octets[16:24], octets[24:32])

    def encode(self) -> bytes:
        return self.rs1 + self.rs2 + self.aux + self.pbx


@dataclass(frozen=True, slots=True)
class DHPart:
    """A public value and the IDs of shared secrets. `kind` is DHPART1 (the responder's) or DHPART2 (the initiator's).

    `h1`: of the sender's hash chain. `public_value`: pvr or pvi, its length fixed by the key agreement. `mac`: eight
    octets under H0.
    """

    kind: Kind
    h1: bytes
    ids: SecretIds
    public_value: bytes
    mac: bytes = bytes(MAC_OCTETS)

    @classmethod
    def parse(cls, message: bytes, kind: Kind) -> DHPart:
        """Raises MalformedPacket where the length is that of no key agreement known."""
        fixed = _IDS_END + MAC_OCTETS
        body = body_of(message, kind, fixed + min(PUBLIC_VALUE_OCTETS), fixed + max(PUBLIC_VALUE_OCTETS))
        if len(body) - fixed not in PUBLIC_VALUE_OCTETS:
            raise MalformedPacket("a public value of a length that no key agreement has")
        return cls(
            kind=kind,
            h1=body[:HASH_IMAGE_OCTETS],
            ids=SecretIds.parse(body[HASH_IMAGE_OCTETS:_IDS_END]),
            public_value=body[_IDS_END:-MAC_OCTETS],
            mac=body[-MAC_OCTETS:],
        )

    def encode(self) -> bytes:
        """The whole message."""
        return build(self.kind, self.h1 + self.ids.encode() + self.public_value + self.mac)
