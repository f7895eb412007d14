"""Typed header values: each has `parse(raw) -> value` and `str(value) -> raw` (RFC 3261 section 20 and extensions).

All are NamedTuples: immutable, compared by content. Parameters are tuples of pairs as they came, never keyword
arguments, so that no name chosen by the wire can collide with one of ours. `parse` raises SipParseError.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sealtone.sip.errors import SipParseError
from sealtone.sip.grammar import (
    WSP,
    Params,
    decimal,
    find_param,
    format_params,
    is_token,
    is_token_phrase,
    parse_params,
    quote,
    quoted_end,
    unquote,
    with_param,
    without_param,
)
from sealtone.sip.uri import SipUri, escape_header_value, split_host_port, unescape

MAX_SEQUENCE: Final = 2**31 - 1
"""RFC 3261 section 8.1.1.5: a CSeq number is below 2**31."""
MAGIC_COOKIE: Final = "z9hG4bK"
"""What a Via branch of RFC 3261 begins with (section 8.1.1.7)."""
MAX_DELTA_SECONDS: Final = 2**32 - 1

_METHODS: Final = frozenset(
    "INVITE ACK BYE CANCEL REGISTER OPTIONS PRACK UPDATE INFO REFER NOTIFY SUBSCRIBE MESSAGE PUBLISH".split()  # noqa: SIM905
)
_TRANSPORTS: Final = frozenset({"UDP", "TCP", "TLS", "WS", "WSS"})

_new: Final = tuple.__new__

# The forms that nearly every phone writes, in one step. Each takes less than the careful reading below it takes, and
# what it takes, it reads alike (a property test holds the two against each other).
_PLAIN_ADDRESS: Final = re.compile(r'(?:"([^"\\]*+)"[ \t]*+)?<([^<>*]++)>(?:;tag=([^;"\s]*+))?').fullmatch
_PLAIN_VIA: Final = re.compile(
    r'SIP/2\.0/(UDP|TCP|TLS|WSS|WS) ([A-Za-z0-9_][A-Za-z0-9_.-]*+)(?::([0-9]{1,4}))?;([^"\s]++)'
).fullmatch


class NameAddr(NamedTuple):
    """From, To, Contact, Route, Record-Route, Refer-To, …: an optional display name (unquoted), a URI, parameters.

    A Contact of "*" has the uri "*".
    """

    display: str
    uri: str
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> NameAddr:
        """Parse one name-addr or addr-spec with its header parameters."""
        plain = _PLAIN_ADDRESS(raw)
        if plain is not None:
            display, uri, tag = plain.groups()
            return _new(cls, (display or "", uri, () if tag is None else (("tag", tag),)))
        return cls._parse_carefully(raw)

    @classmethod
    def _parse_carefully(cls, raw: str) -> NameAddr:
        raw = raw.strip(WSP)
        if raw[:1] == '"':
            if "\\" in raw:
                end = quoted_end(raw)
                display = unquote(raw[:end])
            else:
                end = raw.find('"', 1) + 1
                if not end:
                    raise SipParseError("a quoted string does not end")
                display = raw[1 : end - 1]
            rest = raw[end:].lstrip(WSP)
            if rest[:1] != "<":
                raise SipParseError("a quoted display name is not followed by <")
            uri, bracket, tail = rest[1:].partition(">")
        else:
            display, angle, rest = raw.partition("<")
            if not angle or ":" in display or ";" in display:
                return _parse_addr_spec(raw)
            display = display.strip(WSP)
            if '"' in display or "," in display or ">" in display:
                raise SipParseError("a display name needs quotes")
            uri, bracket, tail = rest.partition(">")
        if not bracket or uri == "*":
            raise SipParseError("an address has < without >, or no URI within")
        if not tail:
            return _new(cls, (display, uri, ()))
        tail = tail.strip(WSP)
        if tail and tail[0] != ";":
            raise SipParseError("an address is followed by something that is not a parameter")
        return _new(cls, (display, uri, parse_params(tail)))

    def __str__(self) -> str:
        if self.uri == "*":
            return "*" + format_params(self.params)
        display = self.display
        if not display:
            text = f"<{self.uri}>"
        elif is_token_phrase(display):
            text = f"{display} <{self.uri}>"
        else:
            text = f"{quote(display)} <{self.uri}>"
        return text + format_params(self.params) if self.params else text

    @property
    def tag(self) -> str | None:
        """The tag parameter, None when there is none."""
        for key, value in self.params:
            if key == "tag" or key.lower() == "tag":
                return value
        return None

    @property
    def sip_uri(self) -> SipUri:
        """The URI parsed; raises SipParseError."""
        return SipUri.parse(self.uri)

    def param(self, name: str) -> str | None:
        """The unquoted value of the parameter `name` (lower case); "" when it has no value, None when it is absent."""
        return find_param(self.params, name)

    def with_param(self, name: str, value: str | None) -> NameAddr:
        """The same with the parameter `name` set to a raw value."""
        return _new(NameAddr, (self.display, self.uri, with_param(self.params, name, value)))

    def without_param(self, name: str) -> NameAddr:
        """The same without the parameter `name`."""
        return self._replace(params=without_param(self.params, name))


def _parse_addr_spec(raw: str) -> NameAddr:
    # RFC 3261 section 20: without <>, everything after the first ";" belongs to the header, not to the URI.
    uri, semicolon, tail = raw.partition(";")
    uri = uri.strip(WSP)
    if uri != "*":
        if ":" not in uri:
            raise SipParseError("an address holds no URI")
        if "," in uri or "?" in uri or " " in uri or "\t" in uri or "<" in uri or ">" in uri or '"' in uri:
            raise SipParseError("an address needs <> around its URI")
    return _new(NameAddr, ("", uri, parse_params(tail) if semicolon else ()))


class Via(NamedTuple):
    """One Via element; `transport` in upper case as it came, `host` without IPv6 brackets."""

    transport: str
    host: str
    port: int | None
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> Via:
        """Parse one via-parm (RFC 3261 section 20.42); LWS is allowed around its slashes."""
        plain = _PLAIN_VIA(raw)
        if plain is not None:
            transport, host, port, params = plain.groups()
            return _new(cls, (transport, host, None if port is None else int(port), parse_params(params)))
        return cls._parse_carefully(raw)

    @classmethod
    def _parse_carefully(cls, raw: str) -> Via:
        if raw[:8] == "SIP/2.0/":
            transport, space, rest = raw[8:].partition(" ")
            if not space or (transport not in _TRANSPORTS and not is_token(transport)):
                return cls._parse_spaced(raw)
        else:
            return cls._parse_spaced(raw)
        return cls._parse_sent_by(transport, rest)

    @classmethod
    def _parse_spaced(cls, raw: str) -> Via:
        parts = raw.replace("\t", " ").split("/", 2)
        if len(parts) != 3 or parts[0].strip(WSP).upper() != "SIP" or parts[1].strip(WSP) != "2.0":
            raise SipParseError("a Via is not SIP/2.0")
        transport, space, rest = parts[2].lstrip(WSP).partition(" ")
        if not space or not is_token(transport):
            raise SipParseError("a Via has no transport or no host")
        return cls._parse_sent_by(transport, rest)

    @classmethod
    def _parse_sent_by(cls, transport: str, rest: str) -> Via:
        sent_by, semicolon, tail = rest.partition(";")
        sent_by = sent_by.strip(WSP)
        if " " in sent_by:
            # The COLON of sent-by allows LWS on both sides; an IPv6 host has none inside.
            name, colon, port_text = sent_by.rpartition(":")
            sent_by = f"{name.rstrip(WSP)}:{port_text.lstrip(WSP)}" if colon else sent_by
        host, port = split_host_port(sent_by)
        return _new(cls, (transport.upper(), host, port, parse_params(tail) if semicolon else ()))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        sent_by = host if self.port is None else f"{host}:{self.port}"
        return f"SIP/2.0/{self.transport} {sent_by}{format_params(self.params)}"

    @property
    def branch(self) -> str | None:
        """The branch parameter."""
        return find_param(self.params, "branch")

    @property
    def received(self) -> str | None:
        """The address the request came from, as the next hop saw it (IPv6 without brackets)."""
        value = find_param(self.params, "received")
        return value[1:-1] if value and value[0] == "[" else value

    @property
    def rport(self) -> int | None:
        """The port the request came from as the next hop saw it (RFC 3581); None when not filled in or not a port."""
        value = find_param(self.params, "rport")
        return int(value) if value and len(value) <= 5 and value.isdigit() and value.isascii() else None

    @property
    def wants_rport(self) -> bool:
        """Whether the sender asked for a symmetric answer (RFC 3581 section 3)."""
        return find_param(self.params, "rport") is not None

    @property
    def sent_by(self) -> str:
        """host[:port] in lower case, for matching transactions."""
        return self.host.lower() if self.port is None else f"{self.host.lower()}:{self.port}"

    def param(self, name: str) -> str | None:
        """The unquoted value of the parameter `name` (lower case); "" when it has no value, None when it is absent."""
        return find_param(self.params, name)

    def with_received(self, address: str, port: int) -> Via:
        """The same with what the receiver must note (RFC 3261 section 18.2.1, RFC 3581 section 4).

        `received` is set when the sent-by is not that address, or when rport was asked for, which is then filled in.
        """
        params = self.params
        if find_param(params, "rport") is not None:
            params = with_param(params, "rport", str(port))
        elif self.host.lower() == address.lower():
            return self
        return self._replace(params=with_param(params, "received", address))


class CSeq(NamedTuple):
    """The sequence number and method of a request."""

    seq: int
    method: str

    @classmethod
    def parse(cls, raw: str) -> CSeq:
        """Parse 1*DIGIT LWS Method."""
        number, _, method = raw.partition(" ")
        if method not in _METHODS:
            number, _, method = raw.replace("\t", " ").strip(WSP).partition(" ")
            method = method.lstrip(WSP)
            if not is_token(method):
                raise SipParseError("a CSeq has no method")
        return _new(cls, (decimal(number, MAX_SEQUENCE, "a CSeq number"), method))

    def __str__(self) -> str:
        return f"{self.seq} {self.method}"


class RAck(NamedTuple):
    """RFC 3262 section 7.2: which provisional response a PRACK acknowledges."""

    rseq: int
    seq: int
    method: str

    @classmethod
    def parse(cls, raw: str) -> RAck:
        """Parse response-num LWS CSeq-num LWS Method."""
        parts = raw.replace("\t", " ").split(" ")
        parts = [part for part in parts if part]
        if len(parts) != 3 or not is_token(parts[2]):
            raise SipParseError("a RAck does not hold two numbers and a method")
        rseq = decimal(parts[0], 2**32 - 1, "a RAck response number")
        return cls(rseq, decimal(parts[1], MAX_SEQUENCE, "a RAck sequence number"), parts[2])

    def __str__(self) -> str:
        return f"{self.rseq} {self.seq} {self.method}"


class SessionExpires(NamedTuple):
    """RFC 4028 section 4: the session interval in seconds and who refreshes ("uac", "uas" or None); also Min-SE."""

    interval_s: int
    refresher: str | None = None
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> SessionExpires:
        """Parse delta-seconds with parameters; an unknown refresher counts as none."""
        number, semicolon, tail = raw.partition(";")
        params = parse_params(tail) if semicolon else ()
        refresher = (find_param(params, "refresher") or "").lower()
        interval_s = decimal(number.strip(WSP), MAX_DELTA_SECONDS, "a session interval")
        others = without_param(params, "refresher")
        return cls(interval_s, refresher if refresher in {"uac", "uas"} else None, others)

    def __str__(self) -> str:
        refresher = f";refresher={self.refresher}" if self.refresher else ""
        return f"{self.interval_s}{refresher}{format_params(self.params)}"


class ReplacesHeader(NamedTuple):
    """RFC 3891 section 6.1: the dialog to be replaced, its tags as the receiver of the header sees them."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, raw: str) -> ReplacesHeader:
        """Parse callid;to-tag=…;from-tag=…[;early-only]; both tags must be there, each once."""
        call_id, semicolon, tail = raw.strip(WSP).partition(";")
        params = parse_params(tail) if semicolon else ()
        names = [name.lower() for name, _ in params]
        to_tag, from_tag = find_param(params, "to-tag"), find_param(params, "from-tag")
        if not call_id.strip(WSP) or not to_tag or not from_tag:
            raise SipParseError("a Replaces has no Call-ID or lacks a tag")
        if names.count("to-tag") > 1 or names.count("from-tag") > 1:
            raise SipParseError("a Replaces has a tag twice")
        return cls(call_id.strip(WSP), to_tag, from_tag, "early-only" in names)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


