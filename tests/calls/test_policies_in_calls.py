"""Who requires encryption gets it, however a call comes about; and the record says what was."""

import pytest

from calls.scenes import all_gone, in_call, join, keyed, nobody_hangs, plan_of, refer, take_over, three
from calls.world import PLAIN, PREFER, REQUIRE, World
from sealtone.model import CallState
from sealtone.sip import events as sip


@pytest.mark.parametrize("policies", [(x, y, z) for x in "pfr" for y in "pfr" for z in "pfr"])
@pytest.mark.parametrize("how", ["blind", "attended", "redirect", "late", "take over"])
def test_require_holds_in_every_combination_and_the_record_says_the_truth(policies: tuple[str, ...], how: str) -> None:
    world = World()
    kinds = {"p": ("udp", PLAIN), "f": ("tls", PREFER), "r": ("tls", REQUIRE)}
    a, b, c = (
        world.phone(number, transport=kinds[kind][0], policy=kinds[kind][1])
        for number, kind in zip(("1000", "1001", "1002"), policies, strict=True)
    )
    if how == "redirect":

        def forward(event: sip.Event) -> bool:
            if isinstance(event, sip.RequestReceived):
                b.endpoint.respond(event.tx, 302, world.now, None, (("Contact", "<sip:1002@office.example>"),))
                return True
            return False

        b.on_event = forward
    a.call("1001", body=None if how == "late" else b"")
    world.run(2)
    keyed(world)
    if how == "blind":
        refer(a, a.session, "<sip:1002@office.example>")
    elif how == "attended":
        first = a.session
        a.call("1002")
        world.run(2)
        join(a, first, a.session)
    elif how == "take over":
        take_over(a, b, c)
    world.run(5)
    keyed(world)
    nobody_hangs(world)
    assert len(world.joined()) == 1
    (call,) = world.exchange.calls.values()
    secured = [world.plane.plans[leg.port.id].rx is not None for leg in call.legs()]
    wanted = [leg.user.policy is not PLAIN for leg in call.legs()]
    assert secured == wanted
    for phone in (a, b, c):
        for session in phone.sessions:
            phone.do(session.bye)
    world.run(3)
    truth = CallState.PROTECTED_TO_SERVER if all(secured) else CallState.OPEN
    assert world.records[-1].state is truth
    all_gone(world)


def test_who_prefers_encryption_and_gives_it_up_in_mid_call_is_open_in_the_record() -> None:
    world = World()
    a, b, _ = three(world, PREFER)
    in_call(world, a, b)
    a.secure, a.profile = False, "RTP/AVP"
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert plan_of(world, a).rx is None
    a.do(a.session.bye)
    world.run(1)
    assert world.record.state is CallState.OPEN
