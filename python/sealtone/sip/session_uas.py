"""The called side: their initial INVITE, provisional responses (reliable ones by RFC 3262) and our answer.

Rules. 1. One reliable provisional response at a time; further ones, and a 2xx where one with a body waits for its
PRACK, are held back until it is acknowledged (RFC 3262 3). 2. A reliable one without PRACK after 64*T1 refuses the
INVITE with 504. 3. Until a 2xx the caller may cancel; after it only BYE ends the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sealtone.sip.dialog import Dialog
from sealtone.sip.dialog_usage import Deadline
from sealtone.sip.errors import SipParseError
from sealtone.sip.events import AnswerReceived, Cancelled, Ended, OfferReceived, OfferRejected
from sealtone.sip.headers import RAck
from sealtone.sip.responses import HeaderPairs, content_lines, header_lines, response_to
from sealtone.sip.session import InviteSession
from sealtone.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sealtone.sip.endpoint import Endpoint
    from sealtone.sip.message import Request


class Provisional(NamedTuple):
    """A provisional response asked for by the owner."""

    status: int
    reason: str | None
    body: bytes
    headers: HeaderPairs


class ReliableProvisional:
    """A reliable provisional response, repeated until its PRACK. `holds`: what its body is."""

    __slots__ = ("data", "deadline", "holds", "interval", "rseq")

    def __init__(self, rseq: int, data: bytes, holds: Literal["", "offer", "answer"], t1: float, now: float) -> None:
        self.rseq = rseq
        self.data = data
        self.holds = holds
        self.interval = t1
        self.deadline = now + 64 * t1


class CalledSession(InviteSession):
    """A call that comes to us."""

    __slots__ = ("_accepting", "_initial", "_initial_routes", "_initial_seq", "_reliable", "_rseq", "_waiting")

    role = "uas"

    def __init__(self, endpoint: Endpoint, tx: ServerTransaction, request: Request | None, now: float) -> None:
        """Open the session. A called phone mostly rings within the 200 ms after which the transaction sends 100; that
        spares a message. `request` None: the INVITE has its final response, and the session is ended already."""
        secure = request is not None and request.uri[:5].lower() == "sips:"
        super().__init__(endpoint, "incoming", request.call_id if request else "", tx.to_tag, tx.hop, secure)
        self.flow = tx.flow
        self._initial: ServerTransaction | None = tx
        self._initial_seq = 0
        self._initial_routes = ""
        self._reliable: ReliableProvisional | None = None
        self._waiting: list[Provisional] = []
        self._accepting: tuple[bytes | None, HeaderPairs] | None = None
        self._rseq = 0
        if request is None:
            self._initial = None
            self._close()
            return
        self.invite_request = request
        self._initial_seq = request.cseq.seq
        self._take_capabilities(request)
        headers = request.headers
        routes: tuple[str, ...] = ()
        if "Record-Route" in headers:
            routes = tuple(headers.split("Record-Route"))
            self._initial_routes = "".join([f"Record-Route: {value}\r\n" for value in headers.all("Record-Route")])
        contacts = request.contacts
        dialog = self.dialog = Dialog(
            request.call_id,
            tx.to_tag,
            request.from_.tag or "",
            f"{headers.get('To')};tag={tx.to_tag}",
            headers.get("From") or "",
            endpoint.draw(65536),
            self._initial_seq,
            routes,
            contacts[0].uri if contacts else request.from_.uri,
            secure,
            self,
        )
        self._dialogs.append(dialog)
        endpoint.dialogs[dialog.key] = dialog
        if request.body:
            self._offers.received("INVITE", tx)
            self.remote_body = request.body
        self._pending.append(tx)
        if tx.flow.transport != "udp":
            endpoint.ringing.setdefault(tx.flow.id, set()).add(self)
        tx.session = self
        tx.accepted = True

    # provisional responses

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
        True is heeded only where the peer supports 100rel.
        """
        tx = self._initial
        if tx is None or tx.request is None or self._accepting is not None or not 100 < status < 200:
            return
        self.state = "early"
        required = "100rel" in tx.request.require
        if required or (reliable and "100rel" in self.remote_supported):
            self._progress_reliably(tx, Provisional(status, reason, body or b"", headers), now)
            return
        body = body or b""
        if body and self._offers.by == "remote":
            self.local_body = body
        lines = f"{self._initial_routes}{self.contact_line()}{self.endpoint.allow_line}"
        lines += header_lines(headers) + content_lines(body, None)
        tx.send(status, response_to(tx, status, reason, lines, body), now)

    def _progress_reliably(self, tx: ServerTransaction, wanted: Provisional, now: float) -> None:
        if self._reliable is not None:
            if len(self._waiting) < self.endpoint.config.max_queued_offers:
                self._waiting.append(wanted)
            return
        dialog = self.dialog
        assert dialog is not None
        status, reason, body, headers = wanted
        holds: Literal["", "offer", "answer"] = ""
        if body and dialog.negotiated:
            body = b""  # the answer is known already
        elif body and self._offers.by == "remote":
            holds = "answer"
            self._offers.settle()
            self.local_body = body
        elif body and self._offers.idle:
            holds = "offer"
            self._offers.offered(body, "1xx")
            self.local_body = body
        self._rseq = self._rseq + 1 if self._rseq else 1 + self.endpoint.draw(2**30)
        lines = (
            f"{self._initial_routes}{self.contact_line()}{self.endpoint.allow_line}Require: 100rel\r\n"
            f"RSeq: {self._rseq}\r\n{header_lines(headers)}{content_lines(body, None)}"
        )
        data = response_to(tx, status, reason, lines, body)
        t1 = self.endpoint.config.t1
        self._reliable = ReliableProvisional(self._rseq, data, holds, t1, now)
        tx.send(status, data, now)
        self._arm("reliable", now + t1)

    def _repeat_reliable(self, now: float) -> None:
        reliable = self._reliable
        tx = self._initial
        if reliable is None or tx is None:
            return
        if now >= reliable.deadline:
            self.reject(504, now, "No PRACK for a reliable response")
            self.endpoint.emit(Ended(self, "no-ack", None))
            return
        self.endpoint.layer.resend(reliable.data, tx.hop)
        reliable.interval *= 2
        self._arm("reliable", min(now + reliable.interval, reliable.deadline))

    def _receive_prack(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        reliable = self._reliable
        if reliable is None or not self._is_acknowledged(request, reliable):
            tx.send(481, response_to(tx, 481), now)
            return
        self._reliable = None
        self._disarm("reliable")
        body = request.body
        if reliable.holds == "offer":
            proposed = self._offers.settle()
            tx.send(200, response_to(tx, 200), now)
            if body:
                self.local_body = proposed
                self.remote_body = body
                dialog.negotiated = True
                self.endpoint.emit(AnswerReceived(self, body, proposed))
            else:
                self.endpoint.emit(OfferRejected(self, 500, "No answer in the PRACK", None))
        else:
            if reliable.holds == "answer":
                dialog.negotiated = True
            self._take_pracked_offer(tx, request, dialog, now)
        self._go_on(now)

    def _take_pracked_offer(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        body = request.body
        if not body:
            tx.send(200, response_to(tx, 200), now)
        elif not dialog.negotiated or self._offers.refusal():
            self._refuse_offer(tx, self._offers.refusal() or 491, now)
        else:
            self._offers.received("PRACK", tx)
            self.remote_body = body
            self.endpoint.emit(OfferReceived(self, body, "PRACK", request))

    def _is_acknowledged(self, request: Request, reliable: ReliableProvisional) -> bool:
        try:
            rack = RAck.parse(request.headers.get("RAck") or "")
        except SipParseError:
            return False
        return rack.rseq == reliable.rseq and rack.seq == self._initial_seq and rack.method == "INVITE"

    def _go_on(self, now: float) -> None:
        """Send what was held back by a reliable provisional response."""
        tx = self._initial
        if self.state == "ended" or tx is None or self._reliable is not None:
            return
        if self._waiting:
            self._progress_reliably(tx, self._waiting.pop(0), now)
        elif self._accepting is not None:
            (body, headers), self._accepting = self._accepting, None
            self.accept(body, now, headers)
        else:
            self._pump(now)

    # the final response

    def accept(self, body: bytes | None, now: float, headers: HeaderPairs = ()) -> None:
        """Answer with 200, retransmitted until its ACK. `body` is the answer, or an offer if the INVITE had none.

        Where the answer went in a reliable provisional response, `body` is not sent again (RFC 6337 3.1.1).
        """
        tx = self._initial
        dialog = self.dialog
        if tx is None or dialog is None or self.state not in ("incoming", "early"):
            return
        if self._reliable is not None and (self._reliable.holds or self._waiting):
            self._accepting = (body, headers)
            return
        offers = self._offers
        wants_answer = False
        body = body or b""
        if offers.by == "remote" and offers.carrier == "INVITE":
            offers.settle()
            self.local_body = body
            dialog.negotiated = True
        elif dialog.negotiated:
            body = b""
        elif body:
            offers.offered(body, "2xx")
            self.local_body = body
            wants_answer = True
        self._reliable = None
        self._waiting.clear()
        self._disarm("reliable")
        self._release_initial()
        self.state = "answered"
        self._answer_invite(tx, body, wants_answer, now, headers)

    def _record_routes(self) -> str:
        lines, self._initial_routes = self._initial_routes, ""
        return lines

    def reject(self, status: int, now: float, reason: str | None = None, headers: HeaderPairs = ()) -> None:
        """Refuse with a final 3xx-6xx; the session is over, no event follows."""
        tx = self._initial
        if tx is None or self.state not in ("incoming", "early"):
            return
        self._release_initial()
        if not tx.answered:
            tx.send(status, response_to(tx, status, reason, header_lines(headers)), now)
        self._refuse_pending(now)
        self._close()

    def _give_up(self, now: float) -> None:
        self.reject(480, now)

    def _initial_server(self) -> ServerTransaction | None:
        return self._initial

    def receive_cancel(self, tx: ServerTransaction, request: Request, now: float) -> None:
        """The peer cancelled an INVITE that has no final response yet."""
        if tx is self._initial:
            self.reject(487, now)
            self.endpoint.emit(Cancelled(self, request))
        else:
            super().receive_cancel(tx, request, now)

    def connection_lost(self, now: float) -> None:
        """The stream connection of an INVITE that is still unanswered is gone."""
        tx = self._initial
        if tx is not None:
            self._release_initial()
            tx.terminate()
            self._pending.remove(tx)
            self._refuse_pending(now)
            self._close()
            self.endpoint.emit(Ended(self, "transport", None))

    def _release_initial(self) -> None:
        """The initial INVITE waits no longer."""
        tx, self._initial = self._initial, None
        if tx is not None and tx.flow.transport != "udp":
            ringing = self.endpoint.ringing.get(tx.flow.id)
            if ringing is not None:
                ringing.discard(self)
                if not ringing:
                    del self.endpoint.ringing[tx.flow.id]

    def _close(self, keep_dialog: bool = False) -> None:
        self._release_initial()
        self._reliable = None
        self._waiting.clear()
        self._accepting = None
        super()._close(keep_dialog)

    def _expire(self, deadline: Deadline, now: float) -> None:
        if deadline == "reliable":
            self._repeat_reliable(now)
        else:
            super()._expire(deadline, now)