class ReferTo(NamedTuple):
    """RFC 3515 section 2.1: the address to call, and the Replaces in the headers of its URI (attended transfer)."""

    address: NameAddr
    replaces: ReplacesHeader | None = None

    @classmethod
    def parse(cls, raw: str) -> ReferTo:
        """Parse a name-addr; Replaces is taken out of the URI, other headers in it are left there."""
        address = NameAddr.parse(raw)
        before, question, headers = address.uri.partition("?")
        if not question:
            return cls(address)
        replaces: ReplacesHeader | None = None
        kept: list[str] = []
        for pair in headers.split("&"):
            name, _, value = pair.partition("=")
            if name.lower() == "replaces" and replaces is None:
                replaces = ReplacesHeader.parse(unescape(value))
            else:
                kept.append(pair)
        uri = f"{before}?{'&'.join(kept)}" if kept else before
        return cls(address._replace(uri=uri), replaces)

    def __str__(self) -> str:
        if self.replaces is None:
            return str(self.address)
        joiner = "&" if "?" in self.address.uri else "?"
        value = escape_header_value(str(self.replaces))
        return str(self.address._replace(uri=f"{self.address.uri}{joiner}Replaces={value}"))


class Reason(NamedTuple):
    """RFC 3326: why a request was sent, e.g. protocol "SIP" cause 200 text "Call completed elsewhere"."""

    protocol: str
    cause: int | None = None
    text: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> Reason:
        """Parse one reason-value."""
        protocol, semicolon, tail = raw.strip(WSP).partition(";")
        protocol = protocol.strip(WSP)
        if not is_token(protocol):
            raise SipParseError("a Reason has no protocol")
        params = parse_params(tail) if semicolon else ()
        cause = find_param(params, "cause")
        number = decimal(cause, 2**31, "a Reason cause") if cause else None
        text = find_param(params, "text") or ""
        return cls(protocol, number, text, without_param(without_param(params, "cause"), "text"))

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        text = f";text={quote(self.text)}" if self.text else ""
        return f"{self.protocol}{cause}{text}{format_params(self.params)}"


