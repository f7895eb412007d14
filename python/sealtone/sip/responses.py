"""Building responses (RFC 3261 8.2.6) and finding where they go (18.2.2, RFC 3581)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sealtone.sip.errors import SipParseError
from sealtone.sip.flow import Flow, Hop

if TYPE_CHECKING:
    from sealtone.sip.message import Request
    from sealtone.sip.transaction import ServerTransaction

_REPEATED: Final = ("Via", "From", "To", "Call-ID", "CSeq")

HeaderPairs = Sequence[tuple[str, str]]

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    608: "Rejected",
}


def reason_for(status: int) -> str:
    """The usual reason phrase of a status."""
    return REASONS.get(status, "Unknown")


def header_lines(headers: HeaderPairs) -> str:
    """Header lines of name and value pairs. A line break in a value cannot start a header of its own."""
    if not headers:
        return ""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        lines = "".join([f"{name}: {' '.join(value.split())}\r\n" for name, value in headers])
    return lines


def content_lines(body: bytes, content_type: str | None) -> str:
    """The Content-Type line where there is a body."""
    return f"Content-Type: {content_type or 'application/sdp'}\r\n" if body else ""


def response_head(request: Request, flow: Flow, to_tag: str) -> str:
    """The lines that every response to a request repeats: Via, From, To (with our tag), Call-ID, CSeq."""
    headers = request.headers
    to = headers.get("To") or ""
    if to_tag and request.to.tag is None:
        to = f"{to};tag={to_tag}"
    return (
        f"{_via_lines(request, flow)}From: {headers.get('From')}\r\nTo: {to}\r\n"
        f"Call-ID: {headers.get('Call-ID')}\r\nCSeq: {headers.get('CSeq')}\r\n"
    )


def response_bytes(head: str, status: int, reason: str | None, lines: str, body: bytes = b"") -> bytes:
    """A whole response. `lines` are further whole header lines."""
    if reason is None:
        reason = REASONS.get(status, "Unknown")
    elif not reason.isprintable():
        reason = " ".join(reason.split())
    data = f"SIP/2.0 {status} {reason}\r\n{head}{lines}Content-Length: {len(body)}\r\n\r\n".encode(
        "utf-8", "surrogateescape"
    )
    return data + body if body else data


def refusal_of(request: Request, flow: Flow, status: int, reason: str) -> bytes | None:
    """The refusal of a broken request; None for an ACK, and where too little can be read to say so to its sender."""
    if request.method == "ACK" or not all(name in request.headers for name in _REPEATED):
        return None
    try:
        return response_bytes(response_head(request, flow, ""), status, reason, "")
    except SipParseError:
        return None


def response_to(
    tx: ServerTransaction, status: int, reason: str | None = None, lines: str = "", body: bytes = b""
) -> bytes:
    """A response to the transaction's request, which must still be unanswered."""
    head = tx.head
    if not head:
        assert tx.request is not None
        head = tx.head = response_head(tx.request, tx.flow, tx.to_tag)
    return response_bytes(head, status, reason, lines, body)


def _via_lines(request: Request, flow: Flow) -> str:
    values = request.headers.all("Via")
    top = values[0]
    via = request.vias[0]
    lower = top.lower()
    if "," in top or ";received" in lower:
        top, *rest = (str(each) for each in request.vias)
        values = [top, *rest]
        lower = top.lower()
        start = lower.find(";received")
        if start >= 0:  # only we may say where it came from
            end = top.find(";", start + 1)
            top = top[:start] + (top[end:] if end >= 0 else "")
            lower = top.lower()
    host, port = flow.remote
    if via.param("rport") is not None or ";rport" in lower:
        start = lower.find(";rport")
        end = top.find(";", start + 1)
        top = f"{top[:start]};rport={port};received={host}{top[end:] if end >= 0 else ''}"
    elif via.host != host:
        top = f"{top};received={host}"
    if len(values) == 1:
        return f"Via: {top}\r\n"
    return "".join([f"Via: {value}\r\n" for value in (top, *values[1:])])


def response_hop(request: Request, flow: Flow) -> Hop:
    """Where responses go: back over the connection; over UDP to the source address, and to its port if rport asks so.

    "maddr" is not followed: it would let anybody aim our responses at a third party.
    """
    if flow.transport != "udp":
        return flow
    via = request.vias[0]
    port = via.port or 5060
    if port == flow.remote[1] or ";rport" in (request.headers.get("Via") or "").lower():
        return flow
    return flow._replace(remote=(flow.remote[0], port))
