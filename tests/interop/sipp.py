"""SIPp (Debian 3.6.1) with our own scenarios, UDP and TCP, one call a run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from interop.processes import LOOPBACK, Program, free_ports

SCENARIOS = Path(__file__).parent / "scenarios"


class Sipp:
    """Runs of scenarios from one local port. `fields` are [field0], [field1], … of a scenario."""

    def __init__(self, folder: Path, server: tuple[str, int], transport: str = "udp") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._server, self._transport = folder, server, transport
        self.port = free_ports(4)
        self._runs = 0
        self._running: list[Program] = []

    def start(self, scenario: str, *fields: str, timeout_s: int = 20) -> Program:
        """Begin a scenario in the background; `finish` waits for it."""
        self._runs += 1
        name = f"{scenario}-{self._runs}"
        values = self._folder / f"{name}.csv"
        with values.open("w", newline="") as out:
            out.write("SEQUENTIAL\n")
            csv.writer(out, delimiter=";", lineterminator="\n").writerow(fields or ("none",))
        command = [
            "sipp", f"{self._server[0]}:{self._server[1]}", "-sf", str(SCENARIOS / f"{scenario}.xml"),
            "-inf", str(values), "-i", LOOPBACK, "-p", str(self.port), "-m", "1", "-l", "1", "-nostdin",
            "-mi", LOOPBACK, "-mp", str(self.port + 2), "-timeout", f"{timeout_s}s", "-timeout_error",
            "-trace_err", "-error_file", str(self._folder / f"{name}.err"),
            "-trace_msg", "-message_file", str(self._folder / f"{name}.msg"),
            "-t", "u1" if self._transport == "udp" else "t1",
        ]  # fmt: skip
        program = Program(name, command, self._folder)
        self._running.append(program)
        return program

    def finish(self, program: Program, timeout_s: float = 25.0) -> None:
        """Wait until the scenario went as written; else fail with what was exchanged."""
        status = program.wait(timeout_s)
        assert status == 0, f"SIPp's scenario {program.name} failed with {status}\n{self.evidence(program)}"

    def run(self, scenario: str, *fields: str, timeout_s: int = 20) -> None:
        self.finish(self.start(scenario, *fields, timeout_s=timeout_s), timeout_s + 5)

    def evidence(self, program: Program) -> str:
        texts = []
        for ending in ("err", "msg"):
            path = self._folder / f"{program.name}.{ending}"
            if path.exists():
                texts.append(f"--- {path.name} ---\n{path.read_text(errors='replace')[-5000:]}")
        return "\n".join(texts) or program.tail()

    def messages(self, program: Program) -> str:
        """What was sent and received, as text."""
        path = self._folder / f"{program.name}.msg"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        for program in self._running:
            program.stop()


def is_installed() -> bool:
    return shutil.which("sipp") is not None
