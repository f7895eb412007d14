"""What the panel costs: its pages with much to show, and what a busy panel does to SIP and media."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benches.machine import SERVER_CPU, BenchError, pinned
from benches.phones import Phone
from benches.report import Outcome, Row, alone, at_most
from benches.servers.interface import DOMAIN
from benches.servers.postgres import running_postgres, url_of
from benches.servers.sealtone_server import SealtoneServer

Say = Callable[[str], None]

PAGES = ("/", "/sip-users", "/calls", "/recordings", "/changes", "/domains", "/service")
BUSY_RATE = 50.0
REGISTER_RATE = 50.0
_WARM = 3.0


class PanelPlan(NamedTuple):
    """How much is there, and for how long each is measured: pages for `seconds`, then rounds of as much together."""

    work: Path
    users: int
    calls: int
    seconds: float
    rounds: int = 3


class PanelServer(SealtoneServer):
    """A server with its panel, and an owner who is signed in."""

    _options = ("--panel",)

    def __init__(self, data: Path, calls: int, location: str = "") -> None:
        """`location`: the URL of an empty PostgreSQL database, if that is to be the place of all this."""
        super().__init__(data)
        self._calls = calls
        self._location = location
        self.token = self.call = ""
        self.registered = 0
        """Phones so far."""

    def _prepare(self, users: int) -> None:
        command = [sys.executable, "-m", "benches.servers.panel_data", "--data", str(self._data)]
        command += ["--users", str(users), "--calls", str(self._calls)]
        environment = {**os.environ, **self._environment()}
        done = subprocess.run(
            pinned(SERVER_CPU, command), capture_output=True, text=True, check=False, timeout=900, env=environment
        )
        if done.returncode:
            raise BenchError(f"the data folder could not be filled: {done.stderr[-600:]}")
        told = json.loads(done.stdout)
        self.token, self.call = told["token"], told["call"]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | ({"SEALTONE_DATABASE": self._location} if self._location else {})


def run_panel(plan: PanelPlan, say: Say) -> Outcome:
    """Fills a folder, asks for every page, then registers phones beside an idle and beside a busy panel."""
    return _run(PanelServer(plan.work / "panel", plan.calls), plan, say, "")


def run_panel_on_postgres(plan: PanelPlan, say: Say) -> Outcome:
    """The same with a PostgreSQL server, which is not on the core of what is measured."""
    with running_postgres() as location:
        server = PanelServer(plan.work / "panel-postgres", plan.calls, url_of(location))
        return _run(server, plan, say, "PostgreSQL: ")


def _run(server: PanelServer, plan: PanelPlan, say: Say, where: str) -> Outcome:
    try:
        say(f"panel: {where}filling with {plan.users} SIP users and {plan.calls} call records")
        server.start(plan.users, 0)
        return measure(server, plan, say, where)
    finally:
        server.stop()


def measure(server: PanelServer, plan: PanelPlan, say: Say, where: str = "") -> Outcome:
    """What a running server's panel costs. `where` begins the name of each row."""
    user = server.users()[0].name
    paths = (*PAGES, f"/calls/{server.call}", f"/sip-users/{user}@{DOMAIN}", f"/calls?user={user}@{DOMAIN}")
    _wait_for_panel(server, paths)
    browse(server, _WARM, 0, paths)
    say("panel: pages")
    rows: list[Row] = []
    pages = browse(server, plan.seconds, 0, paths)
    for path, taken in pages.items():
        shown = path.replace(server.call, "CALL").replace(f"{user}@{DOMAIN}", "USER")
        note = f"median {statistics.median(taken) * 1000:.1f} ms of {len(taken)}"
        rows.append(alone(f"{where}page {shown}, p95", "ms", [_quantile(taken, 0.95) * 1000], at_most(50.0), note))
    idle, busy = Beside([], []), Beside([], [])
    for turn in range(plan.rounds):
        say(f"panel: REGISTER and media without pages, then beside {BUSY_RATE:.0f} a second: round {turn + 1}")
        for kept, asked in ((idle, ()), (busy, paths)):
            kept.add(*beside(server, plan.seconds / plan.rounds, asked))
    ratio = _quantile(busy.registers, 0.99) / _quantile(idle.registers, 0.99)
    note = f"{idle.shown()} idle, {busy.shown()} busy, of {len(busy.registers)} each"
    rows.append(alone(f"{where}REGISTER p99 beside a busy panel", "× idle", [ratio], at_most(2.0), note))
    lost = busy.lost() - idle.lost()
    rows.append(alone(f"{where}media beside a busy panel: more packets lost", "packets", [lost], at_most(0.0)))
    jitter = f"{statistics.median(idle.jitter()):.2f} ms idle"
    rows.append(alone(f"{where}media beside a busy panel: jitter", "ms", busy.jitter(), None, jitter))
    samples = {"pages": pages, "idle": idle._asdict(), "busy": busy._asdict()}
    return Outcome(rows, [], {f"{where}panel": {"users": plan.users, "calls": plan.calls, **samples}})


