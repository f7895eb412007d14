"""Which calls are recorded, from when to when, and what is said of those that are not."""

from dataclasses import replace

import pytest

from calls.codec_scenes import GSM
from calls.listening import hear_out, playing, press_by_info
from calls.media import ALL_CODECS
from calls.recording_scenes import (
    ALWAYS,
    KEY,
    NEVER,
    ON_DEMAND,
    call_of,
    dial,
    port_of,
    recorded_as,
    scene,
    told,
    tones,
)
from calls.scenes import all_gone, attended, deaf_to_offers, in_call, join, refer, three
from calls.world import EVENTS, PCMA, PLAIN, World
from calls.zrtp_world import ZrtpPhone, ZrtpWorld
from sealtone.b2bua import recording_in_call
from sealtone.model import (
    ConsentNotice,
    DomainRecording,
    LegPolicy,
    MediaPath,
    Protection,
    RecordingPolicy,
    RecordingTerms,
    Strictness,
)
from sealtone.model.announcements import Language
from sealtone.sdp import Direction


@pytest.mark.parametrize(("first", "second"), [(ALWAYS, ON_DEMAND), (ON_DEMAND, ALWAYS)])
def test_a_call_of_a_user_who_is_always_recorded_is_recorded_from_answer_to_end(
    first: RecordingTerms, second: RecordingTerms
) -> None:
    world, a, b = scene(first, second)
    ((left, right, wish),) = world.plane.recordings.values()
    assert (left, right) == (port_of(world, a), port_of(world, b))
    assert (wish.format, wish.recipients) == ("opus", (KEY,))
    assert "100" not in wish.path.rpartition("/")[0].removeprefix("1/")
    world.run(60)
    b.do(b.session.bye)
    world.run(2)
    assert not world.plane.recordings
    (facts,) = world.recordings.values()
    assert (facts.caller, facts.callee, facts.call_id) == (a.user.aor, b.user.aor, world.record.id)
    assert facts.ended_at is not None
    assert facts.ended_at - facts.started_at == pytest.approx(60, abs=3)
    assert world.record.recordings == (facts.id,)
    wisher = a if first is ALWAYS else b
    assert world.record.recording_note == f"recorded for {wisher.user.aor}"
    a.world.run(40)
    all_gone(world)


def test_nothing_is_recorded_before_the_answer() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, _ = three(world)
    recorded_as(a, ALWAYS)
    b.answers, b.early_media = None, True
    a.call("1001")
    world.run(5)
    assert world.joined()
    assert not world.plane.recordings


def test_a_user_who_is_never_recorded_is_not_recorded_by_the_other_either() -> None:
    world, _, b = scene(ALWAYS, NEVER)
    assert not world.plane.recordings
    b.do(b.session.bye)
    world.run(2)
    assert world.record.recordings == ()
    assert f"{b.user.aor} is never recorded" in world.record.recording_note
    assert world.kinds().count("warned") == 1


def test_without_the_accounts_key_nothing_is_recorded_and_the_record_says_so() -> None:
    world, a, _ = scene(ALWAYS._replace(recipient=""), ON_DEMAND)
    assert not world.plane.recordings
    a.do(a.session.bye)
    world.run(2)
    assert "no recording key" in world.record.recording_note


def test_the_star_code_begins_a_recording_and_ends_it() -> None:
    world, _, b = scene(ON_DEMAND, ON_DEMAND)
    assert not world.plane.recordings
    dial(world, b, "*1")
    assert len(world.plane.recordings) == 1
    world.run(10)
    dial(world, b, "*1")
    assert not world.plane.recordings
    dial(world, b, "*1")
    assert len(world.plane.recordings) == 1
    b.do(b.session.bye)
    world.run(2)
    assert len(world.record.recordings) == 2
    assert {facts.started_by for facts in world.recordings.values()} == {b.user.aor}
    assert told(b) == []


