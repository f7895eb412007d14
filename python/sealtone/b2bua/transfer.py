"""Transfers, and requests passed within a call (RFC 3515, RFC 3891, RFC 5589).

How it works:

1. The server is the far end of every dialog, so a REFER is for the server to carry out.
2. Blind: the phone that is transferred leaves its call for a new one, as whose caller it rings the target. The phone
   that asked is told by NOTIFY how it goes, and hung up on once it went well. If it goes badly, the two stay together.
3. Attended: the Replaces in Refer-To names a dialog of this server, so the two legs in question are here already. They
   are joined in a new call; nothing rings.
4. An INVITE with Replaces puts its sender in the place of the leg it names.
5. Joining means: offer each side what the other can do, then link. What a policy refuses ends the transfer, not the
   rule; the phones concerned are told the reason.
6. Whatever ends a transfer without success goes through `Transfer.abandon`: each phone goes back to the call that it
   came from, so that who asked has both calls as before and decides anew (RFC 5589 7); no call is left with one leg.
7. Where a call of them is sealed or direct its phone has to do it itself: `referral.py`.

Only legs of the caller's own account can be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from sealtone.b2bua import recording_in_call, referral, zrtp_in_call
from sealtone.b2bua.applications import in_call, open_notice
from sealtone.b2bua.call import Call, passed_on
from sealtone.b2bua.change import Change, bring_back, narrow
from sealtone.b2bua.leg import Leg, Refused
from sealtone.b2bua.leg_codecs import answer_for, offer_for
from sealtone.b2bua.plane import NoMediaPorts
from sealtone.b2bua.record import EndedBy
from sealtone.b2bua.referral import TRANSFERRED, Referral, notify
from sealtone.model import SipUser
from sealtone.sdp import Direction
from sealtone.sip import events as sip
from sealtone.sip.errors import SipError
from sealtone.sip.headers import NameAddr, ReplacesHeader
from sealtone.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sealtone.b2bua.exchange import Exchange


class Party:
    """A phone that leaves a call for the new one, and how far it has come: it can go back until both have."""

    __slots__ = ("leg", "origin", "state")

    def __init__(self, leg: Leg, origin: Call) -> None:
        self.leg = leg
        self.origin = origin
        self.state: Literal["unasked", "asked", "changed"] = "unasked"


class Transfer:
    """The part of a call that joins two phones that did not call each other.

    `joiner`'s phone is asked first, then `guest`'s; or only that one where the other has just answered.
    `referrer` is who asked, in the guest's former call; None where nobody has to be told.
    `owing` are the legs that still have an offer of their former call to answer, before ours.
    """

    __slots__ = ("call", "guest", "joiner", "owing", "referrer", "rung")

    def __init__(self, call: Call, guest: Party, referrer: Leg | None, joiner: Party | None = None) -> None:
        self.call = call
        self.guest = guest
        self.joiner = joiner
        self.owing = [party.leg for party in self._parties() if _owes(party)]
        self.referrer = referrer
        self.rung = False

    def _parties(self) -> list[Party]:
        return [self.guest] if self.joiner is None else [self.guest, self.joiner]

    def _party(self, leg: Leg) -> Party | None:
        return next((party for party in self._parties() if party.leg is leg), None)

    def notify(self, status: int, reason: str, now: float) -> None:
        """Tell the phone that asked how it goes."""
        notify(self.referrer, status, reason, now)

    def on_progress(self, status: int, now: float) -> None:
        if not self.rung:
            self.rung = True
            self.notify(180 if status == 183 else status, "Ringing", now)

    def on_answered(self, leg: Leg, now: float) -> None:
        """The target of a blind transfer answered: bring the transferred phone to it."""
        call = self.call
        try:
            leg.read_answer(leg.session.remote_body)
            self.ask_guest(leg, now)
        except Refused as refusal:
            call.refuse(refusal.status, refusal.reason, now)

    def ask_guest(self, far: Leg, now: float) -> None:
        """Offer the guest what the phone of `far` said. Raises `Refused`."""
        _ask(self.guest, far, now)

    def ask_joiner(self, now: float) -> None:
        """Offer the joiner what the guest's phone said. Raises `Refused`."""
        if self.joiner is not None:
            _ask(self.joiner, self.guest.leg, now)

    def on_answer(self, leg: Leg, body: bytes, now: float) -> bool:
        """An answer to an offer that joins; the other side is next, or all is done."""
        call = self.call
        owed = leg in self.owing
        if not owed and call.state != "answering":
            return False
        party = self._party(leg)
        if party is not None and not owed:
            party.state = "changed"  # whatever we make of the answer
        try:
            leg.read_answer(body)
            if owed:
                self.owing.remove(leg)
                return True
            if party is not None and party is self.joiner:
                self.ask_guest(leg, now)
                return True
            late = call.a if call.a.session.state == "incoming" else None
            if late is not None:
                late.session.accept(answer_for(late, leg), now)
        except Refused as refusal:
            call.refuse(refusal.status, refusal.reason, now)
            return True
        self._done(now)
        return True

    def _done(self, now: float) -> None:
        call = self.call
        call.transfer = None
        call.state = "answered"
        for leg in call.legs():
            call.exchange.plane.unbridge(leg.port.id)
        open_notice.arm(call)
        call.link()
        call.answered_at = now
        zrtp_in_call.relay_sas(call, now)
        zrtp_in_call.await_keys(call, now)
        call.tell("transferred", f"{call.drawn()}; {call.security_state()}")
        self.notify(200, "OK", now)
        for party in self._parties():
            party.origin.end(EndedBy.SERVER, TRANSFERRED, now)
        narrow(call, now)

    def on_offer_rejected(self, leg: Leg, event: sip.OfferRejected, now: float) -> bool:
        if leg in self.owing:
            self.owing.remove(leg)
            return True
        if self.call.state != "answering":
            return False
        party = self._party(leg)
        if party is not None:
            party.state = "unasked"  # it stayed as it was
        self.call.refuse(*passed_on(event.status, event.reason), now)
        return True

    def abandon(self, status: int, reason: str, now: float) -> None:
        """The transfer ends without success, whatever the cause; its call ends right after, with the legs it has then.

        Each phone and the one it talked to are together again, where both are still there.
        """
        self.call.transfer = None
        self.notify(status, reason, now)
        self.referrer = None
        for party in self._parties():
            origin, leg = party.origin, party.leg
            if origin.state == "ended":
                continue
            if leg.session.state == "ended":
                origin.end(EndedBy.CALLER if leg is origin.a else EndedBy.CALLEE, "hung up", now)
            else:
                self._give_back(party, status, reason, now)

    def _give_back(self, party: Party, status: int, reason: str, now: float) -> None:
        origin, leg = party.origin, party.leg
        leg.go_back(origin, status)
        change = origin.change
        if change is not None and change.far is leg and (party.state == "asked" or leg not in self.owing):
            if change.asker is not None:
                change.asker.forget()
                change.asker.session.reject_offer(491, now)
            origin.change = None
        if party.state == "asked":
            # It will answer all the same; then it is offered again what holds between the two.
            origin.change = Change(None, leg, withdrawn=True)
        origin.link()
        origin.tell("transferred", f"back to {leg.aor}: {reason}")
        other = origin.other(leg)
        if party.state == "changed" and other is not None:
            try:
                bring_back(leg, other, now)
            except Refused:
                origin.end(EndedBy.SERVER, f"the transfer failed: {reason}", now)
        if origin.state == "answered":
            open_notice.follow(origin, now)
            recording_in_call.settle(origin, now)


