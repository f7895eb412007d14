"""Calls whose legs are heard through codecs: phones that send tones, and what is heard of them."""

from __future__ import annotations

import itertools
import math
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from media.conftest import LOCAL, Phone, settle, wait_for
from sealtone.media import Digit, Engine, LegPlan, MediaEvent, MediaLeg, PayloadFormat, SrtpKey
from sealtone.phone.g711 import law

ULAW, ALAW = law("PCMU"), law("PCMA")
PCMU = PayloadFormat(0, "pcmu", 8000)
PCMA = PayloadFormat(8, "pcma", 8000)
EVENTS = PayloadFormat(101, "telephone-event", 8000)
OTHERS = (
    PayloadFormat(9, "g722", 8000),
    PayloadFormat(111, "opus", 48000),
    PayloadFormat(103, "silk", 16000),
    PayloadFormat(18, "g729", 8000),
    PayloadFormat(97, "ilbc", 8000, 30, 0, 30),
    PayloadFormat(3, "gsm", 8000),
    PayloadFormat(98, "speex", 16000),
)
SUITE = "AES_CM_128_HMAC_SHA1_80"


def key() -> SrtpKey:
    return SrtpKey(SUITE, os.urandom(16), os.urandom(14))


def plan(phone: Phone, *formats: PayloadFormat, **changes: object) -> LegPlan:
    types = tuple(one.payload_type for one in formats)
    clock = formats[0].clock
    base = LegPlan(remote=phone.address, payload_types=types, formats=formats, transmit=formats, clock_rate=clock)
    return base._replace(**changes)  # type: ignore[arg-type]


def joined(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, plan_a)
    engine.update_leg(leg_b.id, plan_b)
    return call, leg_a, leg_b


