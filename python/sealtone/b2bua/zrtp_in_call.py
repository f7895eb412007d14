"""How a call follows the ZRTP of its legs: packets and time go in; plans, facts, warnings and relayed SAS come out.

A leg that waits for keys passes no media; who requires them is not left in silence for ever: `await_keys`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sealtone.b2bua.record import EndedBy, state_of
from sealtone.model import CallState, LegSecurity, Protection, ZrtpStage

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg


SAS_DIFFERS: Final = "the SAS differs: somebody may be listening between phone and server"


def on_packet(leg: Leg, packet: bytes, now: float) -> None:
    """A ZRTP packet that the media core received on a leg's port; on a sealed leg, a copy of what it passed on."""
    if leg.sealed is not None:
        path = leg.sealed
        _step(leg, lambda: path.receive(leg, packet, now), now)
    elif leg.zrtp is not None:
        agreement = leg.zrtp
        _step(leg, lambda: agreement.receive(packet, now), now)


def on_timeout(leg: Leg, now: float) -> None:
    """The leg's ZRTP begins, or has waited for this time."""
    course = leg.sealed or leg.zrtp
    if course is not None:
        _step(leg, lambda: course.advance(now), now)


def _step(leg: Leg, step: Callable[[], bool], now: float) -> None:
    call = leg.call
    before = [(one, one.security()) for one in call.legs()]
    changed = step()
    flush(leg)
    if changed:
        _follow(call, before, now)


def flush(leg: Leg) -> None:
    """After whatever was asked of a leg's ZRTP: what is to be sent, kept and woken up for."""
    exchange = leg.call.exchange
    agreement = leg.zrtp if leg.sealed is None else None
    if agreement is not None:
        for packet in agreement.session.transmits():
            exchange.plane.send_packet(leg.port.id, packet)
        exchange.remember(agreement.remembered)
        agreement.remembered = []
    course = leg.sealed or agreement
    due = course.next_timeout() if course is not None else None
    if due is not None:
        exchange.wake_leg(leg, due)


def _follow(call: Call, before: list[tuple[Leg, LegSecurity]], now: float) -> None:
    """A key agreement of a call's legs, or the one that passes through them, has come further."""
    for one, _ in before:
        one.take_zrtp()
    if call.far is not None or call.service is not None:
        call.link()
    for one, was in before:
        _tell(one, was, one.security())
        if _lacks_keys(one) and was.protection is Protection.ZRTP:
            await_keys(call, now)
    if call.keys_until is not None and not any(_lacks_keys(leg) for leg in call.legs()):
        call.keys_until = None
    relay_sas(call, now)


def _tell(leg: Leg, was: LegSecurity, is_now: LegSecurity) -> None:
    facts, before = is_now.zrtp, was.zrtp
    if facts is None:
        return
    call = leg.call
    if is_now.protection is Protection.ZRTP and was.protection is not Protection.ZRTP:
        how = f"SAS {facts.sas}" if facts.sas else facts.stage.value
        call.tell("secured", f"{leg.aor} by ZRTP {facts.key_agreement}, {how}; {call.security_state()}")
    elif facts.stage in _NOTES and (before is None or before.stage is not facts.stage):
        call.tell("warned", f"{leg.aor}: {_NOTES[facts.stage]} {call.security_state()}")
    for warning in facts.warnings:
        if before is None or warning not in before.warnings:
            call.tell("warned", f"{leg.aor}: {warning}")


_NOTES: Final = {
    ZrtpStage.ABSENT: "The phone does not answer to ZRTP.",
    ZrtpStage.FAILED: "There are no keys by ZRTP.",
}


def note_of(stage: ZrtpStage) -> str:
    """Why a leg whose ZRTP has come so far is not encrypted, for a person; empty when there is nothing to say."""
    return _NOTES.get(stage, "")


def relay_sas(call: Call, now: float) -> None:
    """Each enrolled phone is told the SAS of the other leg, once both are there."""
    a, b = call.a, call.far
    if b is None or a.call is not call or b.call is not call or call.transfer is not None:
        return
    for leg, other in ((a, b), (b, a)):
        if leg.zrtp is not None and leg.sealed is None and leg.speaks_zrtp:
            leg.zrtp.relay_sas_of(other.zrtp if other.speaks_zrtp and other.sealed is None else None, now)
            flush(leg)


def verify(leg: Leg, matches: bool, now: float, *, ends: bool = True) -> None:
    """A person compared the SAS of a leg that ends here. Where it differs somebody may listen: that `ends` the call,
    unless whoever compared wants to decide."""
    if note_comparison(leg, matches, now) and not matches and ends:
        leg.call.hang_up(SAS_DIFFERS, now)


def note_comparison(leg: Leg, matches: bool, now: float) -> bool:
    """Keep what a person found by comparing the SAS of a leg that ends here. Whether there was one."""
    call, agreement = leg.call, leg.zrtp
    if agreement is None or agreement.session.association is None:
        return False
    if not matches:
        agreement.warn(f"{SAS_DIFFERS[0].upper()}{SAS_DIFFERS[1:]}")
    _step(leg, lambda: agreement.verify(matches), now)
    if not matches:
        call.tell("warned", f"{leg.aor}: {SAS_DIFFERS}")
        return True
    call.tell("secured", f"{leg.aor}: the SAS matches; {call.security_state()}")
    if call.weakest is CallState.PROTECTED_TO_SERVER and not any(one.left_keys for one in call.legs()):
        # The keys are the same all through the call: what is known of them now was true all along.
        call.weakest = state_of(call)
    return True


# Patience


def await_keys(call: Call, now: float) -> None:
    """From here on the phones of who requires ZRTP have so long to come to keys."""
    if any(_lacks_keys(leg) for leg in call.legs()):
        call.keys_until = now + call.exchange.settings.zrtp_patience_s
        call.exchange.wake_call(call, call.keys_until)


def await_keys_again(call: Call, now: float) -> None:
    """The same after a change of the running call, which may have begun a new agreement."""
    if call.keys_until is None:
        await_keys(call, now)


def on_patience_over(call: Call, now: float) -> None:
    """A call in which nothing may be heard is ended, and says why."""
    if call.keys_until is None or now < call.keys_until or call.state != "answered":
        return
    call.keys_until = None
    lacking = next((leg for leg in call.legs() if _lacks_keys(leg)), None)
    if lacking is not None:
        reason = why_ended_without_keys(lacking)
        call.tell("warned", reason)
        call.end(EndedBy.SERVER, reason, now, status=488)


def why_ended_without_keys(leg: Leg) -> str:
    """What a call is ended for whose phone did not come to the keys that somebody requires."""
    if leg.user.policy.requires_zrtp:
        return f"ZRTP is required for this user, but the phone of {leg.aor} did not come to keys in time"
    if leg.zrtp is not None and leg.zrtp.renews:
        return f"The phone of {leg.aor} began its ZRTP anew, but did not come to keys in time"
    return f"ZRTP is required for the other user, but the phone of {leg.aor} did not come to keys in time"


def _lacks_keys(leg: Leg) -> bool:
    required = leg.user.policy.requires_zrtp or (leg.sealed is not None and leg.sealed.is_required)
    if leg.sealed is None and leg.zrtp is not None and leg.zrtp.renews and leg.speaks_zrtp:
        required = True  # it had keys, and is not heard in the clear any more
    return required and leg.security().protection is not Protection.ZRTP
