"""A PostgreSQL server of the tests' own: a folder, a port and a user of its own, gone at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg

from sealtone.store import Database, PostgresLocation, Store

_USER, _PASSWORD = "sealtone", "a p@ss/word"
_START_S = 30.0
_PREFIX = "sealtone-postgres-"
_UNPRIVILEGED = ("postgres", "nobody")  # the server refuses to run as root


class Place(NamedTuple):
    """Where a test's database is, as `Database` and `Store` are told."""

    folder: Path
    location: PostgresLocation | None = None

    def database(self) -> Database:
        return Database(self.folder, self.location)

    def store(self) -> Store:
        return Store(self.folder, self.location)

    @property
    def url(self) -> str:
        """For the setting `database`, password and all; empty for a file."""
        at = self.location
        return f"postgresql://{at.user}:{quote(at.password, safe='')}@{at.host}:{at.port}/{at.name}" if at else ""

    @property
    def is_file(self) -> bool:
        return self.location is None


def _free_port() -> int:
    """Below what the system gives away by itself and above what tests choose: nobody takes it before the server does, or
    between an end and a start."""
    while True:
        port = random.randrange(32_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def programs() -> Path | None:
    """The folder of the newest server's programs, as Debian has them; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    return found[-1].parent if found else None


class PostgresServer:
    """A running server, with these settings besides."""

    def __init__(self, folder: Path, bin_folder: Path, settings: tuple[str, ...]) -> None:
        self._folder, self._bin, self._settings = folder, bin_folder, settings
        self._made = 0
        self._identity: dict[str, object] = {}
        if os.getuid() == 0:
            user = next(name for name in _UNPRIVILEGED if name in {entry.pw_name for entry in pwd.getpwall()})
            shutil.chown(folder, user)
            entry = pwd.getpwnam(user)
            self._identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        secret = folder / "secret"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [bin_folder / "initdb", "--pgdata", folder / "data", "--username", _USER, "--pwfile", secret, "--no-sync",
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"],
            check=True, capture_output=True, cwd=folder, **self._identity,  # type: ignore[call-overload]
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.start()

    def start(self) -> None:
        command = [
            self._bin / "postgres", "-D", self._folder / "data", "-p", str(self.port), "-c", f"unix_socket_directories={self._folder}",
            "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60",
            *(word for setting in self._settings for word in ("-c", setting)),
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._identity
            )  # type: ignore[call-overload]
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once: what was going on is broken off, as when the machine is restarted."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_START_S)
            self._process = None

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=_USER, password=_PASSWORD, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def location(self, name: str = "postgres", **changes: str) -> PostgresLocation:
        values = {"user": _USER, "password": _PASSWORD} | changes
        return PostgresLocation("127.0.0.1", self.port, name, **values)

    def new_database(self, template: str = "template0") -> PostgresLocation:
        self._made += 1
        name = f"test_{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.location(name)

    def drop(self, location: PostgresLocation) -> None:
        self.run(f"DROP DATABASE IF EXISTS {location.name} WITH (FORCE)")


# What is promised of a loss of power cannot be tested here, so that nothing waits for the disk.
_QUICK = ("fsync=off", "shared_buffers=64MB")


def remove_left_behind(folder: Path) -> None:
    """Ends the servers of test runs that were killed, and deletes what they left: their names tell whose they were."""
    for left in folder.glob(f"{_PREFIX}*-*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if not owner.isdigit() or Path("/proc", owner).exists():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            server = int((left / "data" / "postmaster.pid").read_text().splitlines()[0])
            # Its number may be another program's by now.
            if str(left / "data").encode() in Path(f"/proc/{server}/cmdline").read_bytes().split(b"\0"):
                os.kill(server, signal.SIGQUIT)
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def running_server(settings: tuple[str, ...] = _QUICK) -> Iterator[PostgresServer | None]:
    """None where PostgreSQL is not installed."""
    bin_folder = programs()
    if bin_folder is None:
        yield None
        return
    remove_left_behind(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    server: PostgresServer | None = None
    try:
        folder.chmod(0o755)
        server = PostgresServer(folder, bin_folder, settings)
        yield server
    finally:
        if server is not None:
            with contextlib.suppress(OSError):
                server.stop()
        shutil.rmtree(folder, ignore_errors=True)
