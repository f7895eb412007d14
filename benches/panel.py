"""What the panel costs: its pages with much to show, and what a busy panel does to SIP and media."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benches.machine import BenchError
from benches.phones import Phone
from benches.report import Outcome, Row, alone, at_most
from benches.servers.interface import DOMAIN
from benches.servers.sealtone_server import SealtoneServer

Say = Callable[[str], None]

PAGES = ("/", "/sip-users", "/calls", "/recordings", "/changes", "/domains", "/service")
BUSY_RATE = 50.0
REGISTER_RATE = 50.0
_WARM = 3.0


class PanelPlan(NamedTuple):
    """How much is there, and for how long each is measured."""

    work: Path
    users: int
    calls: int
    seconds: float


class PanelServer(SealtoneServer):
    """A server with its panel, and an owner who is signed in."""

    _options = ("--panel",)

    def __init__(self, data: Path, calls: int) -> None:
        super().__init__(data)
        self._calls = calls
        self.token = self.call = ""

    def _prepare(self, users: int) -> None:
        command = [sys.executable, "-m", "benches.servers.panel_data", "--data", str(self._data)]
        command += ["--users", str(users), "--calls", str(self._calls)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode:
            raise BenchError(f"the data folder could not be filled: {done.stderr[-600:]}")
        told = json.loads(done.stdout)
        self.token, self.call = told["token"], told["call"]


def run_panel(plan: PanelPlan, say: Say) -> Outcome:
    """Fills a folder, asks for every page, then registers phones beside an idle and beside a busy panel."""
    server = PanelServer(plan.work / "panel", plan.calls)
    rows: list[Row] = []
    try:
        say(f"panel: filling a folder with {plan.users} SIP users and {plan.calls} call records")
        server.start(plan.users, 0)
        user = server.users()[0].name
        paths = (*PAGES, f"/calls/{server.call}", f"/sip-users/{user}@{DOMAIN}", f"/calls?user={user}@{DOMAIN}")
        _wait_for_panel(server, paths)
        browse(server, _WARM, 0, paths)
        say("panel: pages")
        for path, taken in browse(server, plan.seconds * 2, 0, paths).items():
            shown = path.replace(server.call, "CALL").replace(f"{user}@{DOMAIN}", "USER")
            rows.append(alone(f"page {shown}, p95", "ms", [_quantile(taken, 0.95) * 1000], at_most(50.0)))
        say("panel: REGISTER and media beside an idle panel")
        idle, calm = beside(server, plan.seconds, ())
        say(f"panel: the same beside {BUSY_RATE:.0f} pages a second")
        busy, pressed = beside(server, plan.seconds, paths)
    finally:
        server.stop()
    ratio = _quantile(busy, 0.99) / _quantile(idle, 0.99)
    note = f"{_quantile(idle, 0.99) * 1000:.2f} ms idle, {_quantile(busy, 0.99) * 1000:.2f} ms busy"
    rows.append(alone("REGISTER p99 beside a busy panel", "× idle", [ratio], at_most(2.0), note))
    lost = pressed["lost"] - calm["lost"]
    rows.append(alone("media beside a busy panel: more packets lost", "packets", [float(lost)], at_most(0.0)))
    jitter = f"{calm['jitter_ms']:.2f} ms idle"
    rows.append(alone("media beside a busy panel: jitter", "ms", [pressed["jitter_ms"]], None, jitter))
    samples = {"idle": idle, "busy": busy, "media idle": calm, "media busy": pressed}
    return Outcome(rows, [], {"panel": {"users": plan.users, "calls": plan.calls, **samples}})


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
    """Registers phones evenly, each with challenge and credentials; seconds of each."""
    users, taken = server.users(), []
    begins = time.perf_counter()
    for number in range(int(seconds * REGISTER_RATE)):
        due = begins + number / REGISTER_RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        phone = Phone(users[number % (len(users) - 1)], "127.0.1.1", None)
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
