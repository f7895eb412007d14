"""What a call makes of its legs' ZRTP coming further: media opens, the record knows, enrolled phones get the SAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.record import state_of
from sealtone.model import CallState, LegSecurity, Protection

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def on_zrtp(leg: Leg, now: float) -> None:
    """A leg's key agreement, or the one that passes through it, has come further."""
    call = leg.call
    before = [(one, one.security()) for one in call.legs()]
    for one, _ in before:
        one.take_zrtp()
    if call.state in ("answering", "answered") or call.rung == 183:
        call.link()
    for one, was in before:
        _tell(one, was, one.security())
    other = call.other(leg)
    if other is not None and leg.zrtp is not None and other.zrtp is not None:
        leg.zrtp.relay_sas_of(other.zrtp, now)
        leg.zrtp.flush(leg)
        other.zrtp.relay_sas_of(leg.zrtp, now)
        other.zrtp.flush(other)


def verify(leg: Leg, matches: bool, now: float) -> None:
    """A person compared the SAS of a leg that ends here. Where it differs somebody may listen: the call ends."""
    call = leg.call
    if leg.zrtp is None or leg.zrtp.session.association is None:
        return
    leg.zrtp.session.association.set_verified(matches)
    leg.zrtp.flush(leg)
    leg.take_zrtp()
    if not matches:
        call.tell("warned", f"{leg.aor}: the SAS differs, somebody may be listening between phone and server")
        call.hang_up("the SAS differs: somebody may be listening between phone and server", now)
        return
    call.tell("secured", f"{leg.aor}: the SAS matches; {call.security_state()}")
    if call.weakest is CallState.PROTECTED_TO_SERVER:
        # The keys are the same since they were agreed on: what is known of them now was true all along.
        call.weakest = state_of(call)


def _tell(leg: Leg, was: LegSecurity, now_is: LegSecurity) -> None:
    facts = now_is.zrtp
    if facts is None:
        return
    if now_is.protection is Protection.ZRTP and was.protection is not Protection.ZRTP:
        how = f"SAS {facts.sas}" if facts.sas else facts.stage.value
        leg.call.tell("secured", f"{leg.aor} by ZRTP {facts.key_agreement}, {how}; {leg.call.security_state()}")
    for warning in facts.warnings[len(was.zrtp.warnings) if was.zrtp is not None else 0 :]:
        leg.call.tell("warned", f"{leg.aor}: {warning}")
