"""Phones that differ in codecs: passed on where they share one, through codecs where they do not."""

import pytest

from calls.codec_scenes import (
    EVENTS_48,
    G722,
    G729,
    ILBC,
    able,
    hang_up,
    is_transcoded,
    leg_of,
    lists,
    said,
    sends,
    talk_both_ways,
)
from calls.listening import hear_out, playing, press
from calls.media import ALL_CODECS
from calls.scenes import (
    all_gone,
    attended,
    in_call,
    join,
    nobody_hangs,
    plan_of,
    refer,
    refusing_offers,
    reliable_invitation,
    three,
)
from calls.world import EVENTS, OPUS, PCMA, PCMU, PLAIN, REQUIRE, World
from sealtone.model import LegPolicy
from sealtone.sdp import Codec, Direction
from sealtone.sip import events as sip

# a call is set up


def test_phones_that_share_a_codec_are_not_transcoded_though_each_prefers_another() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, PCMA, EVENTS), (G722, PCMA, EVENTS)
    in_call(world, a, b)
    assert a.session.state == b.session.state == "confirmed"
    assert said(a.heard) == ["pcma"]
    assert not is_transcoded(world)
    talk_both_ways(world, a, b)
    hang_up(world, a)
    assert [leg.transcoded for leg in world.record.legs] == [False, False]


def test_a_phone_that_will_not_change_to_the_common_codec_is_heard_through_codecs() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, PCMA, EVENTS), (G722, PCMA, EVENTS)
    b.on_event = refusing_offers(b)
    in_call(world, a, b)
    assert len(b.saw(sip.OfferReceived)) == 1
    assert is_transcoded(world)
    talk_both_ways(world, a, b)
    nobody_hangs(world)


def test_the_callee_is_offered_the_common_codecs_first_in_its_users_order() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs = (OPUS, G722, PCMU, PCMA, EVENTS)
    lists(b, "g729", "pcma", "opus", "ilbc")
    b.on_event = None
    in_call(world, a, b)
    assert said(b.heard) == ["pcma", "opus", "g729", "ilbc"]
    assert not is_transcoded(world)


def test_the_caller_is_answered_with_what_the_callee_chose_before_what_it_likes_better() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, PCMA, EVENTS), (PCMA, EVENTS)
    lists(a, "opus", "pcma")
    in_call(world, a, b)
    assert said(a.heard) == ["pcma"]
    assert not is_transcoded(world)
    talk_both_ways(world, a, b)


def test_two_phones_alike_are_told_what_they_would_be_told_without_any_codec_here() -> None:
    heard = []
    for world in (World(), able()):
        a, b, _ = three(world)
        in_call(world, a, b)
        assert world.plane.maps[leg_of(world, a)] == {8: 8, 0: 0, 101: 101}
        heard.append(a.heard)
    assert heard[0] is not None
    assert heard[1] == heard[0]._replace(address=heard[1].address)  # type: ignore[union-attr]


def test_phones_without_a_common_codec_talk_through_the_server() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS_48), (G729, EVENTS)
    lists(a, "opus")
    lists(b, "g729")
    in_call(world, a, b)
    assert said(b.heard) == ["g729"]
    assert said(a.heard) == ["opus"]
    assert is_transcoded(world)
    (voice, events) = plan_of(world, a).transmit
    assert (voice.encoding, voice.payload_type, voice.packet_ms) == ("opus", 96, 20)
    assert (events.encoding, events.clock) == ("telephone-event", 48000)
    assert [one.encoding for one in plan_of(world, b).transmit] == ["g729", "telephone-event"]
    assert (plan_of(world, a).clock_rate, plan_of(world, b).clock_rate) == (48000, 8000)
    talk_both_ways(world, a, b)
    assert sends(world, a, EVENTS_48.payload_type) == plan_of(world, b).transmit[1].payload_type
    hang_up(world, b)
    assert [(leg.codec, leg.transcoded) for leg in world.record.legs] == [("opus/48000", True), ("G729/8000", True)]
    all_gone(world)


