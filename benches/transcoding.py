"""Transcoding beside rtpengine: CPU a packet, calls a core, and what the phones hear of it (PESQ)."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from pesq import PesqError, pesq

from benches.machine import LOAD_CPU, BenchError, CpuMeter, LineProcess, asleep, thread_cpu_ns
from benches.media_load import MediaLoad
from benches.relays.interface import PCMU, PLAIN, CallPlan, PhonePlan, RelayUnderTest, VoiceCodec
from benches.relays.rtpengine import Rtpengine
from benches.relays.sealtone_engine import SealtoneEngine
from benches.report import Outcome, Row, Target, alone, at_least, at_most, compare

OURS, PEER = "sealtone", "rtpengine"
LEAST_HEARD = 0.99
MOST_GAP_US = 60_000
CHUNK = 50
MOST_CALLS = 2_000
RELAYED_CALLS = 300
BESIDE_CALLS = 60
QUALITY_CALLS = 4
QUALITY_S = 14.0

Say = Callable[[str], None]


class Pair(NamedTuple):
    """A codec towards PCMU: its name for the load generator, and how much of rtpengine's calls a core is promised."""

    name: str
    codec: VoiceCodec
    promised: float | None
    peer_has_it: bool


PAIRS = (
    Pair("opus", VoiceCodec(96, "opus", 48_000, 2), 3.0, True),
    Pair("g729", VoiceCodec(18, "G729", 8_000), 1.6, True),
    Pair("g722", VoiceCodec(9, "G722", 8_000), 2.5, True),
    Pair("silk/16000", VoiceCodec(96, "SILK", 16_000), None, False),
    Pair("ilbc", VoiceCodec(96, "iLBC", 8_000, 1, 30), None, False),
)


class TranscodingPlan(NamedTuple):
    """How much to measure; times in seconds."""

    binaries: Path
    work: Path
    relays: tuple[str, ...]
    pairs: tuple[str, ...]
    rounds: int
    seconds: float
    capacity: bool


class Sample(NamedTuple):
    """One run. `heard`: the least share of the packets due that reached either side's phones."""

    calls: int
    cpu_us_per_packet: float
    cpu_share: float
    heard: float
    gap_p99_us: float
    late: float

    @property
    def carried(self) -> bool:
        return self.heard >= LEAST_HEARD and self.gap_p99_us <= MOST_GAP_US


class CodecLoad:
    """The phones of the calls through one relay: PCMU on one side, another codec on the other."""

    def __init__(self, binary: Path, speech: Path, relay: RelayUnderTest, pair: Pair) -> None:
        self.relay, self._pair = relay, pair
        self._calls = 0
        self._child = LineProcess([str(binary), str(speech), "pcmu", pair.name], LOAD_CPU)
        self._ports = cast(list[int], self._child.answer()["ports"])

    def run(self, calls: int, seconds: float, warm_up_s: float = 1.0) -> Sample:
        while self._calls < calls:
            step = min(CHUNK, calls - self._calls)
            port_a, port_b = self._ports
            plan = CallPlan(PhonePlan(port_a, None, PCMU), PhonePlan(port_b, None, self._pair.codec))
            media = self.relay.add_calls([plan] * step)
            self._child.send(f"leg {leg.relay_port}" for call in media for leg in call)
            self._calls += step
        meter = CpuMeter(self.relay.pids())
        self._child.send([f"run {calls} {round(warm_up_s * 1000)} {round(seconds * 1000)}"])
        self._expect("measuring")
        meter.start()
        self._expect("measured")
        used = meter.stop()
        result = self._expect("result")
        if not all(thread_cpu_ns(pid) for pid in self.relay.pids()):
            raise BenchError(f"{self.relay.name} ended while it was under load")
        received, expected = cast(list[float], result["received"]), cast(list[float], result["expected"])
        packets = sum(received) / used.elapsed_s
        return Sample(
            calls,
            used.process / packets * 1e6 if packets else 0.0,
            used.process,
            min(got / due for got, due in zip(received, expected, strict=True)),
            cast(float, result["gap_p99_us"]),
            cast(float, result["late"]) / max(1.0, sum(cast(list[float], result["sent"]))),
        )

    def keep(self, a: Path, b: Path) -> None:
        """Writes what the phones of the first call heard in the last run."""
        self._child.send([f"keep {a} {b}"])
        self._expect("kept")

    def _expect(self, event: str) -> dict[str, object]:
        answer = self._child.answer(60.0)
        if answer["event"] != event:
            raise BenchError(f"the load generator said {answer!r}, not {event}")
        return answer

    def close(self) -> None:
        self._child.close()


