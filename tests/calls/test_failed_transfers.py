"""Transfers and take-overs that go wrong: nobody is left alone, and who asked is told."""

from dataclasses import replace

import pytest

from calls.scenes import (
    all_gone,
    attended,
    deaf_to_offers,
    fragments,
    in_call,
    join,
    nobody_hangs,
    plan_of,
    refer,
    refusing_offers,
    replaces_of,
    take_over,
    three,
)
from calls.world import PCMA, PCMU, PLAIN, REQUIRE, Phone, World
from sealtone.model import LegPolicy
from sealtone.sdp import Direction
from sealtone.sip import events as sip


@pytest.mark.parametrize("who", ["b", "c"])
@pytest.mark.parametrize("how", ["refuses", "hangs up"])
def test_an_attended_transfer_that_fails_in_the_middle_leaves_nobody_alone(who: str, how: str) -> None:
    world = World()
    a, b, c = three(world)
    first, second = attended(world, a, b, c)
    phone = {"b": b, "c": c}[who]
    phone.on_event = refusing_offers(phone) if how == "refuses" else deaf_to_offers(phone)
    join(a, first, second)
    world.run(1)
    if how == "hangs up":
        phone.do(phone.session.bye)
    world.run(5)
    assert not fragments(a)[-1].startswith((b"SIP/2.0 1", b"SIP/2.0 2")), "who asked is not told the end"
    nobody_hangs(world)


@pytest.mark.parametrize("who", ["b", "c"])
@pytest.mark.parametrize("how", ["refuses", "hangs up"])
def test_a_blind_transfer_that_fails_while_joining_leaves_nobody_alone(who: str, how: str) -> None:
    world = World()
    a, b, c = three(world)
    in_call(world, a, b)
    b.on_event = refusing_offers(b) if how == "refuses" and who == "b" else deaf_to_offers(b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(1)
    if how == "hangs up" or who == "c":
        phone = {"b": b, "c": c}[who]
        phone.do(phone.session.bye)
    world.run(5)
    nobody_hangs(world)


def test_an_attended_transfer_of_phones_without_a_common_codec_leaves_nobody_alone() -> None:
    world = World()
    a, b, c = three(world)
    a.codecs, b.codecs, c.codecs = (PCMA, PCMU), (PCMA,), (PCMU,)
    first, second = attended(world, a, b, c)
    c.on_event = refusing_offers(c)  # as a phone does that has none of the codecs
    join(a, first, second)
    world.run(5)
    nobody_hangs(world)


def test_a_change_by_the_transferor_during_an_attended_joining_does_not_break_the_server() -> None:
    world = World()
    a, b, c = three(world)
    first, second = attended(world, a, b, c)
    c.on_event = deaf_to_offers(c)
    join(a, first, second)
    world.run(0.2)
    a.hold(second)
    world.run(5)


def test_a_ringing_transfer_named_by_replaces_does_not_leave_who_asked_for_it_alone() -> None:
    world = World()
    a, b, c = three(world)
    d = world.phone("1003")
    c.answers = None
    in_call(world, a, b)
    moved = a.session
    in_call(world, a, d)
    refer(b, b.session, "<sip:1002@office.example>")
    world.run(1)
    refer(a, a.session, f"<sip:1002@office.example?Replaces={replaces_of(moved)}>")
    world.run(1)
    for session in c.sessions:
        c.do(lambda now, session=session: c.pick_up(session, now) if session.state != "ended" else None)  # type: ignore[misc]
    world.run(3)
    nobody_hangs(world)


def test_a_failed_transfer_does_not_take_packets_out_of_the_record() -> None:
    world = World()
    a, b, c = three(world)
    c.answers = 486
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(3)
    a.do(a.session.bye)
    world.run(1)
    assert [leg.packets_rx for leg in world.records[-1].legs] == [100, 100]


def test_a_take_over_that_is_cancelled_leaves_nobody_alone() -> None:
    world = World()
    a, b, c = three(world)
    in_call(world, a, b)
    a.on_event = deaf_to_offers(a)
    session = take_over(a, b, c)
    world.run(1)
    c.do(session.cancel)
    world.run(5)
    nobody_hangs(world)


def test_a_take_over_that_the_other_phone_refuses_leaves_nobody_alone() -> None:
    world = World()
    a, b, c = three(world)
    in_call(world, a, b)
    a.on_event = refusing_offers(a)
    take_over(a, b, c)
    world.run(5)
    nobody_hangs(world)


def test_a_refer_sent_twice_makes_one_transfer() -> None:
    world = World()
    a, b, c = three(world)
    c.answers = None
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(1)
    assert sorted(event.status for event in a.saw(sip.InDialogResponse)) == [202, 603]
    c.do(lambda now: c.pick_up(c.session, now))
    world.run(2)
    nobody_hangs(world)
    b.do(b.session.bye)
    world.run(2)
    all_gone(world)


def test_a_transfer_back_to_who_asked_for_it_works() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    refer(a, a.sessions[0], "<sip:1000@office.example>")
    world.run(4)
    assert a.sessions[0].state == "ended"
    assert a.sessions[1].state == "confirmed"
    nobody_hangs(world)
    b.do(b.session.bye)
    world.run(2)
    all_gone(world)


def test_replaces_of_a_leg_whose_call_is_being_transferred_is_refused() -> None:
    world = World()
    a, b, c = three(world)
    d = world.phone("1003")
    c.answers = None
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(1)
    take_over(a, b, d)
    world.run(1)
    assert [event.status for event in d.saw(sip.Rejected)] == [486]
    for phone in (b, a):
        phone.do(phone.session.bye)
    world.run(3)
    all_gone(world)


@pytest.mark.parametrize("what", ["replaces", "refer"])
def test_a_leg_of_another_account_cannot_be_named(what: str) -> None:
    world = World()
    a, b, c = three(world)
    d = world.phone("1003")
    in_call(world, a, b)
    for phone in (c, d):
        phone.user = replace(phone.user, account_id=2)
    if what == "replaces":
        take_over(a, b, c)
        world.run(1)
        assert [event.status for event in c.saw(sip.Rejected)] == [481]
    else:
        in_call(world, c, d)
        refer(c, c.session, f"<sip:1001@office.example?Replaces={replaces_of(b.session)}>")
        world.run(1)
        assert [event.status for event in c.saw(sip.InDialogResponse)] == [481]
    assert a.session.state == b.session.state == "confirmed"


def both_calls_are_as_before(world: World, a: Phone, b: Phone, c: Phone) -> None:
    """RFC 5589 7: the transferor has both calls still, and decides."""
    nobody_hangs(world)
    pairs = {frozenset(leg.aor for leg in call.legs()) for call in world.exchange.calls.values()}
    assert pairs == {frozenset((a.user.aor, other.user.aor)) for other in (b, c)}
    assert len(world.joined()) == 2
    for x, y in world.joined():
        assert world.plane.maps[x], world.plane.maps
        assert world.plane.calls_of[x] == world.plane.calls_of[y]
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())
    assert [record.answered_at for record in world.records] == [None], "only of the call that did not come about"
    for call in world.exchange.calls.values():
        assert call.change is None
        assert call.transfer is None
        assert call.moved == {}
    for phone in (a, b, c):
        for session in phone.sessions:
            assert session.state == "confirmed"
    for session in list(a.sessions):
        a.do(session.bye)
    world.run(1)
    all_gone(world)
    assert len(world.records) == 3
    assert {leg.packets_rx for record in world.records[1:] for leg in record.legs} == {100}


