"""The one exception family of the SIP package, split by whose fault it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtone.sip.message import Request, Response


class SipError(Exception):
    """Base of every exception that this package raises on purpose."""


class SipParseError(SipError):
    """What the wire brought is not SIP as this package reads it (the peer's fault).

    `status` is the answer that fits when the message is a request (400 unless something says better), `reason` one
    plain sentence for the reason phrase, `partial` the part of the message that could be read, when enough of it could
    be read to answer: its Via, From, To, Call-ID and CSeq lines are then copied into the answer.
    """

    def __init__(self, reason: str, status: int = 400, partial: Request | Response | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.partial = partial


class FramingError(SipError):
    """A stream can no longer be cut into messages in exactly one way; the connection must be closed.

    `partial` is the request whose head caused it, when one could be read, so that a 400 can be sent first; `complete`
    holds the messages that stood before the fault in the same piece of the stream.
    """

    def __init__(self, reason: str, status: int = 400, partial: Request | Response | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.partial = partial
        self.complete: list[bytes] = []


class SipValueError(SipError, ValueError):
    """Our own code tried to build what cannot stand on the wire (our fault), such as a line break in a value."""