def test_a_recording_that_runs_keeps_its_key_and_the_next_one_has_the_new_key() -> None:
    world, a, b = scene(ON_DEMAND, ON_DEMAND)
    dial(world, b, "*1")
    for phone in (a, b):
        recorded_as(phone, phone.user.recording._replace(recipient="age1new"))
    world.run(30)
    ((_, _, first),) = world.plane.recordings.values()
    assert first.recipients == (KEY,)
    dial(world, b, "*1")
    dial(world, b, "*1")
    ((_, _, second),) = world.plane.recordings.values()
    assert second.recipients == ("age1new",)
    assert [facts.recipient for facts in world.recordings.values()] == [KEY, "age1new"]


def test_the_star_code_may_come_by_info() -> None:
    world, a, b = scene(ON_DEMAND, ON_DEMAND)
    for key in (b"*", b"1"):
        press_by_info(a, "application/dtmf-relay", b"Signal=%s\r\nDuration=160\r\n" % key)
    assert len(world.plane.recordings) == 1
    b.do(b.session.bye)
    world.run(1)
    assert len(world.record.recordings) == 1


@pytest.mark.parametrize(("digits", "gap_s"), [("1*", 0.5), ("*2", 0.5), ("1", 0.5), ("*21", 0.5), ("*1", 4.0)])
def test_other_digits_are_not_the_star_code(digits: str, gap_s: float) -> None:
    world, a, _ = scene(ON_DEMAND, ON_DEMAND)
    dial(world, a, digits, gap_s)
    assert not world.plane.recordings


def test_the_star_code_is_of_one_phone() -> None:
    world, a, b = scene(ON_DEMAND, ON_DEMAND)
    dial(world, a, "*")
    dial(world, b, "1")
    assert not world.plane.recordings


def test_a_phone_whose_user_may_not_record_is_told_so() -> None:
    world, a, _ = scene(NEVER, ON_DEMAND)
    dial(world, a, "*1")
    assert not world.plane.recordings
    assert told(a) == ["This user may not record calls"]
    a.do(a.session.bye)
    world.run(2)
    assert "may not record" in world.record.recording_note


def test_the_star_code_cannot_end_what_a_policy_records() -> None:
    world, a, b = scene(ALWAYS, ON_DEMAND)
    dial(world, b, "*1")
    assert len(world.plane.recordings) == 1
    assert told(b) == ["This call is always recorded, which a phone cannot end"]
    assert told(a) == []


def test_the_command_line_begins_and_ends_a_recording_in_mid_call() -> None:
    world, a, _ = scene(ON_DEMAND, ON_DEMAND)
    call = call_of(world)
    assert recording_in_call.start(call, None, "root (command line)", world.now) == ""
    assert "already" in recording_in_call.start(call, None, "root (command line)", world.now)
    world.pump()
    assert len(world.plane.recordings) == 1
    assert recording_in_call.stop(call, "root (command line)") == ""
    assert "not being recorded" in recording_in_call.stop(call, "root (command line)")
    world.pump()
    (facts,) = world.recordings.values()
    assert (facts.started_by, facts.octets) == ("root (command line)", 1000)
    a.do(a.session.bye)


def test_what_a_person_ended_no_policy_begins_again() -> None:
    world, a, _ = scene(ALWAYS, ON_DEMAND)
    assert recording_in_call.stop(call_of(world), "root (command line)") == ""
    a.hold(a.session)
    world.run(5)
    assert not world.plane.recordings


def test_a_recording_goes_on_through_hold_and_resume() -> None:
    world, a, _ = scene(ALWAYS, ON_DEMAND)
    (number,) = world.plane.recordings
    a.hold(a.session)
    world.run(5)
    a.resume(a.session)
    world.run(5)
    assert list(world.plane.recordings) == [number]


def breaks_off(world: World, reason: str) -> None:
    """What runs ends by itself."""
    (number,) = world.plane.recordings
    del world.plane.recordings[number]
    world.exchange.receive_recording_ended(number, reason, 70, 1.5, world.now)
    world.pump()