@pytest.mark.parametrize("policy", [PLAIN, REQUIRE])
@pytest.mark.parametrize("who", ["b", "c"])
def test_a_phone_that_refuses_an_attended_transfer_leaves_both_calls_as_they_were(who: str, policy: LegPolicy) -> None:
    world = World()
    a, b, c = three(world, policy)
    first, second = attended(world, a, b, c)
    phone = {"b": b, "c": c}[who]
    phone.on_event = refusing_offers(phone)
    join(a, first, second)
    world.run(0.5)
    phone.on_event = None
    world.run(3)
    assert fragments(a)[-1].startswith(b"SIP/2.0 488")
    both_calls_are_as_before(world, a, b, c)


def test_a_phone_that_had_already_changed_to_the_codec_of_the_third_is_asked_back() -> None:
    world = World()
    a, b, c = three(world)
    a.codecs, b.codecs, c.codecs = (PCMU,), (PCMA, PCMU), (PCMU, PCMA)
    first, second = attended(world, a, b, c)
    b.on_event = refusing_offers(b)
    join(a, first, second)
    world.run(0.5)
    b.on_event = None
    world.run(3)
    assert [codec.encoding for codec in c.heard.codecs if not codec.is_telephone_event] == ["PCMU"]  # type: ignore[union-attr]
    both_calls_are_as_before(world, a, b, c)


