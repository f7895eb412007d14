"""Media benchmarks: CPU a packet, added latency, calls a core, overload, memory a call."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benches.machine import kernel_memory_bytes, private_bytes
from benches.media_load import MediaLoad, MediaSample, Slice
from benches.relays.forwarder import Forwarder
from benches.relays.interface import MIXED_SRTP, PLAIN, RelayUnderTest
from benches.relays.rtpengine import Rtpengine
from benches.relays.sealtone_engine import SealtoneEngine
from benches.report import Outcome, Row, Target, alone, at_least, at_most, compare

OURS, PEER, LIMIT = "sealtone", "rtpengine", "forwarder"
CAPACITY_P99_US = 20_000
CAPACITY_LOSS = 0.001
CAPACITY_STEP = 100
MOST_CALLS = 5_000
RECOVERY_LOSS = 0.001

Say = Callable[[str], None]


class MediaPlan(NamedTuple):
    """How much to measure; times in seconds."""

    binaries: Path
    work: Path
    relays: tuple[str, ...]
    # False: RTP on both legs; True: SRTP with different suites.
    kinds: tuple[bool, ...]
    rounds: int
    seconds: float
    sizes: tuple[int, ...]
    capacity_rounds: int
    capacity_seconds: float
    overload_rounds: int
    memory_rounds: int


def make_relay(name: str, plan: MediaPlan) -> RelayUnderTest:
    if name == OURS:
        return SealtoneEngine(plan.work / "sealtone-engine.log")
    if name == PEER:
        return Rtpengine()
    return Forwarder(plan.binaries / "forwarder", 0 if "no coalescing" in name else 500)


@contextlib.contextmanager
def loaded(name: str, plan: MediaPlan, encrypted: bool) -> Iterator[tuple[RelayUnderTest, MediaLoad]]:
    """A relay and its phones; both are ended afterwards."""
    relay = make_relay(name, plan)
    try:
        relay.start()
        load = MediaLoad(plan.binaries / "media-load", relay, MIXED_SRTP if encrypted else PLAIN)
        try:
            yield relay, load
        finally:
            load.close()
    finally:
        relay.stop()


def kind(encrypted: bool) -> str:
    return "SRTP↔SRTP" if encrypted else "RTP↔RTP"


Samples = dict[str, list[MediaSample]]


def measure_cpu(plan: MediaPlan, encrypted: bool, calls: int, say: Say) -> Samples:
    """In each round every relay stands alone with its calls, as on a machine of its own: sockets of the others would be
    in the kernel's way, and what is idle has timers and takes caches. The order rotates."""
    samples: Samples = {name: [] for name in plan.relays}
    for turn in range(plan.rounds):
        for position in range(len(plan.relays)):
            name = plan.relays[(turn + position) % len(plan.relays)]
            with loaded(name, plan, encrypted) as (_, load):
                sample = load.run(calls, plan.seconds)
            samples[name].append(sample)
            say(
                f"{kind(encrypted)} {calls} calls, round {turn + 1}, {name}: {sample.cpu_us_per_packet:.2f} µs"
                f" a packet, p99 {sample.p99_us:.0f} µs, loss {sample.loss:.3%}"
            )
    return samples


CPU_TARGETS: dict[tuple[bool, int, str], Target] = {
    (False, 300, PEER): at_most(0.45),
    (False, 1000, PEER): at_most(0.50),
    (True, 300, PEER): at_most(0.42),
    (True, 1000, PEER): at_most(0.50),
    (False, 300, LIMIT): at_most(1.15),
    (False, 1000, LIMIT): at_most(1.15),
    (True, 300, LIMIT): at_most(1.25),
    (True, 1000, LIMIT): at_most(1.25),
}


def cpu_rows(samples: Samples, encrypted: bool, calls: int) -> list[Row]:
    rows: list[Row] = []
    if OURS not in samples:
        return rows
    title = f"{kind(encrypted)} {calls} calls"
    ours = samples[OURS]
    valid = all(sample.loss < CAPACITY_LOSS for sample in ours)
    note = doubts([sample for taken in samples.values() for sample in taken])
    for peer in (PEER, LIMIT):
        if peer in samples:
            rows.append(
                compare(
                    f"{title}: CPU",
                    "µs/packet",
                    [sample.cpu_us_per_packet for sample in ours],
                    peer,
                    [sample.cpu_us_per_packet for sample in samples[peer]],
                    CPU_TARGETS.get((encrypted, calls, peer)),
                    note,
                    valid,
                )
            )
    # The promise of 1 ms stands with plain RTP; SRTP is shown beside it without one.
    target = None if encrypted else at_most(1000)
    rows.append(alone(f"{title}: added latency p99", "µs", [sample.p99_us for sample in ours], target, note, valid))
    return rows


def doubts(samples: Sequence[MediaSample]) -> str:
    """Why a figure should not be trusted, in a few words."""
    found = []
    if any(sample.disturbed for sample in samples):
        found.append("the machine was NOT QUIET")
    if any(sample.generator_limited for sample in samples):
        found.append("load came late")
    lost = max(sample.loss for sample in samples)
    if lost > CAPACITY_LOSS:
        found.append(f"up to {lost:.1%} of packets lost")
    if any(sample.refused for sample in samples):
        found.append("packets failed authentication")
    return ", ".join(found)


