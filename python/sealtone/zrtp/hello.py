"""The Hello message (RFC 6189 5.2) and the hash of it that signalling carries, a=zrtp-hash (8.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from sealtone.zrtp.algorithms import MAX_PER_TYPE, Algorithms
from sealtone.zrtp.errors import MalformedPacket
from sealtone.zrtp.message import HASH_IMAGE_OCTETS, MAC_OCTETS, ZID_OCTETS, Kind, body_of, build, names_in, octets_of

VERSION = "1.10"
CLIENT_ID_OCTETS = 16

_FIXED_OCTETS = 4 + CLIENT_ID_OCTETS + HASH_IMAGE_OCTETS + ZID_OCTETS + 4
_SIGNS, _MITM, _PASSIVE = 0x40, 0x20, 0x10


@dataclass(frozen=True, slots=True)
class Hello:
    """What an endpoint says of itself.

    `version`: four characters, of which the first three are compared. `client_id`: at most 16 characters, as they
    came, so to be escaped before they are shown. `h3`: end of its hash chain. `signs`: it can check signatures (S).
    `trusted_mitm`: it is a PBX that stands in the middle (M). `passive`: it never sends Commit (P). `mac`: eight octets
    under H2, which the peer learns later.
    """

    version: str
    client_id: str
    h3: bytes
    zid: bytes
    algorithms: Algorithms
    signs: bool = False
    trusted_mitm: bool = False
    passive: bool = False
    mac: bytes = bytes(MAC_OCTETS)

    @classmethod
    def parse(cls, message: bytes) -> Hello:
        """Raises MalformedPacket where counts, length and content do not fit each other."""
        most = _FIXED_OCTETS + 5 * 4 * MAX_PER_TYPE + MAC_OCTETS
        body = body_of(message, Kind.HELLO, _FIXED_OCTETS + MAC_OCTETS, most)
        counts = (body[65] & 0x0F, body[66] >> 4, body[66] & 0x0F, body[67] >> 4, body[67] & 0x0F)
        if max(counts) > MAX_PER_TYPE or len(body) != _FIXED_OCTETS + 4 * sum(counts) + MAC_OCTETS:
            raise MalformedPacket("a Hello whose counts do not fit its length")
        return cls(
            version=body[:4].decode("latin-1"),
            client_id=body[4:20].decode("latin-1").rstrip(" \0"),
            h3=body[20:52],
            zid=body[52:64],
            algorithms=_lists_of(counts, body[_FIXED_OCTETS:-MAC_OCTETS]),
            signs=bool(body[64] & _SIGNS),
            trusted_mitm=bool(body[64] & _MITM),
            passive=bool(body[64] & _PASSIVE),
            mac=body[-MAC_OCTETS:],
        )

    def encode(self) -> bytes:
        """The whole message."""
        flags = _SIGNS * self.signs | _MITM * self.trusted_mitm | _PASSIVE * self.passive
        counts = [len(names) for names in self.algorithms]
        body = self.version.encode("latin-1")
        body += self.client_id.encode("latin-1").ljust(CLIENT_ID_OCTETS)
        body += self.h3 + self.zid
        body += bytes((flags, counts[0], counts[1] << 4 | counts[2], counts[3] << 4 | counts[4]))
        body += b"".join(map(octets_of, self.algorithms))
        return build(Kind.HELLO, body + self.mac)


@lru_cache(256)
def _lists_of(counts: tuple[int, int, int, int, int], octets: bytes) -> Algorithms:
    """The five lists; remembered, since phones of one kind list the same."""
    names = names_in(octets)
    lists, at = [], 0
    for count in counts:
        lists.append(names[at : at + count])
        at += count
    return Algorithms(*lists)


@dataclass(frozen=True, slots=True)
class HelloHash:
    """The value of a=zrtp-hash: the version and the SHA-256 of a whole Hello message (RFC 6189 8.1)."""

    version: str
    digest: bytes

    @classmethod
    def of(cls, message: bytes) -> HelloHash:
        """That of a Hello as it stands on the wire."""
        return cls(message[12:16].decode("latin-1"), hashlib.sha256(message).digest())

    @classmethod
    def parse(cls, value: str) -> HelloHash | None:
        """From SDP, such as "1.10 fe30…"; None where it cannot be read, which is as if it were absent."""
        version, _, digest = value.strip().partition(" ")
        digest = digest.strip()
        if len(version) > 8 or len(digest) != 64 or not all(each in "0123456789abcdefABCDEF" for each in digest):
            return None
        return cls(version, bytes.fromhex(digest))

    def __str__(self) -> str:
        return f"{self.version} {self.digest.hex()}"
