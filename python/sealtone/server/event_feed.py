"""What happens on this server, for whoever waits to hear it: the panel, and through it pages, webhooks, the API.

Events are kept in a ring and fetched by number. While nobody has asked for a minute, none is made: a number is all that
an event costs then, so that who comes back later learns that something was missed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

EventKind = Literal[
    "call.started",
    "call.ringing",
    "call.answered",
    "call.changed",
    "call.ended",
    "record.written",
    "registration.added",
    "registration.removed",
    "registration.failed",
    "recording.started",
    "recording.ended",
    "sas.verified",
    "sas.differs",
    "change.settled",
]

MAX_EVENTS: Final = 4096
MAX_AT_ONCE: Final = 512
LONGEST_WAIT_S: Final = 60.0
WANTED_S: Final = 60.0
"""For how long after the last question events are still made."""


class EventFeed:
    """The latest events of a server. Not safe over threads: everything happens on the event loop's.

    Numbers begin at the wall clock in µs, so that those of a server that was started again are never below the ones
    before: what an earlier one told is known to be over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._last = int(wall() * 1e6)
        self._lost_up_to = self._last
        """Events up to this number cannot be had any more."""
        self._wanted_until = 0.0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits, or did lately. What is dear to find out need not be told else."""
        return bool(self._waiting) or self._clock() < self._wanted_until

    def tell(self, kind: EventKind, account_id: int | None, **ids: Any) -> None:
        """An event of an account (None: of nobody's). `ids`: what JSON can hold, no secrets."""
        self._last += 1
        if not self.is_wanted:
            self._lost_up_to = self._last
            self._events.clear()
            return
        if len(self._events) == MAX_EVENTS:
            self._lost_up_to = self._events[0]["seq"]
        self._events.append({"seq": self._last, "at": self._wall(), "kind": kind, "account_id": account_id, **ids})
        if self._waiting:
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def wait(self, after: int, timeout_s: float) -> dict[str, Any]:
        """The events behind number `after`, `MAX_AT_ONCE` at most; waits up to `timeout_s` for the first.

        0 asks for where the feed is now. ``lost``: there were more than those, or numbers of another server's.
        """
        self._wanted_until = self._clock() + WANTED_S
        if after == 0:
            return {"next": self._last, "lost": False, "events": []}
        lost = after < self._lost_up_to or after > self._last
        if not lost and after == self._last:
            await self._news(min(max(timeout_s, 0.0), LONGEST_WAIT_S))
            lost = after < self._lost_up_to
        found = [] if after > self._last else self._behind(after)
        following = found[-1]["seq"] if len(found) == MAX_AT_ONCE else self._last
        return {"next": following, "lost": lost, "events": found}

    def _behind(self, after: int) -> list[dict[str, Any]]:
        events = self._events
        first = events[0]["seq"] if events else self._last + 1
        start = max(0, after + 1 - first)  # numbers in the ring have no gaps
        return [events[place] for place in range(start, min(len(events), start + MAX_AT_ONCE))]

    async def _news(self, timeout_s: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(timeout_s):
                await waiting
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiting)
            self._wanted_until = self._clock() + WANTED_S
