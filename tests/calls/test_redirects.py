"""Calls that a phone sends elsewhere with a 3xx."""

from collections.abc import Callable

from calls.scenes import all_gone, three
from calls.world import Phone, World
from sealtone.sip import events as sip


def test_a_redirect_to_a_service_stops_the_other_phones_ringing() -> None:
    world = World()
    a, first, second = world.phone("1000"), world.phone("1001"), world.phone("1001")
    second.answers = None

    def forward(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived):
            first.endpoint.respond(event.tx, 302, world.now, None, (("Contact", "<sip:*43@office.example>"),))
            return True
        return False

    first.on_event = forward
    a.call("1001")
    world.run(3)
    assert a.session.state == "confirmed"
    assert second.session.state == "ended"


def test_a_redirect_to_several_contacts_tries_the_next_when_the_first_is_nobody() -> None:
    world = World()
    a, b, c = three(world)

    def forward(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived):
            contacts = "<sip:4711@office.example>;q=0.5, <sip:1002@office.example>;q=1"
            b.endpoint.respond(event.tx, 302, world.now, None, (("Contact", contacts),))
            return True
        return False

    b.on_event = forward
    a.call("1001")
    world.run(3)
    assert c.sessions
    assert a.session.state == "confirmed"


def test_redirects_in_a_circle_end() -> None:
    world = World()
    a, b, c = three(world)

    def to(number: str, phone: Phone) -> Callable[[sip.Event], bool]:
        def forward(event: sip.Event) -> bool:
            if isinstance(event, sip.RequestReceived):
                phone.endpoint.respond(event.tx, 302, world.now, None, (("Contact", f"<sip:{number}@office.example>"),))
                return True
            return False

        return forward

    b.on_event, c.on_event = to("1002", b), to("1001", c)
    a.call("1001")
    world.run(3)
    assert [event.status for event in a.saw(sip.Rejected)] == [480]
    all_gone(world)
