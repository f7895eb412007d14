"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966).

The user part stays escaped as it came, so that `str(SipUri.parse(text))` gives back what the wire brought; unescape
with `canonical_aor` or `unescape` where users are looked up. There is exactly one reading: a second "@", a space or a
control character is refused rather than guessed at.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from sealtone.sip.errors import SipParseError
from sealtone.sip.grammar import Params, decimal

MAX_URI_PARAMS: Final = 64
_CACHED_LENGTH: Final = 256

# No production of a SIP URI holds a space, a control character, a quote, an angle bracket or a bare non-ASCII octet.
_FORBIDDEN: Final = re.compile(r'[^\x21-\x7e]|["<>\\^`{|}]').search
# hostname or IPv4address; underscores are not allowed by the RFC but stand in real host names.
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)").fullmatch
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*").fullmatch
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*").fullmatch
_TEL: Final = re.compile(r"\+?[0-9A-Fa-f*#().\-]+").fullmatch
_USER_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/")
_DECISIVE_PARAMS: Final = ("user", "ttl", "method", "maddr", "transport")


class UnsupportedScheme(SipParseError):
    """A well-formed URI of a scheme other than sip, sips and tel (416 when it is the Request-URI)."""


class SipUri(NamedTuple):
    """A parsed URI; `scheme` in lower case, an IPv6 `host` without brackets; for tel, the number is `user`."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: Params = ()
    headers: str = ""

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Parse `text`; raises SipParseError (UnsupportedScheme for a scheme that is not sip, sips or tel)."""
        return _parse_cached(text) if len(text) <= _CACHED_LENGTH else _parse(text)

    def __str__(self) -> str:
        host = self.host
        if self.scheme == "tel":
            text = f"tel:{self.user}"
        else:
            if ":" in host:
                host = f"[{host}]"
            if self.user is None:
                text = f"{self.scheme}:{host}"
            elif self.password is None:
                text = f"{self.scheme}:{self.user}@{host}"
            else:
                text = f"{self.scheme}:{self.user}:{self.password}@{host}"
            if self.port is not None:
                text = f"{text}:{self.port}"
        for name, value in self.params:
            text += f";{name}" if value is None else f";{name}={value}"
        return f"{text}?{self.headers}" if self.headers else text

    def param(self, name: str) -> str | None:
        """The raw value of the first parameter `name` (lower case); "" for one without a value, None if absent."""
        for key, value in self.params:
            if key == name or key.lower() == name:
                return "" if value is None else value
        return None

    def with_params(self, params: Params) -> SipUri:
        """The same URI with other parameters."""
        return self._replace(params=params)

    def with_param(self, name: str, value: str | None) -> SipUri:
        """The same URI with the parameter `name` (lower case) set, in place or at the end."""
        kept = tuple(pair for pair in self.params if pair[0].lower() != name)
        return self._replace(params=(*kept, (name, value)))

    def without_param(self, name: str) -> SipUri:
        """The same URI without the parameter `name` (lower case)."""
        return self._replace(params=tuple(pair for pair in self.params if pair[0].lower() != name))

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case."""
        value = self.param("transport")
        return value.lower() if value else None

    @property
    def is_loose_router(self) -> bool:
        """Whether the `lr` parameter is there (RFC 3261 section 19.1.1)."""
        return self.param("lr") is not None


def _parse(text: str) -> SipUri:
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or not _SCHEME(scheme):
        raise SipParseError("a URI has no scheme")
    scheme = scheme.lower()
    if _FORBIDDEN(text):
        raise SipParseError("a URI holds a character that is not allowed in one")
    if scheme == "tel":
        return _parse_tel(rest)
    if scheme not in {"sip", "sips"}:
        raise UnsupportedScheme(f"the URI scheme {scheme[:20]} is not supported", 416)
    if "%" in rest and _PERCENT(rest):
        raise SipParseError("a URI holds a broken % escape")
    user: str | None = None
    password: str | None = None
    userinfo, at, hostpart = rest.partition("@")
    if at:
        if "@" in hostpart:
            raise SipParseError("a URI holds more than one @")
        user, has_password, secret = userinfo.partition(":")
        if not user:
            raise SipParseError("a URI has an empty user part")
        if has_password:
            password = secret
    else:
        hostpart = rest
    hostpart, question, headers = hostpart.partition("?")
    if question and not headers:
        raise SipParseError("a URI has an empty headers part")
    host, semicolon, params_text = hostpart.partition(";")
    params = _uri_params(params_text) if semicolon else ()
    host, port = split_host_port(host)
    return SipUri(scheme, user, password, host, port, params, headers)


_parse_cached: Final = lru_cache(maxsize=2048)(_parse)


def _parse_tel(rest: str) -> SipUri:
    number, semicolon, params_text = rest.partition(";")
    if not _TEL(number):
        raise SipParseError("a tel URI holds no number")
    return SipUri("tel", number, None, "", None, _uri_params(params_text) if semicolon else ())


def _uri_params(text: str) -> Params:
    parts = text.split(";")
    if len(parts) > MAX_URI_PARAMS:
        raise SipParseError("a URI has too many parameters")
    params: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if not name:
            raise SipParseError("a URI has a parameter without a name")
        params.append((name, value if equals else None))
    return tuple(params)


def split_host_port(text: str) -> tuple[str, int | None]:
    """host [":" port] of URIs and Via sent-by: the host without IPv6 brackets, the port or None."""
    if text[:1] == "[":
        host, bracket, tail = text[1:].partition("]")
        if not bracket or not _IPV6(host) or len(host) > 45:
            raise SipParseError("a host is not a valid IPv6 address")
        if not tail:
            return host, None
        if tail[0] != ":":
            raise SipParseError("a host is followed by something that is not a port")
        return host, decimal(tail[1:], 65535, "a port")
    host, colon, port = text.partition(":")
    if not _HOST(host):
        raise SipParseError("a host is missing or not valid")
    return (host, decimal(port, 65535, "a port")) if colon else (host, None)


def unescape(text: str) -> str:
    """`text` with its % escapes resolved, as UTF-8 (octets that are not UTF-8 become lone surrogates)."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """Any text as a user part: characters outside of `user` in RFC 3261 section 25.1 become % escapes."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join([chr(octet) if octet in _USER_UNRESERVED else f"%{octet:02X}" for octet in data])


