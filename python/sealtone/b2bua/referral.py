"""Transfers that a phone carries out itself, since its keys are with the other phone alone (RFC 3515, 3891, 5589).

How it works:

1. On a sealed or direct path two phones have agreed on keys with each other, once for that dialog. Whom either is to
   talk to next it can agree with only in a call of its own. So the REFER is passed on: the phone that stays calls the
   target, by its own rights and its user's policy, and the path of that call is found like that of any other.
2. Until the phone reports success (NOTIFY) the old call is as it was; then it is ended. What the phone reports is
   passed on to who asked, as a status and its usual words.
3. Attended: the phone is told a Replaces of our making, which names no dialog and is of use to that user alone, once,
   and for `LIFETIME_S`. The INVITE that brings it back is passed on to the third phone with a Replaces of the dialog
   that this one is in, so that it answers at once; then the call that was replaced is ended. Where who asked has hung
   up there already, the third phone is called like any other.
4. An INVITE with Replaces of a sealed call's dialog is passed on in the same way.
5. Whether the phones can do that, they have said (Allow, Supported). Those that cannot are left as they are, and who
   asked is told.

Only who may be called by the user who asks is a target, and no service is: enrolment, above all, has to be dialled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sealtone.b2bua.plane import Destination, NoRoute, Ring, Service
from sealtone.b2bua.record import EndedBy
from sealtone.sip.headers import NameAddr, ReferTo, ReplacesHeader
from sealtone.sip.responses import reason_for
from sealtone.sip.sipfrag import status_line
from sealtone.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.exchange import Exchange
    from sealtone.b2bua.leg import Leg
    from sealtone.model import SipUser
    from sealtone.sip import events as sip

SIPFRAG: Final = "message/sipfrag;version=2.0"
TRANSFERRED: Final = "transferred"
LIFETIME_S: Final = 120.0
"""How long a phone may take from the REFER to the answer of whom it calls: longer than a phone rings."""
_MAX_TICKETS: Final = 1024
_CANNOT: Final = "The phone of {} does not take part in transfers, as one of a sealed or direct call has to"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permits `aor` to take the place of `leg` in its call, with `target`, until `until` (monotonic seconds)."""

    aor: str
    leg: Leg
    target: str
    until: float


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a call takes the place of: `before` ends when it is answered; `ring` is the phone that stays."""

    before: Call
    ring: Ring


class Referral:
    """A transfer under way of a call that is not ours to join: `referrer` asked, `referee`'s phone carries it out."""

    __slots__ = ("_told", "referee", "referrer", "until")

    def __init__(self, referrer: Leg, referee: Leg, until: float) -> None:
        self._told = 100
        self.referrer = referrer
        self.referee = referee
        self.until = until

    def on_timeout(self, now: float) -> None:
        """The phone has not said how it went."""
        if now >= self.until:
            self._fail(408, now)

    def on_response(self, event: sip.InDialogResponse, now: float) -> None:
        """The phone's answer to the REFER."""
        if event.status >= 300 and self.referrer.call.referral is self:
            self._fail(event.status, now)

    def on_notify(self, event: sip.InDialogRequest, now: float) -> None:
        """The phone tells how it goes."""
        exchange = self.referrer.call.exchange
        exchange.endpoint.respond(event.tx, 200, now)
        told = status_line(event.request.body)
        if told is None:
            return
        status, _ = told
        if status < 200:
            if status > self._told:  # however often the phone says the same
                self._told = status
                notify(self.referrer, status, reason_for(status), now)
        elif status < 300:
            call = self.referrer.call
            call.referral = None
            notify(self.referrer, 200, "OK", now)
            call.tell("transferred", f"the phone of {self.referee.aor} has called whom it was sent to")
            call.end(EndedBy.SERVER, TRANSFERRED, now)
        else:
            self._fail(status, now)

    def _fail(self, status: int, now: float) -> None:
        call = self.referrer.call
        call.referral = None
        notify(self.referrer, status, reason_for(status), now)
        call.tell("transferred", f"back to {self.referee.aor}: {status} {reason_for(status)}")


def notify(leg: Leg | None, status: int, reason: str, now: float) -> None:
    """Tell the phone that asked how its transfer goes (RFC 3515 2.4.4); a final status ends its subscription."""
    if leg is None or leg.session.state == "ended":
        return
    state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
    leg.session.request(
        "NOTIFY",
        now,
        (("Event", "refer"), ("Subscription-State", state)),
        f"SIP/2.0 {status} {reason}\r\n".encode(),
        SIPFRAG,
    )