def test_a_full_disk_ends_the_recording_and_not_the_call_and_it_is_tried_again_some_times() -> None:
    world, a, b = scene(ALWAYS, ON_DEMAND)
    full = "The disk is full, so the recording was ended."
    for _ in range(4):
        breaks_off(world, full)
        world.run(5)
        assert not world.plane.recordings
        world.run(6)
    assert not world.plane.recordings, "it was tried often enough"
    world.run(60)
    assert not world.plane.recordings
    assert b.session.state == "confirmed"
    a.do(a.session.bye)
    world.run(2)
    assert [(facts.reason, facts.octets, facts.seconds) for facts in world.recordings.values()] == [(full, 70, 1.5)] * 4
    assert world.record.recording_note == f"recorded for {a.user.aor}; {full}"
    assert world.record.recordings == tuple(world.recordings)
    assert any(event.kind == "warned" and "disk is full" in event.detail for event in world.events)


def test_a_recording_that_a_phone_asked_for_and_that_broke_off_is_for_the_phone_to_begin_again() -> None:
    world, a, _ = scene(ON_DEMAND, ON_DEMAND)
    dial(world, a, "*1")
    breaks_off(world, "The process that decodes the call ended, and the recording with it.")
    world.run(60)
    assert not world.plane.recordings
    dial(world, a, "*1")
    assert len(world.plane.recordings) == 1


@pytest.mark.parametrize(("notice", "goes_on"), [(ConsentNotice.TONE, False), (ConsentNotice.NONE, True)])
def test_a_phone_that_cannot_be_played_the_notice_is_recorded_no_further(notice: ConsentNotice, goes_on: bool) -> None:
    world, a, b = scene(ALWAYS._replace(domain=DomainRecording(notice=notice)), ON_DEMAND)
    world.run(20)
    assert len(world.plane.recordings) == 1
    world.exchange.receive_codec_fault(port_of(world, b), "no encoder can be made", world.now)
    world.pump()
    world.run(30)
    assert len(world.plane.recordings) == int(goes_on)
    assert call_of(world).state == "answered"
    a.do(a.session.bye)
    world.run(2)
    assert ("no encoder can be made" in world.record.recording_note) is not goes_on


def test_a_tone_tells_both_at_the_beginning_and_every_fifteen_seconds_and_not_who_is_on_hold() -> None:
    terms = ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.TONE))
    world, a, b = scene(terms, ON_DEMAND)
    assert sorted(tones(world.plane)) == sorted([port_of(world, a), port_of(world, b)])
    world.run(46)
    assert len(tones(world.plane)) == 8
    a.hold(a.session)
    before = len(tones(world.plane))
    world.run(30)
    assert set(tones(world.plane)[before:]) == {port_of(world, a)}
    a.do(a.session.bye)
    world.run(2)
    before = len(tones(world.plane))
    world.run(60)
    assert len(tones(world.plane)) == before


def test_no_key_cuts_short_the_tone_that_tells_of_a_recording() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMA, EVENTS), (PCMA,)
    recorded_as(a, ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.TONE)))
    a.call("1001")
    world.run(0.1)
    assert port_of(world, b) in tones(world.plane)
    world.exchange.receive_digit(port_of(world, a), "5", world.now)
    world.pump()
    assert playing(world, b) != ("key-5",)
    world.run(1)
    world.exchange.receive_digit(port_of(world, a), "5", world.now)
    world.pump()
    assert playing(world, b) == ("key-5",)


def test_an_announcement_is_heard_by_both_before_anything_is_recorded() -> None:
    terms = ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.ANNOUNCEMENT))
    world, a, b = scene(terms, ON_DEMAND)
    world.run(3)
    assert not world.plane.recordings
    for phone in (a, b):
        _, number, sounds, *_ = world.plane.plays[port_of(world, phone)]
        assert sounds[-1] == "en/recording-notice"
        world.exchange.receive_played(port_of(world, phone), number, world.now)
        world.pump()
    assert len(world.plane.recordings) == 1
    (facts,) = world.recordings.values()
    assert facts.started_at - 1.7e9 == pytest.approx(world.now, abs=0.1)