def escape_header_value(text: str) -> str:
    """Any text as an hvalue in the headers part of a URI."""
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe="-_.!~*'()[]/?:+$")


def canonical_aor(uri: SipUri) -> str:
    """The key of an address of record, "user@host": user unescaped, host in lower case, no port, no parameters.

    A tel URI gives its number without visual separators.
    """
    if uri.scheme == "tel":
        return (uri.user or "").translate(_VISUAL_SEPARATORS)
    user = uri.user
    host = uri.host.lower()
    if user is None:
        return host
    return f"{unescape(user)}@{host}" if "%" in user else f"{user}@{host}"


_VISUAL_SEPARATORS: Final = str.maketrans("", "", "-.()")


def equivalent(a: SipUri, b: SipUri) -> bool:
    """Whether two URIs are the same by RFC 3261 section 19.1.4 (tel: RFC 3966 section 4)."""
    if a.scheme != b.scheme:
        return False
    if a.scheme == "tel":
        return canonical_aor(a).lower() == canonical_aor(b).lower() and _lower_params(a) == _lower_params(b)
    if a.host.lower() != b.host.lower() or a.port != b.port:
        return False
    if _same_text(a.user, b.user) is False or _same_text(a.password, b.password) is False:
        return False
    ours, theirs = _lower_params(a), _lower_params(b)
    if any(ours[name] != theirs[name] for name in ours.keys() & theirs.keys()):
        return False
    if any((name in ours) != (name in theirs) for name in _DECISIVE_PARAMS):
        return False
    return _header_set(a.headers) == _header_set(b.headers)


def _same_text(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or unescape(a) == unescape(b)


def _lower_params(uri: SipUri) -> dict[str, str]:
    return {unescape(name).lower(): unescape(value or "").lower() for name, value in uri.params}


def _header_set(headers: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in headers.split("&")] if headers else []
    return sorted((unescape(name).lower(), unescape(value)) for name, _, value in pairs)
