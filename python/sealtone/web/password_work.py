"""Argon2 off the event loop: two at once, some waiting, the others told to come back.

Each takes 64 MiB and a core for a fifth of a second. A flood of sign-ins costs that and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

Result = TypeVar("Result")

_AT_ONCE = 2
_MOST_WAITING = 30
_LONGEST_WAIT_S = 8.0


class PasswordWork:
    """Runs what takes long for its own good."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, "argon2")
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """`work(*arguments)` on a thread. Raises `HTTPException` (503) when too many wait already."""
        if self._waiting >= _MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):  # wait_for may lose a cancellation before Python 3.12
                await self._places.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1
        # The place is given back when the work is done, even where nobody waits for it any more.
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*arguments))
        future.add_done_callback(lambda done: self._places.release())
        return await asyncio.shield(future)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)


def _busy() -> HTTPException:
    return HTTPException(503, headers={"Retry-After": "5"})