def test_a_server_that_lacks_the_codec_of_one_side_says_so_and_names_both_sides_codecs() -> None:
    world = World(codecs={**ALL_CODECS, "gsm": "libgsm.so.1 is not installed"})
    a, b, _ = three(world)
    a.codecs = (OPUS, EVENTS)
    lists(b, "gsm")
    a.call("1001")
    world.run(2)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488  # type: ignore[union-attr]
    reason = world.record.reason
    assert reason == rejected.reason  # type: ignore[union-attr]
    assert "opus" in reason
    assert "gsm" in reason
    assert "no codec in common" in reason
    assert not b.sessions
    all_gone(world)


def test_a_phone_that_offers_nothing_that_its_user_may_use_is_told_both_at_the_beginning_and_in_mid_call() -> None:
    world = able()
    a, b, _ = three(world)
    lists(a, "gsm", "opus")
    a.codecs = (PCMU, PCMA, EVENTS)
    a.call("1001")
    world.run(2)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488  # type: ignore[union-attr]
    reason = f"The phone of {a.user.aor} offers pcmu and pcma, but its user may use gsm and opus alone"
    assert rejected.reason == world.record.reason == reason  # type: ignore[union-attr]
    assert not b.sessions
    a.codecs = (OPUS, EVENTS)
    in_call(world, a, b)
    a.codecs = (PCMU, EVENTS)
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    (refused,) = a.saw(sip.OfferRejected)
    assert (refused.status, "offers pcmu, but" in refused.reason) == (488, True)  # type: ignore[union-attr]
    talk_both_ways(world, a, b)


@pytest.mark.parametrize("codecs", [{}, {"pcma": "", "pcmu": ""}])
def test_a_codec_that_nobody_here_knows_passes_between_phones_that_share_it(codecs: dict[str, str]) -> None:
    world = World(codecs=codecs)
    a, b, _ = three(world)
    amr = Codec(96, "AMR-WB", 16000, 1, "octet-align=1;mode-set=0,1,2")
    a.codecs = b.codecs = (amr, EVENTS)
    in_call(world, a, b)
    assert a.heard is not None
    assert a.heard.codecs[0] == amr
    assert not is_transcoded(world)
    talk_both_ways(world, a, b)


def test_payload_types_of_what_the_server_adds_meet_none_of_the_callers() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs = (Codec(113, "opus", 48000, 2), Codec(96, "telephone-event", 48000), Codec(118, "AMR", 8000))
    b.codecs = (ILBC, EVENTS)
    in_call(world, a, b)
    assert b.heard is not None
    numbers = [codec.payload_type for codec in b.heard.codecs]
    assert len(set(numbers)) == len(numbers)
    assert numbers[0] == 113
    assert is_transcoded(world)
    talk_both_ways(world, a, b)


def test_a_phone_that_answers_with_several_codecs_is_heard_in_each() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS), (G722, PCMA, EVENTS)
    lists(b, "g722", "pcma")
    in_call(world, a, b)
    assert is_transcoded(world)
    assert plan_of(world, b).transmit[0].encoding == "g722"
    assert sends(world, b, 8) == 96, "it may use its second at any time"
    assert sends(world, b, 9) == 96


def test_a_phone_may_switch_between_agreed_codecs_at_any_packet() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMU, PCMA, OPUS, EVENTS), (PCMA, PCMU, EVENTS)
    in_call(world, a, b)
    assert not is_transcoded(world)
    assert [sends(world, a, number) for number in (8, 0, 8, 101)] == [8, 0, 8, 101]
    assert [sends(world, b, number) for number in (0, 8, 101)] == [0, 8, 101]


@pytest.mark.parametrize("who", [0, 1])
def test_a_phone_that_offers_comfort_noise_is_sent_it_where_the_server_makes_its_voice(who: int) -> None:
    world = able()
    phones = three(world)[:2]
    noise = Codec(13, "CN", 8000)
    phones[who].codecs, phones[1 - who].codecs = (PCMA, noise, EVENTS), (G729, EVENTS)
    in_call(world, *phones)
    assert is_transcoded(world)
    made = plan_of(world, phones[who]).transmit
    assert [one.encoding for one in made] == ["pcma", "telephone-event", *(["cn"] if who == 0 else [])]
    assert made[0].dtx is (who == 0), "a phone that is called is not offered what it did not speak of"


# keys


