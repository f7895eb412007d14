"""The panel's end of the control socket: questions to the running server, several at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from sealtone.net.control import SOCKET_FILE
from sealtone.net.errors import ControlError, NotRunning

_LONGEST_ANSWER = 64 * 1024 * 1024
_ANSWER_S = 10.0
_CONNECT_S = 2.0


class ControlClient:
    """Asks the server of a data folder over connections that stay open. Each carries one question at a time."""

    def __init__(self, folder: Path, connections: int = 6) -> None:
        """At most `connections` questions are under way; more wait."""
        self._path = folder / SOCKET_FILE
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(connections)

    async def ask(self, do: str, *, timeout_s: float = _ANSWER_S, **arguments: Any) -> Any:
        """The answer to one question. Raises `NotRunning`, or `ControlError` with the server's own words."""
        line = json.dumps({"do": do, "with": arguments}).encode() + b"\n"
        async with self._slots:
            try:
                # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the answer.
                async with asyncio.timeout(timeout_s):
                    answer = await self._exchange(line)
            except TimeoutError as error:
                raise ControlError(f"The SIP server did not answer within {timeout_s:.0f} seconds.") from error
            except (OSError, ValueError) as error:
                raise NotRunning("The SIP server is not running.") from error
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _exchange(self, line: bytes) -> dict[str, Any]:
        while self._idle:
            kept = self._idle.pop()
            # One that was kept may be of a server that has ended since; then a new one is tried.
            with contextlib.suppress(OSError, EOFError):
                return await self._over(kept, line)
        async with asyncio.timeout(_CONNECT_S):
            fresh = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST_ANSWER)
        try:
            return await self._over(fresh, line)
        except EOFError as error:
            raise ConnectionResetError from error

    async def _over(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], line: bytes) -> dict[str, Any]:
        reader, writer = connection
        answered = False
        try:
            writer.write(line)
            await writer.drain()
            read = await reader.readline()
            if not read.endswith(b"\n"):
                raise EOFError
            answer: dict[str, Any] = json.loads(read)
            answered = True
            return answer
        finally:
            if answered:
                self._idle.append(connection)
            else:
                writer.close()
