"""A call leg: the owner's interface to it in either role, and the requests of the peer within its dialog.

Bodies are opaque here. What is written for one role only raises `NotImplementedError` in the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sealtone.sip.dialog_usage import Deadline, QueuedOffer
from sealtone.sip.events import (
    AnswerReceived,
    Confirmed,
    Ended,
    InDialogRequest,
    InDialogResponse,
    OfferRejected,
    OfferWithdrawn,
)
from sealtone.sip.renegotiation import Renegotiation
from sealtone.sip.responses import HeaderPairs, content_lines, header_lines, response_to

if TYPE_CHECKING:
    from sealtone.sip.dialog import Dialog
    from sealtone.sip.flow import Flow
    from sealtone.sip.message import Request, Response
    from sealtone.sip.transaction import ClientTransaction, ServerTransaction

_TARGET_REFRESH: Final = frozenset(("SUBSCRIBE", "NOTIFY", "REFER"))  # INVITE and UPDATE build their Contact themselves


class InviteSession(Renegotiation):
    """One call leg; its attributes are told at `DialogUsage`."""

    __slots__ = ()

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
        raise NotImplementedError

    def accept(self, body: bytes | None, now: float, headers: HeaderPairs = ()) -> None:
        """Answer with 200, retransmitted until its ACK. `body` is the answer, or an offer if the INVITE had none.

        Where the answer went in a reliable provisional response, `body` is not sent again (RFC 6337 3.1.1).
        """
        raise NotImplementedError

    def reject(self, status: int, now: float, reason: str | None = None, headers: HeaderPairs = ()) -> None:
        """Refuse with a final 3xx-6xx; the session is over, no event follows."""
        raise NotImplementedError

    # as the caller

    def cancel(self, now: float, reason_header: str | None = None) -> None:
        """Give up. CANCEL waits for a provisional response; a crossing 200 gets ACK and BYE. `Rejected` follows."""
        raise NotImplementedError

    def ack(self, now: float, body: bytes | None = None) -> None:
        """The same as `answer` for a late offer in the 2xx."""
        self.answer(body or b"", now)

    def prack(self, now: float, body: bytes | None = None) -> None:
        """The same as `answer` for an offer in a reliable provisional response."""
        self.answer(body or b"", now)

    # as either

    def offer(self, body: bytes, now: float, headers: HeaderPairs = ()) -> None:
        """Offer a new session description; `AnswerReceived` or `OfferRejected` follows.

        UPDATE where the dialog is early, or the peer allows it and `prefer_update` is set; else re-INVITE. Queued
        while another offer is under way. A 491 is retried after the times of RFC 3261 14.1.
        """
        self._enqueue(QueuedOffer("offer", body, headers), now)

    def request_offer(self, now: float, headers: HeaderPairs = ()) -> None:
        """Send a re-INVITE without a body; `OfferReceived` with method "2xx" (or `OfferRejected`) follows."""
        self._enqueue(QueuedOffer("request", b"", headers), now)

    def answer(self, body: bytes, now: float, headers: HeaderPairs = ()) -> None:
        """Answer `OfferReceived` (in a 200, PRACK or ACK, whatever is due), or make the offer of `OfferRequested`."""
        offers = self._offers
        if offers.wanted:
            tx = offers.tx
            if tx is not None and not tx.answered:
                offers.offered(body, "2xx")
                self._answer_invite(tx, body, True, now, headers)
        elif offers.by == "remote":
            carrier, tx = offers.carrier, offers.tx
            if carrier == "2xx":
                self._answer_late_offer(body, now, headers)
            elif carrier == "1xx":
                self._answer_early_offer(body, now, headers)
            elif tx is not None and tx is not self._initial_server():
                offers.settle()
                self.local_body = body
                if carrier == "INVITE":
                    self._answer_invite(tx, body, False, now, headers)
                else:
                    self._answer_update(tx, body, now, headers)
                self._pump(now)

    def reject_offer(self, status: int, now: float, reason: str | None = None) -> None:
        """Refuse `OfferReceived` or `OfferRequested`. One in a response cannot be refused: the session ends (BYE)."""
        offers = self._offers
        if offers.by != "remote" and not offers.wanted:
            return
        if offers.carrier in ("1xx", "2xx"):
            self.bye(now)
        elif offers.tx is not None and offers.tx is not self._initial_server():
            tx = offers.tx
            offers.settle()
            if tx is self._invite_server:
                self._invite_server = None
            tx.send(status, response_to(tx, status, reason), now)
            self._pump(now)

    def request(
        self, method: str, now: float, headers: HeaderPairs = (), body: bytes = b"", content_type: str | None = None
    ) -> ClientTransaction | None:
        """Send INFO, MESSAGE, REFER, NOTIFY, OPTIONS in the dialog; `InDialogResponse` follows.

        None where there is no dialog (yet, or any more): then nothing is sent and nothing follows.
        """
        dialog = self.dialog
        if dialog is None or self.state == "ended":
            return None
        lines = header_lines(headers) + content_lines(body, content_type)
        if method in _TARGET_REFRESH:
            lines = self.contact_line() + lines
        return self._send(dialog, method, lines, body, now)

    def bye(self, now: float, headers: HeaderPairs = ()) -> None:
        """End the session whatever its state: BYE, CANCEL (uac before an answer) or 480 (uas before an answer).

        Where our 2xx has no ACK yet the BYE waits for it (RFC 3261 15). No event follows, except after a CANCEL.
        """
        state = self.state
        if state == "ended":
            return
        if state in ("calling", "early", "incoming"):
            self._give_up(now)
        elif self.role == "uas" and state == "answered" and self._unacked is not None:
            self._parting = headers
        else:
            self._part(now, headers)

    # what the endpoint calls

    def receive_request(self, tx: ServerTransaction, request: Request, dialog: Dialog, flow: Flow, now: float) -> None:
        """Take an in-dialog request other than ACK and CANCEL, whose place the endpoint has checked."""
        method = request.method
        seq = request.cseq.seq
        if seq <= dialog.remote_seq:
            tx.send(500, response_to(tx, 500, "CSeq out of order"), now)
            return
        dialog.remote_seq = seq
        if self.state == "ended":
            status = 200 if method == "BYE" else 481
            tx.send(status, response_to(tx, status), now)
            return
        if method == "BYE":
            self._receive_bye(tx, request, dialog, now)
            return
        pending = self._pending
        if len(pending) >= self.endpoint.config.max_pending_in_dialog:
            pending[:] = [each for each in pending if not each.answered]
            if len(pending) >= self.endpoint.config.max_pending_in_dialog:
                self.endpoint.refuse_over_limit(tx, now)
                return
        self._follow(flow)
        pending.append(tx)
        tx.session = self
        if method == "INVITE":
            self._receive_reinvite(tx, request, dialog, now)
        elif method == "UPDATE":
            self._receive_update(tx, request, dialog, now)
        elif method == "PRACK":
            self._receive_prack(tx, request, dialog, now)
        else:
            self._refresh_target(dialog, request)
            self.endpoint.emit(InDialogRequest(self, tx, request))

    def receive_ack(self, request: Request, flow: Flow, now: float) -> None:
        """Take the ACK of a 2xx."""
        unacked = self._unacked
        if unacked is None or request.cseq.seq != unacked.seq:
            return
        self._unacked = None
        self._disarm("ack")
        self._follow(flow)
        first = self.state == "answered"
        if first:
            self.state = "confirmed"
        if unacked.wants_answer and not self._take_acked_answer(request.body, first, now):
            return
        if self._parting is not None:
            self._part(now, self._parting)
            return
        if self.state != "ended":
            self.endpoint.emit(Confirmed(self))
            self._pump(now)

    def receive_cancel(self, tx: ServerTransaction, request: Request, now: float) -> None:
        """The peer cancelled an INVITE that has no final response yet."""
        tx.send(487, response_to(tx, 487), now)
        if tx is self._invite_server:
            self._invite_server = None
            self._offers.settle()
            self.endpoint.emit(OfferWithdrawn(self))
            self._pump(now)

    def on_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        """Take a response to a request of this session."""
        method = tx.method
        if method == "INVITE":
            self._receive_reinvite_response(tx, response, flow, now)
        elif method == "UPDATE":
            if response.status >= 200:
                self._receive_update_response(tx, response, now)
        elif method in ("BYE", "PRACK"):
            if response.status >= 200:
                self._receive_plain_response(tx, response.status, now)
        elif response.status >= 200 and self.state != "ended":
            self.endpoint.emit(InDialogResponse(self, tx, response, response.status))
            # RFC 5057 5.1: 481 ends the usage that the request belongs to. Of these only INFO is one of this usage
            # (RFC 6086 4.2.2); a phone that knows nothing of a NOTIFY's subscription still has its call.
            if response.status == 481 and method == "INFO":
                self._abandon("error", now)

    def on_failure(self, tx: ClientTransaction, status: int, now: float) -> None:
        """A request of this session got no final response."""
        method = tx.method
        if method in ("INVITE", "UPDATE"):
            self._offer_failed(tx, status, None, now)
        elif method in ("BYE", "PRACK"):
            self._receive_plain_response(tx, status, now)
        elif self.state != "ended":
            self.endpoint.emit(InDialogResponse(self, tx, None, status))

    def connection_lost(self, now: float) -> None:
        """The stream connection of an INVITE that is still unanswered is gone."""

    # within

    def _initial_server(self) -> ServerTransaction | None:
        """The initial INVITE as the called party: `answer` does not answer it, `accept` does."""
        return None

    def _give_up(self, now: float) -> None:
        """End before the initial INVITE is answered."""
        raise NotImplementedError

    def _answer_late_offer(self, body: bytes, now: float, headers: HeaderPairs) -> None:
        """ACK the 2xx of a re-INVITE of ours that had no offer."""
        dialog = self.dialog
        if dialog is None:
            return
        self._offers.settle()
        self._disarm("late-answer")
        self.local_body = body
        self._send_ack(dialog, dialog.invite_seq, body)
        self._pump(now)

    def _answer_early_offer(self, body: bytes, now: float, headers: HeaderPairs) -> None:
        raise NotImplementedError

    def _receive_prack(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        tx.send(481, response_to(tx, 481), now)

    def _receive_bye(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        tx.send(200, response_to(tx, 200), now)
        self._refuse_pending(now)
        parted = self._parting is not None
        self._close()
        if not parted:
            self.endpoint.emit(Ended(self, "bye", request))

    def _receive_plain_response(self, tx: ClientTransaction, status: int, now: float) -> None:
        """The outcome of a BYE or PRACK of ours."""
        if tx.method == "BYE":
            if tx is self._bye_tx:
                self._forget_dialogs()
        elif status in (408, 481):
            self._give_up(now)

    def _take_acked_answer(self, body: bytes, first: bool, now: float) -> bool:
        """Take the answer in an ACK; False if the session is over for want of one."""
        proposed = self._offers.settle()
        if body:
            self.local_body = proposed
            self.remote_body = body
            if self.dialog is not None:
                self.dialog.negotiated = True
            if self._parting is None:
                self.endpoint.emit(AnswerReceived(self, body, proposed))
        elif self._parting is None:
            if first:
                self._abandon("error", now)
                return False
            self.endpoint.emit(OfferRejected(self, 500, "No answer in the ACK", None))
        return True

    def _receive_implied_ack(self, now: float) -> None:
        self._unacked = None
        self._disarm("ack")
        if self.state == "answered":
            self.state = "confirmed"
        self.endpoint.emit(Confirmed(self))

    def _expire(self, deadline: Deadline, now: float) -> None:
        if deadline == "ack":
            self._repeat_answer(now)
        elif deadline == "glare":
            self._pump(now)
        elif deadline == "refresh":
            self._refresh(now)
        elif deadline == "expiry":
            self._abandon("session-timer", now)
        elif deadline == "reinvite":
            self._hurry_reinvite(now)
        elif deadline == "late-answer":
            self._abandon("error", now)
