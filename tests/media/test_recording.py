"""Recording over a real engine: what two phones say comes out of a sealed file, each in its channel."""

from __future__ import annotations

import io
import itertools
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pyrage
import pytest

from admin.sealed import wav_of
from media.conftest import LOCAL, Phone, config, settle
from sealtone.admin.recording_seal import open_recording
from sealtone.cli.recording_sound import converting
from sealtone.media import Engine, LegPlan, MediaLeg, PayloadFormat, RecordingEnded, RecordingWish, UnknownLeg
from sealtone.model import RecordingFormat

PCMU = PayloadFormat(0, "pcmu", 8000)
PCMA = PayloadFormat(8, "pcma", 8000)
LEFT_HZ, RIGHT_HZ = 440.0, 1000.0
KEY = pyrage.x25519.Identity.generate()
RECIPIENTS = (str(KEY.to_public()),)
FORMATS = ["opus", "wav", "flac"]


def plan(phone: Phone, *formats: PayloadFormat, **changes: object) -> LegPlan:
    types = tuple(one.payload_type for one in formats)
    base = LegPlan(remote=phone.address, payload_types=types, formats=formats, transmit=formats)
    return base._replace(**changes)  # type: ignore[arg-type]


def mu_law(sample: int) -> int:
    """G.711 (the usual search over segments)."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32_635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def tone(hz: float, law: Callable[[int], int] = mu_law) -> bytes:
    """A second of it."""
    return bytes(law(int(8000 * math.sin(math.tau * hz * index / 8000))) for index in range(8000))


class Talking:
    """A phone that sends a tone, 20 ms after 20 ms, until it is closed."""

    def __init__(self, phone: Phone, leg: MediaLeg, hz: float, payload_type: int = 0) -> None:
        self._ended = threading.Event()
        sound = tone(hz)
        packets = [sound[start : start + 160] for start in range(0, 8000, 160)]
        self._thread = threading.Thread(target=self._talk, args=(phone, leg, packets, payload_type))
        self._thread.start()

    def _talk(self, phone: Phone, leg: MediaLeg, packets: list[bytes], payload_type: int) -> None:
        due, number = time.monotonic(), 0
        while not self._ended.is_set():
            phone.send(leg, packets[number % len(packets)], payload_type)
            number += 1
            due += 0.02
            time.sleep(max(0.0, due - time.monotonic()))

    def __enter__(self) -> Talking:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config(receive_buffer=262144))
    yield engine
    engine.stop()


def call_of(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, plan_a)
    engine.update_leg(leg_b.id, plan_b)
    return call, leg_a, leg_b


def ended(engine: Engine, timeout_s: float = 5.0) -> RecordingEnded:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        for event in engine.events():
            if isinstance(event, RecordingEnded):
                return event
        time.sleep(0.01)
    raise TimeoutError("no recording has ended")


def octets_of(path: Path) -> bytes:
    out = io.BytesIO()
    open_recording(path, [KEY], out)
    return out.getvalue()


def sound_of(octets: bytes, kind: str) -> tuple[int, numpy.ndarray, numpy.ndarray]:
    """Sample rate, left and right."""
    wav = wav_of(octets, RecordingFormat(kind))
    with wave.open(io.BytesIO(wav)) as sound:
        assert sound.getnchannels() == 2
        samples = numpy.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2)
        return sound.getframerate(), samples[:, 0].astype(float), samples[:, 1].astype(float)


def level(sound: numpy.ndarray, hz: float, rate: int) -> float:
    """How much of a tone is in it: 8000 where it is ours alone. The median of tenths of a second: on a busy machine
    packets are late, and where the sound is mended its phase jumps."""
    size = rate // 10
    wave_of = numpy.exp(-1j * math.tau * hz * numpy.arange(size) / rate)
    tenths = [sound[start : start + size] for start in range(0, len(sound) - size + 1, size)]
    return float(numpy.median([2 * abs(wave_of @ tenth) / size for tenth in tenths]))


def assert_channels(rate: int, left: numpy.ndarray, right: numpy.ndarray, talk_s: float) -> None:
    assert len(left) / rate == pytest.approx(talk_s, abs=0.6)
    middle = slice(len(left) // 4, 3 * len(left) // 4)
    assert level(left[middle], LEFT_HZ, rate) == pytest.approx(8000, rel=0.2)
    assert level(right[middle], RIGHT_HZ, rate) == pytest.approx(8000, rel=0.2)
    assert level(left[middle], RIGHT_HZ, rate) < 100
    assert level(right[middle], LEFT_HZ, rate) < 100


@pytest.mark.parametrize("joined", ["relayed", "transcoded"])
@pytest.mark.parametrize("kind", FORMATS)
def test_each_phone_is_in_its_channel(engine: Engine, tmp_path: Path, kind: str, joined: str) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    (engine.bridge if joined == "relayed" else engine.transcode)(leg_a.id, leg_b.id)
    path = tmp_path / "1/2026/01/a.age"
    with Talking(alice, leg_a, LEFT_HZ), Talking(bob, leg_b, RIGHT_HZ):
        time.sleep(0.1)
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(path, kind, RECIPIENTS))  # type: ignore[arg-type]
        time.sleep(2.0)
        engine.stop_recording(number)
        event = ended(engine)
        assert bob.hear()
    octets = octets_of(path)
    assert (event.recording, event.reason, event.octets) == (number, "", len(octets))
    assert event.seconds == pytest.approx(2.0, abs=0.6)
    assert_channels(*sound_of(octets, kind), talk_s=2.0)
    assert [file.name for file in path.parent.iterdir()] == ["a.age"]
    engine.close_call(call)


READERS = {
    "opus": ["opusdec", "--quiet", "IN", "OUT"],
    "flac": ["flac", "--silent", "--decode", "--output-name", "OUT", "IN"],
    "wav": ["sox", "--ignore-length", "-t", "wav", "IN", "-t", "wav", "OUT"],
}
"""Programs of others, and what they are to be told to make a WAV."""


@pytest.mark.parametrize("kind", FORMATS)
def test_other_programs_read_what_was_recorded_and_what_it_is_exported_as(
    engine: Engine, tmp_path: Path, kind: str
) -> None:
    for program in ("opusdec", "opusenc", "flac", "sox"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    with Talking(alice, leg_a, LEFT_HZ), Talking(bob, leg_b, RIGHT_HZ):
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", kind, RECIPIENTS))  # type: ignore[arg-type]
        time.sleep(1.5)
        engine.stop_recording(number)
        ended(engine)
    for wanted in FORMATS:
        plain, out = tmp_path / f"a.{wanted}", tmp_path / f"{wanted}.wav"
        with (
            plain.open("wb") as file,
            converting(RecordingFormat(kind), RecordingFormat(wanted), file) as sink,
        ):
            open_recording(tmp_path / "a.age", [KEY], sink)
        command = [{"IN": str(plain), "OUT": str(out)}.get(word, word) for word in READERS[wanted]]
        subprocess.run(command, check=True, capture_output=True)
        with wave.open(str(out)) as sound:
            rate, frames = sound.getframerate(), sound.readframes(sound.getnframes())
        samples = numpy.frombuffer(frames, "<i2").reshape(-1, 2).astype(float)
        assert_channels(rate, samples[:, 0], samples[:, 1], talk_s=1.5)


@pytest.mark.skipif(shutil.which("age") is None, reason="needs age")
def test_the_plain_age_tool_opens_a_finished_recording(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    with Talking(alice, leg_a, LEFT_HZ):
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "wav", RECIPIENTS))
        time.sleep(1.0)
        engine.stop_recording(number)
        ended(engine)
    (tmp_path / "key.txt").write_text(f"{KEY}\n")
    done = subprocess.run(
        ["age", "--decrypt", "-i", str(tmp_path / "key.txt"), str(tmp_path / "a.age")], capture_output=True, check=True
    )
    assert done.stdout == octets_of(tmp_path / "a.age")
    assert done.stdout.startswith(b"RIFF")


def test_a_phone_that_is_silent_and_one_that_comes_later_keep_their_time(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    path = tmp_path / "a.age"
    number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(path, "wav", RECIPIENTS))
    time.sleep(1.0)
    with Talking(bob, leg_b, RIGHT_HZ):
        time.sleep(1.0)
    engine.stop_recording(number)
    ended(engine)
    rate, left, right = sound_of(octets_of(path), "wav")
    assert abs(left).max() < 50
    loud = numpy.flatnonzero(abs(right) > 2000)
    assert loud[0] / rate == pytest.approx(1.0, abs=0.35)
    assert (loud[-1] - loud[0]) / rate == pytest.approx(1.0, abs=0.3)


def test_the_end_of_a_leg_ends_the_recording_as_a_whole_file(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    with Talking(alice, leg_a, LEFT_HZ):
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "opus", RECIPIENTS))
        time.sleep(1.0)
        engine.close_call(call)
        event = ended(engine)
    assert (event.recording, event.reason) == (number, "")
    rate, left, _ = sound_of(octets_of(tmp_path / "a.age"), "opus")
    assert len(left) / rate == pytest.approx(1.0, abs=0.5)
    engine.stop_recording(number)  # which has ended: nothing happens


def test_recording_begins_and_ends_without_the_phones_noticing(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    heard: list[bytes] = []
    with Talking(alice, leg_a, LEFT_HZ):
        for number in range(3):
            recording = engine.start_recording(
                leg_a.id, leg_b.id, RecordingWish(tmp_path / f"{number}.age", "opus", RECIPIENTS)
            )
            heard += [bob.hear() for _ in range(20)]
            engine.stop_recording(recording)
            heard += [bob.hear() for _ in range(5)]
            ended(engine)
    sequences = [struct.unpack("!H", packet[2:4])[0] for packet in heard]
    assert all((after - before) & 0xFFFF == 1 for before, after in itertools.pairwise(sequences))
    sound = tone(LEFT_HZ)
    whole = [sound[start : start + 160] for start in range(0, 8000, 160)]
    assert all(packet[12:] in whole for packet in heard), "what is relayed is what was sent"


def test_a_sealed_leg_is_not_recorded(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU, sealed=True), plan(bob, PCMU, sealed=True))
    engine.bridge(leg_a.id, leg_b.id)
    with pytest.raises(ValueError, match="sealed"):
        engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "wav", RECIPIENTS))
    assert not list(tmp_path.iterdir())


def test_a_leg_that_is_sealed_later_gives_nothing_more(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "wav", RECIPIENTS))
    engine.update_leg(leg_a.id, plan(alice, PCMU, sealed=True))
    engine.update_leg(leg_b.id, plan(bob, PCMU, sealed=True))
    settle(engine)
    with Talking(alice, leg_a, LEFT_HZ):
        time.sleep(1.0)
    engine.stop_recording(number)
    ended(engine)
    _, left, right = sound_of(octets_of(tmp_path / "a.age"), "wav")
    assert abs(left).max(initial=0) < 50
    assert abs(right).max(initial=0) < 50


def test_keys_and_legs_that_are_none_are_refused(engine: Engine, tmp_path: Path) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    path = tmp_path / "a.age"
    for recipients in ((), ("age1nonsense",), (str(KEY),)):
        with pytest.raises(ValueError, match="public keys"):
            engine.start_recording(leg_a.id, leg_b.id, RecordingWish(path, "wav", recipients))
    with pytest.raises(ValueError, match="kind of recording"):
        engine.start_recording(leg_a.id, leg_b.id, RecordingWish(path, "mp3", RECIPIENTS))  # type: ignore[arg-type]
    with pytest.raises(UnknownLeg):
        engine.start_recording(leg_a.id, 999, RecordingWish(path, "wav", RECIPIENTS))
    assert not path.exists()


_LIMITED = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
sys.path[:0] = {paths!r}
from pathlib import Path
from media.test_recording import *
engine = Engine(config(receive_buffer=262144))
alice, bob = Phone(ssrc=1), Phone(ssrc=2)
_, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
engine.bridge(leg_a.id, leg_b.id)
with Talking(alice, leg_a, LEFT_HZ):
    engine.start_recording(leg_a.id, leg_b.id, RecordingWish(Path({file!r}), "wav", {recipients!r}))
    event = ended(engine, 20)
    print(event.reason, event.octets, sep="|")
    for _ in range(100):
        bob.hear()
    print("relayed")
engine.stop()
"""


