"""Before two phones are connected, who should know is told that the other side is not encrypted."""

import pytest

from calls.listening import hear_out, leg_of, playing, wishing
from calls.media import ALL_CODECS
from calls.scenes import all_gone, attended, in_call, join, refer, three
from calls.world import EVENTS, OPUS, PCMA, PCMU, PLAIN, PREFER, Phone, World
from calls.zrtp_world import ENDED, SEALED, SEALED_WISH, ZrtpWorld
from sealtone.model import CallState, NoticeTo, OpenNotice
from sealtone.sdp import Codec
from sealtone.sip import events as sip

TONE = ("open-tone",)
SENTENCE = ("open-notice",)
TOLD = "1000@office.example was told that the other side is not encrypted."


def scene(
    notice: OpenNotice = OpenNotice.NOTICE, to: NoticeTo = NoticeTo.CALLER, *, a_open: bool = False, b_open: bool = True
) -> tuple[World, Phone, Phone]:
    world = World(codecs=ALL_CODECS)
    a, b = (
        world.phone(number, transport="udp" if is_open else "tls", policy=PLAIN if is_open else PREFER)
        for number, is_open in (("1000", a_open), ("1001", b_open))
    )
    for phone in (a, b):
        wishing(phone, open_notice=notice, open_notice_to=to)
    return world, a, b


@pytest.mark.parametrize(("notice", "sounds"), [(OpenNotice.TONE, TONE), (OpenNotice.NOTICE, SENTENCE)])
def test_the_caller_is_told_before_the_two_are_connected(notice: OpenNotice, sounds: tuple[str, ...]) -> None:
    world, a, b = scene(notice)
    in_call(world, a, b)
    assert a.session.state == "confirmed"
    assert world.joined() == []
    assert playing(world, a) == sounds
    assert playing(world, b) == (("please-wait",) if notice is OpenNotice.NOTICE else ())
    assert world.exchange.calls[next(iter(world.exchange.calls))].weakest is None
    hear_out(world, a)
    assert len(world.joined()) == 1
    assert world.plane.plays == {}
    a.do(a.session.bye)
    world.run(1)
    assert world.record.announced == TOLD
    assert world.record.state is CallState.OPEN
    assert [event.detail for event in world.events if event.kind == "announced"] == [
        f"1000@office.example is told that the other side is not encrypted ({notice.value})"
    ]
    all_gone(world)


def test_no_key_reaches_the_other_phone_before_the_two_are_connected() -> None:
    world, a, b = scene(OpenNotice.TONE)
    a.codecs, b.codecs = (PCMA, EVENTS), (PCMA,)
    in_call(world, a, b)
    assert world.joined() == []
    world.exchange.receive_digit(leg_of(world, a).port.id, "5", world.now)
    world.pump()
    assert playing(world, b) == ()
    hear_out(world, a)
    world.exchange.receive_digit(leg_of(world, a).port.id, "5", world.now)
    world.pump()
    assert playing(world, b) == ("key-5",)


@pytest.mark.parametrize(("notice", "b_open"), [(OpenNotice.OFF, True), (OpenNotice.TONE, False)])
def test_nothing_delays_a_call_where_it_is_off_or_the_other_side_is_encrypted(notice: OpenNotice, b_open: bool) -> None:
    world, a, b = scene(notice, b_open=b_open)
    a.call("1001")
    world.run(0.05)
    assert len(world.joined()) == 1, "joined with the answer, before its ACK"
    assert world.plane.heard == []
    world.run(1)
    a.do(a.session.bye)
    world.run(1)
    assert world.record.announced == ""
    assert b.session.state == "ended"


@pytest.mark.parametrize("to", NoticeTo)
def test_the_called_one_is_told_of_an_open_caller_where_the_domain_wants_that(to: NoticeTo) -> None:
    world, a, b = scene(OpenNotice.TONE, to, a_open=True, b_open=False)
    in_call_or_held(world, a)
    if to is NoticeTo.CALLER:
        assert len(world.joined()) == 1
        return
    assert world.joined() == []
    assert playing(world, b) == TONE
    assert playing(world, a) == ()
    hear_out(world, b)
    assert len(world.joined()) == 1


def in_call_or_held(world: World, a: Phone) -> None:
    a.call("1001")
    world.run(2)
    assert a.session.state == "confirmed"


def test_both_are_waited_for_where_both_are_told() -> None:
    world, a, b = scene(OpenNotice.NOTICE, NoticeTo.BOTH, a_open=True)
    in_call_or_held(world, a)
    assert playing(world, a) == playing(world, b) == SENTENCE
    hear_out(world, b)
    assert world.joined() == []
    hear_out(world, a)
    assert len(world.joined()) == 1


def test_who_hangs_up_on_hearing_it_was_never_connected() -> None:
    world, a, b = scene()
    in_call(world, a, b)
    a.do(a.session.bye)
    world.run(1)
    assert world.record.reason == "hung up"
    assert world.record.announced == TOLD
    assert b.session.state == "ended"
    all_gone(world)


def test_a_notice_that_never_ends_is_ended_and_nobody_left_in_silence() -> None:
    world, a, b = scene()
    in_call(world, a, b)
    world.run(7)
    assert world.joined() == []
    world.run(3)
    assert len(world.joined()) == 1
    assert world.plane.plays == {}


