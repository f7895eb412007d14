"""The panel's process: serves HTTP on a Unix socket of the data folder, to the server that relays browsers to it.

It ends when its standard input does, which is a pipe that the server holds: a server that is killed leaves no panel.
What it has to say goes to standard error, line by line, and from there into the server's journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sealtone.net.relay import PANEL_SOCKET
from sealtone.store import StoreError
from sealtone.web.app import make_app, open_parts
from sealtone.web.assets import AssetsMissing
from sealtone.web.priority import give_way

CANNOT_START = 78  # EX_CONFIG of sysexits.h
_TEMPLATES = "panel-cache"
_BACKLOG = 256
_LONGEST_INTRODUCTION = 4096
_KEEP_ALIVE_S = 60
_HEAD_S, _BODY_S = 15.0, 60.0
_GRACE_S = 3
_OOM_SCORE = "500"  # and when memory runs out, the panel goes first


class RelayedProtocol(HttpToolsProtocol):
    """HTTP on a connection whose first line says where it really comes from (`net.relay`).

    A request has to be whole in time: its head in 15 s, its body in 60 s more.
    """

    _unread: bytes | None = b""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._within(_HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._unread is not None:
            line, found, rest = (self._unread + data).partition(b"\n")
            if not found:
                self._unread = line
                if len(line) > _LONGEST_INTRODUCTION:
                    self.transport.close()
                return
            self._unread = None
            self._introduce(json.loads(line))
            if not rest:
                return
            data = rest
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._within(_HEAD_S)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._within(_BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._settle()
        super().on_message_complete()

    def _introduce(self, told: dict[str, Any]) -> None:
        self.client = (str(told["remote"][0]), int(told["remote"][1]))
        self.server = (str(told["local"][0]), int(told["local"][1]))
        self.scheme = "https"
        self.app_state = {**self.app_state, "tls": told}

    def _within(self, seconds: float) -> None:
        self._settle()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to `serve`: uvicorn's own way ends the process before what follows it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> None:
    """Serves until told to end. The exit status is `CANNOT_START` for what a new start would not change."""
    folder = Path(sys.argv[1])
    os.umask(0o077)
    give_way()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    # Its tracebacks could hold what somebody typed, and anybody could fill the log with requests that make no sense;
    # `problems` writes what is of use.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    try:
        uvloop.run(serve(folder))
    except (StoreError, AssetsMissing) as error:
        sys.stderr.write(f"error {error}\n")
        sys.exit(CANNOT_START if isinstance(error, AssetsMissing) else 1)


async def serve(folder: Path) -> None:
    """Serves the panel of a data folder. Raises `StoreError`, `AssetsMissing`."""
    cache = folder / _TEMPLATES
    cache.mkdir(mode=0o700, exist_ok=True)
    parts = open_parts(folder, cache)
    parts.log = _say
    server = _Server(protocol_config(make_app(parts)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
    sock = _bound(folder / PANEL_SOCKET)
    watch = asyncio.create_task(_until_orphaned(server))
    gc.collect()
    gc.freeze()
    try:
        await server.serve(sockets=[sock])
    finally:
        watch.cancel()
        sock.close()
        (folder / PANEL_SOCKET).unlink(missing_ok=True)


def protocol_config(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves an application behind the relay."""
    return uvicorn.Config(
        app,
        proxy_headers=False,  # the server's line says who is there; what a browser claims counts for nothing
        http=RelayedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of a process that was killed; the server sees to it that there is but one
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))  # for nobody else, by the umask
    path.chmod(0o600)
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


async def _until_orphaned(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
    server.should_exit = True


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