def _owes(party: Party) -> bool:
    """Whether an answer of this phone is still to come for the call it leaves."""
    change = party.origin.change
    return change is not None and change.far is party.leg


def _ask(party: Party, far: Leg, now: float) -> None:
    offer = offer_for(party.leg, far, Direction.SENDRECV)
    party.state = "asked"
    party.leg.session.offer(offer, now)


# in-dialog requests


def on_in_dialog_request(leg: Leg, event: sip.InDialogRequest, now: float) -> None:
    """REFER is carried out; INFO and MESSAGE go to the other phone; OPTIONS is answered."""
    method = event.request.method
    endpoint = leg.call.exchange.endpoint
    if method == "REFER":
        _refer(leg, event.tx, event.request.headers.all("Refer-To"), now)
    elif method in ("INFO", "MESSAGE"):
        other = leg.call.other(leg)
        if method == "INFO" and (key := in_call.key_in(event.request)):
            leg.call.exchange.press(leg, key, now)
        if other is None or other.session.state != "confirmed":
            endpoint.respond(event.tx, 200 if leg.call.service is not None else 480, now)
            return
        passed = other.session.request(method, now, (), event.request.body, event.request.headers.get("Content-Type"))
        if passed is None:
            endpoint.respond(event.tx, 480, now)
        else:
            passed.owner = event.tx
    elif method == "OPTIONS":
        endpoint.respond(event.tx, 200, now)
    elif method == "NOTIFY" and leg.call.referral is not None and leg.call.referral.referee is leg:
        leg.call.referral.on_notify(event, now)
    else:
        endpoint.respond(event.tx, 481 if method == "NOTIFY" else 405, now)


