"""Changing an established session: re-INVITE, UPDATE and session timers, as the one who asks and the one who answers.

Rules. 1. One offer at a time (`OfferState`); further ones of ours wait in a queue. 2. A re-INVITE of ours waits until
no INVITE is under way in either direction and every 2xx has its ACK (RFC 3261 14.1). 3. A 491 is retried, by the side
that owns the Call-ID after 2.1-4 s, by the other after 0-2 s. 4. 408 and 481 to a re-INVITE or UPDATE end the session
(12.2.1.2). 5. A 2xx to an INVITE of ours always gets an ACK, also after the session is over. 6. A re-INVITE that is
answered with provisional responses only is cancelled before whoever waits for its outcome gives up; the call goes on.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sealtone.sip.dialog_usage import DialogUsage, QueuedOffer, UnackedAnswer
from sealtone.sip.events import (
    AnswerReceived,
    OfferReceived,
    OfferRejected,
    OfferRequested,
)
from sealtone.sip.responses import HeaderPairs, content_lines, header_lines, reason_for, response_to
from sealtone.sip.session_timer import SMALLEST_S
from sealtone.sip.transaction import NOBODY, PROCEEDING

if TYPE_CHECKING:
    from sealtone.sip.dialog import Dialog
    from sealtone.sip.flow import Flow
    from sealtone.sip.message import Request, Response
    from sealtone.sip.transaction import ClientTransaction, ServerTransaction

LATE_ANSWER_T1S: Final = 48  # T1s for the owner to answer an offer in a 2xx, before the peer gives up at 64
_REINVITE_T1S: Final = 48  # T1s for the final response to a re-INVITE of ours; then it is cancelled
_CANCELLED_T1S: Final = 12  # and T1s for the one to the cancelled INVITE: together less than 64, as above
_RETRIES: Final = 4  # of one offer after 491, 500 with Retry-After, or 422
_LONGEST_RETRY_AFTER_S: Final = 10


class Renegotiation(DialogUsage):
    """Offers and answers in an established dialog."""

    __slots__ = ()

    # offers of ours

    def _enqueue(self, queued: QueuedOffer, now: float) -> None:
        if self.state == "ended" or self._parting is not None:
            return
        if self._queue is None:
            self._queue = deque()
        if len(self._queue) >= self.endpoint.config.max_queued_offers:
            self.endpoint.counters.refused_over_limit += 1
            self.endpoint.emit(OfferRejected(self._leg, 491, "Too many offers wait", None))
            return
        self._queue.append(queued)
        self._pump(now)

    def _pump(self, now: float) -> None:
        """Send the next offer that waits, if one may be sent now."""
        queue = self._queue
        if not queue or self._current is not None or not self._offers.idle or "glare" in self._deadlines:
            return
        dialog = self.dialog
        if dialog is None or self._update_tx is not None or not dialog.negotiated:
            return
        may_update = "UPDATE" in self.remote_allow
        if self.state == "early":
            by_update = True
            if not may_update or queue[0].kind == "request":
                return
        elif self.state != "confirmed":
            return
        else:
            by_update = may_update and queue[0].kind != "request" and (self.prefer_update or queue[0].kind == "refresh")
            if self._unacked is not None or (
                not by_update and (self._invite_server is not None or self._invite_tx is not None)
            ):
                return
        current = self._current = queue.popleft()
        if current.retries and current.body and self.renew_offer is not None:
            # Something else may have been said meanwhile: the o= line must not go back (RFC 3264 8).
            current.body = self.renew_offer(current.body)
        if by_update:
            self._send_update(dialog, current, now)
        else:
            self._send_reinvite(dialog, current, now)

    def _send_update(self, dialog: Dialog, current: QueuedOffer, now: float) -> None:
        body = current.body if current.kind == "offer" else b""
        if body:
            self._offers.offered(body, "UPDATE")
        lines = f"{self.contact_line()}{self.endpoint.capability_lines}{self._timer.request_lines()}"
        lines += header_lines(current.headers) + content_lines(body, None)
        self._update_tx = self._send(dialog, "UPDATE", lines, body, now)

    def _send_reinvite(self, dialog: Dialog, current: QueuedOffer, now: float) -> None:
        body = self.local_body if current.kind == "refresh" else current.body
        if body:
            self._offers.offered(body, "INVITE")
        else:
            self._offers.wanted = True
        lines = f"{self.contact_line()}{self.endpoint.capability_lines}{self._timer.request_lines()}"
        lines += header_lines(current.headers) + content_lines(body, None)
        self._invite_tx = self._send(dialog, "INVITE", lines, body, now)
        self._arm("reinvite", now + _REINVITE_T1S * self.endpoint.config.t1)

    def _hurry_reinvite(self, now: float) -> None:
        """A re-INVITE of ours has no final response yet."""
        tx, current = self._invite_tx, self._current
        if tx is None or current is None:
            return
        if current.given_up:
            tx.abandon()
            self._offer_failed(tx, 408, None, now)
            return
        if tx.state == PROCEEDING:  # else timer B decides
            current.given_up = True
            tx.cancel("", NOBODY, now)
        self._arm("reinvite", now + _CANCELLED_T1S * self.endpoint.config.t1)

    def _receive_reinvite_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        status = response.status
        if status < 200:
            return
        if status >= 300:
            self._offer_failed(tx, status, response, now)
            return
        dialog = self.dialog
        assert dialog is not None
        seq = response.cseq.seq
        sent = self._sent_ack
        if sent is not None and sent.seq == seq:
            self.endpoint.layer.resend(sent.data, sent.hop)
            return
        if tx is not self._invite_tx:
            return  # its 2xx came already, and the ACK waits for our answer to the offer in it
        self._invite_tx = None
        self._disarm("reinvite")
        current, self._current = self._current, None
        if self.state == "ended" or current is None:
            self._send_ack(dialog, seq, b"")
            return
        self._follow(flow)
        self._refresh_target(dialog, response)
        self._timer.take(response)
        self._arm_session_timer(now)
        body = response.body
        if self._offers.wanted:
            self._receive_late_offer(dialog, seq, response, now)
            return
        self._send_ack(dialog, seq, b"")
        self._take_answer(current, body, now)

    def _receive_late_offer(self, dialog: Dialog, seq: int, response: Response, now: float) -> None:
        self._offers.settle()
        if not response.body:
            self._send_ack(dialog, seq, b"")
            self.endpoint.emit(OfferRejected(self._leg, 500, "No offer in the response", response))
            self._pump(now)
            return
        self._offers.received("2xx", None)
        self._arm("late-answer", now + LATE_ANSWER_T1S * self.endpoint.config.t1)
        self.remote_body = response.body
        self.endpoint.emit(OfferReceived(self._leg, response.body, "2xx", response))

    def _take_answer(self, current: QueuedOffer, body: bytes, now: float) -> None:
        """The 2xx to an offer or refresh of ours is in."""
        offered = self._offers.settle() if self._offers.by == "local" else b""
        if offered:
            self.local_body = offered
            if not body and current.kind == "offer":
                self.endpoint.emit(OfferRejected(self._leg, 500, "No answer in the response", None))
            elif body and (current.kind == "offer" or body != self.remote_body):
                self.remote_body = body
                self.endpoint.emit(AnswerReceived(self._leg, body, offered))
        self._pump(now)

    def _receive_update_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        if tx is not self._update_tx:
            return
        if response.status >= 300:
            self._offer_failed(tx, response.status, response, now)
            return
        self._update_tx = None
        current, self._current = self._current, None
        if self.state == "ended" or current is None:
            return
        if self.dialog is not None:
            self._refresh_target(self.dialog, response)
        self._timer.take(response)
        self._arm_session_timer(now)
        self._take_answer(current, response.body, now)

    def _offer_failed(self, tx: ClientTransaction, status: int, response: Response | None, now: float) -> None:
        """A re-INVITE or UPDATE of ours got no 2xx."""
        if tx is self._invite_tx:
            self._invite_tx = None
            self._disarm("reinvite")
        elif tx is self._update_tx:
            self._update_tx = None
        else:
            return
        current, self._current = self._current, None
        if self._offers.by == "local" or (self._offers.wanted and self._offers.tx is None):
            self._offers.settle()
        if self.state == "ended" or current is None:
            return
        if current.given_up and (response is None or status == 487):
            # Neither 408 nor 487: to whoever asked for this change, the one is the end of a call, the other nonsense.
            status, response = 480, None
        if status in (408, 481):
            self._abandon("transport" if response is None else "error", now)
        elif self._retries(current, tx.method, status, response, now):
            pass
        elif current.kind == "refresh":
            # A refusal proves the peer alive: no reason to end the call. Try again; in the end the expiry decides.
            self._arm("refresh", now + (self._timer.expires_s or SMALLEST_S) / 8)
            self._pump(now)
        else:
            reason = response.reason if response is not None else reason_for(status)
            self.endpoint.emit(OfferRejected(self._leg, status, reason, response))
            self._pump(now)

    def _retries(
        self, current: QueuedOffer, method: str, status: int, response: Response | None, now: float
    ) -> bool:  # fmt: skip
        """Whether a failed offer is to be sent again; then it is the first in the queue once more."""
        if response is None or current.given_up or current.retries >= _RETRIES:
            return False
        if status == 491:
            draw = self.endpoint.draw(200)
            wait_s = (2.1 + draw % 191 / 100) if self.role == "uac" else draw / 100
        elif status == 500 and response.headers.get("Retry-After") is not None:
            wait_s = _retry_after_of(response)
        elif status == 422 and self._timer.raise_to(response):
            wait_s = 0.0
        elif method == "UPDATE" and status in (405, 501):
            self.remote_allow -= {"UPDATE"}
            wait_s = 0.0
        else:
            return False
        current.retries += 1
        if self._queue is None:
            self._queue = deque()
        self._queue.appendleft(current)
        self._arm("glare", now + wait_s)
        return True

    # offers of the peer

    def _receive_reinvite(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        status = self._reinvite_refusal(request, now)
        if status:
            self._refuse_offer(tx, status, now)
            return
        if self._timer.too_brief(request):
            tx.send(422, response_to(tx, 422, None, f"Min-SE: {self._timer.min_se_s}\r\n"), now)
            return
        tx.accepted = True
        self._invite_server = tx
        self._take_capabilities(request)
        self._refresh_target(dialog, request)
        if request.body:
            self._offers.received("INVITE", tx)
            self.remote_body = request.body
            self.endpoint.emit(OfferReceived(self._leg, request.body, "INVITE", request))
        else:
            self._offers.wanted = True
            self._offers.tx = tx
            self.endpoint.emit(OfferRequested(self._leg, request))

    def _reinvite_refusal(self, request: Request, now: float) -> int:
        if self.state in ("calling", "early", "incoming"):
            return 500 if self.role == "uas" else 491
        if self._invite_server is not None:
            return 500
        if self._invite_tx is not None:
            return 491
        unacked = self._unacked
        if unacked is not None:
            if unacked.wants_answer:
                return 491
            # The peer cannot ask again without having our 2xx: its ACK was lost or overtaken (RFC 5407 3.1.5).
            self._receive_implied_ack(now)
        return self._offers.refusal()

    def _receive_implied_ack(self, now: float) -> None:
        raise NotImplementedError

    def _refuse_offer(self, tx: ServerTransaction, status: int, now: float) -> None:
        lines = f"Retry-After: {self.endpoint.draw(11)}\r\n" if status == 500 else ""
        tx.send(status, response_to(tx, status, None, lines), now)

    def _receive_update(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        body = request.body
        if body:
            status = self._offers.refusal() or (0 if dialog.negotiated else 491)
            if status:
                self._refuse_offer(tx, status, now)
                return
        if self._timer.too_brief(request):
            tx.send(422, response_to(tx, 422, None, f"Min-SE: {self._timer.min_se_s}\r\n"), now)
            return
        self._take_capabilities(request)
        self._refresh_target(dialog, request)
        if body:
            self._offers.received("UPDATE", tx)
            self.remote_body = body
            self.endpoint.emit(OfferReceived(self._leg, body, "UPDATE", request))
        else:
            self._answer_update(tx, b"", now, ())

    def _answer_update(self, tx: ServerTransaction, body: bytes, now: float, headers: HeaderPairs) -> None:
        request = tx.request
        if request is None:
            return
        lines = header_lines(headers) + content_lines(body, None)
        if request.method == "UPDATE":
            timer = self._timer.answer(request, "timer" in request.supported)
            lines = f"{self.contact_line()}{self.endpoint.capability_lines}{timer}{lines}"
            self._arm_session_timer(now)
        tx.send(200, response_to(tx, 200, None, lines, body), now)

    def _answer_invite(
        self, tx: ServerTransaction, body: bytes, wants_answer: bool, now: float, headers: HeaderPairs
    ) -> None:
        """Send the 2xx to an INVITE, first or not, and repeat it until its ACK (RFC 3261 13.3.1.4)."""
        request = tx.request
        if request is None:
            return
        timer = self._timer.answer(request, "timer" in request.supported)
        lines = f"{self._record_routes()}{self.contact_line()}{self.endpoint.capability_lines}{timer}"
        lines += header_lines(headers) + content_lines(body, None)
        data = response_to(tx, 200, None, lines, body)
        seq = request.cseq.seq
        if tx is self._invite_server:
            self._invite_server = None
        t1 = self.endpoint.config.t1
        self._unacked = UnackedAnswer(data, tx.hop, seq, wants_answer, t1, now)
        tx.send(200, data, now)
        self._arm("ack", now + t1)
        self._arm_session_timer(now)

    def _record_routes(self) -> str:
        return ""

    def _take_capabilities(self, message: Request | Response) -> None:
        headers = message.headers
        allow = headers.all("Allow")
        if allow:
            self.remote_allow = _methods_of(allow[0]) if len(allow) == 1 and len(allow[0]) < 256 else message.allow
        if "Supported" in headers:
            self.remote_supported = message.supported

    # session timers

    def _arm_session_timer(self, now: float) -> None:
        """The session was refreshed now."""
        refresh_at = self._timer.refresh_at(now)
        if refresh_at is None:
            self._disarm("refresh")
        else:
            self._arm("refresh", refresh_at)
        ends_at = self._timer.ends_at(now)
        if ends_at is None:
            self._disarm("expiry")
        else:
            self._arm("expiry", ends_at)

    def _refresh(self, now: float) -> None:
        queue = self._queue
        if (queue and queue[0].kind == "refresh") or (self._current is not None and self._current.kind == "refresh"):
            return
        if queue is None:
            queue = self._queue = deque()
        queue.appendleft(QueuedOffer("refresh", b"", ()))
        self._pump(now)

    def _repeat_answer(self, now: float) -> None:
        """Our 2xx has no ACK yet."""
        unacked = self._unacked
        if unacked is None:
            return
        if now >= unacked.deadline:
            self._unacked = None
            if self._parting is not None:
                self._part(now, self._parting)
            else:
                self._abandon("no-ack", now)
            return
        self.endpoint.layer.resend(unacked.data, unacked.hop)
        unacked.interval = min(unacked.interval * 2, self.endpoint.config.t2)
        self._arm("ack", min(now + unacked.interval, unacked.deadline))


@lru_cache(maxsize=256)  # the phones of one make say the same in every message
def _methods_of(allow: str) -> frozenset[str]:
    return frozenset([method.strip().upper() for method in allow.split(",")])


def _retry_after_of(response: Response) -> float:
    value = (response.headers.get("Retry-After") or "").strip()
    digits = value[: len(value) - len(value.lstrip("0123456789"))]
    return float(min(int(digits[:4] or "0"), _LONGEST_RETRY_AFTER_S)) if digits.isascii() else 0.0
