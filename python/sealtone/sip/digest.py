"""Digest authentication for both sides (RFC 3261 section 22, RFC 7616, RFC 8760).

How it works. A server issues nonces that carry their own time and a MAC, so that any node with the key can check them
and none has to be remembered; `NonceCounts` remembers only nonces that were used with a right password, to refuse a
repeated nonce count. Passwords are not needed: HA1 = H(user:realm:password) is, and is as secret as a password.

Rules: one algorithm name means one hash; "-sess" variants, userhash and credentials with a repeated or missing field
are refused; comparisons of secrets take constant time; nothing here changes state before the response was verified.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import itertools
import re
import struct
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from sealtone.sip.errors import SipParseError
from sealtone.sip.grammar import WSP, is_token, quote, split_list
from sealtone.sip.uri import unescape

MAX_LENGTH: Final = 4096
"""More characters of authentication fields than this are refused."""
CLOCK_SLACK_S: Final = 60.0
"""How far in the future a nonce of another node, whose clock runs ahead, may have been issued."""

ALGORITHMS: Final[dict[str, Callable[[bytes], hashlib._Hash]]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}
"""The registered names in canonical spelling, and their hash functions."""

# auth-param: name = (quoted-string / token), then a comma or the end. What fits nowhere is taken whole by the last
# group, an empty list element as its comma.
_FIELDS: Final = re.compile(
    r"[ \t]*+([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*+=[ \t]*+"
    r'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^",\s]*+))[ \t]*+(?:,|\Z)|([ \t]*+,|.+)',
    re.DOTALL,
).findall
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_NEEDED: Final = ("username", "realm", "nonce", "uri", "response")
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_CANONICAL: Final = {name.lower(): name for name in ALGORITHMS}


class UnsupportedDigest(SipParseError):
    """A challenge or credentials of a scheme, algorithm or variant that is not supported; another may be."""


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str, data: bytes) -> str:
    return ALGORITHMS[algorithm](data).hexdigest()


def algorithm_name(raw: str | None) -> str:
    """The canonical name of an algorithm parameter (MD5 when absent); raises UnsupportedDigest."""
    name = "MD5" if raw is None else _CANONICAL.get(raw.lower())
    if name is None:
        raise UnsupportedDigest("this digest algorithm is not supported")
    return name


def ha1(user: str, realm: str, password: str, algorithm: str) -> str:
    """HA1 in lower-case hexadecimal; password-equivalent, to be stored encrypted only."""
    return _hash(algorithm_name(algorithm), _octets(f"{user}:{realm}:{password}"))


def response_for(
    ha1_hex: str,
    method: str,
    uri: str,
    nonce: str,
    algorithm: str,
    qop: str | None = None,
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The request-digest of RFC 7616 section 3.4.1 (without qop RFC 2069's); `algorithm` canonical, `nc` as sent."""
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 = f"{a2}:{_hash(algorithm, body)}"
    ha2 = _hash(algorithm, _octets(a2))
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return _hash(algorithm, _octets(f"{ha1_hex}:{middle}:{ha2}"))


def _fields(raw: str) -> dict[str, str]:
    """The fields after the scheme "Digest", names in lower case, values unquoted."""
    scheme, space, rest = raw.strip(WSP).partition(" ")
    if scheme.lower() != "digest" or not space:
        raise UnsupportedDigest("the authentication scheme is not Digest")
    if len(rest) > MAX_LENGTH:
        raise SipParseError("the authentication fields are too long")
    fields: dict[str, str] = {}
    for name, quoted, bare, other in _FIELDS(rest):
        if other:
            if other[-1] != ",":
                raise SipParseError("an authentication field is broken")
            continue
        name = name.lower()
        if name in fields:
            raise SipParseError(f"the authentication field {name[:20]} stands twice")
        fields[name] = _QUOTED_PAIR.sub(r"\1", quoted) if "\\" in quoted else quoted or bare
    return fields