class Capacity(NamedTuple):
    calls: int
    # The generator could not offer more: the relay may carry more than this.
    generator_limited: bool


def carries(sample: MediaSample) -> bool:
    return sample.p99_us < CAPACITY_P99_US and sample.loss < CAPACITY_LOSS


class Stand:
    """A relay with its phones that can be replaced by a fresh one: some relays never recover from an overload."""

    def __init__(self, name: str, plan: MediaPlan, encrypted: bool) -> None:
        self._terms = (name, plan, encrypted)
        self._stack = contextlib.ExitStack()
        self._load: MediaLoad | None = None

    def run(self, calls: int, seconds: float) -> MediaSample:
        if self._load is None:
            self._load = self._stack.enter_context(loaded(*self._terms))[1]
        return self._load.run(calls, seconds)

    def renew(self) -> None:
        self._stack.close()
        self._load = None


def try_step(stand: Stand, calls: int, seconds: float, say: Say) -> MediaSample:
    """One step of the search; a failure is tried once more on a fresh relay, for it may be chance."""
    sample = stand.run(calls, seconds)
    for again in (True, False):
        say(f"  {calls} calls: p99 {sample.p99_us / 1000:.1f} ms, loss {sample.loss:.3%}, CPU {sample.cpu_share:.0%}")
        if carries(sample):
            break
        stand.renew()
        if again:
            sample = stand.run(calls, seconds)
    return sample


