"""Signalling benchmarks: CPU a call and a registration against Kamailio and sippy, calls lost at 500 a second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benches.machine import asleep, free_port
from benches.report import Outcome, Row, Target, alone, at_most, compare
from benches.servers.interface import SipServer
from benches.servers.peers import Kamailio, Sippy
from benches.servers.sealtone_server import SealtoneServer
from benches.sip_load import CallSample, RegistrationSample, SipLoad

OURS, PROXY, B2BUA = "sealtone", "kamailio", "sippy"
# Against Kamailio, and for "no call lost".
FAST_RATE = 500.0
# Beside sippy, with which a core is full before that: see `fullest_rate`.
SLOWER_RATES = (100.0, 200.0, 300.0)
# Of a core: from here on a server is full, and its CPU a call is what it was given, whatever a call costs it.
FULL = 0.97

Say = Callable[[str], None]


class SignallingPlan(NamedTuple):
    binaries: Path
    work: Path
    servers: tuple[str, ...]
    rounds: int
    seconds: float
    registration_seconds: float


def make_server(name: str, work: Path) -> SipServer:
    if name == OURS:
        return SealtoneServer(work / "sealtone-data")
    return Kamailio() if name == PROXY else Sippy()


@contextlib.contextmanager
def phones_of(name: str, plan: SignallingPlan) -> Iterator[SipLoad]:
    """A server and its phones, registered where it registers; both are ended afterwards."""
    server = make_server(name, plan.work)
    try:
        load = SipLoad(plan.binaries / "sip-load", server, free_port())
        try:
            yield load
        finally:
            load.close()
    finally:
        server.stop()


# The runs of each server at one rate.
Runs = dict[str, list[CallSample]]


class Signalling(NamedTuple):
    calls: dict[float, Runs]
    registrations: dict[str, list[RegistrationSample]]


def measure(plan: SignallingPlan, say: Say) -> Signalling:
    """All servers stand side by side and are loaded in turn while the others are stopped; the order rotates."""
    found = Signalling({rate: {} for rate in (FAST_RATE, *SLOWER_RATES)}, {})
    with contextlib.ExitStack() as stack:
        loads = {name: stack.enter_context(phones_of(name, plan)) for name in plan.servers}
        for turn in range(plan.rounds):
            for position in range(len(loads)):
                name = plan.servers[(turn + position) % len(loads)]
                say(f"signalling, round {turn + 1}, {name}")
                others = [pid for other, load in loads.items() if other != name for pid in load.pids()]
                with asleep(others):
                    measure_one(name, loads[name], plan, found, say)
    return found


def measure_one(name: str, load: SipLoad, plan: SignallingPlan, found: Signalling, say: Say) -> None:
    for rate in (FAST_RATE,) if name == PROXY else (*SLOWER_RATES, FAST_RATE):
        sample = load.calls(rate, plan.seconds)
        found.calls[rate].setdefault(name, []).append(sample)
        say(
            f"  {rate:.0f} calls/s: {sample.cpu_ms_per_call:.3f} ms a call, {sample.failed} of {sample.started} failed"
            f" {sample.refused or ''}, ringing p99 {sample.ringing_p99_ms:.1f} ms"
        )
    if name != B2BUA:
        registration = load.registrations(plan.registration_seconds)
        found.registrations.setdefault(name, []).append(registration)
        say(f"  {registration.per_s:.0f} registrations/s, {registration.cpu_ms_each:.3f} ms each")


def is_full(taken: Sequence[CallSample]) -> bool:
    """Whether a server had no CPU to spare in some round."""
    return any(sample.cpu_share >= FULL for sample in taken)


def fullest_rate(found: Signalling) -> float:
    """The highest rate at which sippy completed every call and its core was not full: there its target is held."""
    carried = [
        rate
        for rate, runs in found.calls.items()
        if (taken := runs.get(B2BUA)) and not is_full(taken) and not any(sample.failed for sample in taken)
    ]
    return max(carried, default=SLOWER_RATES[0])


def rows_of(found: Signalling) -> list[Row]:
    fast = found.calls[FAST_RATE].get(OURS)
    if fast is None:
        return []
    rows: list[Row] = []

    def per_call(rate: float, peer: str, target: Target | None, note: str) -> None:
        runs = found.calls[rate]
        if peer in runs:
            failed = sum(sample.failed for name in (OURS, peer) for sample in runs[name])
            note += f"; {failed} calls FAILED" if failed else ""
            repeated = sum(sample.retransmissions for sample in runs[peer])
            note += f"; {repeated} messages repeated around {peer}" if repeated else ""
            note += f"; {peer} is full: its core shared by the calls" if is_full(runs[peer]) else ""
            ours = [sample.cpu_ms_per_call for sample in runs[OURS]]
            theirs = [sample.cpu_ms_per_call for sample in runs[peer]]
            completed = not any(sample.failed for sample in runs[OURS])
            rows.append(compare(f"call, {rate:.0f} a second", "ms CPU", ours, peer, theirs, target, note, completed))

    per_call(FAST_RATE, PROXY, at_most(2.0), "Kamailio: a proxy, digest, no call record")
    fullest = fullest_rate(found)
    for rate in (FAST_RATE, *reversed(SLOWER_RATES)):
        target = at_most(0.25) if rate == fullest else None
        per_call(rate, B2BUA, target, "sippy: B2BUA, no digest, no call record")
    registered = found.registrations
    rows.append(alone("calls not completed at 500 a second", "calls", [s.failed for s in fast], at_most(0)))
    rows.append(alone("INVITE to 180, p99, 500 a second", "ms", [s.ringing_p99_ms for s in fast], None, "with 407"))
    if PROXY in registered:
        ours, theirs = registered[OURS], registered[PROXY]
        per_s = ([s.per_s for s in ours], [s.per_s for s in theirs])
        each = ([s.cpu_ms_each for s in ours], [s.cpu_ms_each for s in theirs])
        note = "ours commits to the database before the 200"
        rows.append(compare("registrations a second, digest", "1/s", per_s[0], PROXY, per_s[1], None, note))
        rows.append(compare("registration, digest", "ms CPU", each[0], PROXY, each[1], None))
    return rows


def line_of(name: str, taken: Sequence[CallSample]) -> Sequence[str]:
    def middle(value: Callable[[CallSample], float]) -> float:
        return sorted(map(value, taken))[len(taken) // 2]

    return (
        name,
        f"{taken[0].rate:.0f}",
        f"{middle(lambda s: s.cpu_ms_per_call):.3f}",
        str(sum(s.started for s in taken)),
        str(sum(s.failed for s in taken)),
        str(sum(s.retransmissions for s in taken)),
        f"{middle(lambda s: s.ringing_p50_ms):.2f}",
        f"{middle(lambda s: s.ringing_p99_ms):.2f}",
    )


def run_signalling(plan: SignallingPlan, say: Say) -> Outcome:
    found = measure(plan, say)
    lines = [line_of(name, taken) for runs in found.calls.values() for name, taken in runs.items()]
    header = ("server", "calls/s", "CPU ms/call", "started", "failed", "retransmitted", "180 p50 ms", "180 p99 ms")
    samples: dict[str, object] = {}
    for rate, runs in found.calls.items():
        samples |= {f"{rate:.0f} calls, {name}": [s._asdict() for s in taken] for name, taken in runs.items()}
    samples |= {f"registrations, {name}": [s._asdict() for s in taken] for name, taken in found.registrations.items()}
    return Outcome(rows_of(found), [("Every server (medians over the rounds)", header, lines)], samples)
