"""The INVITE to a phone that is to ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.leg_security import headers_about
from sealtone.b2bua.record import shown_name
from sealtone.sip.endpoint import Invitation

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def invitation(leg: Leg, offer: bytes | None, caller: Leg) -> Invitation:
    """The phone sees the caller's AOR and nothing else of the caller's side."""
    invite = caller.session.invite_request
    forwards = invite.max_forwards if invite is not None else None
    quoted = shown_name(caller).replace("\\", "").replace('"', "")
    return Invitation(
        request_uri=leg.uri,
        from_=f'"{quoted}" <sip:{caller.user.aor}>' if quoted else f"<sip:{caller.user.aor}>",
        to=f"<sip:{leg.user.aor}>",
        hop=leg.hop,
        body=offer,
        headers=headers_about(caller) if offer is not None else (),
        route=leg.route,
        contact_user=leg.call.exchange.contact_user,
        session_expires_s=1800,
        supported=("100rel", "timer") if offer is not None else ("timer",),
        max_forwards=(70 if forwards is None else forwards) - 1,
        owner=leg,
    )
