"""The INVITE to a phone that is to ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.leg_security import headers_about
from sealtone.b2bua.record import shown_name
from sealtone.model.directory import DEFAULT_SERVICES
from sealtone.sip.endpoint import Invitation

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def invitation(leg: Leg, offer: bytes | None, caller: Leg | None) -> Invitation:
    """The phone sees the caller's AOR, or that of the service that calls it, and nothing else of the caller's side."""
    invite = caller.session.invite_request if caller is not None else None
    forwards = invite.max_forwards if invite is not None else None
    headers = headers_about(caller) if offer is not None and caller is not None else ()
    if leg.destination is not None and leg.destination.replaces:
        headers = (*headers, ("Replaces", leg.destination.replaces))
    return Invitation(
        request_uri=leg.uri,
        from_=_address_of(caller) if caller is not None else _service_address(leg),
        to=f"<sip:{leg.user.aor}>",
        hop=leg.hop,
        body=offer,
        headers=headers,
        route=leg.route,
        contact_user=leg.call.exchange.contact_user,
        session_expires_s=1800,
        supported=("100rel", "timer") if offer is not None else ("timer",),
        max_forwards=(70 if forwards is None else forwards) - 1,
        owner=leg,
    )


def _address_of(caller: Leg) -> str:
    quoted = shown_name(caller).replace("\\", "").replace('"', "")
    return f'"{quoted}" <sip:{caller.user.aor}>' if quoted else f"<sip:{caller.user.aor}>"


def _service_address(leg: Leg) -> str:
    """A number that brings the person back to the service."""
    service = leg.call.service
    name = next((name for name, known in DEFAULT_SERVICES.items() if known == service and name.isalpha()), "echo")
    return f'"Sealtone" <sip:{name}@{leg.user.domain}>'