def find_capacity(stand: Stand, seconds: float, say: Say) -> Capacity:
    """The most calls, in steps of 100, with p99 < 20 ms and loss < 0.1 %.

    Calls are set up as the steps need them: an idle call would cost the relay something too.
    """
    share = max(stand.run(400, seconds).cpu_share, 0.05)
    calls = max(CAPACITY_STEP, min(int(400 / share * 0.9), MOST_CALLS) // CAPACITY_STEP * CAPACITY_STEP)
    best, failed_at = 0, MOST_CALLS + CAPACITY_STEP
    step = 4 * CAPACITY_STEP
    while best < calls < failed_at:
        sample = try_step(stand, calls, seconds, say)
        if sample.generator_limited:
            return Capacity(calls if carries(sample) else best, True)
        if carries(sample):
            best = calls
            calls = min(best + step, MOST_CALLS)
        else:
            failed_at = calls
            step = CAPACITY_STEP
            calls = best or calls - 3 * step
        if calls >= failed_at or calls == best:
            step = CAPACITY_STEP
            calls = best + step
    return Capacity(best, False)


def measure_capacity(plan: MediaPlan, encrypted: bool, say: Say) -> dict[str, list[Capacity]]:
    found: dict[str, list[Capacity]] = {name: [] for name in plan.relays if name in (OURS, PEER)}
    for turn in range(plan.capacity_rounds):
        for name in found:
            say(f"{kind(encrypted)} calls a core, round {turn + 1}, {name}")
            stand = Stand(name, plan, encrypted)
            try:
                found[name].append(find_capacity(stand, plan.capacity_seconds, say))
            finally:
                stand.renew()
    return found


def capacity_rows(found: dict[str, list[Capacity]], encrypted: bool) -> list[Row]:
    if not found.get(OURS) or not found.get(PEER):
        return []
    limited = any(capacity.generator_limited for capacity in found[OURS])
    return [
        compare(
            f"{kind(encrypted)}: calls a core",
            "calls",
            [capacity.calls for capacity in found[OURS]],
            PEER,
            [capacity.calls for capacity in found[PEER]],
            at_least(1.7 if encrypted else 1.6),
            "at least: the load generator was the limit" if limited else "",
        )
    ]


class Recovery(NamedTuple):
    """After 8 s of overload: loss from one second after its end on, and when loss was last seen."""

    offered: float
    loss_after_1_s: float
    recovered_after_s: float


def judge_recovery(slices: Sequence[Slice], before: int, during: int, wanted: float, at_factor: float) -> Recovery:
    """`before` and `during` are counts of slices of 100 ms; `wanted` packets were meant to be offered."""
    overload = slices[before : before + during]
    after = slices[before + during :]
    offered = sum(part.sent for part in overload) / wanted * at_factor
    late = after[10:]
    sent = sum(part.sent for part in late)
    loss = 1 - sum(part.received for part in late) / sent if sent else 1.0
    lossy = [index for index, part in enumerate(after) if part.received < part.sent * (1 - RECOVERY_LOSS)]
    return Recovery(offered, loss, (lossy[-1] + 1) / 10 if lossy else 0.0)


def measure_overload(plan: MediaPlan, encrypted: bool, capacity: dict[str, int], say: Say) -> dict[str, list[Recovery]]:
    """1 s of 70 % of what the relay carries, 8 s of 200 %, 4 s of 70 %."""
    found: dict[str, list[Recovery]] = {name: [] for name in capacity}
    for _ in range(plan.overload_rounds):
        for name, most in capacity.items():
            calls = max(10, int(most * 0.7))
            rate = 2 * most / calls
            with loaded(name, plan, encrypted) as (_, load):
                slices = load.run_phases(calls, [(1, 1), (8, rate), (4, 1)])
            wanted = calls * 2 * 50 * rate * 8
            recovery = judge_recovery(slices, 10, 80, wanted, 2.0)
            say(
                f"{kind(encrypted)} overload, {name}: offered {recovery.offered:.2f} times its capacity,"
                f" loss after 1 s {recovery.loss_after_1_s:.3%}"
            )
            found[name].append(recovery)
    return found


def overload_rows(found: dict[str, list[Recovery]], encrypted: bool) -> list[Row]:
    rows = []
    for name in (OURS, PEER):
        if found.get(name):
            offered = min(recovery.offered for recovery in found[name])
            rows.append(
                alone(
                    f"{kind(encrypted)}: loss 1 s after overload" + ("" if name == OURS else f" ({name})"),
                    "%",
                    [recovery.loss_after_1_s * 100 for recovery in found[name]],
                    at_most(0.1) if name == OURS else None,
                    f"overload offered {offered:.1f} times its capacity for 8 s",
                )
            )
    return rows


def run_media(plan: MediaPlan, say: Say) -> Outcome:
    rows: list[Row] = []
    lines: list[Sequence[str]] = []
    kept: dict[str, object] = {}
    for encrypted in plan.kinds:
        for calls in plan.sizes:
            samples = measure_cpu(plan, encrypted, calls, say)
            rows += cpu_rows(samples, encrypted, calls)
            for name, taken in samples.items():
                kept[f"{kind(encrypted)} {calls} {name}"] = [sample._asdict() for sample in taken]
                lines.append(sample_line(encrypted, calls, name, taken))
        if plan.capacity_rounds:
            capacities = measure_capacity(plan, encrypted, say)
            rows += capacity_rows(capacities, encrypted)
            kept[f"{kind(encrypted)} capacity"] = {n: [c._asdict() for c in found] for n, found in capacities.items()}
            most = {
                name: max(capacity.calls for capacity in found)
                for name, found in capacities.items()
                if name in (OURS, PEER) and any(capacity.calls for capacity in found)
            }
            overloads = measure_overload(plan, encrypted, most, say)
            rows += overload_rows(overloads, encrypted)
            kept[f"{kind(encrypted)} overload"] = {n: [r._asdict() for r in found] for n, found in overloads.items()}
    header = ("media", "calls", "relay", "CPU µs/packet", "core µs/packet", "p50 µs", "p99 µs", "p99.9 µs", "loss %")
    return Outcome(rows, [("Every relay (medians over the rounds)", header, lines)], kept)


def sample_line(encrypted: bool, calls: int, name: str, taken: Sequence[MediaSample]) -> Sequence[str]:
    def middle(value: Callable[[MediaSample], float]) -> float:
        return sorted(map(value, taken))[len(taken) // 2]

    return (
        kind(encrypted),
        str(calls),
        name,
        f"{middle(lambda s: s.cpu_us_per_packet):.2f}",
        f"{middle(lambda s: s.core_us_per_packet):.2f}",
        f"{middle(lambda s: s.p50_us):.0f}",
        f"{middle(lambda s: s.p99_us):.0f}",
        f"{middle(lambda s: s.p999_us):.0f}",
        f"{middle(lambda s: s.loss) * 100:.3f}",
    )


MEMORY_CALLS = 1_000


def memory_of(relay: RelayUnderTest) -> float:
    return kernel_memory_bytes() + sum(private_bytes(pid) for pid in relay.pids())


def measure_call_memory(name: str, plan: MediaPlan, encrypted: bool) -> float:
    """Octets a call: private memory of the relay and kernel memory, over 1,000 calls that carried media."""
    with loaded(name, plan, encrypted) as (relay, load):
        load.run(50, 0.5, 0.2)
        before = memory_of(relay)
        load.ensure_calls(50 + MEMORY_CALLS)
        load.run(50 + MEMORY_CALLS, 1.0, 0.2)
        time.sleep(0.5)
        return (memory_of(relay) - before) / MEMORY_CALLS


def run_media_memory(plan: MediaPlan, say: Say) -> Outcome:
    rows: list[Row] = []
    kept: dict[str, object] = {}
    names = [name for name in plan.relays if "no coalescing" not in name]
    for encrypted in plan.kinds:
        taken: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(plan.memory_rounds):
            for name in names:
                octets = measure_call_memory(name, plan, encrypted)
                taken[name].append(octets / 1024)
                say(f"{kind(encrypted)} memory a call, {name}: {octets / 1024:.1f} KiB")
        kept[f"{kind(encrypted)} memory KiB"] = taken
        for name in names:
            mine = name == OURS
            title = f"{kind(encrypted)}: memory a call" + ("" if mine else f" ({name})")
            note = "kernel included, 1,000 calls"
            rows.append(alone(title, "KiB", taken[name], at_most(16) if mine else None, note))
    return Outcome(rows, [], kept)