def test_a_file_that_may_not_grow_ends_the_recording_and_the_call_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.age"
    script = _LIMITED.format(paths=sys.path, file=str(path), recipients=RECIPIENTS)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    reason, octets = first.split("|")
    assert "may not grow" in reason
    assert second == "relayed"
    found = octets_of(path)
    assert len(found) == int(octets)
    assert len(found) > 4 * 65_536 - 20_000
    _, left, _ = sound_of(found, "wav")
    assert level(left[8000:], LEFT_HZ, 8000) == pytest.approx(8000, rel=0.2)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_ends_the_recording_and_the_call_goes_on(engine: Engine, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        alice, bob = Phone(ssrc=1), Phone(ssrc=2)
        _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
        engine.bridge(leg_a.id, leg_b.id)
        path = tmp_path / "a.age"
        with Talking(alice, leg_a, LEFT_HZ):
            engine.start_recording(leg_a.id, leg_b.id, RecordingWish(path, "wav", RECIPIENTS))
            event = ended(engine, 20)
            assert "disk is full" in event.reason
            for _ in range(60):
                bob.hear()
        found = octets_of(path)
        assert len(found) >= event.octets > 40_000
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_tone_over_a_recorded_call_is_heard_by_the_phone_and_is_not_in_the_recording(
    engine: Engine, tmp_path: Path
) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    beep = b"".join(struct.pack("<h", int(8000 * math.sin(math.tau * 1400 * index / 8000))) for index in range(4000))
    engine.load_sound("recording-tone", 8000, beep)
    with Talking(alice, leg_a, LEFT_HZ), Talking(bob, leg_b, RIGHT_HZ):
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "wav", RECIPIENTS))
        time.sleep(0.5)
        for _ in range(20):
            bob.hear()
        engine.play(leg_b.id, ("recording-tone",), over=True)
        heard = [bob.hear()[12:] for _ in range(50)]
        time.sleep(0.5)
        engine.stop_recording(number)
        ended(engine)
    relayed = tone(LEFT_HZ)
    whole = [relayed[start : start + 160] for start in range(0, 8000, 160)]
    assert sum(payload not in whole for payload in heard) > 15, "the tone was mixed in"
    assert heard[-1] in whole, "and then the phones hear each other as before"
    rate, left, right = sound_of(octets_of(tmp_path / "a.age"), "wav")
    for side, hz in ((left, LEFT_HZ), (right, RIGHT_HZ)):
        assert level(side, hz, rate) == pytest.approx(8000, rel=0.2)
        size = rate // 10
        wave_of = numpy.exp(-1j * math.tau * 1400 * numpy.arange(size) / rate)
        loudest = max(2 * abs(wave_of @ side[at : at + size]) / size for at in range(size * 3, len(side) - size, size))
        assert loudest < 800


