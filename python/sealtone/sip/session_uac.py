"""The calling side: our initial INVITE, its forks, reliable provisional responses, and giving up (RFC 3261 9, 13.2).

Rules. 1. The first 2xx wins; a 2xx of any other fork is acknowledged and ended by BYE at once. 2. CANCEL waits for a
provisional response; a 2xx that crosses it is acknowledged and ended by BYE, and the owner hears `Rejected` 487.
3. Each early dialog has its own negotiation; a reliable provisional response is acknowledged in its order only, an
unreliable body is a preview of the answer that is due (RFC 6337 3.1). 4. A 422 is followed by a longer interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sealtone.sip.dialog import Dialog, routed
from sealtone.sip.dialog_usage import Deadline, SentAck
from sealtone.sip.events import Answered, OfferReceived, OfferRejected, Progress, Rejected
from sealtone.sip.flow import Flow
from sealtone.sip.renegotiation import LATE_ANSWER_T1S
from sealtone.sip.responses import HeaderPairs, content_lines, header_lines, reason_for
from sealtone.sip.session import InviteSession
from sealtone.sip.session_timer import SessionTimer
from sealtone.sip.transaction import PROCEEDING, Acknowledgeable, ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sealtone.sip.endpoint import Endpoint, Invitation
    from sealtone.sip.message import Request, Response

_INTERVAL_RETRIES: Final = 3


class EarlyOffer(NamedTuple):
    """A reliable provisional response with an offer, whose PRACK waits for our answer."""

    dialog: Dialog
    rseq: int


class CallerSession(InviteSession):
    """A call that we place."""

    __slots__ = (
        "_acks",
        "_cancel_lines",
        "_cancelled",
        "_early",
        "_early_offer",
        "_from",
        "_initial_seq",
        "_initial_tx",
        "_interval_retries",
        "_invitation",
        "_offers_late",
        "_to",
        "_uri",
    )

    role = "uac"

    def __init__(self, endpoint: Endpoint, invitation: Invitation, now: float, send: bool = True) -> None:
        """Send the INVITE; with `send` False `refuse` has to follow."""
        call_id = invitation.call_id or endpoint.token() + endpoint.token()
        local_tag = invitation.from_tag or endpoint.token()
        secure = invitation.request_uri[:5].lower() == "sips:"
        super().__init__(endpoint, "calling", call_id, local_tag, invitation.hop, secure)
        self.contact_user = invitation.contact_user
        self.contact_params = invitation.contact_params
        self.owner = invitation.owner
        if isinstance(invitation.hop, Flow):
            self.flow = invitation.hop
        self._invitation: Invitation | None = invitation
        self._to = invitation.to
        self._uri = invitation.request_uri
        self._offers_late = invitation.body is None
        self._timer = SessionTimer(invitation.session_expires_s, invitation.min_se_s)
        self._from = f"{invitation.from_};tag={local_tag}"
        self._initial_seq = invitation.cseq or 1 + endpoint.draw(65536)
        self._initial_tx: ClientTransaction | None = None
        self._interval_retries = 0
        self._cancelled = False
        self._cancel_lines = ""
        self._early: dict[str, Dialog] = {}
        self._early_offer: EarlyOffer | None = None
        self._acks: dict[str, SentAck] = {}
        if invitation.body:
            self._offers.offered(invitation.body, "INVITE")
            self.local_body = invitation.body
        if send:
            self._send_invite(now)

    def _close(self, keep_dialog: bool = False) -> None:
        super()._close(keep_dialog)
        # For 64*T1 the transaction keeps this for 2xx that are repeated or come from other forks. Thousands may do so
        # at once: what they do not need for that goes.
        self._invitation = None
        for tag in self._acks:
            self._early.pop(tag, None)

    def refuse(self, status: int) -> None:
        """Fail before anything was sent."""
        self._fail(status, None)

    def _send_invite(self, now: float) -> None:
        invitation = self._invitation
        if invitation is None:
            return
        body = invitation.body or b""
        uri, routes = routed(invitation.route, invitation.request_uri)
        via = self.new_via()
        require = f"Require: {', '.join(invitation.require)}\r\n" if invitation.require else ""
        supported = f"Supported: {', '.join(invitation.supported)}\r\n" if invitation.supported else ""
        data = (
            f"INVITE {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: {invitation.max_forwards}\r\n{routes}"
            f"From: {self._from}\r\nTo: {invitation.to}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self._initial_seq} INVITE\r\n"
            f"{self.contact_line()}{self.endpoint.allow_line}{supported}{require}{self._timer.request_lines()}"
            f"{self.endpoint.user_agent_line}{header_lines(invitation.headers)}"
            f"{content_lines(body, invitation.content_type)}Content-Length: {len(body)}\r\n\r\n"
        ).encode("utf-8", "surrogateescape") + body
        acknowledgeable = Acknowledgeable(
            uri, via, routes, self._from, invitation.to, self.call_id, self._initial_seq
        )  # fmt: skip
        self._initial_tx = self.endpoint.start_client("INVITE", via, data, self.hop, self, now, acknowledgeable)

    # giving up

    def cancel(self, now: float, reason_header: str | None = None) -> None:
        """Give up. CANCEL waits for a provisional response; a crossing 200 gets ACK and BYE. `Rejected` follows.

        `reason_header` is the value of a Reason header (RFC 3326). After an answer this is `bye`.
        """
        if self.state not in ("calling", "early"):
            self.bye(now)
        elif not self._cancelled:
            self._cancelled = True
            self._cancel_lines = header_lines((("Reason", reason_header),)) if reason_header else ""
            self._queue = None
            self._send_cancel(now)

    def _give_up(self, now: float) -> None:
        if self.state in ("calling", "early"):
            self.cancel(now)

    def _send_cancel(self, now: float) -> None:
        """Send CANCEL if a provisional response was seen, and no CANCEL went out before."""
        tx = self._initial_tx
        if tx is not None and tx.state == PROCEEDING and "cancel" not in self._deadlines:
            tx.cancel(self._cancel_lines, self, now)
            self._arm("cancel", now + 64 * self.endpoint.config.t1)

    def _expire(self, deadline: Deadline, now: float) -> None:
        if deadline == "cancel":  # RFC 3261 9.1: without a final response by now it counts as cancelled
            if self._initial_tx is not None:
                self._initial_tx.abandon()
            self._fail(487, None)
        else:
            super()._expire(deadline, now)

    # responses to the initial INVITE

    def on_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        """Take a response to a request of this session."""
        if tx.method == "CANCEL":
            return
        if tx is not self._initial_tx:
            super().on_response(tx, response, flow, now)
            return
        status = response.status
        if 200 <= status < 300:
            self._receive_success(response, flow, now)
        elif self.state not in ("calling", "early"):
            return
        elif status >= 300:
            self._receive_refusal(response, now)
        elif self._cancelled:
            self._send_cancel(now)
        elif status > 100:
            self._receive_provisional(response, flow, now)

    def on_failure(self, tx: ClientTransaction, status: int, now: float) -> None:
        """A request of this session got no final response."""
        if tx is self._initial_tx:
            self._fail(487 if self._cancelled and status != 503 else status, None)
        elif tx.method != "CANCEL":
            super().on_failure(tx, status, now)

    def _fail(self, status: int, response: Response | None) -> None:
        if self.state in ("calling", "early"):
            self._close()
            reason = response.reason if response is not None else reason_for(status)
            self.endpoint.emit(Rejected(self, status, reason, response))

    def _receive_refusal(self, response: Response, now: float) -> None:
        status = response.status
        if (
            status == 422
            and not self._cancelled
            and self._interval_retries < _INTERVAL_RETRIES
            and self._timer.raise_to(response)
        ):
            self._interval_retries += 1
            self._initial_seq += 1
            self._send_invite(now)
        else:
            self._fail(status, response)

    def _dialog_of(self, response: Response) -> Dialog | None:
        """The dialog that a response belongs to, made if need be and if there is room."""
        tag = response.to.tag
        if tag is None:
            if response.status < 200:
                return None
            tag = ""  # RFC 2543
        dialog = self._early.get(tag)
        if dialog is not None:
            return dialog
        if len(self._early) >= self.endpoint.config.max_forks:
            self.endpoint.counters.refused_over_limit += 1
            return None
        contacts = response.contacts
        dialog = self._early[tag] = Dialog(
            self.call_id,
            self.local_tag,
            tag,
            self._from,
            response.headers.get("To") or self._to,
            self._initial_seq,
            0,
            _route_set_of(response),
            contacts[0].uri if contacts else self._uri,
            self._secure,
            self,
        )
        self._dialogs.append(dialog)
        self.endpoint.dialogs[dialog.key] = dialog
        return dialog

    def _receive_provisional(self, response: Response, flow: Flow, now: float) -> None:
        dialog = self._dialog_of(response)
        self._follow(flow)
        if not self.remote_allow:
            self._take_capabilities(response)
        if dialog is None:
            self.endpoint.emit(Progress(self, response))
            return
        reliable = "RSeq" in response.headers and "100rel" in response.require
        if reliable and not self._in_order(dialog, response):
            return
        self.state = "early"
        self.dialog = dialog
        body = response.body
        offers = self._offers
        if reliable and body and not dialog.negotiated and self._offers_late:
            dialog.remote_body = self.remote_body = body
            self.endpoint.emit(Progress(self, response, True))
            if offers.idle:
                offers.received("1xx", None)
                self._early_offer = EarlyOffer(dialog, dialog.remote_rseq)
                self.endpoint.emit(OfferReceived(self, body, "1xx", response))
            return
        if body and not dialog.negotiated:
            dialog.remote_body = self.remote_body = body
            if reliable:
                dialog.negotiated = True
                if offers.by == "local" and offers.carrier == "INVITE":
                    offers.settle()
        if reliable:
            self._send_prack(dialog, dialog.remote_rseq, b"", (), now)
        self.endpoint.emit(Progress(self, response, reliable))
        self._pump(now)

    def _receive_success(self, response: Response, flow: Flow, now: float) -> None:
        tag = response.to.tag or ""
        ack = self._acks.get(tag)
        if ack is not None:
            self.endpoint.layer.resend(ack.data, ack.hop)
        elif self.state not in ("calling", "early"):
            if self.dialog is None or tag != self.dialog.remote_tag or self.state == "ended":
                self._dismiss(response, now)
        elif self._cancelled:
            self._follow(flow)
            self._dismiss(response, now)
            self._fail(487, None)
        else:
            self._follow(flow)
            self._establish(response, now)

    def _dismiss(self, response: Response, now: float) -> None:
        """Acknowledge and end a dialog that came too late (RFC 3261 13.2.2.4, 9.1)."""
        dialog = self._dialog_of(response)
        if dialog is None:
            return
        self._settle_dialog(dialog, response)
        kept = self._sent_ack
        self._send_ack(dialog, dialog.invite_seq, b"")
        if self._sent_ack is not None:
            self._acks[dialog.remote_tag] = self._sent_ack
        self._sent_ack = kept
        self._send(dialog, "BYE", "", b"", now)
        self.endpoint.dialogs.pop(dialog.key, None)

    def _settle_dialog(self, dialog: Dialog, response: Response) -> None:
        """What the 2xx says of a dialog holds."""
        self._refresh_target(dialog, response)
        dialog.set_route(_route_set_of(response))
        dialog.invite_seq = self._initial_seq

    def _establish(self, response: Response, now: float) -> None:
        """The first 2xx."""
        dialog = self._dialog_of(response)
        if dialog is None:  # more forks than we keep
            dialog = self._dialog_beyond_limit(response)
        if dialog is not self.dialog:
            self._leave_early_dialog(now)
            self.remote_body = dialog.remote_body
        self.dialog = dialog
        self._drop_losers(dialog)
        self._settle_dialog(dialog, response)
        self._take_capabilities(response)
        self._timer.take(response)
        self._disarm("glare")
        body = response.body
        if not dialog.negotiated:
            dialog.remote_body = body or dialog.remote_body
            self.remote_body = dialog.remote_body
        if self._offers_late and not dialog.negotiated:
            self._take_late_offer(dialog, response, now)
            return
        if self._offers.carrier == "INVITE":
            self._offers.settle()
        dialog.negotiated = True
        self.state = "confirmed"
        self._acknowledge(dialog, b"")
        self._arm_session_timer(now)
        self.endpoint.emit(Answered(self, response))
        self._pump(now)

    def _dialog_beyond_limit(self, response: Response) -> Dialog:
        self._drop_losers(None)
        dialog = self._dialog_of(response)
        assert dialog is not None
        return dialog

    def _drop_losers(self, winner: Dialog | None) -> None:
        for dialog in self._dialogs:
            if dialog is not winner:
                self.endpoint.dialogs.pop(dialog.key, None)
        self._dialogs = [] if winner is None else [winner]
        self._early = {} if winner is None else {winner.remote_tag: winner}

    def _leave_early_dialog(self, now: float) -> None:
        """Another fork than the one last heard of has answered: offers in that one are void."""
        self._early_offer = None
        if self._offers.carrier != "INVITE":
            tx = self._offers.tx
            if tx is not None and not tx.answered:
                self._refuse_offer(tx, 500, now)
            self._offers.settle()
        if self._update_tx is not None:
            self._update_tx = None
            current, self._current = self._current, None
            if current is not None and current.kind == "offer":
                self.endpoint.emit(OfferRejected(self, 487, "Another branch has answered", None))

    def _acknowledge(self, dialog: Dialog, body: bytes) -> None:
        self._send_ack(dialog, self._initial_seq, body)
        if self._sent_ack is not None:
            self._acks[dialog.remote_tag] = self._sent_ack

    def _part(self, now: float, headers: HeaderPairs = ()) -> None:
        if self.dialog is not None and self.state == "answered":
            self._acknowledge(self.dialog, b"")  # its offer stays unanswered, but it must not be repeated
        super()._part(now, headers)

    # late offers and reliable provisional responses

    def _take_late_offer(self, dialog: Dialog, response: Response, now: float) -> None:
        if not response.body:
            self._acknowledge(dialog, b"")
            self.state = "confirmed"
            self._part(now)
            self.endpoint.emit(Rejected(self, 500, "No offer in the response", response))
            return
        again = self._offers.by == "remote"  # in a provisional response, still unanswered
        self._early_offer = None
        self._offers.received("2xx", None)
        self.state = "answered"
        self._arm("late-answer", now + LATE_ANSWER_T1S * self.endpoint.config.t1)
        self._arm_session_timer(now)
        self.endpoint.emit(Answered(self, response))
        if not again:
            self.endpoint.emit(OfferReceived(self, response.body, "2xx", response))

    def _answer_late_offer(self, body: bytes, now: float, headers: HeaderPairs) -> None:
        dialog = self.dialog
        if dialog is not None and self.state == "answered":
            self.state = "confirmed"
            dialog.negotiated = True
            super()._answer_late_offer(body, now, headers)
            if self._sent_ack is not None:
                self._acks[dialog.remote_tag] = self._sent_ack
        else:
            super()._answer_late_offer(body, now, headers)

    def _answer_early_offer(self, body: bytes, now: float, headers: HeaderPairs) -> None:
        early_offer, self._early_offer = self._early_offer, None
        if early_offer is None:
            return
        self._offers.settle()
        early_offer.dialog.negotiated = True
        self.local_body = body
        self._send_prack(early_offer.dialog, early_offer.rseq, body, headers, now)
        self._pump(now)

    def _in_order(self, dialog: Dialog, response: Response) -> bool:
        """Whether a reliable provisional response is the next one (RFC 3262 4)."""
        text = (response.headers.get("RSeq") or "").strip()
        rseq = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
        if rseq == 0 or (dialog.remote_rseq and rseq != dialog.remote_rseq + 1):
            return False
        dialog.remote_rseq = rseq
        return True

    def _send_prack(self, dialog: Dialog, rseq: int, body: bytes, headers: HeaderPairs, now: float) -> None:
        lines = f"RAck: {rseq} {self._initial_seq} INVITE\r\n{header_lines(headers)}{content_lines(body, None)}"
        self._send(dialog, "PRACK", lines, body, now)

    def _receive_bye(self, tx: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        if self.state in ("calling", "early"):
            # A called party may not send BYE yet (RFC 3261 15); it wants out, so let it be cancelled.
            self.endpoint.respond(tx, 200, now)
            self.cancel(now)
        else:
            super()._receive_bye(tx, request, dialog, now)


def _route_set_of(response: Response) -> tuple[str, ...]:
    return tuple(response.headers.split("Record-Route")[::-1]) if "Record-Route" in response.headers else ()
