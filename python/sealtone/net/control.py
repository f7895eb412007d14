"""The control socket: how the command line talks to the running server of a data folder.

A Unix socket of mode 0600; one JSON object a line in each direction. ``{"do": "status", "with": {}}`` is answered by
``{"ok": …}`` or ``{"error": "…"}``. Whoever can open the socket may do everything: it is the operator.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sealtone.net.errors import ControlError, ListenError, NotRunning

SOCKET_FILE = "control.sock"
_LONGEST_REQUEST = 65_536
_MOST_CONNECTIONS = 16
_ANSWER_S = 10.0

Action = Callable[..., Any]
"""Called with the keyword arguments of the request's "with"; gives, or awaits, what JSON can hold.
A `ControlError` it raises is shown to the person who asked."""


class ControlSocket:
    """The server's end. `actions` maps names to what they do, and may be filled until the first request."""

    def __init__(self, path: Path, actions: Mapping[str, Action]) -> None:
        self._path = path
        self._actions = actions
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Begins to answer. Raises `ListenError` when another server runs on the same data folder."""
        if self._path.exists():
            if _answers(self._path):
                raise ListenError(
                    f"Another Sealtone server is running on {self._path.parent}. Stop it first, or use another data "
                    f"folder (--data).",
                    host=str(self._path),
                    port=0,
                    taken=True,
                )
            self._path.unlink()  # left behind by a server that was killed
        previous = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._converse, str(self._path), limit=_LONGEST_REQUEST)
        except OSError as error:
            raise ListenError(
                f"The control socket {self._path} cannot be made: {error.strerror or error}. "
                f"Choose a data folder with a shorter path, on a disk of this machine.",
                host=str(self._path),
                port=0,
            ) from error
        finally:
            os.umask(previous)

    async def close(self) -> None:
        """Stops answering and removes the socket."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._connections):
                writer.close()
            self._path.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                writer.write(_written(await self._answer(line)))
                await writer.drain()
        except (OSError, ValueError):
            pass  # gone, or a line beyond the limit
        finally:
            self._connections.discard(writer)
            with contextlib.suppress(RuntimeError):
                writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name, arguments = request["do"], request.get("with", {})
            action = self._actions[name]
            inspect.signature(action).bind(**arguments)
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"error": "The server does not understand this request; is it of another version?"}
        try:
            result = action(**arguments)
            return {"ok": await result if inspect.isawaitable(result) else result}
        except ControlError as error:
            return {"error": str(error)}


def _written(answer: dict[str, Any]) -> bytes:
    """A line of JSON. What phones wrote that is not UTF-8 is replaced: whoever asks shows it to people."""
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def ask(folder: Path, do: str, **arguments: Any) -> Any:
    """Asks the server of a data folder and waits for the answer. Raises `NotRunning`, `ControlError`."""
    try:
        with _connected(folder / SOCKET_FILE) as sock, sock.makefile("rwb") as file:
            file.write(json.dumps({"do": do, "with": arguments}).encode() + b"\n")
            file.flush()
            line = file.readline()
    except TimeoutError as error:
        raise ControlError(f"The server did not answer within {_ANSWER_S:.0f} seconds.") from error
    except PermissionError as error:
        raise ControlError(
            f"You may not talk to the server of {folder}. Run this as the user that the server runs as."
        ) from error
    except OSError as error:
        raise NotRunning(f"No server is running on {folder}. Start it with `sealtone serve`.") from error
    answer = json.loads(line) if line else {"error": "The server closed the connection."}
    if "error" in answer:
        raise ControlError(answer["error"])
    return answer["ok"]


def _connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_ANSWER_S)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: Path) -> bool:
    try:
        _connected(path).close()
    except OSError:
        return False
    return True