class Beside(NamedTuple):
    """What was measured beside a panel: seconds of each REGISTER, and of each round how an echo call went."""

    registers: list[float]
    calls: list[dict[str, float]]

    def add(self, registers: list[float], call: dict[str, float]) -> None:
        self.registers.extend(registers)
        self.calls.append(call)

    def lost(self) -> float:
        """Packets."""
        return float(sum(call["lost"] for call in self.calls))

    def jitter(self) -> list[float]:
        """Milliseconds."""
        return [call["jitter_ms"] for call in self.calls]

    def shown(self) -> str:
        return f"{_quantile(self.registers, 0.99) * 1000:.2f} ms"


def beside(server: PanelServer, seconds: float, paths: Sequence[str]) -> tuple[list[float], dict[str, float]]:
    """Seconds that REGISTERs took, and how an echo call went, while pages are asked for, if any."""
    users = server.users()
    call = [sys.executable, "-m", "benches.panel_call", str(server.address()[1]), DOMAIN]
    calling = subprocess.Popen([*call, users[-1].name, users[-1].secret, str(seconds)], stdout=subprocess.PIPE)
    pages = None
    if paths:
        pages = subprocess.Popen(_load(server, seconds + 1, BUSY_RATE, paths), stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        taken = register(server, seconds)
        told, _ = calling.communicate(timeout=seconds + 30)
        if pages is not None and pages.wait(seconds + 30):
            raise BenchError("the panel did not answer all of the pages that it was asked for")
    finally:
        for process in (calling, pages):
            if process is not None and process.poll() is None:
                process.kill()
    if calling.returncode:
        raise BenchError("the echo call failed")
    return taken, json.loads(told)


def register(server: PanelServer, seconds: float) -> list[float]:
    """Registers phones evenly, each with challenge and credentials; seconds of each. Every time others, as far as there
    are any: a user's phones are limited."""
    users, taken = server.users(), []
    first, server.registered = server.registered, server.registered + int(seconds * REGISTER_RATE)
    begins = time.perf_counter()
    for number in range(int(seconds * REGISTER_RATE)):
        due = begins + number / REGISTER_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        phone = Phone(users[(first + number) % (len(users) - 1)], "127.0.1.1", None)
        try:
            phone.connect(server.address())
            began = time.perf_counter()
            phone.register()
            taken.append(time.perf_counter() - began)
        finally:
            phone.close()
    return taken


def browse(server: PanelServer, seconds: float, rate: float, paths: Sequence[str]) -> dict[str, list[float]]:
    """Seconds by path."""
    done = subprocess.run(
        _load(server, seconds, rate, paths), capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode:
        raise BenchError(f"the panel was asked for its pages: {done.stderr[-400:]}")
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def _load(server: PanelServer, seconds: float, rate: float, paths: Sequence[str]) -> list[str]:
    port = str(server.tls_address()[1])
    return [sys.executable, "-m", "benches.panel_load", port, server.token, str(seconds), str(rate), *paths]


def _wait_for_panel(server: PanelServer, paths: Sequence[str]) -> None:
    for _ in range(30):
        try:
            browse(server, 0.5, 0, paths[:1])
        except BenchError:
            time.sleep(1.0)
        else:
            return
    raise BenchError("the panel does not answer")


def _quantile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]