def pass_on(leg: Leg, other: Leg, second: Leg | None, tx: ServerTransaction, target: str, now: float) -> bool:
    """Have the phone of `other` call `target`, or take the place of `second` in its call, as `leg`'s phone asks.

    Whether it was asked to.
    """
    call = leg.call
    exchange = call.exchange
    unable = _unable(other, second)
    if unable:
        exchange.endpoint.respond(tx, 603, now, unable)
        return False
    exchange.endpoint.respond(tx, 202, now)
    notify(leg, 100, "Trying", now)
    if second is None:
        refused = _why_not_sent(exchange, target, leg.user)
        if refused is not None:
            notify(leg, *refused, now)
            return False
        refer_to = ReferTo(NameAddr("", target))
    else:
        target = f"sip:{_far_of(second).aor}"
        refer_to = ReferTo(NameAddr("", target), _ticket(exchange, other, second, target, now))
    headers = (("Refer-To", str(refer_to)), ("Referred-By", f"<sip:{leg.aor}>"))
    sent = other.session.request("REFER", now, headers)
    if sent is None:
        notify(leg, 480, reason_for(480), now)
        return False
    call.referral = sent.owner = Referral(leg, other, now + LIFETIME_S)
    exchange.wake_call(call, now + LIFETIME_S)
    call.tell("transferred", f"{leg.aor} sends {other.aor} to {target}; its phone calls there itself")
    return True


def _unable(other: Leg, second: Leg | None) -> str:
    """Why the phones cannot carry out the transfer, for a person; empty where they can."""
    session = other.session
    if session.state != "confirmed" or (session.remote_allow and "REFER" not in session.remote_allow):
        return _CANNOT.format(other.aor)
    if second is not None and "replaces" not in _far_of(second).session.remote_supported:
        return _CANNOT.format(_far_of(second).aor)
    return ""


def _far_of(leg: Leg) -> Leg:
    """The leg at the other end of an answered call."""
    far = leg.call.other(leg)
    return far if far is not None else leg


def _why_not_sent(exchange: Exchange, target: str, referrer: SipUser) -> tuple[int, str] | None:
    found = exchange.directory.resolve(target, referrer)
    if isinstance(found, NoRoute):
        return found.status, found.reason
    if isinstance(found, Service):
        return 488, "A call cannot be transferred to a service"
    return None


def _ticket(exchange: Exchange, referee: Leg, second: Leg, target: str, now: float) -> ReplacesHeader:
    """A Replaces that is of use to the referee's user alone."""
    tickets = exchange.tickets
    for name in [name for name, ticket in tickets.items() if ticket.until <= now]:
        del tickets[name]
    while len(tickets) >= _MAX_TICKETS:
        del tickets[next(iter(tickets))]
    name = exchange.entropy(16).hex()
    tickets[name] = Ticket(referee.aor, second, target, now + LIFETIME_S)
    return ReplacesHeader(name, exchange.entropy(8).hex(), exchange.entropy(8).hex())


def redeem(exchange: Exchange, wanted: ReplacesHeader, caller: SipUser, now: float) -> Ticket | None:
    """What the Replaces of a REFER that was passed on permits `caller`; it does so once."""
    ticket = exchange.tickets.get(wanted.call_id)
    if ticket is None or ticket.aor != caller.aor:
        return None
    del exchange.tickets[wanted.call_id]
    return ticket if now < ticket.until else None


def take_over(exchange: Exchange, tx: ServerTransaction, caller: SipUser, stays: Leg, now: float) -> None:
    """Ring the phone that stays, which is to answer at once in place of its call (RFC 3891 3)."""
    dialog = stays.session.dialog
    if dialog is None or "replaces" not in stays.session.remote_supported:
        exchange.endpoint.respond(tx, 486, now, _CANNOT.format(stays.aor))
        return
    session = exchange.endpoint.accept(tx, now)
    if session.state == "ended":
        return
    # The dialog as that phone sees it.
    replaces = ReplacesHeader(dialog.call_id, dialog.remote_tag, stays.session.local_tag)
    place = Destination(stays.user, stays.session.hop, dialog.remote_target, dialog.route_set, replaces=str(replaces))
    exchange.begin(session, caller, f"sip:{stays.aor}", now, Replaced(stays.call, Ring(stays.aor, (place,))))
