"""What an `Endpoint` tells its owner. Events are drained with `Endpoint.events()`, in the order in which they arose.

Every session ends with exactly one of `Rejected`, `Cancelled` and `Ended`, except where the owner itself
ended it by `bye` or `reject`: then nothing more is said about it. (`cancel` is a wish; its outcome is `Rejected`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sealtone.sip.flow import Flow
    from sealtone.sip.message import Request, Response
    from sealtone.sip.session import InviteSession
    from sealtone.sip.transaction import ClientTransaction, ServerTransaction

OfferMethod = Literal["INVITE", "UPDATE", "PRACK", "1xx", "2xx"]
EndCause = Literal["bye", "session-timer", "no-ack", "transport", "error"]


class RequestReceived(NamedTuple):
    """A new request outside any dialog (or an INVITE that would open one). Answer with `Endpoint.respond`, or `accept`.

    Retransmissions, merged requests, malformed or unsupported ones never come here: the core has answered them.
    """

    tx: ServerTransaction
    request: Request
    flow: Flow


class ResponseReceived(NamedTuple):
    """A response, provisional or final, to a request sent with `Endpoint.request`."""

    tx: ClientTransaction
    response: Response


class TransactionFailed(NamedTuple):
    """A request sent with `Endpoint.request` got no final response: 408 after 64*T1, 503 when it could not be sent."""

    tx: ClientTransaction
    status: int


class Progress(NamedTuple):
    """A provisional response above 100 to our INVITE. `reliable`: it is acknowledged by PRACK (RFC 3262)."""

    session: InviteSession
    response: Response
    reliable: bool = False


class Answered(NamedTuple):
    """The first 2xx to our INVITE; `session.dialog` now is the winning dialog.

    `session.remote_body` is the answer even where a reliable provisional response brought it earlier. Where the
    INVITE had no offer, an `OfferReceived` with method "2xx" follows, and the ACK waits for `answer`.
    """

    session: InviteSession
    response: Response


class Rejected(NamedTuple):
    """Our INVITE failed: a final 3xx-6xx, or 408 (nobody answered), 503 (not sendable, over a limit), 487 (cancelled).

    `response` is None where the status was made here. A 3xx carries its Contacts in `response`.
    """

    session: InviteSession
    status: int
    reason: str
    response: Response | None


class OfferReceived(NamedTuple):
    """The peer offers a session description in an established or early dialog. Reply by `answer` or `reject_offer`.

    `method` is what carried it: re-INVITE, UPDATE, PRACK, or a response ("1xx" reliable, "2xx") to an INVITE of ours
    that had no offer. `request` is that request or response.
    """

    session: InviteSession
    body: bytes
    method: OfferMethod
    request: Request | Response


class AnswerReceived(NamedTuple):
    """The answer to an offer of ours that was not in the initial INVITE (those come with `Progress` and `Answered`).

    `offer` is the body that it answers: the last one offered, or, after a session refresh, the description that holds.
    """

    session: InviteSession
    body: bytes
    offer: bytes = b""


class OfferRequested(NamedTuple):
    """A re-INVITE without a body: the peer wants an offer in our 2xx. Reply by `answer` with one, or `reject_offer`."""

    session: InviteSession
    request: Request


class OfferRejected(NamedTuple):
    """Our offer was refused (or could not be sent, or got no answer): what was agreed before still holds."""

    session: InviteSession
    status: int
    reason: str
    response: Response | None


class OfferWithdrawn(NamedTuple):
    """The peer cancelled its re-INVITE (answered 487): what was agreed before still holds, `answer` has no effect."""

    session: InviteSession


class Confirmed(NamedTuple):
    """The ACK for our 2xx (to an INVITE or re-INVITE) arrived; an answer in it came as `AnswerReceived` before this."""

    session: InviteSession


class Cancelled(NamedTuple):
    """The caller cancelled before we answered. 200 and 487 are sent already. The session is over."""

    session: InviteSession
    request: Request


class Ended(NamedTuple):
    """An established (or answered, or early) session is over, not by our own `bye`. `request` is the BYE, if any.

    "session-timer": not refreshed in time (RFC 4028); "no-ack": our 2xx was never acknowledged; "transport": the
    peer cannot be reached; "error": the peer lost the dialog or broke the protocol. In all these a BYE was sent.
    """

    session: InviteSession
    cause: EndCause
    request: Request | None


class InDialogRequest(NamedTuple):
    """INFO, REFER, NOTIFY, MESSAGE, OPTIONS and the like in a dialog. Answer with `Endpoint.respond(tx, ...)`."""

    session: InviteSession
    tx: ServerTransaction
    request: Request


class InDialogResponse(NamedTuple):
    """The final outcome of `InviteSession.request`; `response` is None where `status` was made here (408, 503)."""

    session: InviteSession
    tx: ClientTransaction
    response: Response | None
    status: int


Event = (
    RequestReceived
    | ResponseReceived
    | TransactionFailed
    | Progress
    | Answered
    | Rejected
    | OfferReceived
    | AnswerReceived
    | OfferRequested
    | OfferRejected
    | OfferWithdrawn
    | Confirmed
    | Cancelled
    | Ended
    | InDialogRequest
    | InDialogResponse
)