class RetryAfter(NamedTuple):
    """RFC 3261 section 20.33: seconds to wait; the comment is dropped."""

    delay_s: int
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> RetryAfter:
        """Parse delta-seconds [comment] *(;param)."""
        number, semicolon, tail = raw.partition(";")
        number = number.partition("(")[0].strip(WSP)
        return cls(decimal(number, MAX_DELTA_SECONDS, "a Retry-After"), parse_params(tail) if semicolon else ())

    def __str__(self) -> str:
        return f"{self.delay_s}{format_params(self.params)}"


class MediaType(NamedTuple):
    """Content-Type and Accept elements: type and subtype in lower case, parameters as they came."""

    type: str
    subtype: str
    params: Params = ()

    @classmethod
    def parse(cls, raw: str) -> MediaType:
        """Parse m-type SLASH m-subtype *(;param)."""
        essence, semicolon, tail = raw.partition(";")
        main, slash, sub = essence.partition("/")
        main, sub = main.strip(WSP), sub.strip(WSP)
        if not slash or not is_token(main) or not is_token(sub):
            raise SipParseError("a media type is not type/subtype")
        return cls(main.lower(), sub.lower(), parse_params(tail) if semicolon else ())

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """The unquoted value of the parameter `name` (lower case), None when it is absent."""
        return find_param(self.params, name)
