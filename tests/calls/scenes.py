"""Scenes that tests of calls share: three phones, calls among them, transfers, and what must hold afterwards."""

from collections.abc import Callable

from calls.world import PLAIN, Phone, World
from sealtone.b2bua.plane import MediaPlan
from sealtone.model import LegPolicy
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Invitation
from sealtone.sip.session import InviteSession


def three(world: World, policy: LegPolicy = PLAIN) -> tuple[Phone, Phone, Phone]:
    transport = "udp" if policy is PLAIN else "tls"
    a, b, c = (world.phone(number, transport=transport, policy=policy) for number in ("1000", "1001", "1002"))
    return a, b, c


def in_call(world: World, a: Phone, b: Phone) -> None:
    a.call(b.number)
    world.run(2)
    assert b.session.state == "confirmed"


def plan_of(world: World, phone: Phone) -> MediaPlan:
    (plan,) = [plan for plan in world.plane.plans.values() if plan.remote and plan.remote[0] == phone.address[0]]
    return plan


def refer(phone: Phone, session: InviteSession, target: str) -> None:
    phone.do(lambda now: session.request("REFER", now, (("Refer-To", target),)))


def replaces_of(session: InviteSession) -> str:
    assert session.dialog is not None
    return f"{session.call_id}%3Bto-tag%3D{session.dialog.remote_tag}%3Bfrom-tag%3D{session.local_tag}"


def fragments(phone: Phone) -> list[bytes]:
    return [event.request.body.strip() for event in phone.saw(sip.InDialogRequest) if event.request.method == "NOTIFY"]


def deaf_to_offers(phone: Phone) -> Callable[[sip.Event], bool]:
    """A phone that thinks long about a new offer."""
    return lambda event: isinstance(event, sip.OfferReceived)


def refusing_offers(phone: Phone) -> Callable[[sip.Event], bool]:
    def refuse(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            event.session.reject_offer(488, phone.world.now)
            return True
        return False

    return refuse


def nobody_hangs(world: World) -> None:
    """Every phone that believes to be in a call is in one that has two legs; the server keeps no session besides."""
    legs = [leg for call in world.exchange.calls.values() for leg in call.legs()]
    for call in world.exchange.calls.values():
        assert call.service or len(call.legs()) == 2, f"{call.a.aor} is alone in a call that is {call.state}"
    live = [(phone.number, one.call_id) for phone in world.phones.values() for one in phone.sessions
            if one.state == "confirmed"]  # fmt: skip
    owned = {leg.session.call_id for leg in legs}
    assert [number for number, call_id in live if call_id not in owned] == [], "phones left in a call nobody keeps"
    assert world.endpoint.session_count == len(legs), "sessions that no call owns"


def all_gone(world: World) -> None:
    exchange = world.exchange
    assert not exchange.calls
    assert not world.plane.legs
    assert not world.plane.open_calls
    assert (exchange._per_user, exchange._legs, exchange._by_aor, exchange._sharing) == ({}, {}, {}, {})
    assert (exchange._by_port, exchange._recorded) == ({}, {})
    assert world.endpoint.session_count == 0
    assert {phone.number for phone in world.phones.values() for one in phone.sessions if one.state != "ended"} == set()


def attended(world: World, a: Phone, b: Phone, c: Phone) -> tuple[InviteSession, InviteSession]:
    """A talks to B and then to C, and asks for both to be joined."""
    in_call(world, a, b)
    first = a.session
    in_call(world, a, c)
    return first, a.session


def join(a: Phone, first: InviteSession, second: InviteSession) -> None:
    refer(a, first, f"<sip:1002@office.example?Replaces={replaces_of(second)}>")


def take_over(a: Phone, b: Phone, c: Phone) -> InviteSession:
    value = replaces_of(b.session).replace("%3B", ";").replace("%3D", "=")
    return c.call("1000", headers=(("Replaces", value),))


def reliable_invitation(phone: Phone, body: bytes | None = b"") -> Invitation:
    """A call to 1001 by a caller that requires 100rel; its own offer unless `body` is given."""
    return Invitation(
        request_uri="sip:1001@office.example",
        from_=f"<sip:{phone.user.aor}>",
        to="<sip:1001@office.example>",
        hop=phone.flow,
        body=phone.offer() if body == b"" else body,
        contact_user=phone.number,
        require=("100rel",),
    )


def keyed(world: World) -> None:
    """No packet of a user that requires encryption passes in the clear."""
    for call in world.exchange.calls.values():
        for leg in call.legs():
            plan = world.plane.plans.get(leg.port.id)
            if plan is not None and leg.user.policy.requires_srtp:
                assert plan.rx is not None or not (plan.send or plan.receive)