def transcoded(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    call, leg_a, leg_b = joined(engine, plan_a, plan_b)
    engine.transcode(leg_a.id, leg_b.id)
    settle(engine)
    return call, leg_a, leg_b


def bridged(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    call, leg_a, leg_b = joined(engine, plan_a, plan_b)
    engine.bridge(leg_a.id, leg_b.id)
    settle(engine)
    return call, leg_a, leg_b


def sine(hertz: float, count: int, rate: int = 8000, amplitude: int = 8000, start: int = 0) -> bytes:
    samples = (int(amplitude * math.sin(2 * math.pi * hertz * (start + n) / rate)) for n in range(count))
    return struct.pack(f"<{count}h", *samples)


def mixed(one: bytes, other: bytes) -> bytes:
    return array("h", map(sum, zip(array("h", one), array("h", other), strict=True))).tobytes()


def share(pcm: bytes, hertz: float, rate: int = 8000) -> float:
    """How much of the sound is that tone, 0 to 1."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    turns = [2 * math.pi * hertz * n / rate for n in range(len(samples))]
    real = sum(sample * math.cos(turn) for sample, turn in zip(samples, turns, strict=True))
    imaginary = sum(sample * math.sin(turn) for sample, turn in zip(samples, turns, strict=True))
    energy = sum(sample * sample for sample in samples)
    return 0.0 if energy == 0 else 2 * (real * real + imaginary * imaginary) / (len(samples) * energy)


def usual_share(pcm: bytes, hertz: float, mended: float = 0.2) -> float:
    """The share of that tone in a tenth of a second at 8 kHz, which all of them reach but so many of them.

    On a busy machine packets are late, and where the sound is `mended` its phase jumps.
    """
    shares = sorted(share(pcm[start : start + 1600], hertz) for start in range(0, len(pcm) - 1599, 1600))
    return shares[int(len(shares) * mended)]


def sound_of(packets: list[bytes], payload_type: int) -> bytes:
    """The sound of G.711 packets."""
    decode = ULAW.decode if payload_type == 0 else ALAW.decode
    return b"".join(decode(packet[12:]).tobytes() for packet in packets if packet[1] & 0x7F == payload_type)


def ulaw(pcm: bytes) -> bytes:
    return ULAW.encode(array("h", pcm))


class Tone:
    """A phone that sends a tone in PCMU, 20 ms after 20 ms, until it is closed.

    One that `breathes` is silent for a tenth of every half second: out of an endless tone Speex never finds back from a
    lost packet, and grows louder and louder.
    """

    def __init__(
        self,
        phone: Phone,
        leg: MediaLeg,
        hertz: float = 1000,
        protect: Callable[[bytes], bytes] = lambda packet: packet,
        *,
        breathes: bool = False,
    ) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._talk, args=(phone, leg, hertz, protect, breathes))
        self._thread.start()

    def _talk(
        self, phone: Phone, leg: MediaLeg, hertz: float, protect: Callable[[bytes], bytes], breathes: bool
    ) -> None:
        due = time.monotonic()
        for start in itertools.count(0, 160):
            if self._ended.is_set():
                return
            amplitude = 0 if breathes and start % 4000 < 800 else 8000
            phone.send_raw(leg, protect(phone.packet(ulaw(sine(hertz, 160, amplitude=amplitude, start=start)))))
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Tone:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class Mirror:
    """A phone that sends back what it hears, as it is, under numbers of its own."""

    def __init__(self, phone: Phone, leg: MediaLeg) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._reflect, args=(phone, leg))
        self._thread.start()

    def _reflect(self, phone: Phone, leg: MediaLeg) -> None:
        while not self._ended.is_set():
            try:
                packet = phone.hear(0.5)
            except TimeoutError:
                continue
            phone.sequence = (phone.sequence + 1) & 0xFFFF
            fresh = struct.pack("!HI", phone.sequence, *struct.unpack("!I", packet[4:8]))
            phone.send_raw(leg, packet[:2] + fresh + struct.pack("!I", phone.ssrc) + packet[12:])

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def heard(phone: Phone, packets: int) -> list[bytes]:
    return [phone.hear() for _ in range(packets)]


def heard_for(phone: Phone, seconds: float) -> list[bytes]:
    """What comes within that time, all that has arrived by its end."""
    until, packets = time.monotonic() + seconds, []
    while True:
        left = until - time.monotonic()
        try:
            packets.append(phone.hear(max(left, 0.001)))
        except TimeoutError:
            if left <= 0:
                return packets
        assert left > -5.0, "it comes without end"


def sequence_of(packet: bytes) -> int:
    return int(struct.unpack("!H", packet[2:4])[0])


def timestamp_of(packet: bytes) -> int:
    return int(struct.unpack("!I", packet[4:8])[0])


def steps(numbers: list[int], modulus: int) -> list[int]:
    return [(after - before) % modulus for before, after in itertools.pairwise(numbers)]


def codec_processes(program: str = "sealtone-codecs") -> list[int]:
    """Process ids of the codec processes of this program."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, _, rest = (folder / "stat").read_text().partition(") ")
            except OSError:
                continue
            if name.endswith(f"({program}") and int(rest.split()[1]) == os.getpid() and rest[0] != "Z":
                found.append(int(folder.name))
    return found


def event_packets(phone: Phone, leg: MediaLeg, code: int, payload_type: int = 101, presses: int = 1) -> None:
    for _ in range(presses):
        phone.sequence += 50
        timestamp = phone.sequence * 160
        for number, end in enumerate((False, False, False, True, True, True)):
            send_event(phone, leg, code, timestamp, 160 * (min(number, 3) + 1), payload_type, end=end)
            time.sleep(0.02)


def press_nine(phone: Phone, leg: MediaLeg) -> None:
    """200 ms of the key's tones in PCMU, with silence before and after."""
    both = mixed(sine(852, 1600, amplitude=6000), sine(1477, 1600, amplitude=6000))
    sound = ulaw(bytes(3200) + both + bytes(4800))
    for at in range(0, len(sound), 160):
        phone.send(leg, sound[at : at + 160])
        time.sleep(0.02)


def send_event(
    phone: Phone, leg: MediaLeg, code: int, timestamp: int, duration: int, payload_type: int = 101, *, end: bool = False
) -> None:
    """One packet of RFC 4733; timestamp and duration in units of its clock."""
    phone.sequence += 1
    header = struct.pack("!BBHII", 0x80, payload_type, phone.sequence & 0xFFFF, timestamp, phone.ssrc)
    phone.send_raw(leg, header + struct.pack("!BBH", code, 0x80 * end | 10, duration))


def drained(engine: Engine, until: Callable[[MediaEvent], bool], seconds: float = 10.0) -> list[MediaEvent]:
    """Events up to the one that is waited for."""
    events: list[MediaEvent] = []
    end = time.monotonic() + seconds
    while not any(until(event) for event in events):
        assert time.monotonic() < end, events
        events += engine.events()
        time.sleep(0.01)
    return events


def digits_told(engine: Engine, count: int) -> list[tuple[int, str]]:
    """The digits once so many have been told, and what is told within 50 ms more."""
    events: list[MediaEvent] = []

    def are_told() -> bool:
        events.extend(engine.events())
        return len(digits(events)) >= count

    wait_for(are_told)
    time.sleep(0.05)
    return digits(events + engine.events())


def digits(events: list[MediaEvent]) -> list[tuple[int, str]]:
    return [(event.leg, event.digit) for event in events if isinstance(event, Digit)]
