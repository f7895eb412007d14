"""Calls from INVITE to BYE: ringing, answering, refusing, forking, late offers, the echo."""

import gc

import pytest

from calls.world import EVENTS, OPUS, PCMA, PCMU, PREFER, REQUIRE, World
from sealtone.b2bua.leg import Leg
from sealtone.model import CallState, Protection
from sealtone.sip import events as sip


def answered(world: World, seconds: float = 2) -> None:
    world.run(seconds)
    assert world.joined(), world.events


def test_two_phones_are_joined_and_the_record_says_who_hung_up() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    call = a.call("1001")
    answered(world)
    a.do(call.bye)
    world.run(1)
    assert b.saw(sip.Ended)
    assert (world.record.ended_by, world.record.status, world.record.reason) == ("caller", 200, "hung up")
    assert world.record.caller == "1000@office.example"
    assert world.record.callee == "1001@office.example"
    assert [leg.codec for leg in world.record.legs] == ["PCMA/8000", "PCMA/8000"]
    assert world.record.answered_at is not None
    assert not world.plane.legs
    assert not world.plane.open_calls


def test_a_call_that_is_over_leaves_no_leg_behind_while_its_sessions_still_answer_repetitions() -> None:
    world = World()
    a, _ = world.phone("1000"), world.phone("1001")
    gc.collect()
    before = _legs()
    gc.disable()
    try:
        call = a.call("1001")
        answered(world)
        assert _legs() == before + 2
        a.do(call.bye)
        world.run(1)
        assert world.endpoint.transaction_count
        assert _legs() == before
    finally:
        gc.enable()


def _legs() -> int:
    return sum(isinstance(each, Leg) for each in gc.get_objects())


def test_a_call_ended_by_the_callee_says_so() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001")
    answered(world)
    b.do(b.session.bye)
    world.run(1)
    assert a.saw(sip.Ended)
    assert world.record.ended_by == "callee"


def test_nothing_of_one_side_reaches_the_other() -> None:
    world = World()
    a, b = world.phone("1000", transport="tls", policy=REQUIRE), world.phone("1001")
    a.call("1001")
    answered(world)
    to_b = b"".join(data for data in world.wire if b"phone 1000" in data or a.address[0].encode() in data)
    received_by_b = [event for event in b.seen if isinstance(event, sip.RequestReceived)]
    body = bytes(b.sessions[0].remote_body)
    assert a.address[0].encode() not in body
    assert b"a=crypto" not in body
    assert received_by_b[0].request.call_id != a.session.call_id if received_by_b[0].request else True
    assert b"phone 1000" not in to_b


@pytest.mark.parametrize(
    ("status", "told"),
    [(486, 486), (603, 603), (500, 500), *((status, 480) for status in (403, 404, 407, 420, 422, 481, 487, 491))],
)
def test_a_refusal_is_passed_on_unless_it_concerns_only_the_server(status: int, told: int) -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.answers = status
    a.call("1001")
    world.run(2)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == told
    assert world.record.status == told
    assert not world.plane.legs


def test_an_unknown_number_gets_404_with_a_reason() -> None:
    world = World()
    a = world.phone("1000")
    a.call("4711")
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert (rejected.status, rejected.reason) == (404, "Nobody here has that number")
    assert world.record.legs[0].aor == "1000@office.example"


def test_the_first_of_several_phones_to_answer_has_the_call_and_the_others_stop_ringing() -> None:
    world = World()
    a, first, second = world.phone("1000"), world.phone("1001"), world.phone("1001")
    first.answers = None
    a.call("1001")
    world.run(2)
    assert world.joined()
    assert first.saw(sip.Cancelled)
    assert second.session.state == "confirmed"
    a.do(a.session.bye)
    world.run(1)
    assert [leg.chosen for leg in world.record.legs] == [True, True, False]


def test_two_phones_that_answer_at_once_leave_one_call() -> None:
    world = World()
    a, first, second = world.phone("1000"), world.phone("1001"), world.phone("1001")
    a.call("1001")
    world.run(3)
    states = sorted(phone.session.state for phone in (first, second))
    assert states == ["confirmed", "ended"]
    assert len(world.plane.legs) == 2


