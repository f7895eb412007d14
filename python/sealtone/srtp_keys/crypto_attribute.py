"""The ``a=crypto`` attribute of RFC 4568.

::

    a=crypto:<tag> <crypto-suite> inline:<key||salt>[|<lifetime>][|<MKI>:<length>] [<session-param> ...]

How it works, and its rules:

1. `CryptoAttribute.parse` either gives an attribute that may be used as it stands, or raises. There is no state in
   which a weakened attribute (UNENCRYPTED_SRTP and its kin) exists as an object.
2. What cannot be read raises `CryptoSyntaxError`; what can be read but must not be used raises `CryptoUnacceptable`.
   Both carry a sentence for a person. RFC 4568 (5.1.2) lets an answerer pass over such attributes, so one bad line
   does not spoil its neighbours.
3. The suite's name is kept as the peer wrote it, since the answer has to repeat it (RFC 4568, 5.1.2).
4. Several keys in one attribute need an MKI in each packet, which the media core does not carry. One key with an MKI
   is read, so that it is never misread as something else, but `choose` passes over it.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sealtone.srtp_keys.suites import Entropy, KeyMaterial, Suite, generate

MAX_ATTRIBUTE_LENGTH = 1024
_MAX_SESSION_PARAMS = 16
_MAX_MKI_BYTES = 4
_MAX_LIFETIME = 1 << 48  # RFC 3711 9.2: packets under one master key
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_MIN_WINDOW = 64  # RFC 4568 6.3.7

_SUITES: dict[str, Suite] = {suite.value: suite for suite in Suite}
# Names that phones in the field use for the RFC 6188 suites.
_SUITES["AES_CM_256_HMAC_SHA1_80"] = Suite.AES_256_CM_HMAC_SHA1_80
_SUITES["AES_CM_256_HMAC_SHA1_32"] = Suite.AES_256_CM_HMAC_SHA1_32

_REFUSED_PARAMS = {
    "UNENCRYPTED_SRTP": "it would leave the voice unencrypted (UNENCRYPTED_SRTP)",
    "UNENCRYPTED_SRTCP": "it would leave the call's reports unencrypted (UNENCRYPTED_SRTCP)",
    "UNAUTHENTICATED_SRTP": "it would leave the voice open to forgery (UNAUTHENTICATED_SRTP)",
    "KDR": "it asks for a key derivation rate (KDR), which is not supported",
    "FEC_ORDER": "it asks for error correction (FEC_ORDER), which is not supported",
    "FEC_KEY": "it asks for error correction (FEC_KEY), which is not supported",
}


class CryptoError(ValueError):
    """An a=crypto attribute that is not used. `str()` is a plain reason that never holds key bytes."""


class CryptoSyntaxError(CryptoError):
    """The attribute does not follow RFC 4568's grammar."""


class CryptoUnacceptable(CryptoError):
    """The attribute is well-formed, but using it would weaken the call or needs what we do not have."""


class Mki(NamedTuple):
    """Master key identifier: its value, and its length in bytes in each packet (RFC 4568, 6.1)."""

    value: int
    length: int


class CryptoAttribute:
    """One a=crypto attribute that may be used. repr never shows the key; `str()` is the wire form and does."""

    __slots__ = ("key", "lifetime", "mki", "suite_name", "tag", "window")

    tag: int
    key: KeyMaterial
    suite_name: str
    """The suite as its sender writes it, which may be an alias."""
    lifetime: int | None
    """Packets the sender will send under this key; None is the RFC's default."""
    mki: Mki | None
    window: int | None
    """The sender's hint at a replay window (WSH), in packets."""

    def __init__(
        self,
        tag: int,
        key: KeyMaterial,
        suite_name: str | None = None,
        lifetime: int | None = None,
        mki: Mki | None = None,
        window: int | None = None,
    ) -> None:
        self.tag = tag
        self.key = key
        self.suite_name = suite_name or key.suite.value
        self.lifetime = lifetime
        self.mki = mki
        self.window = window

    @property
    def suite(self) -> Suite:
        return self.key.suite

    @classmethod
    def parse(cls, value: str) -> CryptoAttribute:
        """Read what follows ``a=crypto:``. Raises `CryptoSyntaxError` or `CryptoUnacceptable`."""
        if len(value) > MAX_ATTRIBUTE_LENGTH:
            raise CryptoSyntaxError("the key line is too long")
        words = value.split()
        if len(words) < 3:
            raise CryptoSyntaxError("the key line is incomplete")
        tag_text, suite_name, key_params, *session_params = words
        if not (tag_text.isascii() and tag_text.isdigit() and len(tag_text) <= 9):
            raise CryptoSyntaxError("the key line has no valid tag")
        suite = _SUITES.get(suite_name) or _SUITES.get(suite_name.upper())
        if suite is None:
            raise CryptoUnacceptable(f"the cipher {_shown(suite_name)} is not supported")
        window = _read_session_params(session_params) if session_params else None
        key, lifetime, mki = _read_key_params(key_params, suite)
        return cls(int(tag_text), key, suite_name, lifetime, mki, window)

    def __str__(self) -> str:
        secret = binascii.b2a_base64(self.key.key + self.key.salt, newline=False).decode()
        text = f"{self.tag} {self.suite_name} inline:{secret}"
        if self.lifetime is not None:
            power = self.lifetime.bit_length() - 1
            text += f"|2^{power}" if self.lifetime == 1 << power else f"|{self.lifetime}"
        if self.mki is not None:
            text += f"|{self.mki.value}:{self.mki.length}"
        if self.window is not None:
            text += f" WSH={self.window}"
        return text

    def __repr__(self) -> str:
        return f"<CryptoAttribute {self.tag} {self.suite_name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CryptoAttribute):
            return NotImplemented
        return self.key == other.key and self._terms() == other._terms()

    def __hash__(self) -> int:
        return hash((self.tag, self.key))

    def _terms(self) -> tuple[object, ...]:
        return self.tag, self.suite_name, self.lifetime, self.mki, self.window