def test_a_call_that_ends_during_the_announcement_was_not_recorded() -> None:
    terms = ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.ANNOUNCEMENT))
    world, a, _ = scene(terms, ON_DEMAND)
    a.do(a.session.bye)
    world.run(2)
    assert world.record.recordings == ()
    assert "announcement" in world.record.recording_note
    assert not world.recordings


def test_a_transfer_ends_the_recording_and_the_new_call_is_recorded_for_its_own_users() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    recorded_as(a, ALWAYS)
    recorded_as(b, ON_DEMAND)
    recorded_as(c, ON_DEMAND)
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(3)
    assert not world.plane.recordings, "neither who is transferred nor who answers is recorded"
    assert [facts.ended_at is not None for facts in world.recordings.values()] == [True]
    assert [record.recordings for record in world.records if record.caller == a.user.aor] == [tuple(world.recordings)]


def test_a_transfer_to_a_user_who_is_always_recorded_is_recorded_as_a_call_of_its_own() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    for phone, terms in ((a, ON_DEMAND), (b, ON_DEMAND), (c, ALWAYS)):
        recorded_as(phone, terms)
    first, second = attended(world, a, b, c)
    assert len(world.plane.recordings) == 1
    join(a, first, second)
    world.run(3)
    assert len(world.recordings) == 2
    (running,) = [facts for facts in world.recordings.values() if facts.ended_at is None]
    assert {running.caller, running.callee} == {b.user.aor, c.user.aor}
    ((left, right, _),) = world.plane.recordings.values()
    assert {left, right} == {port_of(world, b), port_of(world, c)}


def test_a_leg_that_is_being_transferred_is_not_recorded_any_more_while_its_phone_thinks() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    for phone, terms in ((a, ON_DEMAND), (b, ON_DEMAND), (c, ALWAYS)):
        recorded_as(phone, terms)
    first, second = attended(world, a, b, c)
    assert len(world.plane.recordings) == 1
    b.on_event, c.on_event = deaf_to_offers(b), deaf_to_offers(c)
    join(a, first, second)
    world.run(1)
    assert not world.plane.recordings


def test_a_transfer_that_fails_has_the_call_recorded_again() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    for phone, terms in ((a, ALWAYS), (b, ON_DEMAND), (c, ON_DEMAND)):
        recorded_as(phone, terms)
    in_call(world, a, b)
    c.answers = 486
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(5)
    assert len(world.plane.recordings) == 1
    assert len(world.recordings) == 2


def test_an_echo_test_is_not_recorded() -> None:
    world = World(codecs=ALL_CODECS)
    a, _, _ = three(world)
    recorded_as(a, ALWAYS)
    a.call("*43")
    world.run(3)
    assert a.session.state == "confirmed"
    assert not world.plane.recordings
    dial(world, a, "*1")
    assert told(a) == [], "keys are the application's"
    world.run(2)
    assert not world.plane.recordings


@pytest.mark.parametrize("notice", list(ConsentNotice))
def test_where_nothing_can_be_decoded_the_call_goes_on_unrecorded_and_says_why(notice: ConsentNotice) -> None:
    world = World(codecs=ALL_CODECS)
    world.plane.cannot_hear = "the codec process cannot run"
    a, b, _ = three(world)
    recorded_as(a, ALWAYS._replace(domain=DomainRecording(notice=notice)))
    recorded_as(b, ON_DEMAND)
    in_call(world, a, b)
    world.run(30)
    assert (world.plane.recordings, world.recordings) == ({}, {})
    assert world.joined()
    dial(world, b, "*1")
    assert told(b) == ["the codec process cannot run"]
    a.do(a.session.bye)
    world.run(2)
    assert "the codec process cannot run" in world.record.recording_note


# ZRTP


def zrtp(strictness: Strictness = Strictness.PREFER, path: MediaPath = MediaPath.SEALED) -> LegPolicy:
    return LegPolicy(Protection.ZRTP, strictness, path)