@pytest.mark.parametrize("who", [0, 1])
def test_a_key_pressed_as_an_event_is_a_tone_to_a_phone_that_takes_none_and_nothing_is_transcoded(who: int) -> None:
    world = able()
    phones = three(world)[:2]
    presses, hears = phones[who], phones[1 - who]
    presses.codecs, hears.codecs = (PCMA, EVENTS), (PCMA,)
    in_call(world, *phones)
    assert not is_transcoded(world)
    assert presses.heard is not None
    assert EVENTS.payload_type in [codec.payload_type for codec in presses.heard.codecs]
    for key, sound in (("5", "key-5"), ("*", "key-star")):
        press(world, presses, key)
        assert playing(world, hears) == (sound,)
        hear_out(world, hears)
        press(world, hears, key)
        assert playing(world, presses) == (), "its own tone is in its voice"
    presses.hold(presses.session)
    world.run(1)
    presses.resume(presses.session)
    world.run(1)
    assert EVENTS.payload_type in [codec.payload_type for codec in presses.heard.codecs]
    assert not is_transcoded(world)
    talk_both_ways(world, *phones)


@pytest.mark.parametrize("theirs", [(PCMA, EVENTS), (G722, EVENTS)])
def test_no_tone_is_played_where_the_event_reaches_the_other_phone(theirs: tuple[Codec, ...]) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMA, EVENTS), theirs
    in_call(world, a, b)
    press(world, a, "5")
    assert playing(world, b) == ()


@pytest.mark.parametrize("who", [0, 1])
def test_a_key_is_heard_as_a_tone_where_each_phone_has_events_of_another_clock(who: int) -> None:
    world = able()
    phones = three(world)[:2]
    events = (EVENTS_48, EVENTS)
    for phone, event in zip(phones, events, strict=True):
        phone.codecs = (OPUS, event, PCMA)
    in_call(world, *phones)
    assert not is_transcoded(world)
    for phone, event in zip(phones, events, strict=True):
        clocks = [one.clock for one in plan_of(world, phone).formats if one.encoding == "telephone-event"]
        assert clocks == [event.clock]
    presses, hears = phones[who], phones[1 - who]
    assert sends(world, presses, events[who].payload_type) is None, "as an event it is lost"
    press(world, presses, "5")
    assert playing(world, hears) == ("key-5",)


def test_a_key_that_may_have_passed_as_an_event_is_not_heard_once_more() -> None:
    world = able()
    alice, bob, _ = three(world)
    alice.codecs = (OPUS, PCMA, EVENTS)
    # None of his events has the clock of his voice, so that he may send any.
    bob.codecs = (OPUS, Codec(99, "speex", 16000), PCMA, Codec(98, "telephone-event", 16000, 1, "0-16"), EVENTS)
    in_call(world, alice, bob)
    assert sends(world, bob, EVENTS.payload_type) is not None
    press(world, bob, "5")
    assert not playing(world, alice)


def test_events_are_not_offered_where_nothing_could_be_made_of_them() -> None:
    for world in (World(), World(codecs={**ALL_CODECS, "pcma": "no"}), World(codecs={"pcma": ""})):
        a, b, _ = three(world)
        a.codecs, b.codecs = (PCMA,), (PCMA, EVENTS)
        in_call(world, a, b)
        assert b.heard is not None
        assert not any(codec.is_telephone_event for codec in b.heard.codecs)
        press(world, b, "5")
        assert playing(world, a) == ()


def test_events_are_not_added_to_a_voice_that_the_server_cannot_make() -> None:
    world = able()
    a, b, _ = three(world)
    amr = Codec(96, "AMR", 8000)
    a.codecs, b.codecs = (amr, PCMA, EVENTS), (amr, PCMA)
    in_call(world, a, b)
    assert not is_transcoded(world)
    assert a.heard is not None
    assert not any(codec.is_telephone_event for codec in a.heard.codecs)


# packets


@pytest.mark.parametrize("who", [0, 1])
def test_packets_longer_than_a_phone_takes_are_made_anew(who: int) -> None:
    world = able()
    phones = three(world)[:2]
    phones[who].packets = (None, 20)
    phones[1 - who].packets = (40, None)
    in_call(world, *phones)
    assert is_transcoded(world)
    assert plan_of(world, phones[who]).transmit[0].packet_ms == 20
    assert plan_of(world, phones[1 - who]).transmit[0].packet_ms == 40
    hang_up(world, phones[0])
    assert {leg.codec for leg in world.record.legs} == {"PCMA/8000"}