def make_speech(work: Path) -> tuple[Path, Path]:
    """Speech at 16 kHz for the phones to say, over and over, and what an ideal telephone line makes of it."""
    raw, spoken, reference = (work / f"speech-{name}.wav" for name in ("raw", "16", "8"))
    text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("espeak-ng", "-v", "en-us", "-s", "160", "-w", raw, text),
        ("sox", raw, "-r", "16000", "-b", "16", "-c", "1", spoken, "gain", "-6", "pad", "0.2", "0.2"),
        ("sox", spoken, "-r", "8000", reference),
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise BenchError(f"no speech to send: {error} (apt-get install espeak-ng sox)") from None
    return spoken, reference


def _samples(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


def mos_of(reference: Path, heard: Path) -> float:
    """PESQ (P.862, narrow band) of one whole turn of the speech in what was heard; 0 where nothing was."""
    wanted, got = _samples(reference), _samples(heard)
    if len(got) < 2 * len(wanted):
        return 0.0
    # The speech goes round, begun at any place: find where a turn starts.
    room = got[: 2 * len(wanted)].astype(np.float64)
    size = len(room) + len(wanted)
    match = np.fft.irfft(np.fft.rfft(room, size) * np.conj(np.fft.rfft(wanted.astype(np.float64), size)), size)
    start = int(np.argmax(match[: len(wanted)]))
    try:
        return float(pesq(8_000, wanted, got[start : start + len(wanted)], "nb"))
    except PesqError:
        return 0.0


def make_relay(name: str, plan: TranscodingPlan) -> RelayUnderTest:
    return SealtoneEngine(plan.work / "sealtone-engine.log") if name == OURS else Rtpengine()


@contextlib.contextmanager
def loaded(name: str, plan: TranscodingPlan, speech: Path, pair: Pair) -> Iterator[CodecLoad]:
    """A relay with its phones; both are ended afterwards."""
    relay = make_relay(name, plan)
    try:
        relay.start()
        load = CodecLoad(plan.binaries / "codec-load", speech, relay, pair)
        try:
            yield load
        finally:
            load.close()
    finally:
        relay.stop()


def find_capacity(name: str, plan: TranscodingPlan, speech: Path, pair: Pair, share_a_call: float, say: Say) -> int:
    """The most calls, in steps of a twentieth, that one core carries."""
    calls = min(MOST_CALLS, max(4, int(0.9 / share_a_call)))
    best, failed = 0, MOST_CALLS + 1
    while best < calls < failed:
        if any(try_step(name, plan, speech, pair, calls, say).carried for _ in range(2)):  # one failure may be chance
            best = calls
            calls = min(MOST_CALLS, calls + max(1, calls // 20))
        else:
            failed = calls
            calls = max(best, calls - max(1, calls // 12))
    return best


def try_step(name: str, plan: TranscodingPlan, speech: Path, pair: Pair, calls: int, say: Say) -> Sample:
    """One step of the search, with a relay of its own."""
    with loaded(name, plan, speech, pair) as load:
        sample = load.run(calls, plan.seconds)
    say(
        f"  {name} {pair.name} {calls} calls: heard {sample.heard:.2%}, gap p99 {sample.gap_p99_us / 1000:.0f} ms,"
        f" CPU {sample.cpu_share:.0%}"
    )
    return sample


def measure_beside(plan: TranscodingPlan, speech: Path, say: Say) -> tuple[list[float], list[float]]:
    """p99 of what relayed calls are delayed, µs: alone, and while calls are transcoded on the same core; in turn."""
    alone_us: list[float] = []
    beside_us: list[float] = []
    opus = next(pair for pair in PAIRS if pair.name == "opus")
    with loaded(OURS, plan, speech, opus) as codec_load:
        relayed = MediaLoad(plan.binaries / "media-load", codec_load.relay, PLAIN)
        try:
            codec_load.run(BESIDE_CALLS, 0.5)
            for _ in range(plan.rounds):
                alone_us.append(relayed.run(RELAYED_CALLS, plan.seconds).p99_us)
                busy = threading.Thread(target=codec_load.run, args=(BESIDE_CALLS, plan.seconds + 2.0))
                busy.start()
                beside_us.append(relayed.run(RELAYED_CALLS, plan.seconds, 1.5).p99_us)
                busy.join()
                say(f"{RELAYED_CALLS} relayed calls: p99 {alone_us[-1]:.0f} µs, beside codecs {beside_us[-1]:.0f} µs")
        finally:
            relayed.close()
    return beside_us, alone_us


def run_transcoding(plan: TranscodingPlan, say: Say) -> Outcome:
    speech, reference = make_speech(plan.work)
    rows: list[Row] = []
    kept: dict[str, object] = {}
    for pair in PAIRS:
        if pair.name not in plan.pairs:
            continue
        names = [name for name in plan.relays if name == OURS or (name == PEER and pair.peer_has_it)]
        samples: dict[str, list[Sample]] = {name: [] for name in names}
        quality: dict[str, list[float]] = {}
        for name in names:
            with loaded(name, plan, speech, pair) as load:
                load.run(QUALITY_CALLS, QUALITY_S)
                heard = [plan.work / f"{name}-{side}.wav" for side in "ab"]
                load.keep(*heard)
                quality[name] = [mos_of(reference, path) for path in heard]
            say(f"PCMU↔{pair.name} {name}: PESQ {quality[name][0]:.2f} at PCMU, {quality[name][1]:.2f} at {pair.name}")
        with contextlib.ExitStack() as stack:
            loads = {name: stack.enter_context(loaded(name, plan, speech, pair)) for name in names}
            calls = 20 if pair.name == "opus" else 60
            for turn in range(plan.rounds):
                for position in range(len(names)):
                    name = names[(turn + position) % len(names)]
                    others = [pid for other, load in loads.items() if other != name for pid in load.relay.pids()]
                    with asleep(others):
                        sample = loads[name].run(calls, plan.seconds)
                    samples[name].append(sample)
                    say(f"PCMU↔{pair.name} {calls} calls, {name}: {sample.cpu_us_per_packet:.1f} µs a packet")
        capacity: dict[str, int] = {}
        if plan.capacity:
            for name in names:
                share = sorted(sample.cpu_share for sample in samples[name])[plan.rounds // 2] / calls
                capacity[name] = find_capacity(name, plan, speech, pair, share, say)
        rows += _rows(pair, samples, quality, capacity)
        kept[f"PCMU↔{pair.name}"] = {
            "samples": {name: [sample._asdict() for sample in taken] for name, taken in samples.items()},
            "pesq": quality,
            "calls a core": capacity,
        }
    if OURS in plan.relays and "opus" in plan.pairs:
        beside, by_themselves = measure_beside(plan, speech, say)
        title = f"{RELAYED_CALLS} relayed calls beside {BESIDE_CALLS} PCMU↔opus: p99"
        rows.append(compare(title, "µs", beside, "without them", by_themselves, at_most(2.0)))
        kept["relayed p99 beside transcoding"] = {"beside": beside, "alone": by_themselves}
    return Outcome(rows, [], kept)


def _rows(
    pair: Pair, samples: dict[str, list[Sample]], quality: dict[str, list[float]], capacity: dict[str, int]
) -> list[Row]:
    title = f"PCMU↔{pair.name}"
    target = at_least(pair.promised) if pair.promised else None
    rows = [
        _against(
            f"{title}: CPU", "µs/packet", {n: [s.cpu_us_per_packet for s in taken] for n, taken in samples.items()}
        )
    ]
    # What a core carries at this price, if nothing else stood in the way: the search below shows what does.
    by_cpu = {name: [sample.calls / sample.cpu_share for sample in taken] for name, taken in samples.items()}
    rows.append(_against(f"{title}: calls a core, by CPU", "calls", by_cpu, target if not capacity else None))
    if capacity:
        carried = {name: [float(calls)] for name, calls in capacity.items()}
        rows.append(_against(f"{title}: calls a core, carried", "calls", carried, target))
    for side, place in ((0, "at PCMU"), (1, f"at {pair.name}")):
        rows.append(_against(f"{title}: PESQ {place}", "MOS", {name: [found[side]] for name, found in quality.items()}))
    return rows


def _against(case: str, unit: str, values: dict[str, Sequence[float]] | Any, target: Target | None = None) -> Row:
    if PEER in values:
        return compare(case, unit, values[OURS], PEER, values[PEER], target)
    return alone(case, unit, values[OURS], None)
