"""Media before the answer: what the caller is told of it, and what of that may change."""

import pytest

from calls.scenes import all_gone, reliable_invitation, three
from calls.world import EVENTS, PCMA, PCMU, PREFER, REQUIRE, World
from sealtone.model import CallState
from sealtone.sip import events as sip


def test_a_codec_that_differs_between_early_media_and_answer_is_the_one_in_use() -> None:
    world = World()
    a, b, _ = three(world)
    a.codecs = (PCMA, PCMU, EVENTS)
    b.early_media, b.answers, b.codecs = True, None, (PCMA,)
    a.call("1001")
    world.run(1)
    b.codecs = (PCMU,)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(3)
    assert a.heard is not None
    assert "PCMU" in [codec.encoding for codec in a.heard.codecs]
    ((x, y),) = world.joined()
    assert world.plane.maps[x], "no payload type passes"
    assert world.plane.maps[y], "no payload type passes"


def test_early_media_of_a_phone_that_then_refuses_does_not_fix_the_codec_for_the_next_one() -> None:
    world = World()
    a, b, c = three(world)
    a.codecs, b.codecs, c.codecs = (PCMA, PCMU, EVENTS), (PCMA,), (PCMU,)
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(1)
    b.do(lambda now: b.session.reject(302, now, None, (("Contact", "<sip:1002@office.example>"),)))
    world.run(3)
    assert c.session.state == a.session.state == "confirmed"
    ((x, _),) = world.joined()
    assert a.heard is not None
    assert a.heard.codecs[0].payload_type in world.plane.maps[x], "what the caller was told to send is not passed on"


def test_a_refused_early_answer_stands_once_in_the_record() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001", transport="tls", policy=REQUIRE)
    b.secure, b.early_media, b.answers = False, True, None
    a.call("1001")
    world.run(3)
    assert [event.status for event in a.saw(sip.Rejected)] == [488]
    assert [leg.role for leg in world.record.legs] == ["caller", "callee"]


def test_early_media_in_the_clear_keeps_a_call_from_being_called_protected() -> None:
    world = World()
    a, b, _ = three(world, PREFER)
    b.secure, b.early_media, b.answers = False, True, None

    def first_without(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived) and b"RTP/SAVP" in event.request.body:
            b.endpoint.respond(event.tx, 488, world.now)
            return True
        return False

    b.on_event = first_without
    a.call("1001")
    world.run(2)
    assert world.joined()
    b.secure = True
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(2)
    a.do(a.session.bye)
    world.run(1)
    assert world.record.state is CallState.OPEN


@pytest.mark.parametrize("late", [False, True])
def test_a_caller_that_requires_100rel_gets_early_media_and_the_answer(late: bool) -> None:
    world = World()
    a, b, _ = three(world)
    b.early_media, b.answers = not late, None
    session = a.endpoint.invite(reliable_invitation(a, None if late else b""), world.now)
    a.sessions.append(session)
    world.pump()
    world.run(1)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(2)
    assert session.state == "confirmed"
    assert world.joined()
    a.do(session.bye)
    world.run(1)
    all_gone(world)


def test_a_caller_whose_answer_went_reliably_with_early_media_is_offered_what_changed_since() -> None:
    world = World()
    a, b, _ = three(world)
    b.codecs, b.early_media, b.answers = (PCMA,), True, None
    session = a.endpoint.invite(reliable_invitation(a), world.now)
    a.sessions.append(session)
    world.pump()
    world.run(1)
    b.codecs = (PCMU,)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(3)
    assert a.saw(sip.OfferReceived)
    assert a.heard is not None
    assert [codec.encoding for codec in a.heard.codecs] == ["PCMU"]
    ((x, y),) = world.joined()
    assert world.plane.maps[x]
    assert world.plane.maps[y]
    assert world.exchange.calls[next(iter(world.exchange.calls))].change is None
