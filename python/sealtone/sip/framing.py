"""Cutting a TCP or TLS stream into SIP messages, in exactly one way (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

How it works. Between messages, CRLFs are keep-alives. A message is its head up to the first CRLFCRLF and as many
octets of body as its Content-Length says. Rules:

1. On a stream each message has exactly one Content-Length, made of digits only; a missing, repeated, negative, signed
   or oversized one ends the connection. Equal copies too: another reader may take them as one list.
2. A bare CR or LF in a head ends the connection, for other readers take it as the end of a line.
3. Where messages begin does not depend on how TCP cut the stream: the same octets give the same messages.
4. After an error nothing more is read: what follows might be part of a body.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from sealtone.sip.errors import FramingError, SipParseError
from sealtone.sip.message import Request, parse_message

DEFAULT_MAX_MESSAGE: Final = 65536
MAX_HEAD: Final = 32768
"""Octets of start line and headers after which no end of the head is awaited any more."""

_LINE_ENDS: Final = b"\r\n"
_START: Final = re.compile(rb"SIP/\d+\.\d+ |[!-~]+ [^\r\n]* SIP/\d+\.\d+\r\n", re.IGNORECASE).match
# With the folded lines that belong to it; the name is found wherever a line begins.
_CONTENT_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE
).findall


class KeepAlive(Enum):
    """Keep-alives of RFC 5626: CRLFCRLF asks, CRLF answers. A CRLF whose twin comes later counts as PONG, then PING."""

    PING = "\r\n\r\n"
    PONG = "\r\n"


class StreamFramer:
    """Collects the octets of one connection; `max_message` is the most that one message may have, head and body."""

    __slots__ = ("_body_end", "_buffer", "_failed", "_lone_crlf", "_max_message", "_scanned")

    def __init__(self, max_message: int = DEFAULT_MAX_MESSAGE) -> None:
        self._buffer = bytearray()
        self._max_message = max_message
        self._scanned = 0  # No CRLFCRLF begins before this offset.
        self._body_end = 0  # The end of the current message once its head is complete, else 0.
        self._lone_crlf = False
        self._failed = False

    def feed(self, data: bytes) -> list[bytes | KeepAlive]:
        """Take received octets; gives the messages and keep-alives completed by them (at most one PING a call).

        Raises FramingError when the stream has no single reading: treat what is in `.complete`, which these octets
        completed before the fault, answer `.partial` if it is a request, then close.
        """
        if self._failed:
            raise FramingError("the connection is already given up")
        self._buffer += data
        found: list[bytes | KeepAlive] = []
        try:
            while self._next(found):
                pass
        except FramingError as error:
            self._failed = True
            self._buffer.clear()
            error.complete = [item for item in found if isinstance(item, bytes)]
            raise
        return found

    @property
    def pending(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def _next(self, found: list[bytes | KeepAlive]) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        if not self._body_end:
            if buffer[0] in _LINE_ENDS:
                return self._keep_alive(found)
            if not self._find_head_end():
                return False
        if len(buffer) < self._body_end:
            return False
        found.append(bytes(buffer[: self._body_end]))
        del buffer[: self._body_end]
        self._body_end = self._scanned = 0
        return bool(buffer)

    def _keep_alive(self, found: list[bytes | KeepAlive]) -> bool:
        buffer = self._buffer
        start = bytes(buffer[:4])
        if start == b"\r\n\r\n":
            del buffer[:4]
            kind = KeepAlive.PING
            self._lone_crlf = False
        elif start in (b"\r", b"\r\n\r"):
            return False
        elif start[:2] == b"\r\n":
            del buffer[:2]
            kind = KeepAlive.PING if self._lone_crlf else KeepAlive.PONG
            self._lone_crlf = not self._lone_crlf
        else:
            raise FramingError("a line does not end with CRLF")
        if kind is KeepAlive.PONG or KeepAlive.PING not in found:
            found.append(kind)
        return bool(buffer)

    def _find_head_end(self) -> bool:
        buffer = self._buffer
        self._lone_crlf = False
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._scanned = max(0, len(buffer) - 3)
        longest = min(MAX_HEAD, self._max_message)
        if end > longest or (end < 0 and len(buffer) > longest):
            start = bytes(buffer[: buffer.rfind(b"\r\n", 0, longest)])
            raise FramingError("the head of a message is too long", 513, _partial(start))
        if end < 0:
            return False
        head = bytes(buffer[:end])
        self._body_end = end + 4 + self._content_length(head)
        if self._body_end > self._max_message:
            raise FramingError("a message is too long", 513, _partial(head))
        return True

    def _content_length(self, head: bytes) -> int:
        breaks = head.count(b"\r\n")
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            raise FramingError("a line does not end with CRLF", 400, _partial(head))
        if not _START(head + b"\r\n"):
            raise FramingError("the stream is not SIP")
        lengths = _CONTENT_LENGTH(head)
        if len(lengths) != 1:
            reason = "Content-Length stands more than once" if lengths else "Content-Length is missing"
            raise FramingError(reason, 400, _partial(head))
        text = lengths[0].strip(b" \t\r\n")
        if not text.isdigit():
            raise FramingError("Content-Length is not a number", 400, _partial(head))
        digits = text.lstrip(b"0") or b"0"
        if len(digits) > 9:
            raise FramingError("a message is too long", 513, _partial(head))
        return int(digits)


def _partial(head: bytes) -> Request | None:
    """As much of a request as can be read of `head`, to send an answer before closing."""
    try:
        message = parse_message(head + b"\r\n\r\n")
    except SipParseError as error:
        return error.partial if isinstance(error.partial, Request) else None
    return message if isinstance(message, Request) else None
