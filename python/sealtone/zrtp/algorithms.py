"""The algorithms, by the four characters that name them on the wire (RFC 6189 5.1.2 to 5.1.6), and their sizes.

Beside those of the RFC there are the ones that phones have added: Linphone's X255 and X448 (RFC 7748), and GNU ZRTP's
E255 (Curve25519 again), E414 (Curve3617) and SKN2 and SKN3 (Skein-512 with 256 and 384 bits of output, in which HMAC
gives way to the Skein MAC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from sealtone.zrtp.errors import UsageError

MAX_PER_TYPE = 7
"""How many algorithms of one type a Hello can list (RFC 6189 5.2)."""

IMPLICIT_HASH = "S256"
"""The hash of hash chains, of the MACs over Hello, Commit and DHPart, and of a=zrtp-hash, whatever is negotiated."""


class HashType(NamedTuple):
    """`octets`: length of the digest and of its MAC's keys and outputs."""

    name: str
    octets: int


class CipherType(NamedTuple):
    """`key_octets`: length of the key, of Confirm encryption and of the SRTP master key alike."""

    name: str
    key_octets: int


class KeyAgreementType(NamedTuple):
    """A key agreement and its sizes.

    `public_octets`: length of pvi and pvr. `secret_octets`: length of DHResult. `private_octets`: how much randomness
    a private value takes. `speed`: rank from the fastest, by which two sides pick the same one (4.1.2). `strong`: it
    deserves, and by GNU ZRTP needs, a hash of 384 bits and a 256-bit cipher (5.1.5).
    """

    name: str
    public_octets: int
    secret_octets: int
    private_octets: int
    speed: int
    strong: bool = False
    strong_hash_required: bool = False


HASHES = {
    each.name: each for each in (HashType("S256", 32), HashType("S384", 48), HashType("SKN2", 32), HashType("SKN3", 48))
}
CIPHERS = {
    each.name: each
    for each in (
        CipherType("AES1", 16),
        CipherType("AES2", 24),
        CipherType("AES3", 32),
        CipherType("2FS1", 16),
        CipherType("2FS2", 24),
        CipherType("2FS3", 32),
    )
}
AUTH_TAGS = {"HS32": 32, "HS80": 80, "SK32": 32, "SK64": 64}
"""Length in bits of the SRTP authentication tag: HMAC-SHA1 (HS) or the Skein-512 MAC (SK)."""

KEY_AGREEMENTS = {
    each.name: each
    for each in (
        KeyAgreementType("DH2k", 256, 256, 32, 0),
        KeyAgreementType("X255", 32, 32, 32, 1),
        KeyAgreementType("E255", 32, 32, 32, 2),
        KeyAgreementType("EC25", 64, 32, 48, 3),
        KeyAgreementType("X448", 56, 56, 56, 4, strong=True),
        KeyAgreementType("DH3k", 384, 384, 32, 5),
        KeyAgreementType("E414", 104, 52, 52, 6, strong=True, strong_hash_required=True),
        KeyAgreementType("EC38", 96, 48, 64, 7, strong=True, strong_hash_required=True),
        KeyAgreementType("EC52", 132, 66, 82, 8, strong=True, strong_hash_required=True),
    )
}
FINITE_FIELD = frozenset({"DH2k", "DH3k"})
MULTISTREAM = "Mult"
PRESHARED = "Prsh"
NON_DH = frozenset({MULTISTREAM, PRESHARED})
SAS_TYPES = frozenset({"B32 ", "B256"})

PUBLIC_VALUE_OCTETS = frozenset(each.public_octets for each in KEY_AGREEMENTS.values())

MANDATORY = {
    "hashes": ("S256",),
    "ciphers": ("AES1",),
    "auth_tags": ("HS32", "HS80"),
    "key_agreements": ("DH3k", MULTISTREAM),
    "sas_types": ("B32 ",),
}
"""What every endpoint has, even where its Hello does not list it (5.1.2 to 5.1.6)."""

_KNOWN = {
    "hashes": frozenset(HASHES),
    "ciphers": frozenset(CIPHERS),
    "auth_tags": frozenset(AUTH_TAGS),
    "key_agreements": frozenset(KEY_AGREEMENTS) | NON_DH,
    "sas_types": SAS_TYPES,
}


def private_octets(key_agreement: str, cipher: str) -> int:
    """Length of a private value. In the finite field it is twice that of the cipher's key (RFC 6189 5.1.5)."""
    if key_agreement in FINITE_FIELD:
        return max(2 * CIPHERS[cipher].key_octets, 32)
    return KEY_AGREEMENTS[key_agreement].private_octets


@dataclass(frozen=True, slots=True)
class Algorithms:
    """The five lists of a Hello, each in order of preference. Unknown names are kept, and passed over when choosing."""

    hashes: tuple[str, ...] = ("S256", "S384")
    ciphers: tuple[str, ...] = ("AES3", "AES1")
    auth_tags: tuple[str, ...] = ("HS80", "HS32")
    key_agreements: tuple[str, ...] = ("X255", "EC25", "X448", "EC38", "DH3k", "DH2k", MULTISTREAM)
    sas_types: tuple[str, ...] = ("B32 ", "B256")

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        yield self.hashes
        yield self.ciphers
        yield self.auth_tags
        yield self.key_agreements
        yield self.sas_types

    def checked(self) -> Algorithms:
        """Itself, if a Hello can carry it and this package knows every name; raises UsageError."""
        for kind, names in zip(_KNOWN, self, strict=True):
            if not 1 <= len(names) <= MAX_PER_TYPE or len(set(names)) != len(names):
                raise UsageError(f"{kind}: one to {MAX_PER_TYPE} different names, not {names}")
            if unknown := [name for name in names if name not in _KNOWN[kind]]:
                raise UsageError(f"{kind}: unknown names {unknown}")
        if not set(self.key_agreements) - NON_DH:
            raise UsageError("key_agreements: one that computes a new secret is needed")
        return self

    def with_mandatory(self) -> Algorithms:
        """The lists as they are to be understood: what is mandatory stands last where it is not named."""
        return Algorithms(
            *[
                names + tuple([name for name in mandatory if name not in names])
                for mandatory, names in zip(MANDATORY.values(), self, strict=True)
            ]
        )

    def without(self, *names: str) -> Algorithms:
        """The same lists less the given names, for a provider that lacks them."""
        return Algorithms(*(tuple(each for each in listed if each not in names) for listed in self))


ALL = Algorithms(
    hashes=("S256", "S384", "SKN2", "SKN3"),
    ciphers=("AES3", "2FS3", "AES1", "2FS1", "AES2", "2FS2"),
    auth_tags=("HS80", "HS32", "SK64", "SK32"),
)
"""The widest lists of a provider that has everything, in a sensible order."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a Commit settles, one algorithm of each type (RFC 6189 5.4)."""

    hash: str
    cipher: str
    auth_tag: str
    key_agreement: str
    sas_type: str

    def with_key_agreement(self, name: str) -> Suite:
        return replace(self, key_agreement=name)

    @property
    def hash_octets(self) -> int:
        return HASHES[self.hash].octets

    @property
    def cipher_octets(self) -> int:
        return CIPHERS[self.cipher].key_octets

    @property
    def is_dh(self) -> bool:
        return self.key_agreement not in NON_DH
