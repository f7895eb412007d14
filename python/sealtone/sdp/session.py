"""The session description itself: lines in, lines out (RFC 8866, offer/answer aside).

How it works, and its rules:

1. A description is kept as its lines, in order, so that `encode` gives back what was parsed (line ends aside, which
   become CRLF). Nothing is typed here but the m-line; `audio.py` types what a call needs.
2. Tolerant where phones are: bare LF, blank lines at the end, no s=, t= or o=, any order of session-level lines.
3. Strict wherever two readers could differ: a second v=, o=, s= or c= in one section, session lines after an m-line,
   control characters, a bare CR, an unknown type letter, blank lines in the middle.
4. Everything that the wire can grow has a limit below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, cast

MAX_BODY_BYTES: Final = 32_768
MAX_LINES: Final = 600
MAX_LINE_LENGTH: Final = 2_048
MAX_SECTIONS: Final = 16
MAX_FORMATS: Final = 64

_SESSION_LETTERS: Final = frozenset("vosiuepcbtrzka")
_SECTION_LETTERS: Final = frozenset("icbka")
_ONCE: Final = frozenset("vosc")
_CONTROL: Final = bytes(code for code in (*range(32), 127) if code not in b"\t\r\n")


class SdpError(ValueError):
    """A session description that cannot be used. `str()` is a sentence for a person; no key or address in it."""


class Line(NamedTuple):
    """One ``letter=value`` line."""

    letter: str
    value: str


# All lines at one go; one that is too long or of another form is missing then. Each is a plain pair and no `Line`, the
# constructor of which would cost more than all the rest of reading it.
_LINES: Final = cast(
    "Callable[[str], list[Line]]", re.compile(rf"^(.)=(.{{0,{MAX_LINE_LENGTH - 2}}})$", re.MULTILINE).findall
)


class MediaSection:
    """An m-line and the lines under it."""

    __slots__ = ("formats", "lines", "media", "port", "port_count", "profile")

    def __init__(
        self,
        media: str,
        port: int,
        profile: str,
        formats: tuple[str, ...],
        lines: list[Line] | None = None,
        port_count: int = 1,
    ) -> None:
        self.media = media
        self.port = port
        self.port_count = port_count
        self.profile = profile
        self.formats = formats
        self.lines = [] if lines is None else lines

    @classmethod
    def parse(cls, value: str) -> MediaSection:
        """Read the value of an m-line (RFC 8866, 5.14)."""
        words = value.split()
        if len(words) < 4:
            raise SdpError("an m-line is incomplete")
        media, port_text, profile, *formats = words
        port_text, slash, count_text = port_text.partition("/")
        port = _number(port_text, 65_535)
        count = _number(count_text, 65_535) if slash else 1
        if port is None or count is None or not count:
            raise SdpError("an m-line has no valid port")
        if len(formats) > MAX_FORMATS:
            raise SdpError(f"an m-line lists more than {MAX_FORMATS} formats")
        return cls(media.lower(), port, profile, tuple(formats), None, count)

    def value(self, letter: str) -> str | None:
        """The value of the first line of that letter."""
        for line in self.lines:
            if line[0] == letter:
                return line[1]
        return None

    def __str__(self) -> str:
        port = str(self.port) if self.port_count == 1 else f"{self.port}/{self.port_count}"
        return f"{self.media} {port} {self.profile} {' '.join(self.formats)}"


class SessionDescription:
    """A parsed session description: the session's own lines, then its media sections in order."""

    __slots__ = ("lines", "sections")

    def __init__(self, lines: list[Line], sections: list[MediaSection]) -> None:
        self.lines = lines
        self.sections = sections

    @classmethod
    def parse(cls, body: bytes) -> SessionDescription:
        """Read a description. Raises `SdpError`."""
        if len(body) > MAX_BODY_BYTES:
            raise SdpError("the session description is too large")
        if len(body.translate(None, _CONTROL)) != len(body):
            raise SdpError("the session description holds control characters")
        # Foreign bytes (names in an old character set) survive the round trip as surrogates.
        text = body.decode("utf-8", "surrogateescape")
        if "\r" in text:
            text = text.replace("\r\n", "\n")
            if "\r" in text:
                raise SdpError("a line of the session description ends with CR alone")
        text = text.rstrip("\n")
        count = text.count("\n") + 1
        if count > MAX_LINES:
            raise SdpError(f"the session description has more than {MAX_LINES} lines")
        if text.partition("\n")[0].rstrip() != "v=0":
            raise SdpError("the session description does not begin with v=0")
        lines = _LINES(text)
        if len(lines) != count:
            raise SdpError("the session description has a line that is too long or not of the form letter=value")
        return cls(*_sort(lines))

    def encode(self) -> bytes:
        """The description with CRLF line ends."""
        parts = [f"{letter}={value}\r\n" for letter, value in self.lines]
        for section in self.sections:
            parts.append(f"m={section}\r\n")
            parts += [f"{letter}={value}\r\n" for letter, value in section.lines]
        return "".join(parts).encode("utf-8", "surrogateescape")

    def value(self, letter: str) -> str | None:
        """The value of the first session-level line of that letter."""
        for line in self.lines:
            if line[0] == letter:
                return line[1]
        return None


def _sort(read: list[Line]) -> tuple[list[Line], list[MediaSection]]:
    """The session's own lines, and the media sections with theirs."""
    session_lines: list[Line] = []
    sections: list[MediaSection] = []
    lines, letters, once = session_lines, _SESSION_LETTERS, set[str]()
    for line in read:
        letter = line[0]
        if letter == "m":
            if len(sections) == MAX_SECTIONS:
                raise SdpError(f"the session description has more than {MAX_SECTIONS} m-lines")
            section = MediaSection.parse(line[1])
            sections.append(section)
            lines, letters, once = section.lines, _SECTION_LETTERS, set()
            continue
        if letter not in letters:
            raise SdpError(f"a line {letter!r}= stands where it may not")
        if letter in _ONCE:
            if letter in once:
                raise SdpError(f"the line {letter}= stands twice in one section")
            once.add(letter)
        lines.append(line)
    return session_lines, sections


def _number(text: str, limit: int) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 5:
        number = int(text)
        if number <= limit:
            return number
    return None