def test_one_busy_phone_does_not_stop_the_other() -> None:
    world = World()
    a, busy, free = world.phone("1000"), world.phone("1001"), world.phone("1001")
    busy.answers = 486
    a.call("1001")
    answered(world)
    assert free.session.state == "confirmed"


def test_a_cancelled_call_stops_the_ringing() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.answers = None
    call = a.call("1001")
    world.run(1)
    a.do(call.cancel)
    world.run(1)
    assert b.saw(sip.Cancelled)
    assert (world.record.status, world.record.reason, world.record.ended_by) == (487, "cancelled", "caller")
    assert not world.plane.open_calls


def test_a_cancel_that_crosses_the_answer_ends_the_call_on_both_sides() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.answers = None
    call = a.call("1001")
    world.run(1)
    b.do(lambda now: b.pick_up(b.session, now))
    a.do(call.cancel)
    world.run(5)
    assert b.session.state == "ended"
    assert a.session.state == "ended"
    assert not world.plane.open_calls
    assert len(world.records) == 1


def test_nobody_answering_ends_in_480() -> None:
    world = World(ring_timeout_s=20)
    a, b = world.phone("1000"), world.phone("1001")
    b.answers = None
    a.call("1001")
    world.run(30)
    (rejected,) = a.saw(sip.Rejected)
    assert (rejected.status, rejected.reason) == (480, "Nobody answered in time")
    assert b.saw(sip.Cancelled)


def test_a_phone_that_is_gone_gives_480() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.receive = lambda *_: None
    a.call("1001")
    world.run(70)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 480
    assert not world.plane.legs


def test_early_media_of_one_phone_is_passed_on() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(1)
    assert world.joined()
    assert [event.response.status for event in a.saw(sip.Progress)] == [183]
    b.do(lambda now: b.pick_up(b.session, now))
    answered(world)
    assert a.session.state == "confirmed"


def test_codecs_pass_with_their_numbers_and_the_callee_chooses() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.codecs = (OPUS, PCMA, PCMU, EVENTS)
    b.codecs = (PCMU, EVENTS)
    a.call("1001")
    answered(world)
    assert a.heard is not None
    assert [codec.payload_type for codec in a.heard.codecs] == [0, 101]
    assert set(next(iter(world.plane.maps.values()))) >= {0, 101}


def test_phones_without_a_common_codec_get_488() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.codecs, b.codecs = (PCMA,), (OPUS,)
    a.call("1001")
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488


def test_a_late_offer_goes_through_both_ways() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001", body=None)
    answered(world)
    assert (a.session.state, b.session.state) == ("confirmed", "confirmed")
    assert b.heard is not None
    assert world.kinds() == ["started", "ringing", "answered"]


def test_the_echo_answers_with_the_callers_first_codec() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    a.call("*43")
    world.run(1)
    assert world.plane.echoes
    assert a.heard is not None
    assert [codec.encoding for codec in a.heard.codecs] == ["PCMA", "telephone-event"]
    a.do(a.session.bye)
    world.run(1)
    assert (world.record.callee, world.record.state) == ("echo", CallState.PROTECTED_TO_SERVER)


def test_the_echo_takes_a_late_offer() -> None:
    world = World()
    a = world.phone("1000")
    a.call("*43", body=None)
    world.run(1)
    assert world.plane.echoes
    assert a.session.state == "confirmed"


def test_each_leg_has_its_own_protection_and_the_weakest_is_shown() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    world.phone("1001")
    a.call("1001")
    answered(world)
    plan_a, plan_b = (world.plane.plans[leg] for leg in sorted(world.plane.plans))
    assert plan_a.rx is not None
    assert plan_a.tx is not None
    assert plan_a.secure_required
    assert plan_b.rx is None
    a.do(a.session.bye)
    world.run(1)
    assert world.record.state is CallState.OPEN
    assert [leg.security.protection for leg in world.record.legs] == [Protection.SRTP, Protection.NONE]


