"""Changes of a running call: hold, resume, another codec, a new address, new keys (RFC 3261 14, RFC 3311, RFC 3264 8).

How it works:

1. A phone's new offer is judged like its first one; what would lower a required protection is refused and the call
   stays as it was.
2. What the other phone would not notice (a new address, new keys, a session refresh) is answered here. So are other
   codecs, where the server can turn them into what the other phone has in use, and other packet times where it makes
   the packets.
3. What it would notice (direction, codecs) is offered to it; its answer makes ours. Until then the phone that asked
   waits, and whatever else is offered on either side meets 491 in the session below.
4. A re-INVITE without an offer is given one at once, from what the other phone can do; should the answer change
   something for the other phone, that is offered to it afterwards.
5. A phone may change, without a word, to any codec agreed with it (RFC 3264 5.1, 6.1). The media core tells where the
   other phone has not got that; then the two go through codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sealtone.b2bua import zrtp_in_call
from sealtone.b2bua.applications import music_on_hold
from sealtone.b2bua.leg import Leg, Refused
from sealtone.b2bua.leg_codecs import answer_for, can_go_beside, follow_switch, offer_for, text_of, to_narrow
from sealtone.b2bua.record import EndedBy
from sealtone.b2bua.service import first_codec, own_codecs
from sealtone.sip import events as sip

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call


class Change(NamedTuple):
    """A change under way: offered to `far`; `asker` waits for it, or is None where nobody does.

    `withdrawn`: who asked took it back meanwhile, so that `far` has to be brought back too. `requested`: `far` itself
    asked us for an offer.
    """

    asker: Leg | None
    far: Leg
    withdrawn: bool = False
    requested: bool = False


def on_offer(leg: Leg, event: sip.OfferReceived, now: float) -> None:
    """An offer from a phone."""
    call = leg.call
    if event.method in ("1xx", "2xx"):
        if leg is call.b and call.state == "answering":
            call.on_late_offer(leg, event.body, now)
        return
    before = leg.visible() if leg.described else None
    try:
        leg.read_offer(event.body)
    except Refused as refusal:
        _refuse(leg, refusal, now)
        return
    if leg.sealed is not None:
        leg.sealed.offered(leg)
    other = call.other(leg)
    if call.state != "answered" or other is None or call.service is not None or leg.visible() == before:
        _answer_here(leg, now)
    elif call.change is not None:
        _forget(leg)
        leg.session.reject_offer(491, now)
    elif before is not None and can_go_beside(leg, before, other):
        _answer_beside(leg, other, now)
    else:
        _offer_to(other, leg, leg, now)


def _answer_here(leg: Leg, now: float) -> None:
    call = leg.call
    try:
        if call.service is not None:
            body = leg.answer(first_codec(leg), leg.remote_direction().reverse)
        else:
            body = leg.answer_again()
    except Refused as refusal:
        _refuse(leg, refusal, now)
        return
    leg.session.answer(body, now)
    call.link()
    zrtp_in_call.await_keys_again(call, now)


def _answer_beside(leg: Leg, other: Leg, now: float) -> None:
    """Answer an offer of other codecs, and leave the other phone with what it has."""
    try:
        body = answer_for(leg, other)
    except Refused as refusal:
        _refuse(leg, refusal, now)
        return
    leg.session.answer(body, now)
    leg.call.link()
    zrtp_in_call.await_keys_again(leg.call, now)
    _tell_hold(leg)


def _offer_to(far: Leg, source: Leg, asker: Leg | None, now: float) -> None:
    """Offer to `far` what the phone of `source` said."""
    try:
        _offer(far, source, asker, now)
    except Refused as refusal:
        if asker is not None:
            _refuse(asker, refusal, now)


def narrow(call: Call, now: float) -> None:
    """Have a phone that chose by its own order change to a codec that need not be transcoded, where it has one."""
    other = call.b
    if other is None or call.change is not None or call.state != "answered" or call.transfer is not None:
        return
    leg = to_narrow(call.a, other)
    if leg is not None and leg.call is call and leg.session.state == "confirmed":
        leg.narrowed = True
        _offer_to(leg, other if leg is call.a else call.a, None, now)


def bring_back(far: Leg, source: Leg, now: float) -> None:
    """Offer to `far`, which has agreed to something else meanwhile, what holds. Raises `Refused`."""
    _offer(far, source, None, now)


def _offer(far: Leg, source: Leg, asker: Leg | None, now: float) -> None:
    body = offer_for(far, source, music_on_hold.direction_for(far, source))
    far.call.change = Change(asker, far)
    far.session.offer(body, now)


def _forget(leg: Leg) -> None:
    leg.forget()
    if leg.sealed is not None:
        leg.sealed.refused(leg)


def _refuse(leg: Leg, refusal: Refused, now: float) -> None:
    _forget(leg)
    leg.session.reject_offer(refusal.status, now, refusal.reason)
    leg.call.tell("refused", f"a change by {leg.aor}: {refusal.reason}")


def on_offer_requested(leg: Leg, _: sip.OfferRequested, now: float) -> None:
    """A re-INVITE without an offer: make one from what the other phone can do."""
    call = leg.call
    other = call.other(leg)
    if call.state != "answered" or call.change is not None:
        leg.session.reject_offer(491, now)
        return
    try:
        if other is None:
            body = leg.offer(own_codecs(leg), None)
        else:
            body = offer_for(leg, other, None, fully=True)
    except Refused as refusal:
        _refuse(leg, refusal, now)
        return
    call.change = Change(None, leg, requested=True)
    leg.session.answer(body, now)


def on_answer(leg: Leg, event: sip.AnswerReceived, now: float) -> None:
    """The answer to an offer of ours (or, with a late offer, the caller's in its ACK)."""
    call = leg.call
    leg.is_answered(event.offer)
    if call.transfer is not None and call.transfer.on_answer(leg, event.body, now):
        return
    change = call.change
    if change is not None and change.far is leg and not change.requested:
        _on_far_answer(change, event.body, now)
    elif call.state == "answering" or not leg.described:
        call.on_late_answer(event.body, now)
    else:
        _on_requested_answer(leg, event.body, now)


def _on_far_answer(change: Change, body: bytes, now: float) -> None:
    far, asker = change.far, change.asker
    call = far.call
    call.change = None
    try:
        far.read_answer(body)
        if asker is not None:
            asker.session.answer(answer_for(asker, far), now)
    except Refused as refusal:
        # The far phone has already changed; there is no common ground left to stand on.
        call.end(EndedBy.SERVER, refusal.reason, now, status=refusal.status)
        return
    call.link()
    zrtp_in_call.await_keys_again(call, now)
    if asker is not None:
        _tell_hold(asker)
    other = call.other(far)
    if change.withdrawn and other is not None:
        _offer_to(far, other, None, now)
    elif other is not None and other.is_misled and other.sealed is not None and not other.sealed.direct:
        _offer_to(other, far, None, now)
    else:
        narrow(call, now)


def _on_requested_answer(leg: Leg, body: bytes, now: float) -> None:
    before = leg.visible()
    leg.call.change = None
    try:
        leg.read_answer(body)
    except Refused as refusal:
        leg.call.end(EndedBy.SERVER, refusal.reason, now, status=refusal.status)
        return
    call = leg.call
    call.link()
    zrtp_in_call.await_keys_again(call, now)
    other = call.other(leg)
    if other is not None and leg.visible() != before and not can_go_beside(leg, before, other):
        _offer_to(other, leg, None, now)
    _tell_hold(leg)


def on_unmapped(leg: Leg, payload_type: int, _: float) -> None:
    """Packets of a payload type that the other phone has no number for came, and were dropped."""
    call = leg.call
    if call.state in ("ringing", "answered") and call.transfer is None and follow_switch(leg, payload_type):
        call.link()
        call.tell("changed", f"by {leg.aor}, which sends {text_of(leg.sends)}; {call.drawn()}")


def _tell_hold(leg: Leg) -> None:
    held = not leg.remote_direction().receives
    if held != leg.was_held:
        leg.was_held = held
        music_on_hold.follow(leg.call)
        leg.call.tell("held" if held else "resumed", f"by {leg.aor}")
    elif not held:
        leg.call.tell("changed", f"by {leg.aor}: {text_of(leg.chosen_codec)}, {leg.call.drawn()}")


def on_offer_rejected(leg: Leg, event: sip.OfferRejected, now: float) -> None:
    """Our offer was refused: the phone that asked is told so, and all stays as it was."""
    call = leg.call
    if call.transfer is not None and call.transfer.on_offer_rejected(leg, event, now):
        return
    change = call.change
    if change is None or change.far is not leg:
        return
    call.change = None
    if change.asker is not None:
        status = event.status if 400 <= event.status < 500 and event.status not in (401, 407) else 488
        _refuse(change.asker, Refused(status, f"The other phone refuses the change: {event.reason}"), now)
    elif leg.is_misled:
        reason = f"The phone of {leg.aor} refuses to send its media to where it has to: {event.reason}"
        call.end(EndedBy.SERVER, reason, now, status=488)


def on_offer_withdrawn(leg: Leg, _: sip.OfferWithdrawn, now: float) -> None:
    """The phone took its re-INVITE back. Where the other phone was asked already, it is asked back once it answered."""
    _forget(leg)
    change = leg.call.change
    if change is not None and change.asker is leg:
        leg.call.change = Change(None, change.far, withdrawn=True)
