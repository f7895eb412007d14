"""The INVITE dialog usage: a call leg, as caller ("uac") or called party ("uas"). Bodies are opaque here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sealtone.sip.flow import Flow, Hop

if TYPE_CHECKING:
    from sealtone.sip.dialog import Dialog
    from sealtone.sip.endpoint import HeaderPairs
    from sealtone.sip.message import Request
    from sealtone.sip.transaction import ClientTransaction

SessionState = Literal["calling", "incoming", "early", "answered", "confirmed", "ended"]


class InviteSession:
    """One call leg.

    `state`: "calling" (our INVITE is out), "incoming" (theirs came), "early" (1xx with a dialog), "answered" (2xx sent
    or received, ACK outstanding), "confirmed", "ended". `local_body`/`remote_body`: the last session descriptions that
    were sent and received (b"" when none). `owner`: free for the owner. `hop`: where in-dialog requests go; settable.
    `flow`: the flow over which the peer's last message of this dialog came.
    """

    role: Literal["uac", "uas"]
    state: SessionState
    dialog: Dialog | None
    hop: Hop
    flow: Flow | None
    invite_request: Request | None  # as uas: the INVITE
    call_id: str
    local_tag: str
    contact_user: str
    contact_params: str
    remote_supported: frozenset[str]
    remote_allow: frozenset[str]
    session_expires: int | None  # seconds, as negotiated
    prefer_update: bool  # False: offers in a confirmed session go by re-INVITE
    local_body: bytes
    remote_body: bytes
    owner: object

    # as the called party

    def progress(
        self,
        status: int,
        now: float,
        reason: str | None = None,
        body: bytes | None = None,
        headers: HeaderPairs = (),
        reliable: bool | None = None,
    ) -> None:
        """Send a provisional response. `reliable` None: by RFC 3262 only if the peer requires 100rel.

        A body in a reliable one is the answer (or the offer, if the INVITE had none); it must be the same later on.
        """

    def accept(self, body: bytes | None, now: float, headers: HeaderPairs = ()) -> None:
        """Answer with 200, retransmitted until its ACK. `body` is the answer, or an offer if the INVITE had none.

        Where the answer went in a reliable provisional response, `body` is not sent again (RFC 6337 3.1.1).
        """

    def reject(self, status: int, now: float, reason: str | None = None, headers: HeaderPairs = ()) -> None:
        """Refuse with a final 3xx-6xx; the session is over, no event follows."""

    # as the caller

    def cancel(self, now: float, reason_header: str | None = None) -> None:
        """Give up. CANCEL waits for a provisional response; a crossing 200 gets ACK and BYE. `Rejected` follows."""

    def ack(self, now: float, body: bytes | None = None) -> None:
        """The same as `answer` for a late offer in the 2xx."""

    def prack(self, now: float, body: bytes | None = None) -> None:
        """The same as `answer` for an offer in a reliable provisional response."""

    # as either

    def offer(self, body: bytes, now: float, headers: HeaderPairs = ()) -> None:
        """Offer a new session description; `AnswerReceived` or `OfferRejected` follows.

        UPDATE where the dialog is early, or the peer allows it and `prefer_update` is set; else re-INVITE. Queued
        while another offer is under way. A 491 is retried after the times of RFC 3261 14.1.
        """

    def request_offer(self, now: float, headers: HeaderPairs = ()) -> None:
        """Send a re-INVITE without a body; `OfferReceived` with method "2xx" (or `OfferRejected`) follows."""

    def answer(self, body: bytes, now: float, headers: HeaderPairs = ()) -> None:
        """Answer `OfferReceived` (in a 200, PRACK or ACK, whatever is due), or make the offer of `OfferRequested`."""

    def reject_offer(self, status: int, now: float, reason: str | None = None) -> None:
        """Refuse `OfferReceived` or `OfferRequested`. An offer in a response cannot be refused: the session ends (BYE)."""

    def request(
        self, method: str, now: float, headers: HeaderPairs = (), body: bytes = b"", content_type: str | None = None
    ) -> ClientTransaction:
        """Send INFO, MESSAGE, REFER, NOTIFY, OPTIONS in the dialog; `InDialogResponse` follows."""
        raise NotImplementedError

    def bye(self, now: float, headers: HeaderPairs = ()) -> None:
        """End the session whatever its state: BYE, CANCEL (uac before an answer) or 480 (uas before an answer).

        Where our 2xx has no ACK yet the BYE waits for it (RFC 3261 15). No event follows, except after a CANCEL.
        """
