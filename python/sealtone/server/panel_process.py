"""The panel as a child process: started, watched, started again when it ends, ended with the server.

A panel that is busy or broken costs neither SIP nor media anything: it has a process of its own, at a lower priority,
and no key of any call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import sealtone
from sealtone.net.relay import PANEL_SOCKET
from sealtone.server.journal import Journal

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_HEALTHY_S = 60.0
"""A panel that ran for so long starts the pauses anew."""
_END_S = 5.0
_STARTS_S = 15.0
_LONGEST_LINE = 4096
_LOOK_EVERY_S, _ANSWERS_S, _MISSES = 20.0, 10.0, 3
"""A panel that runs and three times in a row does not answer is killed, and so started again."""
_SLOWEST_START_S = 120.0
_QUESTION = (
    b'{"remote": ["127.0.0.1", 0], "local": ["127.0.0.1", 0], "tls": "", "cipher": "", "sni": ""}\n'
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)


class PanelProcess:
    """The process of one data folder."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self.restarts = 0
        """How often it had to be started again."""

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def is_starting(self) -> bool:
        """Whether one that does not answer may be about to."""
        return asyncio.get_running_loop().time() - self._started_at < _STARTS_S

    def start(self) -> None:
        """Starts it, in the background."""
        self._started_at = asyncio.get_running_loop().time()
        self._watch = asyncio.get_running_loop().create_task(self._run(), name="panel")

    async def stop(self) -> None:
        """Ends it: asked first, killed after five seconds."""
        if self._watch is None:
            return
        self._watch.cancel()
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        await asyncio.gather(self._watch, return_exceptions=True)

    async def _run(self) -> None:
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            self._started_at = loop.time()
            try:
                status = await self._once()
            except OSError as error:
                status = f"cannot be started: {error}"
            if loop.time() - self._started_at > _HEALTHY_S:
                pause = _FIRST_PAUSE_S
            self._journal.say(f"error panel {status}, started again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            self.restarts += 1

    async def _once(self) -> str:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sealtone.web",
            str(self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            limit=_LONGEST_LINE,
        )
        if process.stderr is None:
            return "has no standard error"
        looking = asyncio.create_task(self._look_after(process))
        try:
            await self._hear(process.stderr)
            code = await process.wait()
        finally:
            looking.cancel()
        return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"

    async def _look_after(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        misses, is_up_at = 0, loop.time() + _SLOWEST_START_S
        while misses < _MISSES:
            await asyncio.sleep(_LOOK_EVERY_S)
            if await self._answers():
                misses, is_up_at = 0, loop.time()
            elif loop.time() > is_up_at:
                misses += 1
        self._journal.say("error panel does not answer any more, it is ended")
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _answers(self) -> bool:
        writer = None
        try:
            async with asyncio.timeout(_ANSWERS_S):
                reader, writer = await asyncio.open_unix_connection(str(self._folder / PANEL_SOCKET))
                writer.write(_QUESTION)
                return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        except (OSError, ValueError):
            return False
        finally:
            if writer is not None:
                writer.close()

    async def _hear(self, lines: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await lines.readline()
            except ValueError:
                continue  # longer than any of ours
            if not line:
                return
            self._journal.say(f"panel {line.decode('utf-8', 'replace').rstrip()}")


def _environment() -> dict[str, str]:
    """Has the child import the very package that runs here."""
    package = str(Path(sealtone.__file__).parent.parent)
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}