class Challenge(NamedTuple):
    """WWW-Authenticate or Proxy-Authenticate. `qop` as offered, in lower case; empty for RFC 2069 servers."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    stale: bool = False
    opaque: str | None = None

    @classmethod
    def parse(cls, raw: str) -> Challenge:
        """Parse one header value; raises SipParseError, UnsupportedDigest if another challenge may fit."""
        fields = _fields(raw)
        if "realm" not in fields or not fields.get("nonce"):
            raise SipParseError("a challenge has no realm or no nonce")
        qop = tuple(split_list(fields.get("qop", "").lower()))
        if not all(is_token(option) for option in qop):
            raise SipParseError("a quality of protection is not a token")
        return cls(
            realm=fields["realm"],
            nonce=fields["nonce"],
            algorithm=algorithm_name(fields.get("algorithm")),
            qop=qop,
            stale=fields.get("stale", "").lower() == "true",
            opaque=fields.get("opaque"),
        )

    def __str__(self) -> str:
        text = f"Digest realm={quote(self.realm)}, nonce={quote(self.nonce)}, algorithm={self.algorithm}"
        if self.opaque is not None:
            text += f", opaque={quote(self.opaque)}"
        if self.qop:
            text += f', qop="{",".join(self.qop)}"'
        return text + ", stale=true" if self.stale else text


class Credentials(NamedTuple):
    """Authorization or Proxy-Authorization. Without qop, `nc` (eight hexadecimal digits) and `cnonce` are ""."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str | None = None
    nc: str = ""
    cnonce: str = ""
    opaque: str | None = None

    @classmethod
    def parse(cls, raw: str) -> Credentials:
        """Parse one header value; raises SipParseError, UnsupportedDigest for other schemes and variants."""
        fields = _fields(raw)
        if fields.get("userhash", "false").lower() != "false":
            raise UnsupportedDigest("hashed user names are not supported")
        if "username*" in fields:
            if "username" in fields:
                raise SipParseError("the credentials name two users")
            fields["username"] = _extended_value(fields["username*"])
        for name in _NEEDED:
            if name not in fields:
                raise SipParseError(f"the credentials have no {name}")
        qop = fields["qop"].lower() if "qop" in fields else None
        nc = fields.get("nc", "")
        if qop is None:
            nc = ""
        elif qop not in {"auth", "auth-int"}:
            raise UnsupportedDigest("this quality of protection is not supported")
        elif len(nc) != 8 or not _HEX_DIGITS.issuperset(nc) or not fields.get("cnonce"):
            raise SipParseError("the credentials have no valid nonce count or no cnonce")
        return cls(
            fields["username"],
            fields["realm"],
            fields["nonce"],
            fields["uri"],
            fields["response"],
            algorithm_name(fields.get("algorithm")),
            qop,
            nc,
            fields.get("cnonce", "") if qop else "",
            fields.get("opaque"),
        )

    @property
    def nonce_count(self) -> int:
        """`nc` as a number, 0 without qop."""
        return int(self.nc, 16) if self.nc else 0

    def __str__(self) -> str:
        text = (
            f"Digest username={quote(self.username)}, realm={quote(self.realm)}, nonce={quote(self.nonce)}, "
            f"uri={quote(self.uri)}, response={quote(self.response)}, algorithm={self.algorithm}"
        )
        if self.qop is not None:
            text += f", qop={self.qop}, nc={self.nc}, cnonce={quote(self.cnonce)}"
        return text if self.opaque is None else f"{text}, opaque={quote(self.opaque)}"


def _extended_value(raw: str) -> str:
    # RFC 5987 ext-value: charset'language'percent-encoded.
    charset, _, rest = raw.partition("'")
    _, tick, value = rest.partition("'")
    if charset.upper() != "UTF-8" or not tick:
        raise SipParseError("a user name is not UTF-8")
    return unescape(value)


