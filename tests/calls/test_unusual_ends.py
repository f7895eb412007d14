"""Calls that end otherwise than usual, and calls of unusual pairs: nothing stays behind, the record tells the truth."""

from dataclasses import replace

import pytest

from calls.scenes import all_gone, deaf_to_offers, in_call, nobody_hangs, reliable_invitation, three
from calls.world import REQUIRE, World
from sealtone.sip import events as sip
from sealtone.sip.flow import Flow


def test_a_caller_that_cancels_while_the_answer_waits_for_its_prack_leaves_nobody_in_the_call() -> None:
    world = World()
    a, b, _ = three(world)
    b.early_media, b.answers = True, None
    session = a.endpoint.invite(reliable_invitation(a), world.now)
    a.sessions.append(session)
    lost = a.receive

    def without_provisionals(data: bytes, flow: Flow, now: float) -> None:
        if b"SIP/2.0 183" not in data[:20]:
            lost(data, flow, now)

    a.receive = without_provisionals
    world.pump()
    world.run(1)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(0.5)
    a.do(session.cancel)
    world.run(40)
    nobody_hangs(world)
    all_gone(world)


def test_a_caller_that_vanishes_while_it_rings_is_not_recorded_as_200() -> None:
    world = World()
    a = world.phone("1000", transport="tls")
    b = world.phone("1001")
    b.answers = None
    a.call("1001")
    world.run(1)
    world.endpoint.flow_closed(a.seen_by_server, world.now)
    world.pump()
    world.run(2)
    assert b.session.state == "ended"
    assert world.record.answered_at is None
    assert world.record.status != 200


def test_a_phone_may_call_itself() -> None:
    world = World()
    a = world.phone("1000")
    a.call("1000")
    world.run(2)
    assert [session.state for session in a.sessions] == ["confirmed", "confirmed"]
    a.do(a.sessions[0].bye)
    world.run(1)
    all_gone(world)


def test_two_phones_of_one_user_may_call_each_other() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1000")
    a.answers = 486
    a.call("1000")
    world.run(2)
    assert b.session.state == "confirmed"
    b.do(b.session.bye)
    world.run(1)
    all_gone(world)


@pytest.mark.parametrize("ending", ["busy", "cancel", "no port", "policy", "unknown"])
def test_a_users_calls_are_counted_down_after_every_failure(ending: str) -> None:
    world = World(max_calls_per_user=1)
    a, b, _ = three(world)
    b.answers = 486 if ending == "busy" else None
    world.plane.free = 1 if ending == "no port" else 1000
    if ending == "policy":
        b.user = replace(b.user, policy=REQUIRE)
    for _ in range(3):
        session = a.call("4711" if ending == "unknown" else "1001")
        world.run(1)
        if ending == "cancel":
            a.do(session.cancel)
        world.run(1)
    statuses = [event.status for event in a.saw(sip.Rejected)]
    assert len(set(statuses)) == 1
    assert len(statuses) == 3
    all_gone(world)


@pytest.mark.parametrize("who", [0, 1])
def test_a_bye_during_a_reinvite_ends_everything(who: int) -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    b.on_event = deaf_to_offers(b)
    a.hold(a.session)
    world.run(0.5)
    phone = (a, b)[who]
    phone.do(phone.session.bye)
    world.run(40)
    all_gone(world)


def test_an_info_during_a_reinvite_passes() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    b.on_event = deaf_to_offers(b)
    a.hold(a.session)
    world.run(0.5)
    a.do(lambda now: a.session.request("INFO", now, (), b"Signal=1", "application/dtmf-relay"))
    world.run(0.5)
    assert [event.status for event in a.saw(sip.InDialogResponse)] == [200]


@pytest.mark.parametrize("status", [401, 407])
def test_a_phone_that_challenges_us_gets_no_answer_to_that_and_the_caller_is_told_no_secret(status: int) -> None:
    """Users' digests are for their phones to answer with, never for the server."""
    world = World()
    a, b, _ = three(world)
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    challenge = (name, 'Digest realm="office.example", nonce="of the phone", algorithm=MD5, qop="auth"')

    def challenging(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            event.session.reject_offer(status, world.now)
            return True
        return False

    in_call(world, a, b)
    b.on_event = challenging
    a.hold(a.session)
    world.run(10)
    assert [event.status for event in a.saw(sip.OfferRejected)] == [488]
    nobody_hangs(world)
    b.on_event = None
    a.do(a.session.bye)
    world.run(1)

    def challenging_at_once(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived):
            b.endpoint.respond(event.tx, status, world.now, None, (challenge,))
            return True
        return False

    b.on_event = challenging_at_once
    session = a.call("1001")
    world.run(10)
    assert session.state == "ended"
    assert [event.status for event in a.saw(sip.Rejected)] == [480]
    assert not any(b"authorization" in sent.lower() for sent in world.wire)
    assert not any(b"of the phone" in sent for sent in world.wire)