def choose(offered: Iterable[CryptoAttribute], allowed: Sequence[Suite]) -> CryptoAttribute | None:
    """The offered attribute to accept: the offerer's first that is allowed (RFC 4568, 5.1.2).

    A suite with a 32-bit tag is taken only when nothing longer is there: phones disagree on the length of its
    SRTCP tag. Attributes with an MKI are passed over.
    """
    fallback: CryptoAttribute | None = None
    for attribute in offered:
        if attribute.mki is not None or attribute.suite not in allowed:
            continue
        if not attribute.suite.short_tag:
            return attribute
        fallback = fallback or attribute
    return fallback


def offer_of(suites: Iterable[Suite], entropy: Entropy) -> tuple[CryptoAttribute, ...]:
    """Attributes for an offer: tags from 1, a fresh key in each."""
    return tuple(CryptoAttribute(tag, generate(suite, entropy)) for tag, suite in enumerate(suites, 1))


def answer_to(chosen: CryptoAttribute, entropy: Entropy) -> CryptoAttribute:
    """Our attribute in answer to the chosen one: its tag and suite name, our own fresh key (RFC 4568, 5.1.2)."""
    return CryptoAttribute(chosen.tag, generate(chosen.suite, entropy), chosen.suite_name)


def _read_session_params(words: list[str]) -> int | None:
    """Refuse what weakens or is unknown and mandatory (RFC 4568, 6.3); give the window size hint."""
    if len(words) > _MAX_SESSION_PARAMS:
        raise CryptoSyntaxError("the key line has too many parameters")
    window: int | None = None
    for word in words:
        name, _, value = word.partition("=")
        # "-" in front lets a receiver ignore what it does not know (6.3.8). The sender would still act on it,
        # so a known weakening is refused with or without it.
        reason = _REFUSED_PARAMS.get(name.lstrip("-").upper())
        if reason is not None:
            raise CryptoUnacceptable(reason)
        if name == "WSH":
            if window is not None or not (value.isascii() and value.isdigit() and len(value) <= 9):
                raise CryptoSyntaxError("the key line's window size (WSH) is not valid")
            window = int(value)
            if window < _MIN_WINDOW:
                raise CryptoUnacceptable("its replay window (WSH) is under 64 packets")
        elif not name.startswith("-"):
            raise CryptoUnacceptable(f"it demands {_shown(name)}, which is not known")
    return window


def _shown(word: str) -> str:
    """A word of the line for a reason: only what has the look of a name, since a slip of the phone's (a space in the
    wrong place) may put the key there."""
    return word if len(word) <= 40 and _NAME_CHARACTERS.issuperset(word) else "(not shown)"


def _read_key_params(text: str, suite: Suite) -> tuple[KeyMaterial, int | None, Mki | None]:
    if ";" in text:
        raise CryptoUnacceptable("it holds several keys, which is not supported")
    method, colon, info = text.partition(":")
    if not colon or method.lower() != "inline":
        raise CryptoSyntaxError("the key line holds no inline key")
    secret, *extras = info.split("|")
    key = _read_key(secret, suite)
    lifetime: int | None = None
    mki: Mki | None = None
    if len(extras) > 2:
        raise CryptoSyntaxError("the key line has too many key fields")
    for position, extra in enumerate(extras):
        if ":" in extra:
            if mki is not None:
                raise CryptoSyntaxError("the key line has two key identifiers")
            mki = _read_mki(extra)
        elif position == 0:
            lifetime = _read_lifetime(extra)
        else:
            raise CryptoSyntaxError("the key line has a lifetime in the wrong place")
    return key, lifetime, mki


def _read_key(text: str, suite: Suite) -> KeyMaterial:
    # Padding may be missing or present (RFC 4568, 6.1); anything else outside the alphabet is an error.
    body = text.rstrip("=")
    try:
        secret = binascii.a2b_base64(body + "=" * (-len(body) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise CryptoSyntaxError("the key is not valid base64") from None
    key_len = suite.key_len
    if len(secret) != key_len + suite.salt_len:
        raise CryptoSyntaxError(f"the key has the wrong length for {suite.value}")
    if not any(secret[:key_len]):
        raise CryptoUnacceptable("the key is all zeros")
    return KeyMaterial(suite, secret[:key_len], secret[key_len:])


def _read_lifetime(text: str) -> int:
    power = text.startswith("2^")
    digits = text[2:] if power else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise CryptoSyntaxError("the key's lifetime is not valid")
    number = int(digits)
    if power and number > 48:
        raise CryptoUnacceptable("the key's lifetime is longer than SRTP allows")
    lifetime = 1 << number if power else number
    if not 0 < lifetime <= _MAX_LIFETIME:
        raise CryptoUnacceptable("the key's lifetime is not within what SRTP allows")
    return lifetime


def _read_mki(text: str) -> Mki:
    value, _, length = text.partition(":")
    if not (value.isascii() and value.isdigit() and length.isascii() and length.isdigit()):
        raise CryptoSyntaxError("the key identifier (MKI) is not valid")
    if len(length) > 3 or not 1 <= int(length) <= _MAX_MKI_BYTES:
        raise CryptoUnacceptable("the key identifier (MKI) is longer than 4 bytes or empty")
    if len(value) > 10 or int(value) >= 1 << (8 * int(length)):
        raise CryptoUnacceptable("the key identifier (MKI) does not fit its length")
    return Mki(int(value), int(length))