def verify(credentials: Credentials, method: str, ha1_hex: str, body: bytes = b"") -> bool:
    """Whether `credentials` prove the password behind `ha1_hex` (made with their algorithm); takes constant time.

    Realm, nonce, nonce count and the digest URI are the caller's to check. Without qop there is no replay protection:
    a server that offered qop refuses such credentials.
    """
    expected = response_for(
        ha1_hex,
        method,
        credentials.uri,
        credentials.nonce,
        credentials.algorithm,
        credentials.qop,
        credentials.nc,
        credentials.cnonce,
        body,
    )
    return hmac.compare_digest(expected.encode(), _octets(credentials.response.lower()))


def best_challenge(raw_values: list[str]) -> Challenge | None:
    """The first challenge that can be answered (RFC 8760 section 2.4: the server lists what it prefers first)."""
    for raw in raw_values:
        try:
            challenge = Challenge.parse(raw)
        except SipParseError:
            continue
        if not challenge.qop or "auth" in challenge.qop or "auth-int" in challenge.qop:
            return challenge
    return None


def authorization_for(
    challenge: Challenge,
    user: str,
    method: str,
    uri: str,
    cnonce: str,
    nc: int = 1,
    body: bytes = b"",
    *,
    password: str | None = None,
    ha1_hex: str | None = None,
) -> str:
    """The value of Authorization or Proxy-Authorization that answers `challenge`.

    Either `password` or `ha1_hex` (made with the challenge's algorithm and realm) is needed. `nc` counts the requests
    sent with this nonce, from 1.
    """
    if ha1_hex is None:
        if password is None:
            raise ValueError("a password or an HA1 is needed")
        ha1_hex = ha1(user, challenge.realm, password, challenge.algorithm)
    qop = "auth" if "auth" in challenge.qop else "auth-int" if "auth-int" in challenge.qop else None
    count = f"{nc:08x}" if qop else ""
    cnonce = cnonce if qop else ""
    response = response_for(ha1_hex, method, uri, challenge.nonce, challenge.algorithm, qop, count, cnonce, body)
    credentials = Credentials(
        user, challenge.realm, challenge.nonce, uri, response, challenge.algorithm, qop, count, cnonce, challenge.opaque
    )
    return str(credentials)


class NonceState(Enum):
    """What a nonce is worth: STALE ones get a new challenge with stale=true, FORGED ones one without."""

    FRESH = "fresh"
    STALE = "stale"
    FORGED = "forged"


FRESH: Final = NonceState.FRESH
STALE: Final = NonceState.STALE
FORGED: Final = NonceState.FORGED

_STAMP: Final = struct.Struct(">QHI")  # Microseconds of the clock that nonces go by, node, counter.
_MAC_LENGTH: Final = 16


class NonceIssuer:
    """Issues and checks nonces without remembering them; nodes that share a key accept each other's.

    `key` holds at least 16 random octets; `node` tells nodes with one key apart, so that no two nonces are equal.
    `now` is in seconds of one clock, here and in `NonceCounts`, and never goes back: a node by itself takes its
    monotonic clock. Were it set back, each new nonce would be older than ones that are forgotten, and refused.
    """

    __slots__ = ("_counter", "_keys", "_lifetime_s", "_node")

    def __init__(self, key: bytes, lifetime_s: float = 300, node: int = 0) -> None:
        self._keys = [self._checked(key)]
        self._lifetime_s = lifetime_s
        self._node = node
        self._counter = itertools.count()

    def rotate(self, key: bytes) -> None:
        """Issue with `key` from now on; nonces of the key until now stay good, those of older ones do not."""
        self._keys = [self._checked(key), self._keys[0]]

    @staticmethod
    def _checked(key: bytes) -> bytes:
        if len(key) < 16:
            raise ValueError("a nonce key needs 16 octets or more")
        return key if len(key) <= 32 else hashlib.blake2s(key).digest()  # keyed BLAKE2s takes 32 at most

    def issue(self, now: float) -> str:
        """A new nonce, unlike every other."""
        stamp = _STAMP.pack(int(now * 1e6), self._node, next(self._counter) & 0xFFFFFFFF)
        return binascii.b2a_base64(stamp + self._mac(self._keys[0], stamp), newline=False).decode()

    def check(self, nonce: str, now: float) -> NonceState:
        """Whether `nonce` was issued with one of our keys, and not longer ago than its lifetime."""
        stamp_and_mac = _decoded(nonce)
        if stamp_and_mac is None:
            return FORGED
        stamp, mac = stamp_and_mac[: _STAMP.size], stamp_and_mac[_STAMP.size :]
        matches = [hmac.compare_digest(mac, self._mac(key, stamp)) for key in self._keys]
        if True not in matches:
            return FORGED
        age_s = now - _STAMP.unpack(stamp)[0] / 1e6
        return FRESH if -CLOCK_SLACK_S <= age_s <= self._lifetime_s else STALE

    @staticmethod
    def _mac(key: bytes, stamp: bytes) -> bytes:
        # Keyed BLAKE2 is a MAC as good as HMAC, and does without OpenSSL, whose set-up of a context costs more than all
        # the rest of a nonce.
        return hashlib.blake2s(stamp, key=key, digest_size=_MAC_LENGTH).digest()