def test_a_phone_whose_answer_would_lower_its_protection_is_asked_back() -> None:
    world = World()
    a, b, c = three(world, REQUIRE)
    first, second = attended(world, a, b, c)

    def in_the_clear(event: sip.Event) -> bool:
        if not isinstance(event, sip.OfferReceived):
            return False
        c.on_event = None
        c.secure = False
        c.do(lambda now: event.session.answer(c.answer_body(event.body), now))
        c.secure = True
        return True

    c.on_event = in_the_clear
    join(a, first, second)
    world.run(3)
    assert fragments(a)[-1].startswith(b"SIP/2.0 488")
    assert c.heard is not None
    assert c.heard.crypto
    both_calls_are_as_before(world, a, b, c)


def test_a_transferor_that_hangs_up_the_second_call_first_keeps_only_the_first_when_it_fails() -> None:
    world = World()
    a, b, c = three(world)
    first, second = attended(world, a, b, c)
    b.on_event = deaf_to_offers(b)
    join(a, first, second)
    world.run(0.5)
    a.do(second.bye)
    world.run(0.5)
    (waiting,) = b.saw(sip.OfferReceived)
    b.on_event = None
    b.do(lambda now: waiting.session.reject_offer(488, now))  # type: ignore[attr-defined]
    world.run(3)
    nobody_hangs(world)
    assert (first.state, second.state, c.session.state) == ("confirmed", "ended", "ended")
    assert len(world.joined()) == 1


def test_an_attended_transfer_needs_no_further_media_port_and_no_new_key() -> None:
    world = World()
    a, b, c = three(world, REQUIRE)
    first, second = attended(world, a, b, c)
    before = plan_of(world, c)
    world.plane.free = 4
    join(a, first, second)
    world.run(3)
    assert fragments(a)[-1].startswith(b"SIP/2.0 200")
    assert plan_of(world, c).tx == before.tx
    nobody_hangs(world)
    (pair,) = world.joined()
    assert {world.plane.calls_of[leg] for leg in pair} <= world.plane.open_calls
    b.do(b.session.bye)
    world.run(1)
    all_gone(world)
    assert world.plane.open_calls == set()


@pytest.mark.parametrize("how", ["hangs up", "cancels"])
def test_a_phone_that_was_already_asked_to_join_goes_back_to_what_holds_there(how: str) -> None:
    """Its answer to the new offer still comes; by then it is with its old partner again."""
    world = World()
    a, b, c = three(world)
    a.codecs, b.codecs, c.codecs = (PCMA,), (PCMA, PCMU), (PCMA,) if how == "hangs up" else (PCMU,)
    in_call(world, a, b)
    asked: list[sip.OfferReceived] = []

    def slow(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived) and not asked:
            asked.append(event)
            return True
        return False

    b.on_event = slow
    if how == "hangs up":
        refer(a, a.session, "<sip:1002@office.example>")
        world.run(1)
        c.do(c.session.bye)
    else:
        session = c.call(
            "1001", headers=(("Replaces", replaces_of(a.session).replace("%3B", ";").replace("%3D", "=")),)
        )
        world.run(1)
        c.do(session.cancel)
    world.run(1)
    b.do(lambda now: b.session.answer(b.answer_body(asked[0].body), now))
    world.run(3)
    nobody_hangs(world)
    assert a.session.state == b.session.state == "confirmed"
    ((x, y),) = world.joined()
    assert world.plane.maps[x] == world.plane.maps[y] == {8: 8}
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())


def test_the_record_of_a_transferred_call_calls_its_first_leg_the_caller() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(3)
    b.do(b.session.bye)
    world.run(1)
    record = world.records[-1]
    assert record.caller == b.user.aor
    assert [(leg.role, leg.aor) for leg in record.legs] == [("caller", b.user.aor), ("callee", "1002@office.example")]


def test_a_take_over_in_the_middle_of_a_hold_that_is_cancelled_lets_the_hold_be_asked_for_again() -> None:
    world = World()
    a, b, c = three(world)
    in_call(world, a, b)
    a.on_event = deaf_to_offers(a)
    b.hold(b.session)
    world.run(0.1)
    session = take_over(a, b, c)
    world.run(1)
    (waiting,) = a.saw(sip.OfferReceived)
    a.on_event = None
    c.do(session.cancel)
    world.run(0.5)
    a.do(lambda now: a.session.answer(a.answer_body(waiting.body), now))
    world.run(10)
    nobody_hangs(world)
    (call,) = world.exchange.calls.values()
    assert call.change is None
    assert a.heard is not None
    assert a.heard.direction is Direction.SENDONLY
    assert [event.status for event in b.saw(sip.OfferRejected)] == []