def test_wishes_for_packets_reach_the_other_phone_where_packets_are_passed_on() -> None:
    world = able()
    a, b, _ = three(world)
    a.packets, b.packets = (30, 60), (40, 80)
    in_call(world, a, b)
    assert not is_transcoded(world)
    assert b.heard is not None
    assert a.heard is not None
    assert (b.heard.ptime_ms, b.heard.maxptime_ms) == (30, 60)
    assert (a.heard.ptime_ms, a.heard.maxptime_ms) == (40, 80)


@pytest.mark.parametrize("spelling", ["iLBC", "Ilbc"])
def test_ilbc_frames_that_differ_are_made_anew(spelling: str) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs = b.codecs = (ILBC._replace(encoding=spelling),)
    in_call(world, a, b)
    assert not is_transcoded(world)
    a.codecs = (ILBC._replace(encoding=spelling, fmtp="mode=30"),)
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert a.heard is not None
    assert a.heard.codecs[0].fmtp == "mode=30"
    assert is_transcoded(world)
    assert (plan_of(world, a).transmit[0].frame_ms, plan_of(world, b).transmit[0].frame_ms) == (30, 20)


# other ways to be answered


def test_a_late_offer_is_answered_through_codecs() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    a.offered = None

    def answers(event: sip.Event) -> bool:
        if isinstance(event, sip.Answered):
            event.session.answer(a.answer_body(event.session.remote_body), world.now)
            return True
        if isinstance(event, sip.OfferReceived):
            event.session.answer(a.answer_body(event.body), world.now)
            return True
        return False

    a.on_event = answers
    a.call("1001", body=None)
    world.run(2)
    assert a.session.state == b.session.state == "confirmed"
    assert said(a.heard)[0] == "g729"
    assert is_transcoded(world)
    assert [plan_of(world, one).transmit[0].encoding for one in (a, b)] == ["opus", "g729"]


def test_of_two_branches_that_chose_differently_the_one_that_answers_counts() -> None:
    world = able()
    a, first, second = world.phone("1000"), world.phone("1001"), world.phone("1001")
    a.codecs, first.codecs, second.codecs = (PCMA, EVENTS), (PCMA, EVENTS), (OPUS, EVENTS_48)
    first.answers = second.answers = None
    first.early_media = True
    a.call("1001")
    world.run(1)
    second.do(lambda now: second.pick_up(second.session, now))
    world.run(2)
    assert first.session.state == "ended"
    assert is_transcoded(world)
    assert plan_of(world, second).transmit[0].encoding == "opus"
    talk_both_ways(world, a, second)


@pytest.mark.parametrize("reliable", [False, True])
def test_early_media_of_another_codec_is_heard_and_stays(reliable: bool) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    b.early_media, b.answers = True, None
    if reliable:
        a.sessions.append(a.endpoint.invite(reliable_invitation(a), world.now))
        world.pump()
    else:
        a.call("1001")
    world.run(1)
    assert is_transcoded(world)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(2)
    assert is_transcoded(world)
    assert a.session.state == "confirmed"
    assert not a.saw(sip.OfferReceived)
    hang_up(world, a)
    all_gone(world)


def test_a_caller_answered_for_good_is_told_anew_only_where_that_saves_transcoding() -> None:
    for final, told_anew in ((PCMU, True), (G729, False)):
        world = able()
        a, b, _ = three(world)
        b.codecs, b.early_media, b.answers = (PCMA, EVENTS), True, None
        a.sessions.append(a.endpoint.invite(reliable_invitation(a), world.now))
        world.pump()
        world.run(1)
        b.codecs = (final, EVENTS)
        b.do(lambda now, b=b: b.pick_up(b.session, now))
        world.run(3)
        assert bool(a.saw(sip.OfferReceived)) is told_anew
        assert is_transcoded(world) is not told_anew
        nobody_hangs(world)


# transfers


def test_a_blind_transfer_to_a_phone_with_another_codec_goes_through_codecs() -> None:
    world = able()
    a, b, c = three(world)
    c.codecs = (G729, EVENTS)
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(3)
    assert b.session.state == c.session.state == "confirmed"
    assert is_transcoded(world)
    talk_both_ways(world, b, c)
    hang_up(world, c)
    assert not world.plane.legs