def on_in_dialog_response(leg: Leg, event: sip.InDialogResponse, now: float) -> None:
    """The other phone's answer to a request passed on."""
    tx = event.tx.owner
    if isinstance(tx, Referral):
        tx.on_response(event, now)
    elif isinstance(tx, ServerTransaction):
        response = event.response
        if response is None:
            leg.call.exchange.endpoint.respond(tx, event.status, now)
        else:
            leg.call.exchange.endpoint.respond(
                tx, event.status, now, response.reason, (), response.body, response.headers.get("Content-Type")
            )


def _refer(leg: Leg, tx: ServerTransaction, values: list[str], now: float) -> None:
    call = leg.call
    exchange = call.exchange
    other = call.other(leg)
    if len(values) != 1:
        exchange.endpoint.respond(tx, 400, now, "A REFER needs one Refer-To")
        return
    if call.change is not None:
        exchange.endpoint.respond(tx, 491, now)
        return
    busy = call.transfer is not None or call.referral is not None
    if call.state != "answered" or other is None or call.service is not None or busy:
        exchange.endpoint.respond(tx, 603, now, "This call cannot be transferred now")
        return
    try:
        refer_to = NameAddr.parse(values[0])
        uri = refer_to.sip_uri
        replaces = _replaces_in(uri.headers)
    except SipError:
        exchange.endpoint.respond(tx, 400, now, "Refer-To cannot be read")
        return
    target = str(uri._replace(headers="", params=()))
    if replaces is None:
        _blind(leg, other, tx, target, now)
        return
    second = exchange.find_leg(replaces.call_id, replaces.to_tag, replaces.from_tag)
    if second is None or second.user.account_id != leg.user.account_id or second.call is call:
        exchange.endpoint.respond(tx, 481, now, "The call to join is not here")
    elif second.call.transfer is not None:
        exchange.endpoint.respond(tx, 603, now, "The call to join is being transferred itself")
    elif second.call.state != "answered":
        # The second phone still rings: let it ring for the transferred one instead.
        if _blind(leg, other, tx, second.call.target, now):
            second.call.end(EndedBy.CALLER, TRANSFERRED, now)
    elif (leg.sealed is not None or second.sealed is not None) and second.call.service is None:
        referral.pass_on(leg, other, second, tx, "", now)
    else:
        _begin_attended(call, leg, other, second, tx, now)


def _blind(leg: Leg, other: Leg, tx: ServerTransaction, target: str, now: float) -> bool:
    """Whether the other phone is on its way to `target`."""
    if leg.sealed is not None:
        return referral.pass_on(leg, other, None, tx, target, now)
    _begin_blind(leg.call, leg, other, tx, target, now)
    return True


def _replaces_in(headers: str) -> ReplacesHeader | None:
    """The Replaces among a URI's headers (`?Replaces=...`), escaped there (RFC 3261 19.1.1)."""
    for pair in headers.split("&"):
        name, _, value = pair.partition("=")
        if name.lower() == "replaces":
            return ReplacesHeader.parse(unquote(value))
    return None


