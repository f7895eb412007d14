"""SIP messages (RFC 3261 section 7): a lossless, lazy reader and a writer.

How it works. The octets are decoded as UTF-8 with surrogateescape, so any octet survives a round trip. The head is cut
into lines once; each line becomes a canonical name and a raw value; typed values are made when an accessor first asks
for them. Rules:

1. A line ends with CRLF and nothing else. A bare CR or LF in the head is refused: two readers could see two messages.
2. Folded lines are joined by one space (section 7.3.1). The start line cannot be folded.
3. Compact and differently spelled names of known header fields become the canonical name; unknown names stay as they
   came and are compared without regard to case.
4. With a usable Content-Length the body is cut to it (section 18.3 for datagrams). With an unusable one the body is all
   that follows, and `validate` names the fault.
5. What can be represented is accepted here; `sealtone.sip.validate` decides what is answered with 400, 416 or 505.
6. The writer computes Content-Length, and refuses any line break inside a start line or header.

Typed values are kept beside the lines (`Headers.typed`) and dropped whenever a Headers method changes anything, so they
never disagree with the raw values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from sealtone.sip.errors import SipParseError, SipValueError
from sealtone.sip.grammar import WSP, decimal, is_token, split_elements, split_list
from sealtone.sip.header_names import BY_LOWER_CASE, KNOWN_NAMES, SPELLINGS, canonical_name
from sealtone.sip.headers import MAX_DELTA_SECONDS, CSeq, NameAddr, Via

MAX_HEADERS: Final = 512
"""More header lines than this are refused."""
MAX_ELEMENTS: Final = 512
"""More comma-separated elements of one kind (Via, Route, Contact, …) than this are refused."""

_FOLD: Final = re.compile(r"\r\n[ \t]+")
_LINE_ENDS: Final = (b"\r", b"\n")
_Pairs = Iterable[tuple[str, str]]


class Typed:
    """Typed values of header lines. None: not asked for yet."""

    __slots__ = (
        "allow",
        "contacts",
        "cseq",
        "from_",
        "record_routes",
        "require",
        "routes",
        "supported",
        "to",
        "via",
        "vias",
    )

    def __init__(
        self,
        vias: list[Via] | None = None,
        from_: NameAddr | None = None,
        to: NameAddr | None = None,
        cseq: CSeq | None = None,
        contacts: list[NameAddr] | None = None,
        routes: list[NameAddr] | None = None,
        record_routes: list[NameAddr] | None = None,
    ) -> None:
        self.via = vias[0] if vias else None
        self.vias = vias
        self.from_ = from_
        self.to = to
        self.cseq = cseq
        self.contacts = contacts
        self.routes = routes
        self.record_routes = record_routes
        self.require: frozenset[str] | None = None
        self.supported: frozenset[str] | None = None
        self.allow: frozenset[str] | None = None


class Headers:
    """The header lines of a message, in order: an ordered multi-map of canonical names to raw values."""

    __slots__ = ("_names", "_typed", "_values")

    def __init__(self, pairs: _Pairs = ()) -> None:
        self._names: list[str] = []
        self._values: list[str] = []
        self._typed: Typed | None = None
        for name, value in pairs:
            self._names.append(SPELLINGS.get(name) or canonical_name(name))
            self._values.append(value)

    @classmethod
    def of_lists(cls, names: list[str], values: list[str], typed: Typed | None = None) -> Headers:
        """Take over parallel lists of canonical names and raw values (the fast way to build: nothing is copied), and
        what a reader has found out of typed values."""
        headers = cls()
        headers._names = names
        headers._values = values
        headers._typed = typed
        return headers

    @property
    def typed(self) -> Typed:
        """What is known of typed values."""
        typed = self._typed
        if typed is None:
            typed = self._typed = Typed()
        return typed

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first raw value of `name`."""
        # A message has a dozen lines, and is asked for fewer: comparing costs less than a table of them.
        for place, key in enumerate(self._names):
            if key == name:
                return self._values[place]
        if name in KNOWN_NAMES:
            return default
        for value in self._matching(name):
            return value
        return default

    def all(self, name: str) -> list[str]:
        """Every raw value of `name`, one an occurrence."""
        if name in KNOWN_NAMES:
            return [self._values[place] for place, key in enumerate(self._names) if key == name]
        return list(self._matching(name))

    def _matching(self, name: str) -> Iterator[str]:
        known = BY_LOWER_CASE.get(name.lower())
        wanted = (known or name).lower()
        for key, value in zip(self._names, self._values, strict=True):
            if key == wanted or key.lower() == wanted:
                yield value

    def split(self, name: str) -> list[str]:
        """The comma-separated elements of `name` over all occurrences (quotes and <> respected)."""
        values = self.all(name)
        if len(values) == 1:
            return split_list(values[0])
        return [element for value in values for element in split_list(value)]

    def add(self, name: str, value: str) -> None:
        """Append a line."""
        name = SPELLINGS.get(name) or canonical_name(name)
        self._names.append(name)
        self._values.append(value)
        self._typed = None

    def prepend(self, name: str, value: str) -> None:
        """Put a line before every other."""
        name = SPELLINGS.get(name) or canonical_name(name)
        self._names.insert(0, name)
        self._values.insert(0, value)
        self._typed = None

    def set(self, name: str, value: str) -> None:
        """Replace every occurrence of `name` by one, in the place of the first (at the end if there was none)."""
        name = SPELLINGS.get(name) or canonical_name(name)
        names = self._names
        if name in KNOWN_NAMES and names.count(name) == 1:
            self._values[names.index(name)] = value
        else:
            place = self._first_place(name)
            self.remove(name)
            names.insert(place, name)
            self._values.insert(place, value)
        self._typed = None

    def _first_place(self, name: str) -> int:
        wanted = name.lower()
        for index, key in enumerate(self._names):
            if key.lower() == wanted:
                return index
        return len(self._names)

    def remove(self, name: str) -> None:
        """Drop every occurrence of `name`."""
        wanted = (SPELLINGS.get(name) or canonical_name(name)).lower()
        if name in KNOWN_NAMES and name not in self._names:
            return
        kept = [(k, v) for k, v in zip(self._names, self._values, strict=True) if k.lower() != wanted]
        # In place: `set` and callers hold these lists.
        self._names[:] = [key for key, _ in kept]
        self._values[:] = [value for _, value in kept]
        self._typed = None

    def remove_first(self, name: str) -> None:
        """Drop the first line of a known `name`, if there is one."""
        if name in self._names:
            index = self._names.index(name)
            del self._names[index], self._values[index]
            self._typed = None

    def __contains__(self, name: object) -> bool:
        if name in KNOWN_NAMES:
            return name in self._names
        return isinstance(name, str) and next(self._matching(name), None) is not None

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._names == other._names and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({self._names})"

    def items(self) -> list[tuple[str, str]]:
        """(canonical name, raw value) of every line, in order."""
        return list(zip(self._names, self._values, strict=True))

    def copy(self) -> Headers:
        """An independent copy."""
        return Headers.of_lists(self._names.copy(), self._values.copy())

    def encode(self, start_line: str, body: bytes) -> bytes:
        """The octets of a message with this head; Content-Length is computed and stands last."""
        names = self._names
        lines = [start_line]
        if "Content-Length" in names:
            pairs = zip(names, self._values, strict=True)
            lines += [f"{name}: {value}" for name, value in pairs if name != "Content-Length"]
        else:
            lines += [f"{name}: {value}" for name, value in zip(names, self._values, strict=True)]
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        text = "\r\n".join(lines)
        breaks = len(lines) + 1
        if text.count("\n") != breaks or text.count("\r") != breaks:
            raise SipValueError("a header or the start line holds a line break")
        try:
            head = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise SipValueError("a header or the start line holds a character that UTF-8 does not have") from error
        return head + body if body else head