def test_a_phone_that_changed_to_the_common_codec_does_so_again_after_a_transfer() -> None:
    world = able()
    a, b, c = three(world)
    a.codecs, b.codecs, c.codecs = (PCMU, PCMA, EVENTS), (G722, PCMA, EVENTS), (PCMA, EVENTS)
    in_call(world, a, b)
    assert not is_transcoded(world)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(4)
    assert b.session.state == c.session.state == "confirmed"
    assert not is_transcoded(world)
    talk_both_ways(world, b, c)


def test_an_attended_transfer_joins_phones_of_different_codecs() -> None:
    world = able()
    a, b, c = three(world)
    b.codecs, c.codecs = (PCMA, EVENTS), (OPUS, EVENTS)
    first, second = attended(world, a, b, c)
    join(a, first, second)
    world.run(3)
    assert b.session.state == c.session.state == "confirmed"
    assert is_transcoded(world)
    assert [plan_of(world, one).transmit[0].encoding for one in (b, c)] == ["pcma", "opus"]


# what stays as it was


def test_an_echo_is_not_decoded_and_its_caller_is_told_nothing_of_other_codecs() -> None:
    world = able()
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    assert said(a.heard) == ["pcma"]
    press(world, a, "1")  # skips the announcement
    assert world.plane.echoes
    assert not world.plane.through_codecs


@pytest.mark.parametrize(("names", "mine"), [((), G722), (("opus", "g729"), G729), (("pcmu",), PCMU)])
def test_a_service_that_is_asked_for_an_offer_offers_the_users_codecs(names: tuple[str, ...], mine: Codec) -> None:
    world = able()
    a = world.phone("1000")
    a.codecs = (mine, EVENTS)
    lists(a, *names)

    def answers(event: sip.Event) -> bool:
        if isinstance(event, sip.Answered):
            event.session.answer(a.answer_body(event.session.remote_body), world.now)
        elif isinstance(event, sip.OfferReceived):
            event.session.answer(a.answer_body(event.body), world.now)
        return isinstance(event, sip.Answered | sip.OfferReceived)

    a.on_event = answers
    a.call("*43", body=None)
    world.run(1)
    assert a.session.state == "confirmed"
    known = ["opus", "g722", "pcma", "pcmu", "g729", "ilbc", "speex", "speex", "silk", "gsm"]
    assert said(a.heard) == (list(names) or known)
    assert plan_of(world, a).transmit[0].encoding == mine.encoding.lower()
    assert plan_of(world, a).transmit[1].encoding == "telephone-event"
    a.do(a.session.request_offer)
    world.run(1)
    assert sorted(said(a.heard)) == sorted(names or known)
    assert a.session.state == "confirmed"


def test_codecs_open_no_way_past_a_policy() -> None:
    world = able()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    b = world.phone("1001", transport="tls", policy=REQUIRE)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    b.secure, b.profile = False, "RTP/AVP"
    a.call("1001")
    world.run(2)
    assert not world.joined()
    assert a.saw(sip.Rejected)
    for policy in (PLAIN, REQUIRE):
        world = able()
        phones = [world.phone(number, transport="tls", policy=policy) for number in ("1000", "1001")]
        phones[0].codecs, phones[1].codecs = (OPUS, EVENTS), (G729, EVENTS)
        in_call(world, *phones)
        assert is_transcoded(world)
        for plan in world.plane.plans.values():
            assert plan.secure_required is (policy is REQUIRE)
            assert (plan.rx is not None) is (policy is REQUIRE)


def test_a_phone_that_refuses_every_codec_is_named_with_what_it_was_offered() -> None:
    world = able()
    a, b, _ = three(world)
    b.codecs = (Codec(96, "AMR", 8000),)
    a.call("1001")
    world.run(2)
    assert [event.status for event in a.saw(sip.Rejected)] == [488]  # type: ignore[union-attr]
    assert "pcma" in world.record.reason
    assert "g729" in world.record.reason
    assert "1001" in world.record.reason


def test_a_held_phone_may_change_its_codec_too() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    a.hold(a.session)
    world.run(1)
    b.direction = Direction.RECVONLY
    b.codecs = (G722, EVENTS)
    b.do(lambda now: b.session.offer(b.offer(), now))
    world.run(1)
    assert not plan_of(world, b).receive
    a.resume(a.session)
    b.direction = Direction.SENDRECV
    world.run(1)
    nobody_hangs(world)
    assert LegPolicy() == a.user.policy