def test_srtp_on_both_sides_is_protected_to_the_server_with_different_keys() -> None:
    world = World()
    a, b = world.phone("1000", transport="tls", policy=REQUIRE), world.phone("1001", transport="tls", policy=PREFER)
    a.call("1001")
    answered(world)
    keys = {key.key for plan in world.plane.plans.values() for key in (plan.rx, plan.tx) if key is not None}
    assert len(keys) == 4
    b.do(b.session.bye)
    world.run(1)
    assert world.record.state is CallState.PROTECTED_TO_SERVER


def test_a_user_that_requires_encryption_is_not_rung_without_tls() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001", policy=REQUIRE)
    a.call("1001")
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488
    assert "TLS" in rejected.reason
    assert not b.sessions
    assert not any(b"a=crypto" in data for data in world.wire)


def test_a_plain_offer_of_a_user_that_requires_encryption_is_refused_with_a_reason() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    world.phone("1001")
    a.secure, a.profile = False, "RTP/AVP"
    a.call("1001")
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488
    assert "Encryption is required" in rejected.reason
    assert world.record.reason == rejected.reason


def test_an_answer_in_the_clear_to_a_phone_that_requires_encryption_ends_the_call() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001", transport="tls", policy=REQUIRE)
    b.secure = False
    a.call("1001")
    world.run(3)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488
    assert b.session.state == "ended"
    assert not world.plane.joined


def test_all_ports_in_use_gives_503() -> None:
    world = World()
    a = world.phone("1000")
    world.phone("1001")
    world.plane.free = 1
    a.call("1001")
    world.run(1)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 503
    assert not world.plane.open_calls


def test_a_redirect_is_followed_within_the_callers_rights() -> None:
    world = World()
    a, b, c = world.phone("1000"), world.phone("1001"), world.phone("1002")

    def forward(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived):
            b.endpoint.respond(event.tx, 302, world.now, None, (("Contact", "<sip:1002@office.example>"),))
            return True
        return False

    b.on_event = forward
    a.call("1001")
    answered(world)
    assert c.session.state == "confirmed"


def test_the_server_ends_all_calls_with_bye_when_it_stops() -> None:
    world = World()
    a, b, c, d = (world.phone(number) for number in ("1000", "1001", "1002", "1003"))
    d.answers = None
    a.call("1001")
    c.call("1003")
    world.run(2)
    world.exchange.end_all(world.now)
    world.pump()
    world.run(2)
    assert {phone.session.state for phone in (a, b, c, d)} == {"ended"}
    assert sorted(record.status for record in world.records) == [200, 480]
    assert {record.ended_by for record in world.records} == {"server"}


def test_a_callee_that_vanishes_after_the_answer_is_noticed_by_the_session_timer() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001")
    answered(world)
    b.vanish()
    world.run(2400)
    assert a.session.state == "ended"
    assert world.record.ended_by == "server"


def test_a_phone_that_refuses_the_clear_is_offered_srtp_as_a_condition() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001", transport="tls")
    b.secure = True

    def only_srtp(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived) and b"RTP/AVP" in event.request.body:
            b.endpoint.respond(event.tx, 488, world.now)
            return True
        return False

    b.on_event = only_srtp
    a.call("1001")
    answered(world)
    a.do(a.session.bye)
    world.run(1)
    chosen = [leg for leg in world.record.legs if leg.chosen]
    assert [leg.security.protection for leg in chosen] == [Protection.NONE, Protection.SRTP]


def test_an_answer_that_differs_from_the_early_one_is_what_counts() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(1)
    early = {plan.remote for plan in world.plane.plans.values()}
    body = b.answer_body(b.session.remote_body).replace(b"m=audio 4000", b"m=audio 4444")
    b.do(lambda now: b.session.accept(body, now))
    answered(world)
    assert (b.address[0], 4000) in early
    assert (b.address[0], 4444) in {plan.remote for plan in world.plane.plans.values()}


def test_a_phone_without_srtp_is_still_reached_where_encryption_is_a_wish() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001", transport="tls", policy=PREFER)
    b.secure = False

    def no_srtp(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived) and b"RTP/SAVP" in event.request.body:
            b.endpoint.respond(event.tx, 488, world.now)
            return True
        return False

    b.on_event = no_srtp
    a.call("1001")
    answered(world)
    a.do(a.session.bye)
    world.run(1)
    assert world.record.state is CallState.OPEN
    assert "encryption" in world.record.legs[1].security.note
