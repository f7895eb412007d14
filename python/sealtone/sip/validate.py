"""What a readable message must fulfil before anything acts on it (RFC 3261 sections 8.1.1, 8.2 and 16.3, RFC 4475).

The parser refuses only what it cannot represent; here it is decided what is answered with 400 or 416. Option tags
(420), methods (405, 501), bodies (415), Max-Forwards (483) and credentials (401) depend on who is asked.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sealtone.sip.errors import SipParseError
from sealtone.sip.headers import MAGIC_COOKIE
from sealtone.sip.message import Message, Request, Response
from sealtone.sip.uri import SipUri, UnsupportedScheme

# Header fields that stand at most once (RFC 4475 section 3.3.8 and 3.3.9).
_SINGLE: Final = (
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Content-Length",
    "Max-Forwards",
    "Content-Type",
    "Expires",
    "Replaces",
    "Refer-To",
    "Session-Expires",
    "RAck",
)
_WITH_CONTACT: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


class Problem(NamedTuple):
    """Why a message is refused: the status for the answer to a request (a response is dropped) and a plain sentence."""

    status: int
    reason: str


def validate(message: Request | Response) -> Problem | None:
    """The first problem of `message`, None when there is none. A faulty response is to be dropped."""
    try:
        problem = _common(message)
        if problem is not None:
            return problem
        return _request(message) if isinstance(message, Request) else _response(message)
    except SipParseError as error:
        return Problem(error.status if error.status != 416 else 400, error.reason)


def _common(message: Message) -> Problem | None:
    headers = message.headers
    names = list(headers)
    if len(names) != len(set(names)):
        for name in _SINGLE:
            if names.count(name) > 1:
                return Problem(400, f"{name} stands more than once")
    call_id = message.call_id
    if not call_id.isascii() or " " in call_id or "\t" in call_id:
        return Problem(400, "Call-ID is not valid")
    if not message.vias:
        return Problem(400, "Via is missing")
    for address in (message.from_, message.to):
        _check_uri(address.uri)
        if address.params and address.tag == "":
            return Problem(400, "a tag is empty")
    length = headers.get("Content-Length")
    if length is not None and (
        not length.isdigit() or not length.isascii() or len(length) > 9 or int(length) != len(message.body)
    ):
        return Problem(400, "Content-Length does not match the body")
    return None


def _request(request: Request) -> Problem | None:
    method = request.method
    if request.cseq.method != method:
        return Problem(400, "CSeq names another method")
    try:
        uri = SipUri.parse(request.uri)
    except UnsupportedScheme as error:
        return Problem(416, error.reason)
    if uri.headers:
        return Problem(400, "the Request-URI holds headers")
    headers = request.headers
    if "Max-Forwards" in headers:
        _ = request.max_forwards
    if "Expires" in headers:
        _ = request.expires
    contacts = request.contacts
    if method in _WITH_CONTACT and len(contacts) != 1 and (contacts or _is_rfc3261(request)):
        return Problem(400, "exactly one Contact is needed")
    for contact in contacts:
        if contact.uri != "*":
            _check_uri(contact.uri)
        elif method != "REGISTER":
            return Problem(400, "Contact: * stands outside of REGISTER")
    _check_routes(request)
    if request.body and not request.content_type:
        return Problem(400, "a body has no Content-Type")
    return None


def _is_rfc3261(request: Request) -> bool:
    """Whether the sender is newer than RFC 2543, which asked for no Contact (RFC 4475 section 3.4.1)."""
    return (request.via.branch or "").startswith(MAGIC_COOKIE)


def _response(response: Response) -> Problem | None:
    _ = response.cseq
    # RFC 3261 section 8.1.3.3: this element forwards no request, so a second Via means that the answer is not ours.
    if len(response.vias) != 1:
        return Problem(400, "the response is meant for another element")
    for contact in response.contacts:
        if contact.uri != "*":
            _check_uri(contact.uri)
    _check_routes(response)
    return None


def _check_routes(message: Message) -> None:
    if "Route" in message.headers:
        for route in message.routes:
            _check_uri(route.uri)
    if "Record-Route" in message.headers:
        for route in message.record_routes:
            _check_uri(route.uri)


def _check_uri(text: str) -> None:
    """Raises SipParseError unless `text` is a URI; one of a scheme unknown here is none of our business."""
    try:
        SipUri.parse(text)
    except UnsupportedScheme:
        return