def zrtp_scene(first: LegPolicy, second: LegPolicy, terms: RecordingTerms) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = world.phone("1000", policy=first), world.phone("1001", policy=second)
    recorded_as(a, terms)
    recorded_as(b, ON_DEMAND)
    a.call("1001")
    world.run(6)
    assert b.session.state == "confirmed"
    return world, a, b


def test_a_user_who_is_always_recorded_gets_the_servers_path_and_the_record_says_why() -> None:
    world, a, _ = zrtp_scene(zrtp(), zrtp(), ALWAYS)
    assert len(world.plane.recordings) == 1
    a.do(a.session.bye)
    world.run(2)
    assert {leg.security.media_path for leg in world.record.legs} == {MediaPath.SERVER}
    assert any("always recorded, so it is not sealed" in leg.security.note for leg in world.record.legs)
    assert world.record.recording_note == f"recorded for {a.user.aor}"


def test_the_record_says_why_a_call_was_not_sealed_though_nothing_was_recorded_in_the_end() -> None:
    world, a, _ = zrtp_scene(zrtp(), zrtp(), ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.ANNOUNCEMENT)))
    a.do(a.session.bye)
    world.run(2)
    assert world.record.recordings == ()
    assert any("always recorded, so it is not sealed" in leg.security.note for leg in world.record.legs)


@pytest.mark.parametrize("who", [0, 1])
def test_where_a_user_insists_on_a_sealed_path_the_call_is_sealed_and_not_recorded(who: int) -> None:
    policies = [zrtp(), zrtp()]
    policies[who] = zrtp(Strictness.REQUIRE)
    world, a, _ = zrtp_scene(policies[0], policies[1], ALWAYS)
    assert not world.plane.recordings
    a.do(a.session.bye)
    world.run(2)
    assert {leg.security.media_path for leg in world.record.legs} == {MediaPath.SEALED}
    assert "sealed" in world.record.recording_note


def test_on_demand_leaves_a_call_sealed_and_a_phone_that_asks_is_told_why_not() -> None:
    world, a, b = zrtp_scene(zrtp(), zrtp(), ON_DEMAND)
    dial(world, a, "*1")
    assert not world.plane.recordings
    assert len(told(a)) == 1
    assert "nothing it could record" in told(a)[0]
    assert "nothing it could record" in recording_in_call.start(call_of(world), None, "root", world.now)
    b.do(b.session.bye)
    world.run(2)
    assert {leg.security.media_path for leg in world.record.legs} == {MediaPath.SEALED}


def test_a_call_with_zrtp_to_the_server_is_recorded_once_there_are_keys() -> None:
    world, _, _ = zrtp_scene(zrtp(Strictness.REQUIRE, MediaPath.SERVER), PLAIN, ALWAYS)
    assert len(world.plane.recordings) == 1


ANNOUNCED = ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.ANNOUNCEMENT))
TONES = ALWAYS._replace(domain=DomainRecording(notice=ConsentNotice.TONE))


def test_who_is_put_on_hold_in_the_announcement_hears_all_of_it_before_anything_is_recorded() -> None:
    world, a, b = scene(ANNOUNCED, ON_DEMAND)
    hear_out(world, a)
    a.hold(a.session)
    world.run(2)
    assert playing(world, b) == ("music",)
    assert not world.plane.recordings
    a.resume(a.session)
    world.run(2)
    assert not world.plane.recordings
    for phone in (a, b):
        assert playing(world, phone) == ("recording-notice",), "it begins anew, for both"
        assert not world.plane.recordings
        hear_out(world, phone)
    assert len(world.plane.recordings) == 1
    b.do(b.session.bye)
    world.run(2)
    assert world.record.recording_note == f"recorded for {a.user.aor}"


