"""The server of the demonstration: one that runs already, or one of its own in a temporary folder."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from sealtone import admin
from sealtone.config import configured_database
from sealtone.demo.scenes import USERS, ServerAccess
from sealtone.net import ControlError
from sealtone.net.control import ask
from sealtone.store import Database, Transaction

Result = TypeVar("Result")
_DATABASE: Final = "SEALTONE_DATABASE"
_LOOPBACK: Final = "127.0.0.1"
_START_S: Final = 30.0
_MEDIA_PORTS: Final = 400  # more than the server keeps bound in advance


class NoServer(Exception):
    """The demonstration has no server to talk to; the text says why."""


def cli(*arguments: str) -> Any:
    """What a command of ours prints with --json. Raises `NoServer` with its words when it fails."""
    command = [sys.executable, "-m", "sealtone.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise NoServer(done.stderr.strip() or f"{' '.join(arguments)} ended with {done.returncode}")
    return json.loads(done.stdout)


@contextlib.contextmanager
def own_server() -> Iterator[tuple[ServerAccess, Path]]:
    """A fresh server on free ports of the loopback; gone without a trace at the end. Gives its data folder too."""
    with tempfile.TemporaryDirectory(prefix="sealtone-demo-") as name, _no_database_of_another():
        data = Path(name)
        sip = _free_ports(2)
        # Ports of other programs among these are passed over by the server.
        media = random.randrange(61000, 65534 - _MEDIA_PORTS, 2)  # noqa: S311 - spreads ports, guards nothing
        command = [
            sys.executable, "-m", "sealtone.cli", "serve", "--data", name, "--listen", _LOOPBACK,
            "--sip-port", str(sip), "--tls-port", str(sip + 1), "--shared-tls-port", "0",
            "--media-ports", f"{media}-{media + _MEDIA_PORTS - 1}", "--workers", "1",
            "--domain", "demo.example", "--no-panel", "--http-port", "0", "--json",
        ]  # fmt: skip
        log = data / "server.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        try:
            ready = _first_json(process, log)
            with _users(data, ready["domains"][0]) as users:
                ca_file = Path(ready["certificate"])
                yield ServerAccess(ready["domains"][0], _LOOPBACK, sip, sip + 1, ca_file, users), data
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _no_database_of_another() -> Iterator[None]:
    """Meanwhile this process and its children have no other database than that of a data folder."""
    before = os.environ.get(_DATABASE)
    os.environ[_DATABASE] = ""
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DATABASE]
        else:
            os.environ[_DATABASE] = before


@contextlib.contextmanager
def running_server(data: Path) -> Iterator[tuple[ServerAccess, Path]]:
    """The server that runs on `data`, with users that exist for the demonstration only."""
    state = cli("status", "--data", str(data))
    places = {place["transport"]: (place["host"], place["port"]) for place in reversed(state["listening"])}
    domain = cli("domain", "list", "--data", str(data))[0]["name"]
    ca_file = data / "authority" / "ca.pem"
    host = places["udp"][0]
    host = _LOOPBACK if host in ("0.0.0.0", "::") else host
    udp, tls = places["udp"][1], places["tls"][1]
    mark = random.randrange(1000, 10000)  # noqa: S311 - tells two demonstrations apart, guards nothing
    with _users(data, domain, f"demo-{mark}-") as users:
        yield ServerAccess(domain, host, udp, tls, ca_file, users), data


@contextlib.contextmanager
def _users(data: Path, domain: str, prefix: str = "") -> Iterator[dict[str, tuple[str, str]]]:
    """The users of the demonstration, name and secret by the name of their kind; they are gone afterwards."""

    actor = admin.Actor(getpass.getuser(), "demonstration")

    def create(transaction: Transaction, now: float) -> dict[str, tuple[str, str]]:
        made = {}
        for kind in USERS:
            form = admin.SipUserChange(protection=kind.protection, strictness=kind.strictness, path=kind.path)
            name = f"{prefix}{kind.name}"
            made[kind.name] = name, admin.create_sip_user(transaction, actor, now, f"{name}@{domain}", form).secret
        return made

    def delete(transaction: Transaction, now: float) -> None:
        for name, _ in users.values():
            admin.delete_sip_user(transaction, actor, now, f"{name}@{domain}")

    users = _change(data, create)
    try:
        yield users
    finally:
        _change(data, delete)


def _change(data: Path, use_case: Callable[[Transaction, float], Result]) -> Result:
    """In one transaction; the running server knows when this returns."""
    database = Database(data, configured_database(data))
    try:
        with database.write() as transaction:
            result = use_case(transaction, time.time())
    finally:
        database.close()
    with contextlib.suppress(ControlError):  # it looks for itself a moment later
        ask(data, "reload")
    return result


def _first_json(process: subprocess.Popen[bytes], log: Path) -> Any:
    """The JSON that a starting server prints, which may take several lines."""
    assert process.stdout is not None
    deadline, text = time.monotonic() + _START_S, ""
    while time.monotonic() < deadline:
        line = process.stdout.readline().decode()
        if not line:
            break
        text += line
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(text)
    raise NoServer(f"The server did not start:\n{log.read_text(errors='replace')[-2000:]}{text}")


def _free_ports(count: int) -> int:
    """The first of `count` consecutive ports, from an even one, that are free for UDP and TCP."""
    for _ in range(200):
        first = random.randrange(10000, 20000, 2)  # noqa: S311 - spreads ports, guards nothing
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + count):
                    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                        held.enter_context(socket.socket(socket.AF_INET, kind)).bind((_LOOPBACK, port))
            except OSError:
                continue
            return first
    raise NoServer(f"There are no {count} free ports in a row on this machine.")
