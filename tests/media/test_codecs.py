"""Legs joined through codecs, with real codec processes, between phones on loopback."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator

import pytest

from media.codec_calls import (
    EVENTS,
    OTHERS,
    PCMA,
    PCMU,
    Mirror,
    Tone,
    bridged,
    digits_told,
    drained,
    event_packets,
    heard,
    heard_for,
    joined,
    key,
    plan,
    press_nine,
    send_event,
    sequence_of,
    share,
    sine,
    sound_of,
    steps,
    timestamp_of,
    transcoded,
    usual_share,
)
from media.conftest import LOCAL, Phone, config, settle, wait_for
from sealtone.media import Digit, Engine, LegPlan, MediaEvent, PayloadFormat, Played, Srtp, SrtpError


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config(receive_buffer=262144))
    yield engine
    engine.stop()


def test_two_phones_without_a_common_codec_hear_each_other(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(alice, leg_a, 1000):
        at_bob = heard(bob, 40)
    assert {packet[1] & 0x7F for packet in at_bob} == {8}
    assert usual_share(sound_of(at_bob[20:], 8), 1000) > 0.95
    assert set(steps([sequence_of(packet) for packet in at_bob], 1 << 16)) == {1}
    assert set(steps([timestamp_of(packet) for packet in at_bob], 1 << 32)) == {160}
    assert len({packet[8:12] for packet in at_bob}) == 1
    final = engine.close_call(call)
    assert final[leg_b.id].codec_tx_packets == final[leg_b.id].tx_packets >= 40
    assert final[leg_a.id].codec_packets == final[leg_a.id].rx_packets


@pytest.mark.parametrize("other", OTHERS, ids=lambda one: one.encoding)
def test_a_phone_is_heard_through_every_codec_and_back(engine: Engine, other: PayloadFormat) -> None:
    if missing := engine.codecs()[other.encoding]:
        pytest.skip(missing)
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, other))
    with Mirror(bob, leg_b), Tone(alice, leg_a, 1000, breathes=True):
        at_alice = heard(alice, 75)
        # Where packets came late, some codecs take a second to find back to a tone; up to a third of it is its pauses.
        while usual_share(sound_of(at_alice[-30:], 0), 1000, 0.5) <= 0.5 and len(at_alice) < 400:
            at_alice += heard(alice, 30)
    assert {packet[1] & 0x7F for packet in at_alice} == {0}
    assert usual_share(sound_of(at_alice[-30:], 0), 1000, 0.5) > 0.5
    stats = engine.leg_stats(leg_b.id)
    assert stats.undecoded == 0
    assert stats.codec_tx_packets > 30


def test_both_legs_encrypt_what_is_transcoded_between_them(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    keys = [key() for _ in range(4)]
    secure_a = plan(alice, PCMU, rx=keys[0], tx=keys[1], secure_required=True)
    secure_b = plan(bob, PCMA, rx=keys[2], tx=keys[3], secure_required=True)
    _, leg_a, leg_b = transcoded(engine, secure_a, secure_b)
    sending, receiving = Srtp(*keys[0]), Srtp(*keys[3])
    with Tone(alice, leg_a, 1000, sending.protect_rtp):
        on_the_wire = heard(bob, 40)
    assert {len(packet) for packet in on_the_wire} == {12 + 160 + 10}
    opened = [receiving.unprotect_rtp(packet) for packet in on_the_wire]
    assert usual_share(sound_of(opened[20:], 8), 1000) > 0.95
    assert engine.leg_stats(leg_b.id).insecure_drops == 0


@pytest.mark.parametrize("joined_as", ["relayed", "transcoded"])
def test_new_keys_in_mid_call_make_no_gap_and_no_click(engine: Engine, joined_as: str) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    keys = [[key() for _ in range(4)] for _ in range(2)]

    def plans(generation: int) -> tuple[LegPlan, LegPlan]:
        rx_a, tx_a, rx_b, tx_b = keys[generation]
        secure_a = plan(alice, PCMU, rx=rx_a, tx=tx_a, secure_required=True)
        return secure_a, plan(bob, PCMU, rx=rx_b, tx=tx_b, secure_required=True)

    join = transcoded if joined_as == "transcoded" else bridged
    _, leg_a, leg_b = join(engine, *plans(0))
    senders = [Srtp(*generation[0]) for generation in keys]
    receivers = [Srtp(*generation[3]) for generation in keys]
    uses_new = False

    def opened(packet: bytes) -> bytes:
        try:
            return receivers[0].unprotect_rtp(packet)
        except SrtpError:
            return receivers[1].unprotect_rtp(packet)

    def sealed(packet: bytes) -> bytes:
        return senders[uses_new].protect_rtp(packet)

    with Tone(alice, leg_a, 1010, sealed):
        packets = [opened(packet) for packet in heard(bob, 30)]
        for leg, fresh in zip((leg_a, leg_b), plans(1), strict=True):
            engine.update_leg(leg.id, fresh)
        packets += [opened(packet) for packet in heard(bob, 5)]  # the phone changes a little later
        uses_new = True
        packets += [opened(packet) for packet in heard(bob, 40)]
    streams = [packet[8:12] for packet in packets]
    assert streams == sorted(streams, key=streams.index), "one stream under each key"
    assert len(set(streams)) == 2
    # In no packet is there a whole number of waves, so that one that is missing would be a bend.
    sound = struct.unpack(f"<{160 * 65}h", sound_of(packets[10:], 0))
    bends = [abs(one - 2 * two + three) for one, two, three in zip(sound, sound[1:], sound[2:], strict=False)]
    assert max(bends) < 1.2 * 8000 * (2 * math.pi * 1010 / 8000) ** 2


def test_nothing_of_ours_leaves_a_leg_that_must_be_secure_and_has_no_keys_yet(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA, secure_required=True))
    engine.load_sound("tone", 8000, sine(500, 8000))
    with Tone(alice, leg_a):
        assert bob.hears_nothing(0.3)
        engine.play(leg_b.id, ("tone",))
        assert bob.hears_nothing(0.3)
    stats = engine.leg_stats(leg_b.id)
    assert stats.insecure_drops > 20
    assert stats.tx_packets == 0
    tx = key()
    engine.update_leg(leg_b.id, plan(bob, PCMA, secure_required=True, tx=tx, rx=key()))
    with Tone(alice, leg_a):
        Srtp(*tx).unprotect_rtp(bob.hear())


def test_nothing_is_made_for_a_phone_on_hold_and_it_is_heard_again_after(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(alice, leg_a, 1000):
        before = heard(bob, 20)
        engine.update_leg(leg_b.id, plan(bob, PCMA, send=False))
        settle(engine)
        heard_for(bob, 0.05)
        assert bob.hears_nothing(0.2)
        engine.update_leg(leg_b.id, plan(bob, PCMA))
        after = heard(bob, 20)
    assert after[0][8:12] == before[0][8:12]
    numbers = [sequence_of(packet) for packet in before + after]
    assert len(set(numbers)) == len(numbers)
    assert usual_share(sound_of(after, 8), 1000) > 0.95


def test_a_call_goes_from_relay_to_codecs_and_back_without_a_number_twice(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = bridged(engine, plan(alice, PCMU), plan(bob, PCMU))
    packets = []
    with Tone(alice, leg_a, 1000):
        for _ in range(3):
            packets += heard_for(bob, 0.2)
            engine.transcode(leg_a.id, leg_b.id)
            packets += heard_for(bob, 0.3)
            engine.bridge(leg_a.id, leg_b.id)
    numbers = [sequence_of(packet) for packet in packets]
    assert all(1 <= step < 100 for step in steps(numbers, 1 << 16))
    assert all(1 <= step < 8000 for step in steps([timestamp_of(packet) for packet in packets], 1 << 32))
    assert len({packet[8:12] for packet in packets}) == 1
    assert len(packets) > 55
    assert engine.leg_stats(leg_b.id).codec_tx_packets > 20


def test_joining_through_codecs_again_changes_nothing(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(alice, leg_a, 1000):
        heard(bob, 30)
        for _ in range(5):
            engine.transcode(leg_a.id, leg_b.id)
            engine.update_leg(leg_b.id, plan(bob, PCMA))
            packets = heard(bob, 10)
            assert usual_share(sound_of(packets, 8), 1000) > 0.95
            assert not any(packet[1] & 0x80 for packet in packets)


def test_a_payload_type_that_changes_its_meaning_in_mid_call_is_followed(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(alice, leg_a, 1000):
        before = heard(bob, 20)
        engine.update_leg(leg_b.id, plan(bob, PCMU))
        wait_for(lambda: bob.hear()[1] & 0x7F == 0)
        after = heard(bob, 20)
    assert usual_share(sound_of(after, 0), 1000) > 0.95
    assert after[0][8:12] == before[0][8:12]


def test_a_sound_is_played_in_place_of_what_a_relayed_leg_hears_and_its_end_is_told(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = bridged(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.load_sound("low", 16000, sine(400, 8000, 16000))
    with Tone(alice, leg_a, 1000):
        relayed = heard(bob, 15)
        playing = engine.play(leg_b.id, ("low", "low"))
        during = heard(bob, 45)
        events = drained(engine, lambda event: isinstance(event, Played))
        after = heard(bob, 25)
    assert events[-1] == Played(leg_b.id, playing)
    assert usual_share(sound_of(relayed, 0), 1000) > 0.95
    assert usual_share(sound_of(during[5:40], 0), 400) > 0.95
    assert usual_share(sound_of(after[10:], 0), 1000) > 0.95
    numbers = [sequence_of(packet) for packet in relayed + during + after]
    assert len(set(numbers)) == len(numbers)


def test_a_sound_played_over_a_relayed_call_is_mixed_with_it(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = bridged(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.load_sound("low", 8000, sine(400, 8000))
    with Tone(alice, leg_a, 1000):
        heard(bob, 5)
        engine.play(leg_b.id, ("low",), over=True)
        during = sound_of(heard(bob, 45)[20:], 0)
    assert 0.3 < share(during, 400) < 0.7
    assert 0.3 < share(during, 1000) < 0.7


def test_a_phone_with_comfort_noise_is_told_of_silence_by_it_but_hears_all_of_what_is_played(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(
        engine, plan(alice, PCMU), plan(bob, PCMA._replace(dtx=True), PayloadFormat(13, "cn", 8000))
    )
    engine.load_sound("quiet", 8000, sine(400, 8000, amplitude=60))
    with Tone(alice, leg_a):
        assert {packet[1] & 0x7F for packet in heard_for(bob, 0.4)[1:]} == {8}
    heard_for(bob, 0.5)
    in_silence = heard_for(bob, 1.0)
    assert 1 <= len(in_silence) <= 6
    assert {packet[1] & 0x7F for packet in in_silence} == {13}
    engine.play(leg_b.id, ("quiet",))
    settle(engine)
    during = heard(bob, 45)
    assert [packet[1] & 0x7F for packet in during[3:]] == [8] * 42
    with Tone(alice, leg_a):
        drained(engine, lambda event: isinstance(event, Played))
        assert {packet[1] & 0x7F for packet in heard(bob, 20)[5:]} == {8}


def test_music_goes_on_until_it_is_stopped_and_then_the_call_does(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    engine.load_sound("music", 8000, sine(400, 1600))
    engine.play(leg_b.id, ("music",), repeat=True)
    with Tone(alice, leg_a, 1000):
        assert usual_share(sound_of(heard(bob, 60)[10:], 8), 400) > 0.95
        engine.stop_playing(leg_b.id)
        assert usual_share(sound_of(heard(bob, 30)[10:], 8), 1000) > 0.95
    assert not any(isinstance(event, Played) for event in engine.events())


def test_a_leg_that_is_joined_to_nobody_is_played_to_and_what_is_not_loaded_is_refused(engine: Engine) -> None:
    alice = Phone(ssrc=1)
    leg = engine.open_leg(engine.open_call(), LOCAL)
    engine.update_leg(leg.id, plan(alice, PCMU))
    engine.load_sound("prompt", 8000, sine(400, 4000))
    with pytest.raises(ValueError, match="not loaded"):
        engine.play(leg.id, ("prompt", "unknown"))
    with pytest.raises(ValueError, match="sound"):
        engine.load_sound("odd", 8000, b"123")
    playing = engine.play(leg.id, ("prompt",))
    assert usual_share(sound_of(heard(alice, 20), 0), 400) > 0.95
    assert drained(engine, lambda event: isinstance(event, Played))[-1] == Played(leg.id, playing)
    heard_for(alice, 0.1)
    assert alice.hears_nothing(0.2)


def test_a_sealed_leg_is_neither_decoded_nor_played_to(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = joined(engine, plan(alice, PCMU, sealed=True), plan(bob, PCMA))
    engine.load_sound("prompt", 8000, sine(400, 4000))
    for attempt in (
        lambda: engine.transcode(leg_a.id, leg_b.id),
        lambda: engine.transcode(leg_b.id, leg_a.id),
        lambda: engine.play(leg_a.id, ("prompt",)),
    ):
        with pytest.raises(ValueError, match="sealed"):
            attempt()
    # Sealed after it was joined: nothing is decoded or made any more.
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    engine.update_leg(leg_a.id, plan(alice, PCMU, sealed=True))
    settle(engine)
    before = engine.leg_stats(leg_a.id)
    alice.send(leg_a, bytes(160))
    time.sleep(0.1)
    after = engine.leg_stats(leg_a.id)
    assert after.rx_packets == before.rx_packets + 1
    assert (after.codec_packets, after.codec_tx_packets) == (before.codec_packets, before.codec_tx_packets)


def test_the_digits_of_a_relayed_leg_are_told_once_each_and_passed_on(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, _ = bridged(engine, plan(alice, PCMU, EVENTS), plan(bob, PCMU, EVENTS))
    event_packets(alice, leg_a, 5, presses=2)
    event_packets(alice, leg_a, 11)
    assert digits_told(engine, 3) == [(leg_a.id, "5"), (leg_a.id, "5"), (leg_a.id, "#")]
    assert len(heard(bob, 18) + heard_for(bob, 0.1)) == 18
    assert engine.leg_stats(leg_a.id).digits == 3


def test_a_key_of_a_relayed_leg_is_told_whichever_of_its_event_numbers_it_is_sent_with(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    clocks = {101: 8000, 102: 16000, 103: 48000, 127: 8000}
    events = tuple(PayloadFormat(number, "telephone-event", clock) for number, clock in clocks.items())
    _, leg_a, _ = bridged(engine, plan(alice, PCMU, *events), plan(bob, PCMU, *events))
    for digit, (number, clock) in enumerate(clocks.items(), start=1):
        timestamp = digit * 48_000
        for spent_ms, end in ((20, False), (60, False), (100, True), (100, True), (100, True)):
            send_event(alice, leg_a, digit, timestamp, spent_ms * clock // 1000, number, end=end)
    told: list[MediaEvent] = []

    def all_told() -> bool:
        told.extend(event for event in engine.events() if isinstance(event, Digit))
        return len(told) >= len(clocks)

    wait_for(all_told)
    assert told == [Digit(leg_a.id, str(digit), 100) for digit in range(1, 5)]
    assert len(heard(bob, 20)) == 20, "they are passed on too"


def test_a_key_held_for_ten_seconds_is_one_digit_though_it_is_sent_in_segments(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, _ = bridged(engine, plan(alice, PCMU, EVENTS), plan(bob, PCMU, EVENTS))
    send_event(alice, leg_a, 7, 0, 0x8000)
    send_event(alice, leg_a, 7, 0, 0xFFFF)
    send_event(alice, leg_a, 7, 0xFFFF, 160)
    for _ in range(3):
        send_event(alice, leg_a, 7, 0xFFFF, 80_000 - 0xFFFF, end=True)
    told = drained(engine, lambda event: isinstance(event, Digit))
    time.sleep(0.3)
    told += engine.events()
    assert [event for event in told if isinstance(event, Digit)] == [Digit(leg_a.id, "7", 10_000)]


def test_digits_cross_from_one_codec_to_another_and_are_told_once(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    events = EVENTS._replace(payload_type=96)
    _, leg_a, _ = transcoded(engine, plan(alice, PCMU, EVENTS), plan(bob, PCMA, events))
    with Tone(alice, leg_a, 1000):
        heard(bob, 10)
    event_packets(alice, leg_a, 7)
    packets = heard_for(bob, 0.6)
    seven = [packet for packet in packets if packet[1] & 0x7F == 96]
    assert {packet[12] for packet in seven} == {7}
    assert len({timestamp_of(packet) for packet in seven}) == 1
    assert sum(packet[13] >> 7 for packet in seven) == 3
    assert digits_told(engine, 1) == [(leg_a.id, "7")]


def test_a_tone_of_a_phone_without_events_is_a_digit_to_the_phone_with_them(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, _ = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA, EVENTS))
    press_nine(alice, leg_a)
    packets = heard_for(bob, 0.5)
    assert {packet[12] for packet in packets if packet[1] & 0x7F == 101} == {9}
    assert digits_told(engine, 1) == [(leg_a.id, "9")]


@pytest.mark.parametrize("joined_as", ["played to", "echoed"])
def test_a_tone_of_a_phone_without_events_is_a_digit_to_the_server_that_it_talks_with(
    engine: Engine, joined_as: str
) -> None:
    alice = Phone(ssrc=1)
    leg = engine.open_leg(engine.open_call(), LOCAL)
    engine.update_leg(leg.id, plan(alice, PCMU))
    if joined_as == "echoed":
        engine.echo(leg.id)
    else:
        engine.load_sound("prompt", 8000, sine(400, 32000))
        engine.play(leg.id, ("prompt",))
    settle(engine)
    press_nine(alice, leg)
    press_nine(alice, leg)
    assert digits_told(engine, 2) == [(leg.id, "9"), (leg.id, "9")]
    if joined_as == "echoed":
        assert len(heard(alice, 70) + heard_for(alice, 0.1)) == 70, "each packet came back as it was"


def test_a_phone_with_events_is_not_listened_to_while_it_is_echoed(engine: Engine) -> None:
    alice = Phone(ssrc=1)
    leg = engine.open_leg(engine.open_call(), LOCAL)
    engine.update_leg(leg.id, plan(alice, PCMU, EVENTS))
    engine.echo(leg.id)
    settle(engine)
    press_nine(alice, leg)
    event_packets(alice, leg, 3)
    assert digits_told(engine, 1) == [(leg.id, "3")]
    assert engine.leg_stats(leg.id).codec_packets == 0


def test_a_digit_of_ours_is_sent_as_an_event_or_as_a_tone(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA, EVENTS))
    heard(bob, 3)
    engine.send_digit(leg_b.id, "#", 100)
    engine.send_digit(leg_a.id, "1", 200)
    assert {packet[12] for packet in heard(bob, 15) if packet[1] & 0x7F == 101} == {11}
    sound = sound_of(heard(alice, 20), 0)
    assert share(sound, 697) > 0.1
    assert share(sound, 1209) > 0.1
    with pytest.raises(ValueError, match="digit"):
        engine.send_digit(leg_b.id, "x")


def test_reports_towards_a_transcoded_leg_tell_what_was_sent_to_it(engine: Engine) -> None:
    alice, bob, control = Phone(ssrc=1), Phone(ssrc=2), Phone()
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA, remote_rtcp=control.address))
    with Tone(alice, leg_a):
        newest = bob.hear()
        report = None
        control.socket.settimeout(0.01)
        while report is None:
            newest = bob.hear()
            try:
                report = control.socket.recv(2048)
            except TimeoutError:
                continue
        sent = engine.leg_stats(leg_b.id)
    assert report[1] == 200
    ssrc, _, _, timestamp, packets, octets = struct.unpack("!6I", report[4:28])
    assert struct.pack("!I", ssrc) == newest[8:12]
    assert 0 <= sent.tx_packets - packets <= 10
    assert octets == packets * 160
    # The time of the report lies by the newest packet's; on a busy machine one of the two is read late.
    assert (timestamp - timestamp_of(newest) + 1600) % (1 << 32) < 3200