def test_an_announcement_that_is_wished_for_during_a_hold_waits_for_its_end_and_leaves_the_music() -> None:
    world, a, b = scene(ANNOUNCED._replace(own=RecordingPolicy.ON_DEMAND), ANNOUNCED._replace(own=None))
    a.hold(a.session)
    world.run(2)
    dial(world, b, "*1")
    assert told(b) == []
    assert (playing(world, a), playing(world, b)) == ((), ("music",))
    assert not world.plane.recordings
    a.resume(a.session)
    world.run(2)
    for phone in (a, b):
        assert playing(world, phone) == ("recording-notice",)
        hear_out(world, phone)
    assert len(world.plane.recordings) == 1


def test_who_ends_it_during_the_announcement_is_not_recorded_and_the_record_says_who_it_was() -> None:
    world, a, b = scene(ANNOUNCED._replace(own=RecordingPolicy.ON_DEMAND), ON_DEMAND)
    dial(world, a, "*1")
    dial(world, b, "*1")
    assert (playing(world, a), playing(world, b)) == ((), ())
    b.do(b.session.bye)
    world.run(2)
    assert world.record.recordings == ()
    assert world.record.recording_note == (f"not recorded: ended by {b.user.aor} before the announcement was heard")


def test_a_second_recording_that_was_not_heard_out_does_not_deny_the_first() -> None:
    world, a, b = scene(ANNOUNCED._replace(own=RecordingPolicy.ON_DEMAND), ON_DEMAND)
    dial(world, a, "*1")
    for phone in (a, b):
        hear_out(world, phone)
    dial(world, a, "*1")
    dial(world, a, "*1")
    b.do(b.session.bye)
    world.run(2)
    assert len(world.record.recordings) == 1
    assert world.record.recording_note == (
        f"recorded for {a.user.aor}; not recorded: a phone did not hear the announcement to its end"
    )


def test_who_is_transferred_while_holding_leaves_nobody_without_the_tone() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    for phone, terms in ((a, ON_DEMAND), (b, ON_DEMAND), (c, TONES)):
        recorded_as(phone, terms)
    in_call(world, a, b)
    b.hold(b.session)
    world.run(1)
    b.direction = Direction.SENDRECV
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(3)
    assert len(world.plane.recordings) == 1
    assert sorted(tones(world.plane)) == sorted([port_of(world, b), port_of(world, c)])


@pytest.mark.parametrize("notice", list(ConsentNotice))
def test_a_call_in_a_codec_that_the_server_lacks_is_not_recorded_as_silence(notice: ConsentNotice) -> None:
    world = World(codecs=ALL_CODECS | {"gsm": "libgsm is not here"})
    a, b, _ = three(world)
    a.codecs = b.codecs = (GSM,)
    recorded_as(a, ALWAYS._replace(domain=DomainRecording(notice=notice)))
    recorded_as(b, ON_DEMAND)
    in_call(world, a, b)
    world.run(5)
    assert world.joined()
    assert (world.plane.recordings, world.plane.heard) == ({}, [])
    dial(world, b, "*1")
    assert told(b) == [f"The server has no codec for what the phone of {a.user.aor} uses (gsm: libgsm is not here)"]
    a.do(a.session.bye)
    world.run(2)
    assert "The server has no codec" in world.record.recording_note


@pytest.mark.parametrize(
    ("terms", "missing"), [(TONES, "recording-tone"), (ANNOUNCED, "ru/recording-notice"), (ANNOUNCED, "pause")]
)
def test_nothing_is_recorded_under_a_sound_that_only_stands_in_for_the_notice(
    terms: RecordingTerms, missing: str
) -> None:
    world = World(codecs=ALL_CODECS)
    world.plane.missing = {missing}
    a, b, _ = three(world)
    recorded_as(a, terms)
    b.user = replace(b.user, recording=ON_DEMAND, own_language=Language.RUSSIAN)
    in_call(world, a, b)
    world.run(30)
    assert not world.plane.recordings
    assert playing(world, a) == playing(world, b) == ()
    b.do(b.session.bye)
    world.run(2)
    assert f"no sound {missing}" in world.record.recording_note
