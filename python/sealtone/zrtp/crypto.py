"""What the protocol needs of cryptography, as an interface that is handed in.

`sealtone.zrtp.provider.StandardCrypto` implements it on the `cryptography` package, with an optional native part. Names
are the four characters of `sealtone.zrtp.algorithms`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Octets = bytes | bytearray

Entropy = Callable[[int], bytes]
"""Gives that many octets, fit for keys."""


class KeyPair(Protocol):
    """One ephemeral key pair of a key agreement."""

    @property
    def public(self) -> bytes:
        """The public value, formatted as in DHPart messages."""

    def agree(self, peer_public: bytes) -> bytes:
        """DHResult, at its full length. Raises ValueError for a public value that must not be used: 0, 1, p-1 or more
        in the finite field, a point off the curve or at infinity, or one that yields zero."""


class Crypto(Protocol):
    """The primitives."""

    def supports(self, name: str) -> bool:
        """Whether an algorithm that this package knows can be computed."""

    def digest(self, hash_name: str, data: bytes) -> bytes:
        """The hash of `data`."""

    def mac(self, hash_name: str, key: Octets, data: bytes) -> bytes:
        """HMAC with that hash; for Skein the Skein MAC. As long as the hash."""

    def crc32c(self, data: bytes) -> bytes:
        """The CRC of a packet as it stands on the wire (5), which is no cryptography, but costly in Python."""

    def encrypt(self, cipher: str, key: Octets, iv: bytes, data: bytes) -> bytes:
        """CFB mode with a full block of feedback; no padding."""

    def decrypt(self, cipher: str, key: Octets, iv: bytes, data: bytes) -> bytes:
        """The reverse."""

    def key_pair(self, key_agreement: str, private: bytes) -> KeyPair:
        """From as many random octets as `algorithms.private_octets` says."""

    def equal(self, one: bytes, other: bytes) -> bool:
        """Compared in a time that does not depend on the content."""


def wipe(secret: bytearray | None) -> None:
    """Overwrite with zeros. Copies that Python itself made meanwhile are beyond reach."""
    if secret is not None:
        secret[:] = bytes(len(secret))
