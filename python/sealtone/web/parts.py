"""What all requests share, in `app.state.parts`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment

from sealtone.net.control_client import ControlClient
from sealtone.net.errors import ControlError
from sealtone.store import Database
from sealtone.web.assets import Assets
from sealtone.web.i18n import Translations
from sealtone.web.live import Live
from sealtone.web.metrics import PanelFigures

_READERS = 8
_WRITERS = 2  # SQLite has one writer at a time: more would only wait, each on a thread


@dataclass
class Parts:
    """Made once a process."""

    folder: Path
    """The data folder."""
    database: Database
    control: ControlClient
    translations: Translations
    assets: Assets
    templates: Environment
    figures: PanelFigures = field(default_factory=PanelFigures)
    log: Callable[[str], None] = lambda line: None
    """Writes a line to the server's journal. No secrets."""
    live: Live | None = None
    """Set by what reads the feed, once it does."""
    areas: dict[str, Any] = field(default_factory=dict)
    """What an area keeps between requests, by its name."""
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_READERS, "read"))
    writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_WRITERS, "write"))
    _reload: asyncio.Task[None] | None = None
    _again: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def reload_soon(self) -> asyncio.Task[None]:
        """Asks the server to take up what was saved; saved again meanwhile, it is asked again, once."""
        if self._reload is not None and not self._reload.done():
            self._again = True
            return self._reload
        self._reload = asyncio.get_running_loop().create_task(self._reloading())
        return self._reload

    async def _reloading(self) -> None:
        while True:
            self._again = False
            try:
                await self.control.ask("reload", timeout_s=60.0)
            except ControlError:
                return  # the change log says so; the server looks by itself too
            if not self._again:
                return

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Has something done that no answer waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Ends the threads and closes the connections."""
        self.readers.shutdown(cancel_futures=True)
        self.writers.shutdown()
        self.control.close()
        self.database.close()
