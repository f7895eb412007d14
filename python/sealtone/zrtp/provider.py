"""The primitives on the `cryptography` package, with what it lacks from an optional native part.

Without the native part there are no Twofish, no Skein and no Curve3617, CRCs are slow, and the finite field is computed
by Python's own integers, which is correct but not free of timing differences; since each exponent serves one call and
is used twice, a measurer has little to go on, but a server should bring the native part.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final, Literal, Protocol

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from sealtone.zrtp.algorithms import FINITE_FIELD, KEY_AGREEMENTS
from sealtone.zrtp.crypto import KeyPair, Octets
from sealtone.zrtp.packet import crc32c

_HASHLIB = {"S256": hashlib.sha256, "S384": hashlib.sha384}
_HMAC = {"S256": "sha256", "S384": "sha384"}
_NATIVE_ONLY = frozenset({"SKN2", "SKN3", "2FS1", "2FS2", "2FS3", "E414"})
_AES = frozenset({"AES1", "AES2", "AES3"})
_NATIVE = _NATIVE_ONLY | FINITE_FIELD | _AES | frozenset(_HMAC)

# RFC 3526 3 and 4: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) * pi) + c), generator 2.
_MODP = {"DH2k": (2048, 124476), "DH3k": (3072, 1690314)}


SkeinName = Literal["SKN2", "SKN3"]
MacName = Literal["S256", "S384", "SKN2", "SKN3"]
NativeAgreement = Literal["DH2k", "DH3k", "E414"]

_SKEIN: Final[dict[str, SkeinName]] = {"SKN2": "SKN2", "SKN3": "SKN3"}
_MACS: Final[dict[str, MacName]] = {"S256": "S256", "S384": "S384", "SKN2": "SKN2", "SKN3": "SKN3"}
_AGREEMENTS: Final[dict[str, NativeAgreement]] = {"DH2k": "DH2k", "DH3k": "DH3k", "E414": "E414"}


class NativePrimitives(Protocol):
    """What a native part offers, octets in and octets out. Functions raise ValueError for bad public values.

    Private values have the lengths that `algorithms.private_octets` says.
    """

    def zrtp_hash(self, name: SkeinName, data: bytes) -> bytes: ...
    def zrtp_mac(self, name: MacName, key: bytes, data: bytes) -> bytes: ...
    def aes_cfb(self, key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes: ...
    def twofish_cfb(self, key: bytes, iv: bytes, data: bytes, *, encrypt: bool) -> bytes: ...
    def crc32c(self, data: bytes) -> bytes: ...
    def dh_public(self, name: NativeAgreement, private: bytes) -> bytes: ...
    def dh_shared(self, name: NativeAgreement, private: bytes, peer_public: bytes) -> bytes: ...


class StandardCrypto:
    """Implements `sealtone.zrtp.crypto.Crypto`. `native`: an object or module with the functions above, or None."""

    __slots__ = ("_native", "crc32c")

    def __init__(self, native: NativePrimitives | None = None) -> None:
        self._native = native
        self.crc32c = crc32c if native is None else native.crc32c

    def supports(self, name: str) -> bool:
        return self._native is not None or name not in _NATIVE_ONLY

    def digest(self, hash_name: str, data: bytes) -> bytes:
        if (hashed := _HASHLIB.get(hash_name)) is not None:
            return hashed(data).digest()
        return self._need(hash_name).zrtp_hash(_SKEIN[hash_name], data)

    def mac(self, hash_name: str, key: Octets, data: bytes) -> bytes:
        if self._native is None and (digest := _HMAC.get(hash_name)) is not None:
            return hmac.digest(key, data, digest)
        return self._need(hash_name).zrtp_mac(_MACS[hash_name], bytes(key), data)

    def encrypt(self, cipher: str, key: Octets, iv: bytes, data: bytes) -> bytes:
        if self._native is None and cipher in _AES:
            encryptor = Cipher(AES(key), CFB(iv)).encryptor()
            return encryptor.update(data) + encryptor.finalize()
        if cipher in _AES:
            return self._need(cipher).aes_cfb(bytes(key), iv, data, encrypt=True)
        return self._need(cipher).twofish_cfb(bytes(key), iv, data, encrypt=True)

    def decrypt(self, cipher: str, key: Octets, iv: bytes, data: bytes) -> bytes:
        if self._native is None and cipher in _AES:
            decryptor = Cipher(AES(key), CFB(iv)).decryptor()
            return decryptor.update(data) + decryptor.finalize()
        if cipher in _AES:
            return self._need(cipher).aes_cfb(bytes(key), iv, data, encrypt=False)
        return self._need(cipher).twofish_cfb(bytes(key), iv, data, encrypt=False)

    def key_pair(self, key_agreement: str, private: bytes) -> KeyPair:
        if key_agreement in ("X255", "E255"):
            return _MontgomeryPair(x25519.X25519PrivateKey.from_private_bytes(private), x25519.X25519PublicKey)
        if key_agreement == "X448":
            return _MontgomeryPair(x448.X448PrivateKey.from_private_bytes(private), x448.X448PublicKey)
        if key_agreement in _CURVES:
            return _CurvePair(key_agreement, private)
        if self._native is None and key_agreement in FINITE_FIELD:
            return _FieldPair(key_agreement, private)
        return _NativePair(self._need(key_agreement), _AGREEMENTS[key_agreement], private)

    def equal(self, one: bytes, other: bytes) -> bool:
        return hmac.compare_digest(one, other)

    def _need(self, name: str) -> NativePrimitives:
        if self._native is None or name not in _NATIVE:
            raise ValueError(f"{name} needs the native part")
        return self._native


class _MontgomeryPair:
    """X25519 or X448 (RFC 7748)."""

    __slots__ = ("_peer", "_private", "public")

    def __init__(
        self,
        private: x25519.X25519PrivateKey | x448.X448PrivateKey,
        peer: type[x25519.X25519PublicKey] | type[x448.X448PublicKey],
    ) -> None:
        self._private = private
        self._peer = peer
        self.public = private.public_key().public_bytes_raw()

    def agree(self, peer_public: bytes) -> bytes:
        return self._private.exchange(self._peer.from_public_bytes(peer_public))  # type: ignore[arg-type]


_CURVES: dict[str, tuple[ec.EllipticCurve, int, int]] = {
    "EC25": (ec.SECP256R1(), 32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "EC38": (
        ec.SECP384R1(),
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "EC52": (
        ec.SECP521R1(),
        66,
        ((1 << 261) - 1 << 260) + 0xA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
    ),
}
"""Curve, length of a coordinate in octets, order of the base point."""


class _CurvePair:
    """A NIST curve: x and y side by side, big-endian and at full length; DHResult is x (RFC 6189 5.1.5)."""

    __slots__ = ("_curve", "_octets", "_private", "public")

    def __init__(self, name: str, private: bytes) -> None:
        self._curve, self._octets, order = _CURVES[name]
        # More random octets than the order has, so that the remainder is as good as uniform (FIPS 186-5 A.2.1).
        self._private = ec.derive_private_key(int.from_bytes(private, "big") % (order - 1) + 1, self._curve)
        numbers = self._private.public_key().public_numbers()
        self.public = numbers.x.to_bytes(self._octets, "big") + numbers.y.to_bytes(self._octets, "big")

    def agree(self, peer_public: bytes) -> bytes:
        if len(peer_public) != 2 * self._octets:
            raise ValueError("a point of the wrong length")
        x = int.from_bytes(peer_public[: self._octets], "big")
        y = int.from_bytes(peer_public[self._octets :], "big")
        peer = ec.EllipticCurvePublicNumbers(x, y, self._curve).public_key()  # ValueError: not on the curve
        return self._private.exchange(ec.ECDH(), peer)


@lru_cache
def modulus(name: str) -> int:
    """The prime of DH2k or DH3k, computed from the digits of pi (RFC 3526)."""
    bits, offset = _MODP[name]
    return (1 << bits) - (1 << bits - 64) - 1 + (_pi_scaled(bits - 130) + offset << 64)


def _pi_scaled(bits: int) -> int:
    """floor(2^bits * pi), by Machin's formula with 64 bits to spare."""
    one = 1 << bits + 64

    def arctan_of_inverse(n: int) -> int:
        term = total = one // n
        divisor, sign = 1, 1
        while term:
            term //= n * n
            divisor, sign = divisor + 2, -sign
            total += sign * (term // divisor)
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 64


class _FieldPair:
    """The finite field by Python's integers."""

    __slots__ = ("_octets", "_prime", "_private", "public")

    def __init__(self, name: str, private: bytes) -> None:
        self._prime = modulus(name)
        self._octets = KEY_AGREEMENTS[name].public_octets
        self._private = int.from_bytes(private, "big")
        self.public = pow(2, self._private, self._prime).to_bytes(self._octets, "big")

    def agree(self, peer_public: bytes) -> bytes:
        peer = int.from_bytes(peer_public, "big")
        if len(peer_public) != self._octets or not 1 < peer < self._prime - 1:
            raise ValueError("a public value outside 2 to p-2")
        return pow(peer, self._private, self._prime).to_bytes(self._octets, "big")


class _NativePair:
    __slots__ = ("_name", "_native", "_private", "public")

    def __init__(self, native: NativePrimitives, name: NativeAgreement, private: bytes) -> None:
        self._native = native
        self._name = name
        self._private = private
        self.public = native.dh_public(name, private)

    def agree(self, peer_public: bytes) -> bytes:
        return self._native.dh_shared(self._name, self._private, peer_public)
