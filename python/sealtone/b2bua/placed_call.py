"""A call that the server itself places: it rings one phone and plays an application to whoever answers.

The phone's leg is the call's `a`, as where a phone calls the application, and it is held to the same policy; only who
called whom is the other way round, in the INVITE and in the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sealtone.b2bua import zrtp_in_call
from sealtone.b2bua.applications import in_call
from sealtone.b2bua.call import Call, passed_on
from sealtone.b2bua.leg import Leg, Refused
from sealtone.b2bua.leg_codecs import why_refused
from sealtone.b2bua.plane import Destination, NoMediaPorts
from sealtone.b2bua.record import EndedBy
from sealtone.b2bua.service import own_codecs

if TYPE_CHECKING:
    from sealtone.b2bua.exchange import Exchange
    from sealtone.model import OfferPlan
    from sealtone.sip.events import Answered, Rejected

RINGS_S: Final = 45.0
_NO_LINES: Final = "All lines are busy"
_NO_PORTS: Final = "No media ports are left"
_OFFERED_OTHERWISE: Final = (415, 488, 606)


def place(exchange: Exchange, destination: Destination, service: str, now: float) -> Call | str:
    """Ring a phone for a service; why that cannot be, in words, where it cannot."""
    if not exchange.has_line(destination.user.aor):
        return _NO_LINES
    media_call = exchange.plane.open_call()
    call = Call(exchange, exchange.entropy(8).hex(), media_call, f"sip:{destination.user.aor}", now)
    call.placed, call.service, call.state = True, service, "ringing"
    call.ring_until = now + RINGS_S
    try:
        _ring(call, destination, now)
    except (NoMediaPorts, Refused) as refusal:
        exchange.plane.close_call(media_call)
        return refusal.reason if isinstance(refusal, Refused) else _NO_PORTS
    exchange.admit(call)
    call.tell("started", f"the server calls {call.a.aor} for {service}")
    return call


def _ring(call: Call, destination: Destination, now: float, plan: OfferPlan | None = None) -> None:
    leg = Leg.callee(call, destination)
    leg.is_second = plan is not None
    try:
        offer = leg.offer(own_codecs(leg), None, plan)
    except Refused:
        leg.release()
        raise
    call.a = leg
    leg.place(offer, None, now)


def on_answered(leg: Leg, event: Answered, now: float) -> None:
    """The phone was picked up: the application begins as soon as the leg meets its policy."""
    call = leg.call
    leg.agent = event.response.headers.get("User-Agent") or event.response.headers.get("Server") or ""
    try:
        leg.read_answer(leg.session.remote_body)
    except Refused as refusal:
        call.end(EndedBy.SERVER, refusal.reason, now, status=refusal.status)
        return
    call.run = in_call.run_of(leg, call.service)
    call.state = "answered"
    call.answered_at = now
    call.link()
    zrtp_in_call.await_keys(call, now)
    call.tell("answered", f"{leg.aor} answers {call.service}; {call.drawn()}; {call.security_state()}")


def on_rejected(leg: Leg, event: Rejected, now: float) -> None:
    """The phone refuses; what else can be offered, is."""
    call = leg.call
    plan, destination = leg.second_plan(), leg.destination
    if event.status in _OFFERED_OTHERWISE and plan is not None and destination is not None:
        call.lose(leg, event.status)
        try:
            _ring(call, destination, now, plan)
            return
        except (NoMediaPorts, Refused):
            call.a = leg
    call.refuse(*passed_on(event.status, why_refused(leg, event.status, event.reason)), now)
