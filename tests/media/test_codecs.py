"""Legs joined through codecs, with real codec processes, between phones on loopback."""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from media.conftest import LOCAL, Phone, config, settle
from sealtone.media import Engine, LegPlan, MediaLeg, NoCodecs, PayloadFormat

PCMU = PayloadFormat(0, "pcmu", 8000)
PCMA = PayloadFormat(8, "pcma", 8000)
EVENTS = PayloadFormat(101, "telephone-event", 8000)


def plan(phone: Phone, *formats: PayloadFormat, **changes: object) -> LegPlan:
    types = tuple(one.payload_type for one in formats)
    base = LegPlan(remote=phone.address, payload_types=types, formats=formats, transmit=formats)
    return base._replace(**changes)  # type: ignore[arg-type]


def transcoded(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, plan_a)
    engine.update_leg(leg_b.id, plan_b)
    engine.transcode(leg_a.id, leg_b.id)
    settle()
    return call, leg_a, leg_b


class Talking:
    """A phone that sends the same octet for 20 ms after 20 ms, until it is closed."""

    def __init__(self, phone: Phone, leg: MediaLeg, octet: int, payload_type: int) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._talk, args=(phone, leg, bytes([octet]) * 160, payload_type))
        self._thread.start()

    def _talk(self, phone: Phone, leg: MediaLeg, payload: bytes, payload_type: int) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            phone.send(leg, payload, payload_type)
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Talking:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def heard(phone: Phone, packets: int) -> list[bytes]:
    return [phone.hear() for _ in range(packets)]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config(receive_buffer=262144))
    yield engine
    engine.stop()


def test_two_phones_without_a_common_codec_hear_each_other(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = transcoded(engine, plan(alice, PCMU), plan(bob, PCMA))
    with Talking(alice, leg_a, 0x80, 0), Talking(bob, leg_b, 0xAA, 8):
        at_bob, at_alice = heard(bob, 30), heard(alice, 30)
    # The loudest sound of one law is the loudest of the other, within a step.
    assert at_bob[-1][1] & 0x7F == 8
    assert at_bob[-1][12:] == bytes([0xAA]) * 160
    assert at_alice[-1][1] & 0x7F == 0
    assert at_alice[-1][12:] == bytes([0x80]) * 160
    sequences = [struct.unpack("!H", packet[2:4])[0] for packet in at_bob]
    assert [(after - before) & 0xFFFF for before, after in itertools.pairwise(sequences)] == [1] * 29
    times = [struct.unpack("!I", packet[4:8])[0] for packet in at_bob]
    assert {(after - before) & 0xFFFFFFFF for before, after in itertools.pairwise(times)} == {160}
    stats = engine.close_call(call)[leg_b.id]
    assert stats.codec_tx_packets == stats.tx_packets >= 30


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
    settle()
    alice.send(leg_a, b"x")
    assert bob.hear()[12:] == b"x"
    engine.stop()