def _codec_processes() -> list[int]:
    """Of this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            name = (folder / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == os.getpid() and name.startswith("sealtone-codec"):
            found.append(int(folder.name))
    return found


def test_a_codec_process_that_dies_ends_its_recordings_and_what_was_made_is_readable(
    engine: Engine, tmp_path: Path
) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = call_of(engine, plan(alice, PCMU), plan(bob, PCMU))
    engine.bridge(leg_a.id, leg_b.id)
    with Talking(alice, leg_a, LEFT_HZ):
        engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "a.age", "opus", RECIPIENTS))
        time.sleep(2.0)
        for process in _codec_processes():
            os.kill(process, signal.SIGKILL)
        event = ended(engine)
        assert "process that decodes" in event.reason
        rate, left, _ = sound_of(octets_of(tmp_path / "a.age"), "opus")
        assert len(left) / rate == pytest.approx(2.0, abs=0.8)
        assert bob.hear()
        time.sleep(0.5)  # the process is started again
        number = engine.start_recording(leg_a.id, leg_b.id, RecordingWish(tmp_path / "b.age", "opus", RECIPIENTS))
        time.sleep(1.0)
        engine.stop_recording(number)
        assert ended(engine).reason == ""
    rate, left, _ = sound_of(octets_of(tmp_path / "b.age"), "opus")
    assert len(left) / rate == pytest.approx(1.0, abs=0.6)
