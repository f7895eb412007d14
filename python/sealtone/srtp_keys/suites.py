"""The SRTP suites this server knows, and the master key that goes with one.

What SDES may negotiate (`Suite`) and what ZRTP agrees on (`ZrtpSuite`) are types apart, as are the keys for them: no
SDES code takes a suite of ZRTP, by name or by value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Self

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


class ZrtpSuite(StrEnum):
    """A cipher and an authentication tag of ZRTP (RFC 6189, 5.1.3 and 5.1.4), which SRTP uses together."""

    ZRTP_AES3_HS80 = "ZRTP_AES3_HS80"
    ZRTP_AES3_HS32 = "ZRTP_AES3_HS32"
    ZRTP_AES3_SK64 = "ZRTP_AES3_SK64"
    ZRTP_AES3_SK32 = "ZRTP_AES3_SK32"
    ZRTP_2FS3_HS80 = "ZRTP_2FS3_HS80"
    ZRTP_2FS3_HS32 = "ZRTP_2FS3_HS32"
    ZRTP_2FS3_SK64 = "ZRTP_2FS3_SK64"
    ZRTP_2FS3_SK32 = "ZRTP_2FS3_SK32"
    ZRTP_AES2_HS80 = "ZRTP_AES2_HS80"
    ZRTP_AES2_HS32 = "ZRTP_AES2_HS32"
    ZRTP_AES2_SK64 = "ZRTP_AES2_SK64"
    ZRTP_AES2_SK32 = "ZRTP_AES2_SK32"
    ZRTP_2FS2_HS80 = "ZRTP_2FS2_HS80"
    ZRTP_2FS2_HS32 = "ZRTP_2FS2_HS32"
    ZRTP_2FS2_SK64 = "ZRTP_2FS2_SK64"
    ZRTP_2FS2_SK32 = "ZRTP_2FS2_SK32"
    ZRTP_AES1_HS80 = "ZRTP_AES1_HS80"
    ZRTP_AES1_HS32 = "ZRTP_AES1_HS32"
    ZRTP_AES1_SK64 = "ZRTP_AES1_SK64"
    ZRTP_AES1_SK32 = "ZRTP_AES1_SK32"
    ZRTP_2FS1_HS80 = "ZRTP_2FS1_HS80"
    ZRTP_2FS1_HS32 = "ZRTP_2FS1_HS32"
    ZRTP_2FS1_SK64 = "ZRTP_2FS1_SK64"
    ZRTP_2FS1_SK32 = "ZRTP_2FS1_SK32"

    @classmethod
    def of(cls, cipher: str, tag: str) -> Self:
        """The suite of a cipher ("AES3") and a tag ("HS80") by their names in RFC 6189. Raises ValueError."""
        return cls(f"ZRTP_{cipher}_{tag}")

    @property
    def key_len(self) -> int:
        """Length of the master key in bytes."""
        return _ZRTP_KEY_LEN[self.value[8]]

    @property
    def salt_len(self) -> int:
        """Length of the master salt in bytes (RFC 6189, 4.5.3)."""
        return 14

    @property
    def short_tag(self) -> bool:
        """Whether RTP packets carry only a 32-bit authentication tag."""
        return self.value.endswith("32")


SrtpSuite = Suite | ZrtpSuite


def suite_named(name: str) -> SrtpSuite:
    """The suite of that name. Raises ValueError for any other text."""
    return ZrtpSuite(name) if name.startswith("ZRTP_") else Suite(name)


_KEY_LEN = {suite: 32 if "256" in suite.value else 16 for suite in Suite}
_SALT_LEN = {suite: 12 if "GCM" in suite.value else 14 for suite in Suite}
_ZRTP_KEY_LEN = {"1": 16, "2": 24, "3": 32}

PREFERENCE: tuple[Suite, ...] = (
    Suite.AEAD_AES_256_GCM,
    Suite.AES_256_CM_HMAC_SHA1_80,
    Suite.AEAD_AES_128_GCM,
    Suite.AES_CM_128_HMAC_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32,
)
"""What we offer, best first."""


class _MasterKey:
    """Neither repr nor str shows key and salt, so that a log line or a traceback cannot. Equality is constant-time."""

    __slots__ = ("key", "salt", "suite")

    suite: Suite | ZrtpSuite
    key: bytes
    salt: bytes

    def __init__(self, suite: Suite | ZrtpSuite, key: bytes, salt: bytes) -> None:
        if len(key) != suite.key_len or len(salt) != suite.salt_len:
            raise ValueError(f"{suite} needs a key of {suite.key_len} and a salt of {suite.salt_len} bytes")
        self.suite = suite
        self.key = key
        self.salt = salt

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _MasterKey):
            return NotImplemented
        same = hmac.compare_digest(self.key, other.key) & hmac.compare_digest(self.salt, other.salt)
        return self.suite is other.suite and same

    def __hash__(self) -> int:
        return hash((self.suite, self.key, self.salt))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.suite.value}>"


class KeyMaterial(_MasterKey):
    """The master key and salt of one direction of one SRTP session, as SDES carries them.

    Raises ValueError when a length does not suit the suite.
    """

    __slots__ = ()

    suite: Suite

    def __init__(self, suite: Suite, key: bytes, salt: bytes) -> None:
        super().__init__(suite, key, salt)


class ZrtpKeyMaterial(_MasterKey):
    """The master key and salt of one direction of one SRTP session, as ZRTP made them (RFC 6189, 4.5.3).

    Raises ValueError when a length does not suit the suite.
    """

    __slots__ = ()

    suite: ZrtpSuite

    def __init__(self, suite: ZrtpSuite, key: bytes, salt: bytes) -> None:
        super().__init__(suite, key, salt)


MasterKey = KeyMaterial | ZrtpKeyMaterial
"""The key of one direction of one SRTP session, wherever it came from."""


def generate(suite: Suite, entropy: Entropy) -> KeyMaterial:
    """A fresh master key and salt for `suite`."""
    key_len = _KEY_LEN[suite]
    secret = entropy(key_len + _SALT_LEN[suite])
    return KeyMaterial(suite, secret[:key_len], secret[key_len:])
