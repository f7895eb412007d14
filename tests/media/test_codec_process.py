"""The process that decodes and encodes: what its loss costs, what reaches it, and that calls go on without it."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from media.codec_calls import (
    EVENTS,
    OTHERS,
    PCMA,
    PCMU,
    Tone,
    bridged,
    codec_processes,
    digits,
    drained,
    event_packets,
    heard,
    heard_for,
    key,
    plan,
    sequence_of,
    share,
    sine,
    sound_of,
    steps,
    transcoded,
    usual_share,
)
from media.conftest import LOCAL, Phone, config, settle, wait_for
from sealtone.media import CodecsLost, Digit, Engine, NoCodecs, RecordingWish, Srtp

RECIPIENTS = (str(pyrage.x25519.Identity.generate().to_public()),)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config(receive_buffer=262144))
    yield engine
    engine.stop()


def test_the_loss_of_a_codec_process_costs_a_relayed_call_nothing_and_a_transcoded_one_less_than_a_second(
    engine: Engine,
) -> None:
    alice, bob, carol, dave = Phone(ssrc=1), Phone(ssrc=2), Phone(ssrc=3), Phone(ssrc=4)
    _, leg_a, _ = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    _, leg_c, _ = bridged(engine, plan(carol, PCMU), plan(dave, PCMU))
    (process,) = codec_processes()
    with Tone(alice, leg_a), Tone(carol, leg_c):
        before = heard(bob, 30)
        heard(dave, 20)
        os.kill(process, signal.SIGKILL)
        killed = time.monotonic()
        relayed = heard(dave, 40)
        after = [bob.hear()]
        while time.monotonic() - killed < 1.0:
            after.append(bob.hear())
        again = heard(bob, 25)
    assert set(steps([sequence_of(packet) for packet in relayed], 1 << 16)) == {1}
    assert not any(packet[1] & 0x80 for packet in relayed), "its stream began anew"
    assert usual_share(sound_of(again, 8), 1000) > 0.95
    assert set(steps([sequence_of(packet) for packet in before + after + again], 1 << 16)) == {1}
    assert again[0][8:12] == before[0][8:12]
    assert CodecsLost(0) in engine.events()
    assert engine.stats().codec_lost == 1
    assert codec_processes() != [process]
    engine.stop()
    assert codec_processes() == []


def test_a_call_that_comes_to_share_a_codec_is_worked_on_no_more(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(alice, leg_a):
        heard(bob, 20)
        engine.gather_commands()
        engine.update_leg(leg_b.id, plan(bob, PCMU))
        engine.bridge(leg_a.id, leg_b.id)
        engine.wake()
        wait_for(lambda: bob.hear()[1] & 0x7F == 0)
        time.sleep(0.1)
        before = [engine.leg_stats(leg.id).codec_refused for leg in (leg_a, leg_b)]
        heard(bob, 30)
    assert [engine.leg_stats(leg.id).codec_refused for leg in (leg_a, leg_b)] == before


def test_a_hook_flash_ends_no_codec_process(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU, EVENTS), plan(bob, PCMA, EVENTS))
    event_packets(alice, leg_a, 16)
    event_packets(alice, leg_a, 5)
    events = drained(engine, lambda event: isinstance(event, Digit))
    assert digits(events) == [(leg_a.id, "5")]
    codes = {packet[12] for packet in heard_for(bob, 0.5) if packet[1] & 0x7F == 101}
    assert codes == {16, 5}
    assert engine.stats().codec_lost == 0
    assert engine.leg_stats(leg_b.id).codec_refused == 0


def test_a_relayed_call_that_is_played_to_is_relayed_while_the_process_is_away_and_played_to_again(
    engine: Engine,
) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = bridged(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.load_sound("music", 8000, sine(400, 1600))
    with Tone(alice, leg_a, 1000):
        engine.play(leg_b.id, ("music",), repeat=True)
        before = heard(bob, 40)
        for _ in range(2):
            (process,) = codec_processes()
            os.kill(process, signal.SIGKILL)
            wait_for(lambda gone=process: codec_processes() not in ([], [gone]))
        between = heard_for(bob, 0.5)
        after = heard(bob, 40)
    assert usual_share(sound_of(before[15:], 0), 400) > 0.95
    assert usual_share(sound_of(after, 0), 400) > 0.95
    assert any(share(sound_of([packet], 0), 1000) > 0.9 for packet in between)
    numbers = [sequence_of(packet) for packet in before + between + after]
    assert all(1 <= step < 100 for step in steps(numbers, 1 << 16))


def test_a_flood_of_garbage_on_one_call_leaves_another_as_it_was(engine: Engine) -> None:
    alice, bob, mallory, victim = Phone(ssrc=1), Phone(ssrc=2), Phone(ssrc=3), Phone(ssrc=4)
    formats = [one for one in OTHERS if not engine.codecs()[one.encoding]]
    _, leg_a, _ = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    _, leg_m, _ = transcoded(engine, plan(mallory, *formats), plan(victim, PCMU))
    ended = threading.Event()

    def flood() -> None:
        while not ended.is_set():
            for one in formats:
                for size in (0, 1, 7, 33, 160, 700):
                    mallory.send(leg_m, os.urandom(size), one.payload_type)
            time.sleep(0.02)

    attacker = threading.Thread(target=flood)
    with Tone(alice, leg_a, 1000):
        heard(bob, 20)
        attacker.start()
        try:
            during = heard(bob, 75)
        finally:
            ended.set()
            attacker.join()
    assert usual_share(sound_of(during, 8), 1000) > 0.95
    assert set(steps([sequence_of(packet) for packet in during], 1 << 16)) == {1}
    assert engine.stats().codec_lost == 0
    assert engine.leg_stats(leg_m.id).undecoded > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that is not dumpable")
def test_no_key_of_a_leg_is_in_the_memory_of_its_codec_process(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    keys = [key() for _ in range(4)]
    secure_a = plan(alice, PCMU, rx=keys[0], tx=keys[1], secure_required=True)
    secure_b = plan(bob, PCMA, rx=keys[2], tx=keys[3], secure_required=True)
    _, leg_a, _ = transcoded(engine, secure_a, secure_b)
    with Tone(alice, leg_a, 1000, Srtp(*keys[0]).protect_rtp):
        heard(bob, 20)
        (process,) = codec_processes()
        here, there = memory(os.getpid()), memory(process)
    secrets = [part for one in keys for part in (one.key, one.salt)]
    assert all(secret in here for secret in secrets), "the search finds nothing anywhere"
    assert not any(secret in there for secret in secrets)
    assert len(there) > 100_000


def memory(process: int) -> bytes:
    """What a process may read of its memory."""
    parts = []
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as whole:
        for line in maps:
            span, rights = line.split()[:2]
            first, last = (int(number, 16) for number in span.split("-"))
            if "r" in rights and "w" in rights:
                whole.seek(first)
                try:
                    parts.append(whole.read(last - first))
                except OSError:
                    continue
    return b"".join(parts)


def test_a_program_that_is_no_codec_process_is_named_and_calls_are_relayed(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    for program, why in ((tmp_path / "nothing", "No such file"), (broken, "ended at once")):
        engine = Engine(config(codec_process=program))
        assert all(why in reason for reason in engine.codecs().values())
        alice, bob = Phone(ssrc=1), Phone(ssrc=2)
        _, leg_a, leg_b = bridged(engine, plan(alice, PCMU), plan(bob, PCMU))
        with pytest.raises(NoCodecs, match=why):
            engine.transcode(leg_a.id, leg_b.id)
        with Tone(alice, leg_a):
            assert usual_share(sound_of(heard(bob, 10), 0), 1000) > 0.95
        engine.stop()


def test_every_encoding_is_told_with_whether_it_can_be_had(engine: Engine) -> None:
    codecs = engine.codecs()
    assert codecs["pcmu"] == codecs["pcma"] == codecs["telephone-event"] == ""
    assert len(codecs) == 11


def test_without_the_program_calls_are_relayed_and_nothing_is_transcoded() -> None:
    engine = Engine(config(codec_process=None))
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, plan(alice, PCMU))
    engine.update_leg(leg_b.id, plan(bob, PCMU))
    with pytest.raises(NoCodecs, match="no codec process"):
        engine.transcode(leg_a.id, leg_b.id)
    assert all(engine.codecs().values())
    engine.bridge(leg_a.id, leg_b.id)
    settle(engine)
    with Tone(alice, leg_a):
        assert usual_share(sound_of(heard(bob, 10), 0), 1000) > 0.95
    engine.stop()


IMPOSTOR = """#!/usr/bin/python3
import os, socket, struct, time
media = socket.socket(fileno=0)
def record(kind, body):
    return bytes([kind]) + struct.pack("<H", len(body)) + body
