"""Connections that die under a call (RFC 5626)."""

from calls.world import Phone, World
from sealtone.b2bua.plane import Destination, NoRoute, Ring, Service
from sealtone.model import SipUser
from sealtone.sip import events as sip


class TwoFlows(World):
    """The second phone of a number is the same device's other flow."""

    def resolve(self, uri: str, caller: SipUser) -> Ring | Service | NoRoute:
        found = super().resolve(uri, caller)
        if isinstance(found, Ring) and len(found.destinations) == 2:
            first, other = found.destinations
            return found._replace(destinations=(first._replace(others=(Destination(*other[:4]),)),))
        return found


def vanish(phone: Phone, world: World) -> None:
    world.endpoint.send_failed(phone.seen_by_server, world.now)
    world.pump()


def test_a_dead_flow_of_a_device_is_passed_over_for_its_other_one() -> None:
    world = TwoFlows()
    a, dead, alive = world.phone("1000"), world.phone("1001"), world.phone("1001")
    dead.receive = lambda *_: None
    a.call("1001")
    world.run(0.5)
    vanish(dead, world)
    world.run(2)
    assert alive.session.state == "confirmed"
    assert a.session.state == "confirmed"
    assert world.joined()


def test_a_device_whose_flows_are_all_dead_is_not_reachable() -> None:
    world = TwoFlows()
    a, *both = world.phone("1000"), world.phone("1001"), world.phone("1001")
    for phone in both:
        phone.receive = lambda *_: None
    a.call("1001")
    for phone in both:
        world.run(0.5)
        vanish(phone, world)
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 480
    assert not world.plane.open_calls
