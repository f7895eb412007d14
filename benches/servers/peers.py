"""Kamailio as a proxy with registrar and digest, and sippy's B2BUA."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benches.machine import SERVER_CPU, BenchError, descendants, end, free_port, pinned, wait_for
from benches.servers.interface import SipUser, answers_options

CONFIG = Path(__file__).parent.parent / "peers" / "kamailio.cfg"


class ServerProcess:
    """A server process with its log and a folder of its own."""

    name = ""
    registrar = True

    def __init__(self) -> None:
        self._address = ("127.0.0.1", free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._log: IO[bytes] | None = None
        self._users: list[SipUser] = []

    def _launch(self, command: Sequence[str], environment: dict[str, str]) -> None:
        assert self._folder is not None
        log = Path(self._folder.name, "log")
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            pinned(SERVER_CPU, command),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, **environment},
            cwd=self._folder.name,
        )
        process = self._process

        def answered() -> bool:
            if process.poll() is not None:
                tail = log.read_text(errors="replace")[-600:]
                raise BenchError(f"{self.name} ended with status {process.returncode}: {tail}")
            return answers_options(self._address)

        wait_for(f"{self.name} to answer OPTIONS", iter(answered, None))

    def users(self) -> Sequence[SipUser]:
        return self._users

    def address(self) -> tuple[str, int]:
        return self._address

    def pids(self) -> tuple[int, ...]:
        return descendants(self._process.pid) if self._process else ()

    def stop(self) -> None:
        if self._process:
            workers = descendants(self._process.pid)
            end(self._process)
            # Workers that a killed parent left behind.
            for pid in workers[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process = None
        if self._log:
            self._log.close()
            self._log = None
        if self._folder:
            self._folder.cleanup()
            self._folder = None


class Kamailio(ServerProcess):
    name = "kamailio"

    def start(self, users: int, callee_port: int) -> None:
        del callee_port
        binary = shutil.which("kamailio")
        if binary is None:
            raise BenchError("kamailio is not installed (apt-get install kamailio)")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-kamailio-")
        names = [str(100_000 + index) for index in range(users)]
        self._users = [SipUser(name, f"secret-{name}") for name in names]
        command = [binary, "-f", str(CONFIG), "-A", f"BENCH_PORT={self._address[1]}", "-DD", "-E"]
        command += ["-m", "512", "-M", "32", "-Y", self._folder.name, "-w", self._folder.name]
        self._launch(command, {})


class Sippy(ServerProcess):
    """`sippy.b2bua`: no registrar, RADIUS (and with it digest and accounting) and logging off, one static route."""

    name = "sippy"
    registrar = False

    def start(self, users: int, callee_port: int) -> None:
        if importlib.util.find_spec("sippy") is None:
            raise BenchError("sippy is not installed (pip install sippy)")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-sippy-")
        self._users = [SipUser(str(100_000 + index), "none") for index in range(users)]
        folder = self._folder.name
        command = [sys.executable, "-m", "sippy.b2bua", "-f", "-l", "127.0.0.1", "-p", str(self._address[1])]
        command += ["-u", "-A", "0", "-s", f"127.0.0.1:{callee_port}"]
        command += ["-c", f"unix:{folder}/control", "-P", f"{folder}/pid", "-L", f"{folder}/b2bua.log"]
        self._launch(command, {"SIPLOG_BEND": "none"})