media.send(record(0, struct.pack("<HBB", 1, 0, 0)))
legs = set()
while True:
    orders = media.recv(65536)
    if not orders:
        break
    while orders:
        kind, length = orders[0], struct.unpack("<H", orders[1:3])[0]
        leg = struct.unpack("<Q", orders[3:11])[0]
        if kind == 0:
            legs.add(leg)
        if kind == 2 and {dies_of} == orders[19:23]:
            os.pwrite(1, struct.pack("<Q", leg), 0)
            os._exit(1)
        orders = orders[3 + length:]
    {act}
"""


def impostor(folder: Path, act: str, dies_of: bytes = b"") -> Path:
    """A codec process that was taken over: it knows its legs and says what it likes; and it dies of packets of one
    synchronisation source."""
    program = folder / "impostor"
    program.write_text(IMPOSTOR.replace("{act}", act).replace("{dies_of}", repr(dies_of)))
    program.chmod(0o755)
    return program


def test_a_process_that_says_what_cannot_be_read_is_ended_and_relayed_calls_go_on(tmp_path: Path) -> None:
    engine = Engine(config(codec_process=impostor(tmp_path, "media.send(os.urandom(200))")))
    alice, bob, carol, dave = Phone(ssrc=1), Phone(ssrc=2), Phone(ssrc=3), Phone(ssrc=4)
    _, leg_c, _ = bridged(engine, plan(carol, PCMU), plan(dave, PCMU))
    transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Tone(carol, leg_c):
        relayed = heard(dave, 50)
    assert set(steps([sequence_of(packet) for packet in relayed], 1 << 16)) == {1}
    assert engine.stats().codec_lost >= 2
    assert CodecsLost(0) in engine.events()
    engine.stop()


def test_a_process_that_was_taken_over_speaks_only_where_it_may_and_not_too_often(tmp_path: Path) -> None:
    act = """for leg in [*legs, *(leg ^ 1 for leg in legs), *(leg ^ 1 << 32 for leg in legs), *range(8)]:
        for payload_type in (8, 0, 18):
            for number in range(300):
                packet = struct.pack("<QBBII", leg, payload_type, 0, 1, number * 160) + bytes(160)
                media.send(record(1, packet))"""
    engine = Engine(config(codec_process=impostor(tmp_path, act)))
    alice, bob, carol, dave = Phone(ssrc=1), Phone(ssrc=2), Phone(ssrc=3), Phone(ssrc=4)
    _, leg_c, leg_d = bridged(engine, plan(carol, PCMU), plan(dave, PCMU))
    _, leg_a, leg_b = transcoded(engine, plan(alice, PCMU, secure_required=True), plan(bob, PCMA))
    with Tone(carol, leg_c):
        relayed = heard(dave, 40)
        at_bob = heard_for(bob, 0.3)
    assert set(steps([sequence_of(packet) for packet in relayed], 1 << 16)) == {1}
    assert {len(packet) for packet in relayed} == {172}
    assert engine.leg_stats(leg_d.id).codec_tx_packets == engine.leg_stats(leg_c.id).codec_tx_packets == 0
    assert {packet[1] & 0x7F for packet in at_bob} == {8}
    assert len(at_bob) <= 500
    assert engine.leg_stats(leg_b.id).codec_refused > 500
    # Alice's leg must be secure and has no keys: nothing went there, whoever wanted it.
    assert engine.leg_stats(leg_a.id).tx_packets == 0
    assert engine.leg_stats(leg_a.id).insecure_drops > 0
    engine.stop()


def test_a_leg_over_which_processes_die_again_and_again_is_heard_through_them_no_more(tmp_path: Path) -> None:
    engine = Engine(config(codec_process=impostor(tmp_path, "pass", dies_of=struct.pack("<I", 666))))
    alice, bob, mallory, victim = Phone(ssrc=1), Phone(ssrc=2), Phone(ssrc=666), Phone(ssrc=4)
    _, leg_a, _ = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    _, leg_m, leg_v = transcoded(engine, plan(mallory, PCMU), plan(victim, PCMA))
    with Tone(alice, leg_a), Tone(mallory, leg_m):
        wait_for(lambda: engine.leg_stats(leg_m.id).codec_deaths == 3)
        wait_for(lambda: len(codec_processes("impostor")) == 1)
        time.sleep(0.3)
        given = engine.leg_stats(leg_m.id).codec_packets
        time.sleep(0.7)
        assert engine.leg_stats(leg_m.id).codec_packets == given
        engine.start_recording(leg_m.id, leg_v.id, RecordingWish(tmp_path / "a.age", "wav", RECIPIENTS))
        time.sleep(0.5)
        assert engine.leg_stats(leg_m.id).codec_packets == given
    assert engine.stats().codec_lost == 3
    assert [engine.leg_stats(leg.id).codec_deaths for leg in (leg_a, leg_v)] == [0, 0]
    assert engine.leg_stats(leg_a.id).codec_packets > 60
    engine.stop()