def test_a_change_or_a_hold_meanwhile_does_not_connect_them() -> None:
    world, a, b = scene()
    in_call(world, a, b)
    a.hold(a.session)
    world.run(1)
    b.do(lambda now: b.session.offer(b.offer(), now))
    world.run(1)
    a.resume(a.session)
    world.run(1)
    assert world.joined() == []
    hear_out(world, a)
    assert len(world.joined()) == 1


def test_what_comes_before_the_answer_is_heard_and_the_notice_comes_with_it() -> None:
    world, a, b = scene()
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(1)
    assert len(world.joined()) == 1
    assert world.plane.heard == []
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(1)
    assert a.session.state == "confirmed"
    assert world.joined() == []
    assert playing(world, a) == SENTENCE
    hear_out(world, a)
    assert len(world.joined()) == 1


def test_with_a_late_offer_the_notice_comes_once_both_are_described() -> None:
    world, a, _ = scene()
    a.call("1001", body=None)
    world.run(2)
    assert a.session.state == "confirmed"
    assert world.joined() == []
    assert playing(world, a) == SENTENCE
    hear_out(world, a)
    assert len(world.joined()) == 1


def test_who_cannot_be_told_is_connected_and_the_record_says_so() -> None:
    world, a, b = scene()
    a.codecs = b.codecs = (Codec(97, "EVS", 16000),)
    in_call(world, a, b)
    assert len(world.joined()) == 1
    a.do(a.session.bye)
    world.run(1)
    assert world.record.announced == "1000@office.example could not be told that the other side is not encrypted."


def test_legs_that_go_through_codecs_are_joined_so_after_the_notice() -> None:
    world, a, b = scene()
    a.codecs, b.codecs = (PCMU,), (OPUS,)
    in_call(world, a, b)
    assert world.joined() == []
    hear_out(world, a)
    assert world.plane.through_codecs


def test_nothing_is_said_before_the_callers_own_keys_are_there() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = world.phone("1000", policy=ENDED), world.phone("1001", policy=PLAIN)
    wishing(a, open_notice=OpenNotice.NOTICE)
    a.hello_after_s = 4.0
    a.call("1001")
    world.run(3.9)
    assert world.plane.heard == []
    world.run(2)
    assert playing(world, a) == SENTENCE
    assert b.stream.heard == []
    hear_out(world, a)
    world.run(1)
    assert b.stream.clear > 5
    assert a.stream.good > 5


def test_a_phone_on_the_other_side_that_was_to_speak_zrtp_and_does_not_is_open() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = world.phone("1000", policy=ENDED), world.phone("1001", policy=SEALED_WISH)
    wishing(a, open_notice=OpenNotice.TONE)
    b.zrtp = False
    a.call("1001")
    world.run(8)
    assert playing(world, a) == TONE
    hear_out(world, a)
    assert len(world.joined()) == 1


def test_a_sealed_call_is_neither_delayed_nor_spoken_into() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = world.phone("1000", policy=SEALED), world.phone("1001", policy=SEALED)
    wishing(a, open_notice=OpenNotice.NOTICE, open_notice_to=NoticeTo.BOTH)
    a.call("1001")
    world.run(3)
    assert a.stream.good > 10
    assert b.stream.good > 10
    assert world.plane.heard == []


def test_who_is_transferred_to_an_open_phone_is_told_too() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = (world.phone(number, transport="tls", policy=PREFER) for number in ("1000", "1001"))
    c = world.phone("1002")
    wishing(b, open_notice=OpenNotice.TONE)
    in_call(world, a, b)
    assert len(world.joined()) == 1
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(2)
    assert c.session.state == "confirmed"
    assert world.joined() == []
    assert playing(world, b) == TONE
    hear_out(world, b)
    assert len(world.joined()) == 1


def test_an_attended_transfer_is_held_apart_as_well_and_both_calls_end_clean() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    for phone in (b, c):
        wishing(phone, open_notice=OpenNotice.TONE, open_notice_to=NoticeTo.BOTH)
    first, second = attended(world, a, b, c)
    for phone in (c,):
        if playing(world, phone):
            hear_out(world, phone)
    join(a, first, second)
    world.run(2)
    assert world.joined() == []
    told = [phone for phone in (b, c) if playing(world, phone) == TONE]
    assert told == [b, c]
    for phone in told:
        hear_out(world, phone)
    assert len(world.joined()) == 1
    b.do(b.session.bye)
    world.run(2)
    all_gone(world)


def test_a_phone_that_is_gone_meanwhile_ends_the_call_as_ever() -> None:
    world, a, b = scene()
    in_call(world, a, b)
    leg = leg_of(world, a)
    number = world.plane.plays[leg.port.id].number
    b.do(b.session.bye)
    world.run(1)
    world.exchange.receive_played(leg.port.id, number, world.now)
    assert a.saw(sip.Ended)
    all_gone(world)


def test_a_phone_that_is_being_transferred_is_told_nothing_of_the_call_that_it_left() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = world.phone("1000", policy=ENDED), world.phone("1001", policy=PLAIN)
    c = world.phone("1002", policy=PLAIN)
    wishing(a, open_notice=OpenNotice.NOTICE)
    c.answers, c.early_media = None, False
    a.hello_after_s = 5.0
    a.call("1001")
    world.run(2)
    assert b.session.state == "confirmed"
    assert world.plane.heard == [], "the caller's keys are not there yet"
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(10)
    assert playing(world, b) == ()
    c.do(lambda now: c.session.reject(486, now))
    world.run(1)
    assert playing(world, a) == SENTENCE, "the two are together again, and still held apart"
    hear_out(world, a)
    assert len(world.joined()) == 1