def _begin_blind(call: Call, leg: Leg, other: Leg, tx: ServerTransaction, target: str, now: float) -> None:
    exchange = call.exchange
    exchange.endpoint.respond(tx, 202, now)
    call.tell("transferred", f"{leg.aor} sends {other.aor} to {target}")
    fresh = Call(exchange, exchange.entropy(8).hex(), call.media_call, target, now)
    exchange.share_media(call.media_call)
    fresh.a = other
    other.leave(fresh)
    fresh.transfer = Transfer(fresh, Party(other, call), leg)
    exchange.admit(fresh)
    fresh.transfer.notify(100, "Trying", now)
    fresh.start_transferred(leg.user, now)


def _begin_attended(call: Call, leg: Leg, other: Leg, second: Leg, tx: ServerTransaction, now: float) -> None:
    exchange = call.exchange
    target = second.call.other(second)
    if target is None:
        exchange.endpoint.respond(tx, 603, now, "A service cannot be given another caller")
        return
    exchange.endpoint.respond(tx, 202, now)
    fresh = Call(exchange, exchange.entropy(8).hex(), call.media_call, target.aor, now)
    exchange.share_media(call.media_call)
    transfer = fresh.transfer = Transfer(fresh, Party(other, call), leg, Party(target, second.call))
    fresh.a = other
    other.leave(fresh)
    fresh.b = target
    target.leave(fresh)
    fresh.state = "answering"
    exchange.admit(fresh)
    transfer.notify(100, "Trying", now)
    try:
        transfer.ask_joiner(now)
    except Refused as refusal:
        fresh.refuse(refusal.status, refusal.reason, now)


def replace(exchange: Exchange, tx: ServerTransaction, caller: SipUser, value: str, now: float) -> None:
    """An INVITE with Replaces (RFC 3891 3): its sender takes the place of the leg that it names."""
    request = tx.request
    if request is None:
        return
    try:
        wanted = ReplacesHeader.parse(value)
    except SipError:
        exchange.endpoint.respond(tx, 400, now, "Replaces cannot be read")
        return
    ticket = referral.redeem(exchange, wanted, caller, now)
    if ticket is not None and ticket.leg.call.state == "ended":
        session = exchange.endpoint.accept(tx, now)
        if session.state != "ended":
            exchange.begin(session, caller, ticket.target, now)
        return
    old = exchange.find_leg(wanted.call_id, wanted.to_tag, wanted.from_tag) if ticket is None else ticket.leg
    if old is None or (ticket is None and old.user.account_id != caller.account_id):
        exchange.endpoint.respond(tx, 481, now, "The call to replace is not here")
        return
    before = old.call
    stays = before.other(old)
    if before.state == "ended":
        exchange.endpoint.respond(tx, 603, now)
        return
    if before.state != "answered" or stays is None or wanted.early_only or before.transfer is not None:
        exchange.endpoint.respond(tx, 486, now, "That call cannot be taken over now")
        return
    if old.sealed is not None:
        referral.take_over(exchange, tx, caller, stays, now)
        return
    _take_over(exchange, tx, caller, before, stays, now)


def _take_over(
    exchange: Exchange, tx: ServerTransaction, caller: SipUser, before: Call, stays: Leg, now: float
) -> None:
    session = exchange.endpoint.accept(tx, now)
    if session.state == "ended":
        return
    fresh = Call(exchange, exchange.entropy(8).hex(), before.media_call, stays.aor, now)
    try:
        fresh.a = Leg.caller(fresh, session, caller)
    except NoMediaPorts:
        session.reject(503, now, "No media ports are left", (("Retry-After", "10"),))
        return
    exchange.share_media(before.media_call)
    exchange.admit(fresh)
    fresh.tell("started", f"{caller.aor} takes over a call with {stays.aor}")
    exchange.guarded(fresh, _join_taker, fresh, stays, now)


def _join_taker(fresh: Call, stays: Leg, now: float) -> None:
    """Offer the phone that stays what the one that takes over said; its answer makes the 200."""
    before, session = stays.call, fresh.a.session
    try:
        if not session.remote_body:
            raise Refused(488, "An INVITE with Replaces needs an offer")
        fresh.a.read_offer(session.remote_body)
        fresh.b = stays
        stays.leave(fresh)
        fresh.state = "answering"
        fresh.transfer = Transfer(fresh, Party(stays, before), None)
        fresh.transfer.ask_guest(fresh.a, now)
    except Refused as refusal:
        fresh.refuse(refusal.status, refusal.reason, now)