def _decoded(nonce: str) -> bytes | None:
    length = _STAMP.size + _MAC_LENGTH
    if len(nonce) != 4 * length // 3 or not nonce.isascii():
        return None
    try:
        data = binascii.a2b_base64(nonce, strict_mode=True)
    except ValueError:
        return None
    return data if len(data) == length else None


_WINDOW: Final = 64


class NonceCounts:
    """Remembers which nonce counts were used, for at most `limit` nonces, so that nothing captured can be repeated.

    Call `accept` only after `NonceIssuer.check` said FRESH and `verify` was true: then only owners of passwords can
    fill it. Counts may arrive out of order within a window of 64, as requests over UDP do. When the table is full the
    oldest nonces leave it, and every nonce up to their age that is not in it is refused from then on: the client gets
    a stale challenge and goes on with a new nonce, but no replay gets in.
    """

    __slots__ = ("_floor_us", "_lifetime_s", "_limit", "_seen")

    def __init__(self, limit: int, lifetime_s: float = 300) -> None:
        self._limit = limit
        self._lifetime_s = lifetime_s
        # nonce -> (highest count, bitmap of the 64 counts up to it, when it was issued); in order of first use.
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._floor_us = -1

    def __len__(self) -> int:
        return len(self._seen)

    def accept(self, nonce: str, nc: int, now: float) -> bool:
        """Whether `nc` is new for `nonce`; it is noted. False means: challenge again, with stale=true."""
        if nc < 1:
            return False
        known = self._seen.get(nonce)
        if known is None:
            issued_us = _issued_us(nonce)
            if issued_us <= self._floor_us:
                return False
            self._make_room(now)
            self._seen[nonce] = (nc, 1, issued_us)
            return True
        highest, bitmap, issued_us = known
        if nc > highest:
            self._seen[nonce] = (nc, ((bitmap << min(nc - highest, _WINDOW)) | 1) & ((1 << _WINDOW) - 1), issued_us)
            return True
        bit = 1 << (highest - nc) if highest - nc < _WINDOW else 0
        if not bit or bitmap & bit:
            return False
        self._seen[nonce] = (highest, bitmap | bit, issued_us)
        return True

    def _make_room(self, now: float) -> None:
        expired_us = (now - self._lifetime_s - CLOCK_SLACK_S) * 1e6
        while self._seen:
            oldest = next(iter(self._seen))
            issued_us = self._seen[oldest][2]
            if len(self._seen) < self._limit and issued_us > expired_us:
                return
            del self._seen[oldest]
            self._floor_us = max(self._floor_us, issued_us)


def _issued_us(nonce: str) -> int:
    data = _decoded(nonce)
    return -1 if data is None else int(_STAMP.unpack(data[: _STAMP.size])[0])
