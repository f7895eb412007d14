"""The media load generator, and one measured run of it against a relay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from benches.machine import LOAD_CPU, BenchError, CpuMeter, LineProcess, thread_cpu_ns
from benches.relays.interface import CallMedia, LegMedia, Protection, RelayUnderTest, plan_calls

CHUNK = 200


class MediaSample(NamedTuple):
    """One run. Latencies in µs are what the relay adds; shares are 0..1 of what was sent."""

    calls: int
    packets_per_s: float
    cpu_us_per_packet: float
    core_us_per_packet: float
    cpu_share: float
    core_share: float
    p50_us: float
    p99_us: float
    p999_us: float
    loss: float
    late: float
    refused: int

    @property
    def generator_limited(self) -> bool:
        """The load came more than 5 ms late, by more than 1 % of packets: not the relay's fault."""
        return self.late > 0.01

    @property
    def disturbed(self) -> bool:
        """Something else used more than a tenth of the core: batching and latency are not what they would be."""
        return self.core_share - self.cpu_share > 0.1


class Slice(NamedTuple):
    """What was sent in one slice of 100 ms, and how much of it arrived at all."""

    sent: int
    received: int


class MediaLoad:
    """The phones of the calls through one relay."""

    def __init__(self, binary: Path, relay: RelayUnderTest, protection: Protection) -> None:
        self._relay = relay
        self._protection = protection
        self._calls = 0
        self._child = LineProcess([str(binary)], LOAD_CPU)
        port_a, port_b = cast(list[int], self._child.answer()["ports"])
        self._ports = (port_a, port_b)

    def ensure_calls(self, count: int) -> None:
        """Sets up calls until there are `count`."""
        while self._calls < count:
            step = min(CHUNK, count - self._calls)
            media = self._relay.add_calls(plan_calls(self._ports, self._calls, step, self._protection))
            self._child.send(_leg_line(leg) for call in media for leg in call)
            self._calls += step

    def run(self, calls: int, seconds: float, warm_up_s: float = 0.7) -> MediaSample:
        """Loads `calls` calls at 50 packets a second a phone."""
        self.ensure_calls(calls)
        milliseconds = round(seconds * 10) * 100
        meter = CpuMeter(self._relay.pids())
        self._child.send([f"run {calls} {round(warm_up_s * 1000)} {milliseconds}:1"])
        self._expect("measuring")
        meter.start()
        self._expect("measured")
        used = meter.stop()
        result = self._expect("result")
        if not all(thread_cpu_ns(pid) for pid in self._relay.pids()):
            raise BenchError(f"{self._relay.name} ended while it was under load")
        return _sample(calls, result, used.process, used.core)

    def run_phases(self, calls: int, phases: Sequence[tuple[float, float]]) -> list[Slice]:
        """Runs `phases` of (seconds, rate) without a pause; the fate of each slice of 100 ms."""
        self.ensure_calls(calls)
        words = ",".join(f"{round(seconds * 10) * 100}:{rate:g}" for seconds, rate in phases)
        self._child.send([f"run {calls} 500 {words}"])
        for event in ("measuring", "measured"):
            self._expect(event)
        result = self._expect("result")
        sent = cast(list[int], result["sent_by_bucket"])
        received = cast(list[int], result["received_by_bucket"])
        return [Slice(*pair) for pair in zip(sent, received, strict=True)]

    def _expect(self, event: str) -> dict[str, object]:
        answer = self._child.answer(60.0)
        if answer["event"] != event:
            raise BenchError(f"the load generator said {answer!r}, not {event}")
        return answer

    def close(self) -> None:
        self._child.close()


def _leg_line(leg: LegMedia) -> str:
    words = [f"leg {leg.relay_port}"]
    if leg.phone_key and leg.relay_key:
        words.append(leg.phone_key.suite)
        words += [f"{key.key.hex()} {key.salt.hex()}" for key in (leg.phone_key, leg.relay_key)]
    return " ".join(words)


def _sample(calls: int, result: dict[str, object], process: float, core: float) -> MediaSample:
    phase = cast(list[dict[str, object]], result["phases"])[0]
    latency = cast(dict[str, float], phase["latency"])
    elapsed, sent = cast(float, result["elapsed_s"]), cast(float, result["sent"])
    received, due = cast(float, result["received"]), cast(float, phase["due"])
    per_second = received / elapsed
    return MediaSample(
        calls=calls,
        packets_per_s=per_second,
        cpu_us_per_packet=process / per_second * 1e6 if per_second else 0.0,
        core_us_per_packet=core / per_second * 1e6 if per_second else 0.0,
        cpu_share=process,
        core_share=core,
        p50_us=latency["p50_us"],
        p99_us=latency["p99_us"],
        p999_us=latency["p999_us"],
        loss=1 - received / sent if sent else 1.0,
        late=cast(float, phase["late"]) / due if due else 1.0,
        refused=int(cast(float, result["refused"])),
    )


__all__ = ["CallMedia", "MediaLoad", "MediaSample", "Slice"]
