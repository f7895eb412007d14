"""Sealtone itself: `sealtone serve` on a data folder prepared for the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benches.machine import BenchError
from benches.servers.interface import SipUser
from benches.servers.peers import ServerProcess

# What the script `sealtone` does, whether it is installed or not.
COMMAND_LINE = "from sealtone.cli import main; main()"
# The compiled packages that `make run` runs; what is not there is interpreted.
COMPILED = Path(__file__).resolve().parent.parent.parent / ".cache" / "compiled"


class SealtoneServer(ServerProcess):
    name = "sealtone"
    registrar = True
    _options = ("--no-panel",)

    def __init__(self, data: Path) -> None:
        super().__init__()
        self._data = data
        self._tls_port = self._address[1] + 1

    def tls_address(self) -> tuple[str, int]:
        return ("127.0.0.1", self._tls_port)

    def start(self, users: int, callee_port: int) -> None:
        del callee_port
        self._folder = tempfile.TemporaryDirectory(prefix="bench-sealtone-")
        command = [sys.executable, "-m", "benches.servers.prepare_data", "--data", str(self._data)]
        command += ["--users", str(users), "--udp-port", str(self._address[1]), "--tls-port", str(self._tls_port)]
        environment = {**os.environ, **self._environment()}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
        if done.returncode:
            raise BenchError(f"no data folder for Sealtone could be made: {done.stderr[-600:]}")
        self._users = [SipUser(*pair) for pair in json.loads(done.stdout)]
        self._prepare(users)
        command = [sys.executable, "-c", COMMAND_LINE, "serve", "--http-port", "0", "--data", str(self._data)]
        self._launch([*command, *self._options], self._environment())

    def _prepare(self, users: int) -> None:
        """More in the data folder, before the server starts."""

    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join((str(COMPILED), os.environ.get("PYTHONPATH", "")))}
