"""Handshakes: CPU time, and time from the first Hello to secure, for each key agreement, beside libbzrtp."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, cast

from benches.machine import SERVER_CPU, BenchError, LineProcess
from benches.report import Outcome, Row, alone, at_most, compare, number
from benches.servers.sealtone_server import COMPILED

OURS, PEER = "sealtone", "libbzrtp"
SHARED = ("X255", "X448", "DH3k", "DH2k", "Mult")
# What libbzrtp has not.
ONLY_OURS = ("EC25", "EC38", "E414")
CPU_TARGET = at_most(1.2)
TESTS = Path(__file__).resolve().parents[2] / "tests"

Say = Callable[[str], None]


class HandshakePlan(NamedTuple):
    """`seconds`: of one implementation's turn in a round."""

    work: Path
    rounds: int
    seconds: float


class HandshakeSample(NamedTuple):
    """One turn. `cpu_ms`: of both sides together; `secure_ms`: the median, `secure_p99_ms` its 99th percentile."""

    handshakes: int
    cpu_ms: float
    secure_ms: float
    secure_p99_ms: float
    datagrams: float
    commits: float


def sample_of(answer: dict[str, object]) -> HandshakeSample:
    """From what `process` answers; raises BenchError for an error."""
    if "error" in answer:
        raise BenchError(f"ZRTP handshakes: {answer['error']}")
    count = cast(int, answer["handshakes"])
    times = sorted(each / 1000 for each in cast(list[float], answer["secure_us"]))
    return HandshakeSample(
        handshakes=count,
        cpu_ms=cast(float, answer["cpu_us"]) / 1000 / count,
        secure_ms=statistics.median(times),
        secure_p99_ms=times[min(len(times) - 1, len(times) * 99 // 100)],
        datagrams=cast(int, answer["datagrams"]) / count,
        commits=cast(int, answer["commits"]) / count,
    )


Samples = dict[tuple[str, str], list[HandshakeSample]]
"""By key agreement and implementation."""


def measure_handshakes(plan: HandshakePlan, say: Say) -> Samples:
    samples: Samples = {}
    with ExitStack() as stack:
        children = {name: stack.enter_context(closing(_child(name, plan))) for name in (OURS, PEER)}
        for child in children.values():
            child.answer()
        for turn in range(plan.rounds):
            for agreement in SHARED + ONLY_OURS:
                names = (OURS, PEER) if agreement in SHARED else (OURS,)
                for name in names if turn % 2 == 0 else names[::-1]:
                    children[name].send([f'{{"key_agreement": "{agreement}", "seconds": {plan.seconds}}}'])
                    sample = sample_of(children[name].answer())
                    samples.setdefault((agreement, name), []).append(sample)
                    say(
                        f"ZRTP {agreement}, round {turn + 1}, {name}: {sample.cpu_ms:.3f} ms CPU,"
                        f" secure after {sample.secure_ms:.3f} ms"
                    )
    return samples


def _child(name: str, plan: HandshakePlan) -> LineProcess:
    # Ours is compiled, as `make run` runs it, where it has been; libbzrtp is called as the tests call it.
    command = ["env", f"PYTHONPATH={os.pathsep.join((str(COMPILED), os.environ['PYTHONPATH'], str(TESTS)))}"]
    command += [sys.executable, "-m", "benches.zrtp.process", name]
    return LineProcess(command, SERVER_CPU, plan.work / f"zrtp-{name}.log")


def handshake_rows(samples: Samples) -> list[Row]:
    rows = []
    for agreement in SHARED + ONLY_OURS:
        ours, peer = samples[agreement, OURS], samples.get((agreement, PEER))
        for title, value, target in (
            ("CPU a handshake", lambda each: each.cpu_ms, CPU_TARGET),
            ("first Hello to secure", lambda each: each.secure_ms, None),
        ):
            case, mine = f"ZRTP {agreement}: {title}", [value(each) for each in ours]
            if peer is None:
                rows.append(alone(case, "ms", mine, None))
            else:
                rows.append(compare(case, "ms", mine, PEER, [value(each) for each in peer], target))
    return rows


def run_handshakes(plan: HandshakePlan, say: Say) -> Outcome:
    samples = measure_handshakes(plan, say)
    header = ("key agreement", "of", "handshakes/s a core", "CPU ms", "secure ms", "p99 ms", "datagrams", "Commits")
    lines = [_line(agreement, name, taken) for (agreement, name), taken in samples.items()]
    kept = {
        f"ZRTP {agreement} {name}": [each._asdict() for each in taken] for (agreement, name), taken in samples.items()
    }
    return Outcome(handshake_rows(samples), [("ZRTP handshakes (medians over the rounds)", header, lines)], kept)


def _line(agreement: str, name: str, taken: Sequence[HandshakeSample]) -> Sequence[str]:
    def middle(value: Callable[[HandshakeSample], float]) -> float:
        return statistics.median(map(value, taken))

    cpu_ms = middle(lambda each: each.cpu_ms)
    rest = (
        middle(lambda each: each.secure_ms),
        middle(lambda each: each.secure_p99_ms),
        middle(lambda each: each.datagrams),
        middle(lambda each: each.commits),
    )
    return (agreement, name, f"{1000 / cpu_ms:,.0f}", *map(number, (cpu_ms, *rest)))