class Message:
    """What requests and responses have in common. Accessors raise SipParseError for what is missing or broken.

    `is_valid`: a reader has found already that `validate` has nothing against it.
    """

    __slots__ = ("body", "headers", "is_valid")

    headers: Headers
    body: bytes
    is_valid: bool

    @property
    def via(self) -> Via:
        """The topmost Via."""
        typed = self.headers.typed
        via = typed.via
        if via is None:
            raw = self._required("Via")
            via = typed.via = Via.parse(split_elements(raw)[0] if "," in raw else raw)
        return via

    @property
    def vias(self) -> list[Via]:
        """Every Via, topmost first."""
        typed = self.headers.typed
        vias = typed.vias
        if vias is None:
            lines = self.headers.all("Via")
            if len(lines) == 1 and "," not in lines[0]:
                vias = typed.vias = [Via.parse(lines[0])]
            else:
                vias = typed.vias = [Via.parse(element) for element in self._elements("Via")]
            if vias:
                typed.via = vias[0]
        return vias

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        typed = self.headers.typed
        address = typed.from_
        if address is None:
            address = typed.from_ = NameAddr.parse(self._required("From"))
        return address

    @property
    def to(self) -> NameAddr:
        """The To header."""
        typed = self.headers.typed
        address = typed.to
        if address is None:
            address = typed.to = NameAddr.parse(self._required("To"))
        return address

    @property
    def call_id(self) -> str:
        """The Call-ID, exactly as it came (it is compared octet by octet)."""
        return self.headers.get("Call-ID") or self._missing("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """The CSeq header."""
        typed = self.headers.typed
        cseq = typed.cseq
        if cseq is None:
            cseq = typed.cseq = CSeq.parse(self._required("CSeq"))
        return cseq

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact; "*" is a NameAddr with the uri "*"."""
        typed = self.headers.typed
        addresses = typed.contacts
        if addresses is None:
            addresses = typed.contacts = self._addresses("Contact")
        return addresses

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route, topmost first."""
        typed = self.headers.typed
        addresses = typed.routes
        if addresses is None:
            addresses = typed.routes = self._addresses("Route")
        return addresses

    @property
    def record_routes(self) -> list[NameAddr]:
        """Every Record-Route, topmost first."""
        typed = self.headers.typed
        addresses = typed.record_routes
        if addresses is None:
            addresses = typed.record_routes = self._addresses("Record-Route")
        return addresses

    @property
    def expires(self) -> int | None:
        """The Expires header in seconds, None when absent."""
        raw = self.headers.get("Expires")
        return None if raw is None else decimal(raw, MAX_DELTA_SECONDS, "Expires")

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards header (0-255), None when absent."""
        raw = self.headers.get("Max-Forwards")
        return None if raw is None else decimal(raw, 255, "Max-Forwards")

    @property
    def require(self) -> frozenset[str]:
        """The option tags of Require, in lower case."""
        typed = self.headers.typed
        tags = typed.require
        if tags is None:
            tags = typed.require = self._tags("Require")
        return tags

    @property
    def supported(self) -> frozenset[str]:
        """The option tags of Supported, in lower case."""
        typed = self.headers.typed
        tags = typed.supported
        if tags is None:
            tags = typed.supported = self._tags("Supported")
        return tags

    @property
    def allow(self) -> frozenset[str]:
        """The methods of Allow, in upper case."""
        typed = self.headers.typed
        tags = typed.allow
        if tags is None:
            tags = typed.allow = frozenset([method.upper() for method in self.headers.split("Allow")])
        return tags

    @property
    def content_type(self) -> str:
        """type/subtype of the body in lower case without parameters; "" when there is no Content-Type."""
        raw = self.headers.get("Content-Type")
        if raw is None:
            return ""
        return raw.partition(";")[0].replace(" ", "").replace("\t", "").lower()

    def _required(self, name: str) -> str:
        return self.headers.get(name) or self._missing(name)

    def _missing(self, name: str) -> NoReturn:
        raise SipParseError(f"{name} is missing")

    def _elements(self, name: str) -> list[str]:
        elements: list[str] = []
        for value in self.headers.all(name):
            if "," in value:
                elements += split_elements(value)
            else:
                elements.append(value)
        if len(elements) > MAX_ELEMENTS:
            raise SipParseError(f"too many {name} elements")
        return elements

    def _addresses(self, name: str) -> list[NameAddr]:
        lines = self.headers.all(name)
        if len(lines) > 1 or (lines and "," in lines[0]):
            lines = self._elements(name)
        return [NameAddr.parse(line) for line in lines]

    def _tags(self, name: str) -> frozenset[str]:
        return frozenset([tag.lower() for tag in self.headers.split(name)])


class Request(Message):
    """A SIP request. `uri` is the Request-URI as text."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, headers: Headers, body: bytes = b"") -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body
        self.is_valid = False

    def encode(self) -> bytes:
        """The octets to send; raises SipValueError if a value holds a line break."""
        return self.headers.encode(f"{self.method} {self.uri} SIP/2.0", self.body)

    def __bytes__(self) -> bytes:
        return self.encode()

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri[:80]!r}>"


class Response(Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.is_valid = False

    @classmethod
    def to_request(cls, request: Request, status: int, reason: str, to_tag: str | None = None) -> Response:
        """The response to `request` with Via, From, To, Call-ID and CSeq copied raw (RFC 3261 section 8.2.6.2).

        `to_tag` is added to a To without a tag (never for 100); Record-Route is left to whoever makes a dialog.
        """
        source = request.headers
        names: list[str] = []
        values: list[str] = []
        for name, value in zip(source._names, source._values, strict=True):
            if name in _COPIED:
                if name == "To" and to_tag is not None and not _has_tag(value):
                    value = f"{value};tag={to_tag}"
                names.append(name)
                values.append(value)
        return cls(status, reason, Headers.of_lists(names, values))

    def encode(self) -> bytes:
        """The octets to send; raises SipValueError if a value holds a line break."""
        return self.headers.encode(f"SIP/2.0 {self.status} {self.reason}", self.body)

    def __bytes__(self) -> bytes:
        return self.encode()

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason[:80]!r}>"


def _has_tag(to: str) -> bool:
    if "tag" not in to.lower():
        return False
    try:
        return NameAddr.parse(to).tag is not None
    except SipParseError:
        return False  # The To of a request that gets a 400 for it.


_COPIED: Final = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})


def parse_message(data: bytes) -> Request | Response:
    """Read one message; raises SipParseError, with `.partial` when enough was readable to answer."""
    if data[:1] in _LINE_ENDS:
        data = data.lstrip(b"\r\n")  # Section 7.5: CRLFs before the start line are ignored.
    head_octets, blank, body = data.partition(b"\r\n\r\n")
    head = head_octets.decode("utf-8", "surrogateescape")
    problem = ""
    if not blank:
        problem = "the blank line after the headers is missing"
        head = head.removesuffix("\r\n")
    lines = head.split("\r\n")
    breaks = len(lines) - 1
    if head.count("\n") != breaks or head.count("\r") != breaks:
        problem = "a line does not end with CRLF"
        # What is copied into the answer must not bring its line ends along.
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    # Two searches of the whole head are cheaper than a look at each line; a mended head has other line starts.
    if problem or "\r\n " in head or "\r\n\t" in head:
        lines = _FOLD.sub(" ", "\r\n".join(lines)).split("\r\n")
    start_line = lines[0]
    if len(lines) > MAX_HEADERS:
        problem = "too many header lines"
        del lines[MAX_HEADERS:]
    names: list[str] = []
    values: list[str] = []
    spellings = SPELLINGS
    del lines[0]
    for line in lines:
        spelling, colon, value = line.partition(":")
        name = spellings.get(spelling)
        if not colon:
            problem = "a header line has no colon"
            continue
        if name is None:
            try:
                name = canonical_name(spelling)
            except SipParseError as error:
                problem = error.reason
                continue
        names.append(name)
        values.append(value.strip(WSP))
    headers = Headers.of_lists(names, values)
    if body:
        length = _body_length(names, values)
        if length is not None and length < len(body):
            body = body[:length]
    return _with_start_line(start_line, headers, body, problem)


def _body_length(names: list[str], values: list[str]) -> int | None:
    """The one usable Content-Length, None when there is none, several, or one that is not a number."""
    if names.count("Content-Length") != 1:
        return None
    text = values[names.index("Content-Length")]
    return int(text) if len(text) <= 9 and text.isdigit() and text.isascii() else None


def _with_start_line(line: str, headers: Headers, body: bytes, problem: str) -> Request | Response:
    first, space, rest = line.partition(" ")
    if first[:4] == "SIP/" or first[:4].upper() == "SIP/":
        status, _, reason = rest.partition(" ")
        if first.upper() != "SIP/2.0":
            raise SipParseError("a response is not SIP/2.0", 505)
        if len(status) != 3 or not status.isdigit() or not status.isascii() or status < "100" or status > "699":
            raise SipParseError("a response has no valid status")
        response = Response(int(status), reason, headers, body)
        if problem:
            raise SipParseError(problem, partial=response)
        return response
    uri, space, version = rest.rpartition(" ")
    if not is_token(first) or not space:
        raise SipParseError("not a SIP message")
    request = Request(first, uri, headers, body)
    if version.upper() != "SIP/2.0":
        if version[:4].upper() == "SIP/":
            raise SipParseError("this SIP version is not supported", 505, request)
        raise SipParseError("the request line is broken", 400, request)
    if not uri or " " in uri or "\t" in uri:
        problem = "the request line does not hold exactly a method, a URI and a version"
    if problem:
        raise SipParseError(problem, partial=request)
    return request
