"""What is sent encrypted: Confirm1, Confirm2 (RFC 6189 5.7) and SASrelay (5.13).

Both have the same shell, `Sealed`: a MAC over the encrypted part, an IV chosen anew each time, and that part in CFB
mode. What is inside, `Confirm` or `SasRelay`, is read only after the MAC was found right. A signature block, where one
stands at the end, is kept as octets and otherwise ignored, as the RFC permits whoever does not set the S flag.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sealtone.zrtp.errors import MalformedPacket
from sealtone.zrtp.message import HASH_IMAGE_OCTETS, MAC_OCTETS, Kind, body_of, build

IV_OCTETS = 16
MAX_SIGNATURE_WORDS = 511
NEVER_EXPIRES = 0xFFFFFFFF

_SHELL_OCTETS = MAC_OCTETS + IV_OCTETS
_CONFIRM_OCTETS = HASH_IMAGE_OCTETS + 8
_RELAY_OCTETS = 4 + 4 + 32
_ENROLMENT, _VERIFIED, _ALLOW_CLEAR, _DISCLOSURE = 8, 4, 2, 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """The shell of an encrypted message. `kind` is CONFIRM1, CONFIRM2 or SAS_RELAY."""

    kind: Kind
    mac: bytes
    iv: bytes
    ciphertext: bytes

    @classmethod
    def parse(cls, message: bytes, kind: Kind) -> Sealed:
        """Raises MalformedPacket."""
        least = _SHELL_OCTETS + (_RELAY_OCTETS if kind is Kind.SAS_RELAY else _CONFIRM_OCTETS)
        body = body_of(message, kind, least, least + 4 * MAX_SIGNATURE_WORDS)
        return cls(kind, body[:MAC_OCTETS], body[MAC_OCTETS:_SHELL_OCTETS], body[_SHELL_OCTETS:])

    def encode(self) -> bytes:
        """The whole message."""
        return build(self.kind, self.mac + self.iv + self.ciphertext)


def _signature_in(plain: bytes, at: int, start: int) -> bytes:
    """The signature block, whose length in words stands in the nine bits that end at octet `at + 2`."""
    words = (plain[at + 1] & 1) << 8 | plain[at + 2]
    if len(plain) != start + 4 * words:
        raise MalformedPacket("a signature whose length does not fit the message")
    return plain[start:]


@dataclass(frozen=True, slots=True)
class Confirm:
    """The inside of Confirm1 and Confirm2.

    `h0`: start of the sender's hash chain. `enrolment`: a PBX offers to be enrolled (E, 7.3.1). `verified`: the
    sender's person has compared the SAS in an earlier call (V, 7.1). `allow_clear`: GoClear is permitted (A, 4.7.2).
    `disclosure`: the sender may disclose the session key (D, 11). `expiry_s`: for how many seconds the new secret may
    be kept (4.9); NEVER_EXPIRES for ever, 0 not at all. `signature`: the block with its type, or empty.
    """

    h0: bytes = field(repr=False)
    enrolment: bool = False
    verified: bool = False
    allow_clear: bool = False
    disclosure: bool = False
    expiry_s: int = NEVER_EXPIRES
    signature: bytes = b""

    @classmethod
    def parse(cls, plain: bytes) -> Confirm:
        """From the decrypted part; raises MalformedPacket."""
        if len(plain) < _CONFIRM_OCTETS:
            raise MalformedPacket("a Confirm that is too short")
        flags = plain[HASH_IMAGE_OCTETS + 3]
        return cls(
            h0=plain[:HASH_IMAGE_OCTETS],
            enrolment=bool(flags & _ENROLMENT),
            verified=bool(flags & _VERIFIED),
            allow_clear=bool(flags & _ALLOW_CLEAR),
            disclosure=bool(flags & _DISCLOSURE),
            expiry_s=int.from_bytes(plain[HASH_IMAGE_OCTETS + 4 : _CONFIRM_OCTETS], "big"),
            signature=_signature_in(plain, HASH_IMAGE_OCTETS, _CONFIRM_OCTETS),
        )

    def encode(self) -> bytes:
        """The part to be encrypted."""
        flags = (
            _ENROLMENT * self.enrolment
            | _VERIFIED * self.verified
            | _ALLOW_CLEAR * self.allow_clear
            | _DISCLOSURE * self.disclosure
        )
        head = (len(self.signature) // 4 << 8 | flags).to_bytes(4, "big")
        return self.h0 + head + self.expiry_s.to_bytes(4, "big") + self.signature


@dataclass(frozen=True, slots=True)
class SasRelay:
    """The inside of SASrelay: a PBX tells the enrolled side the SAS of its other leg (RFC 6189 7.3).

    `verified`: the PBX's V flag. `rendering`: the SAS type to show it in. `sas_hash`: the 32 octets of the other leg's
    sashash, or all zeros for "there is none to relay". `signature`: as in Confirm.
    """

    verified: bool
    rendering: str
    sas_hash: bytes
    signature: bytes = b""

    @property
    def is_null(self) -> bool:
        return not any(self.sas_hash)

    @classmethod
    def parse(cls, plain: bytes) -> SasRelay:
        """From the decrypted part; raises MalformedPacket."""
        if len(plain) < _RELAY_OCTETS:
            raise MalformedPacket("a SASrelay that is too short")
        return cls(
            verified=bool(plain[3] & _VERIFIED),
            rendering=plain[4:8].decode("latin-1"),
            sas_hash=plain[8:_RELAY_OCTETS],
            signature=_signature_in(plain, 0, _RELAY_OCTETS),
        )

    def encode(self) -> bytes:
        """The part to be encrypted."""
        head = (len(self.signature) // 4 << 8 | _VERIFIED * self.verified).to_bytes(4, "big")
        return head + self.rendering.encode("latin-1") + self.sas_hash + self.signature
