"""The SRTP suites this server knows, and the master key that goes with one."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

Entropy = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""


class Suite(StrEnum):
    """A crypto-suite, named as in RFC 4568 (6.2), RFC 6188 (4) and RFC 7714 (14.2).

    The suites without confidentiality or with a broken length (NULL_*, F8_*) are left out on purpose: a name
    that is not here is never negotiated.
    """

    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AES_256_CM_HMAC_SHA1_80 = "AES_256_CM_HMAC_SHA1_80"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_256_CM_HMAC_SHA1_32 = "AES_256_CM_HMAC_SHA1_32"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    @property
    def key_len(self) -> int:
        """Length of the master key in bytes."""
        return _KEY_LEN[self]

    @property
    def salt_len(self) -> int:
        """Length of the master salt in bytes."""
        return _SALT_LEN[self]

    @property
    def short_tag(self) -> bool:
        """Whether RTP packets carry only a 32-bit authentication tag."""
        return self.value.endswith("_32")

    def weaker_than(self, other: Suite) -> bool:
        """Whether changing from `other` to this suite would lower a call's protection."""
        return self.key_len < other.key_len or (self.short_tag and not other.short_tag)


_KEY_LEN = {suite: 32 if "256" in suite.value else 16 for suite in Suite}
_SALT_LEN = {suite: 12 if "GCM" in suite.value else 14 for suite in Suite}


class ZrtpSuite(NamedTuple):
    """What two ZRTP endpoints agreed to protect SRTP with, by the names of RFC 6189 (5.1.3 and 5.1.4).

    It has no name in SDES, so that no ``a=crypto`` line can ask for it.
    """

    cipher: str
    """AES1, AES2, AES3, 2FS1, 2FS2 or 2FS3."""
    auth_tag: str
    """HS32, HS80, SK32 or SK64."""

    @property
    def value(self) -> str:
        """The media core's name for it, such as ``ZRTP_AES3_HS80``."""
        return f"ZRTP_{self.cipher}_{self.auth_tag}"

    @property
    def key_len(self) -> int:
        """Length of the master key in bytes."""
        return 8 + 8 * int(self.cipher[3])

    @property
    def salt_len(self) -> int:
        """Length of the master salt in bytes."""
        return 14


SrtpSuite = Suite | ZrtpSuite


def suite_named(name: str) -> SrtpSuite:
    """The suite of that `value`. Raises ValueError for any other text."""
    prefix, _, rest = name.partition("_")
    cipher, _, auth_tag = rest.partition("_")
    if prefix == "ZRTP" and cipher in _ZRTP_CIPHERS and auth_tag in _ZRTP_TAGS:
        return ZrtpSuite(cipher, auth_tag)
    return Suite(name)


_ZRTP_CIPHERS = frozenset({"AES1", "AES2", "AES3", "2FS1", "2FS2", "2FS3"})
_ZRTP_TAGS = frozenset({"HS32", "HS80", "SK32", "SK64"})

PREFERENCE: tuple[Suite, ...] = (
    Suite.AEAD_AES_256_GCM,
    Suite.AES_256_CM_HMAC_SHA1_80,
    Suite.AEAD_AES_128_GCM,
    Suite.AES_CM_128_HMAC_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32,
)
"""What we offer, best first."""


class KeyMaterial:
    """The master key and salt of one direction of one SRTP session.

    Neither repr nor str shows them, so that a log line or a traceback cannot. Equality is constant-time.
    Raises ValueError when a length does not suit the suite.
    """

    __slots__ = ("key", "salt", "suite")

    suite: SrtpSuite
    key: bytes
    salt: bytes

    def __init__(self, suite: SrtpSuite, key: bytes, salt: bytes) -> None:
        if len(key) != suite.key_len or len(salt) != suite.salt_len:
            raise ValueError(f"{suite.value} needs a key of {suite.key_len} and a salt of {suite.salt_len} bytes")
        self.suite = suite
        self.key = key
        self.salt = salt

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KeyMaterial):
            return NotImplemented
        same = hmac.compare_digest(self.key, other.key) & hmac.compare_digest(self.salt, other.salt)
        return self.suite == other.suite and same

    def __hash__(self) -> int:
        return hash((self.suite, self.key, self.salt))

    def __repr__(self) -> str:
        return f"<KeyMaterial {self.suite.value}>"


def generate(suite: Suite, entropy: Entropy) -> KeyMaterial:
    """A fresh master key and salt for `suite`."""
    key_len = _KEY_LEN[suite]
    secret = entropy(key_len + _SALT_LEN[suite])
    return KeyMaterial(suite, secret[:key_len], secret[key_len:])
