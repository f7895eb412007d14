"""The cryptographic primitives of ZRTP (RFC 6189) that `cryptography` lacks or is about to drop.

They run in the Rust core. Diffie-Hellman takes the same time whatever the secrets are, and lets other threads run
meanwhile. `Primitives` is what a ZRTP session is given; none of its functions keeps anything.
"""

from typing import Final, Literal, NamedTuple

from sealtone.media import _engine

SkeinName = Literal["SKN2", "SKN3", "Skein-512"]
"""Skein-512 with 256, 384 (RFC 6189, 5.1.2, as GNU ZRTP reads it) or 512 bits of output."""

MacName = Literal["S256", "S384", "SKN2", "SKN3", "Skein-512"]
"""HMAC with SHA-256 and SHA-384, and the Skein MAC."""

KeyAgreementName = Literal["DH2k", "DH3k", "E414"]
"""RFC 6189 (5.1.5), and Curve3617 as GNU ZRTP has it."""


class KeyAgreementLengths(NamedTuple):
    """Lengths in bytes."""

    private: tuple[int, ...]
    """What a private key may have; for finite fields twice the key length of the cipher agreed on (5.1.5)."""
    public: int
    shared: int


KEY_AGREEMENT_LENGTHS: Final[dict[KeyAgreementName, KeyAgreementLengths]] = {
    "DH2k": KeyAgreementLengths((32, 48, 64), 256, 256),
    "DH3k": KeyAgreementLengths((32, 48, 64), 384, 384),
    "E414": KeyAgreementLengths((52,), 104, 52),
}


class Primitives:
    """The primitives as one object. Wrong arguments raise ValueError. They are the core's own functions: a call more in
    between would take a tenth of a Multistream handshake."""

    __slots__ = ()

    zrtp_hash = staticmethod(_engine.zrtp_hash)
    """`(name, data)`: Skein-512 of `data`, 32, 48 or 64 bytes; `name` is a `SkeinName`."""

    zrtp_mac = staticmethod(_engine.zrtp_mac)
    """`(name, key, data)`: HMAC of `data`; where a Skein hash was agreed on, the Skein MAC in its place (Skein 1.3,
    section 2.6). `name` is a `MacName`."""

    aes_cfb = staticmethod(_engine.aes_cfb)
    """`(key, iv, data, encrypt)`: AES in CFB mode with full-block feedback (RFC 6189, 5.7); `key` of 16, 24 or 32 bytes
    and `iv` of 16."""

    twofish_cfb = staticmethod(_engine.twofish_cfb)
    """As `aes_cfb` (RFC 6189, 5.1.3)."""

    crc32c = staticmethod(_engine.crc32c)
    """`(data)`: the CRC of a ZRTP packet (RFC 6189, 5) as it stands on the wire, 4 bytes."""

    dh_public = staticmethod(_engine.dh_public)
    """`(name, private)`: the public value of an unpredictable `private`, big-endian; for E414 x, then y. `name` is a
    `KeyAgreementName`."""

    dh_shared = staticmethod(_engine.dh_shared)
    """`(name, private, peer_public)`: the DHResult (RFC 6189, 4.4.1.3), big-endian; for E414 x alone.

    Raises ValueError for a public value that would make it no secret: of the wrong length, 0, 1, p - 1 or more
    (4.4.1.1), off the curve, or of small order.
    """
