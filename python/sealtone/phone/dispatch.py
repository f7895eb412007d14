"""From the SIP endpoint's events to calls: what arrives is turned into states, answers and audio here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sealtone.phone.call import FAR_LEG_HEADER, Call, CallFailed, CallState
from sealtone.phone.events import CallEnded, Established, Incoming, MessageReceived, Ringing, TransferProgress
from sealtone.phone.login import Login
from sealtone.phone.negotiation import Unacceptable
from sealtone.sip.endpoint import Invitation
from sealtone.sip.errors import SipParseError
from sealtone.sip.events import (
    Answered,
    AnswerReceived,
    Cancelled,
    Confirmed,
    Ended,
    Event,
    InDialogRequest,
    InDialogResponse,
    OfferReceived,
    OfferRejected,
    OfferRequested,
    Progress,
    Rejected,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
)
from sealtone.sip.headers import ReferTo, ReplacesHeader
from sealtone.sip.sipfrag import status_line

if TYPE_CHECKING:
    from sealtone.phone.phone import Phone
    from sealtone.sip.message import Request, Response
    from sealtone.sip.session import InviteSession
    from sealtone.sip.transaction import ServerTransaction

_CAUSES = {
    "bye": "the other side hung up",
    "session-timer": "the session was not refreshed",
    "no-ack": "our answer was never acknowledged",
    "transport": "the server cannot be reached",
    "error": "the server lost the call",
}


class Dispatch:
    """Takes the endpoint's events for one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._placing: dict[Call, tuple[Invitation, Login]] = {}
        self._replacing: dict[Call, Call] = {}
        self._transferred: dict[Call, InviteSession] = {}

    def invite(self, call: Call, invitation: Invitation, login: Login) -> None:
        """Send the INVITE of an outgoing call; challenges are answered by it sent again."""
        self._placing[call] = (invitation, login)
        call.session = self._phone.endpoint.invite(invitation, self._phone.now())
        call.session.owner = call

    def established(self, call: Call) -> None:
        """An incoming call was answered here."""
        call.established()
        self._phone.tell(Established(call))
        replaced = self._replacing.pop(call, None)
        if replaced is not None:
            self._phone.spawn(replaced.hang_up())

    def ended(self, call: Call) -> None:
        self._placing.pop(call, None)
        self._replacing.pop(call, None)
        referrer = self._transferred.pop(call, None)
        if referrer is not None and call.status:
            self._notify(referrer, call.status, call.reason)
        self._phone.tell(CallEnded(call, call.reason))

    def take(self, event: Event) -> None:
        """Act on one event."""
        match event:
            case RequestReceived(tx, request):
                self._request(tx, request)
            case ResponseReceived(tx, response) if response.status >= 200:
                self._phone.settle(tx, response)
            case TransactionFailed(tx, status):
                self._phone.settle(tx, status)
            case InDialogResponse(_, tx, response, status):
                self._phone.settle(tx, response if response is not None else status)
            case (
                Progress(session) | Answered(session) | Rejected(session) | OfferReceived(session)
                | AnswerReceived(session) | OfferRequested(session) | OfferRejected(session) | Confirmed(session)
                | Cancelled(session) | Ended(session) | InDialogRequest(session)
            ) if isinstance(session.owner, Call):  # fmt: skip
                self._in_call(session.owner, session, event)
            case _:
                pass

    def _in_call(self, call: Call, session: InviteSession, event: Event) -> None:
        now = self._phone.now()
        match event:
            case Progress(_, response):
                self._progress(call, response)
            case Answered(_, response):
                self._answered(call, session, response)
            case Rejected(_, status, reason, response):
                self._rejected(call, status, reason, response)
            case OfferReceived(_, body, _, message):
                call.far_leg = message.headers.get(FAR_LEG_HEADER) or call.far_leg
                try:
                    session.answer(call.receive_offer(body), now)
                except Unacceptable as error:
                    session.reject_offer(error.status, now, error.reason)
            case OfferRequested():
                try:
                    session.answer(call.make_offer(), now)
                except Unacceptable as error:
                    session.reject_offer(error.status, now, error.reason)
            case AnswerReceived(_, body):
                if self._take_answer(call, body):
                    call.settle_offer(None)
            case OfferRejected(_, status, reason):
                call.settle_offer(CallFailed(status, reason))
            case Cancelled():
                call.finish("the caller gave up", 487)
            case Ended(_, cause):
                call.finish(_CAUSES[cause])
            case InDialogRequest(_, tx, request):
                self._request_in_call(call, session, tx, request)
            case _:
                pass

    # outgoing

    def _progress(self, call: Call, response: Response) -> None:
        call.far_leg = response.headers.get(FAR_LEG_HEADER) or call.far_leg
        if call.state is CallState.CALLING:
            call.state = CallState.RINGING
        self._phone.tell(Ringing(call, response.status))
        if response.body and response.content_type == "application/sdp":
            with contextlib.suppress(Unacceptable):  # early media is a courtesy; the answer is judged at 200
                assert call.negotiator is not None
                call.apply(call.negotiator.take_answer(response.body))

    def _answered(self, call: Call, session: InviteSession, response: Response) -> None:
        call.far_leg = response.headers.get(FAR_LEG_HEADER) or call.far_leg
        self._placing.pop(call, None)
        if not self._take_answer(call, session.remote_body):
            return
        call.established()
        self._phone.tell(Established(call))
        referrer = self._transferred.pop(call, None)
        if referrer is not None:
            self._notify(referrer, 200, "OK")

    def _take_answer(self, call: Call, body: bytes) -> bool:
        """Go by an answer; a call whose answer does not do is ended."""
        assert call.negotiator is not None
        try:
            call.apply(call.negotiator.take_answer(body))
        except Unacceptable as error:
            if call.session is not None:
                call.session.bye(self._phone.now(), (("Reason", f'SIP;cause=488;text="{error.reason}"'),))
            call.finish(error.reason, 488)
            return False
        return True

    def _rejected(self, call: Call, status: int, reason: str, response: Response | None) -> None:
        placing = self._placing.get(call)
        if placing is not None and response is not None and status in (401, 407):
            invitation, login = placing
            answer = login.answer(response, "INVITE", invitation.request_uri, invitation.body or b"")
            if answer is not None and call.session is not None:
                sequence = response.cseq.seq + 1
                kept = tuple(pair for pair in invitation.headers if "Authorization" not in pair[0])
                invitation.headers = (*kept, answer)
                invitation.call_id, invitation.from_tag = response.call_id, response.from_.tag
                invitation.cseq = sequence
                self.invite(call, invitation, login)
                return
        call.finish(reason, status)

    # incoming

    def _request(self, tx: ServerTransaction, request: Request) -> None:
        endpoint, now = self._phone.endpoint, self._phone.now()
        method = request.method
        if method == "INVITE":
            self._phone.spawn(self._incoming(tx, request))
        elif method == "MESSAGE":
            endpoint.respond(tx, 200, now)
            self._phone.tell(MessageReceived(request.from_.uri, request.body.decode(errors="replace")[:2000]))
        elif method in ("OPTIONS", "NOTIFY"):
            endpoint.respond(tx, 200, now)
        else:
            endpoint.respond(tx, 405, now, headers=(("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY"),))

    async def _incoming(self, tx: ServerTransaction, request: Request) -> None:
        phone, now = self._phone, self._phone.now()
        config = phone.config
        replaced, refused = self._replaced(request)
        if refused:
            phone.endpoint.respond(tx, refused, now)
        elif config.busy or (replaced is None and len(phone.calls) >= config.max_calls):
            phone.endpoint.respond(tx, 486, now)
        else:
            session = phone.endpoint.accept(tx, now)
            phone.flush()
            sender = request.from_
            call = await phone.incoming_call(sender.display or sender.uri.partition(":")[2])
            call.session, session.owner = session, call
            call.far_leg = request.headers.get(FAR_LEG_HEADER) or ""
            if session.state == "ended":
                call.finish("the caller gave up", 487)
            elif replaced is not None:
                self._replacing[call] = replaced
                with contextlib.suppress(CallFailed):
                    await call.accept()
            else:
                session.progress(180, phone.now())
                phone.tell(Incoming(call))
                phone.offer_to_owner(call)
        phone.flush()

    def _replaced(self, request: Request) -> tuple[Call | None, int]:
        """The call that an INVITE with Replaces takes over (RFC 3891 3), or the status to refuse it with."""
        value = request.headers.get("Replaces")
        if value is None:
            return None, 0
        try:
            wanted = ReplacesHeader.parse(value)
        except SipParseError:
            return None, 400
        for call in self._phone.calls:
            dialog = call.session.dialog if call.session else None
            if dialog is not None and (dialog.call_id, dialog.local_tag, dialog.remote_tag) == (
                wanted.call_id, wanted.to_tag, wanted.from_tag,
            ):  # fmt: skip
                return call, 0
        return None, 481

    # within a call

    def _request_in_call(self, call: Call, session: InviteSession, tx: ServerTransaction, request: Request) -> None:
        endpoint, now = self._phone.endpoint, self._phone.now()
        method = request.method
        if method == "REFER":
            self._refer(call, session, tx, request)
            return
        if method == "NOTIFY" and request.content_type == "message/sipfrag":
            told = status_line(request.body)
            if told is not None:
                self._phone.tell(TransferProgress(call, *told))
        elif method == "INFO" and request.content_type == "application/dtmf-relay":
            for line in request.body.decode(errors="replace").splitlines():
                name, _, value = line.partition("=")
                if name.strip().lower() == "signal" and value.strip():
                    call.key_pressed(value.strip()[0])
        elif method == "MESSAGE":
            self._phone.tell(MessageReceived(request.from_.uri, request.body.decode(errors="replace")[:2000]))
        endpoint.respond(tx, 200, now)

    def _refer(self, call: Call, session: InviteSession, tx: ServerTransaction, request: Request) -> None:
        """We are asked to call somebody else (RFC 3515): accept, call, and report how it went."""
        endpoint, now = self._phone.endpoint, self._phone.now()
        try:
            target = ReferTo.parse(request.headers.get("Refer-To", "") or "")
        except SipParseError:
            endpoint.respond(tx, 400, now, "Refer-To is not readable")
            return
        endpoint.respond(tx, 202, now)
        self._notify(session, 100, "Trying")
        self._phone.spawn(self._follow_refer(call, session, target))

    async def _follow_refer(self, call: Call, session: InviteSession, target: ReferTo) -> None:
        headers = (("Replaces", str(target.replaces)),) if target.replaces else ()
        try:
            placed = await self._phone.call(target.address.uri, headers=headers)
        except CallFailed as error:
            self._notify(session, error.status, error.reason)
            self._phone.flush()
            return
        self._transferred[placed] = session

    def _notify(self, session: InviteSession, status: int, reason: str) -> None:
        state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
        headers = (("Event", "refer"), ("Subscription-State", state))
        fragment = f"SIP/2.0 {status} {reason}\r\n".encode()
        session.request("NOTIFY", self._phone.now(), headers, fragment, "message/sipfrag;version=2.0")
