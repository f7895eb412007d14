"""The SIP load generator, and measured runs of it against a server."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

from benches.machine import LOAD_CPU, BenchError, CpuMeter, LineProcess
from benches.servers.interface import DOMAIN, SipServer

RING_MS = 50
HOLD_MS = 250
USERS = 200


class CallSample(NamedTuple):
    """Calls at a steady rate; times in ms, CPU in ms of one core a call."""

    rate: float
    started: int
    completed: int
    lost: int
    refused: dict[str, int]
    retransmissions: int
    cpu_ms_per_call: float
    cpu_share: float
    ringing_p50_ms: float
    ringing_p99_ms: float

    @property
    def failed(self) -> int:
        """Calls that did not go from INVITE to the 200 of BYE, for whatever reason."""
        return self.started - self.completed


class RegistrationSample(NamedTuple):
    """Registrations as fast as they go; each is REGISTER, 401, REGISTER, 200."""

    per_s: float
    lost: int
    refused: dict[str, int]
    cpu_ms_each: float
    cpu_share: float
    p99_ms: float


class SipLoad:
    """The phones of one server. The server is started by this, because it may have to know the callees' port."""

    def __init__(self, binary: Path, server: SipServer, callee_port: int, algorithm: str = "MD5") -> None:
        self._server = server
        self._started: LineProcess | None = None
        server.start(USERS, callee_port)
        host, port = server.address()
        command = [str(binary), "--server", f"{host}:{port}", "--domain", DOMAIN]
        command += ["--callee-port", str(callee_port), "--algorithm", algorithm]
        self._child = LineProcess(command, LOAD_CPU)
        self._child.answer()
        self._child.send(f"user {user.name} {user.secret}" for user in server.users())
        if server.registrar:
            self._register_everyone()

    def _register_everyone(self) -> None:
        """Tries three times: a server that has only just started may be slow at first."""
        for _ in range(3):
            self._child.send(["register 20"])
            result = self._expect("result")
            if result["done"] == len(self._server.users()):
                return
        raise BenchError(f"{self._server.name} did not register every phone: {result!r}")

    def pids(self) -> tuple[int, ...]:
        """The server's processes."""
        return self._server.pids()

    def calls(self, rate: float, seconds: float, warm_up_s: float = 1.5) -> CallSample:
        self._child.send([f"calls {rate:g} {warm_up_s * 1000:.0f} {seconds * 1000:.0f} {RING_MS} {HOLD_MS}"])
        result, process = self._measured()
        started, completed = _whole(result["started"]), _whole(result["completed"])
        ringing = cast(dict[str, float], result["ringing"])
        per_s = started / cast(float, result["elapsed_s"])
        return CallSample(
            rate=rate,
            started=started,
            completed=completed,
            lost=_whole(result["lost"]),
            refused=cast(dict[str, int], result["refused"]),
            retransmissions=_whole(result["retransmissions"]) + _whole(result["callee_retransmissions"]),
            cpu_ms_per_call=process / per_s * 1000,
            cpu_share=process,
            ringing_p50_ms=ringing["p50_us"] / 1000,
            ringing_p99_ms=ringing["p99_us"] / 1000,
        )

    def registrations(self, seconds: float, concurrency: int = 64, warm_up_s: float = 0.5) -> RegistrationSample:
        self._child.send([f"registrations {concurrency} {warm_up_s * 1000:.0f} {seconds * 1000:.0f}"])
        result, process = self._measured()
        per_s = cast(float, result["done"]) / cast(float, result["elapsed_s"])
        return RegistrationSample(
            per_s=per_s,
            lost=_whole(result["lost"]),
            refused=cast(dict[str, int], result["refused"]),
            cpu_ms_each=process / per_s * 1000 if per_s else 0.0,
            cpu_share=process,
            p99_ms=cast(dict[str, float], result["latency"])["p99_us"] / 1000,
        )

    def _measured(self) -> tuple[dict[str, object], float]:
        """The result of a run, and the share of a core that the server used meanwhile."""
        meter = CpuMeter(self._server.pids())
        self._expect("measuring")
        meter.start()
        self._expect("measured")
        used = meter.stop()
        return self._expect("result"), used.process

    def _expect(self, event: str) -> dict[str, object]:
        answer = self._child.answer(60.0)
        if answer["event"] != event:
            raise BenchError(f"the SIP load generator said {answer!r}, not {event}")
        return answer

    def close(self) -> None:
        self._child.close()


def _whole(value: object) -> int:
    return int(cast(float, value))
