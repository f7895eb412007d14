"""The feed of the running server, read once and passed on to whoever listens here: pages, the API, webhooks.

An event is what `server.event_feed` makes: ``{"seq", "at", "kind", "account_id", …}``. Where events were missed (the
server was started again, or a listener was too slow) there comes one of kind ``lost``: look anew at what you show.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sealtone.net.control_client import ControlClient
from sealtone.net.errors import ControlError

Event = dict[str, Any]

MAX_QUEUED = 256
"""Events that wait for one listener; more, and it has to look anew."""
_POLL_S = 25.0
_ANSWER_S = 40.0
_RETRY_S = 1.0
LOST: Event = {"kind": "lost", "account_id": None}


class Subscription(AsyncIterator[Event]):
    """The events of an account from now on. Ends when it is closed, and after ``lost`` where it was too slow."""

    def __init__(self, account_id: int | None, closed: Callable[[Subscription], None]) -> None:
        self._account_id = account_id
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._closed = closed
        self._is_over = False

    def offer(self, event: Event) -> None:
        """An event that concerns it, perhaps."""
        if self._is_over or (self._account_id not in (None, event["account_id"]) and event is not LOST):
            return
        if self._queue.qsize() >= MAX_QUEUED:
            self._is_over = True
            self._closed(self)
            while not self._queue.empty():
                self._queue.get_nowait()
            event = LOST
        self._queue.put_nowait(event)

    async def __anext__(self) -> Event:
        if self._is_over and self._queue.empty():
            raise StopAsyncIteration
        return await self._queue.get()

    def close(self) -> None:
        """Nothing more is wanted."""
        self._is_over = True
        self._closed(self)


class Live:
    """Reads the feed while anybody listens; `run` it for as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        self._client = ControlClient(folder, 1)
        self._listening: set[Subscription] = set()
        self._wanted = asyncio.Event()

    def subscribe(self, account_id: int | None) -> Subscription:
        """What happens from now on in an account (None: in all); ``lost`` comes first. Close it, or let it end."""
        subscription = Subscription(account_id, self._forget)
        self._listening.add(subscription)
        subscription.offer(LOST)  # what happened before is seen by looking
        self._wanted.set()
        return subscription

    async def run(self) -> None:
        """Pass on what the server tells, also one that is started later, or again."""
        try:
            while True:
                await self._wanted.wait()
                with contextlib.suppress(ControlError):
                    await self._follow()
                await asyncio.sleep(_RETRY_S)
        finally:
            self._client.close()

    async def _follow(self) -> None:
        place: int = (await self._client.ask("events.wait", after=0, timeout_s=_ANSWER_S))["next"]
        self._offer(LOST)  # whatever happened until now is seen by looking
        while self._listening:
            answer = await self._ask(place)
            place = answer["next"]
            if answer["lost"]:
                self._offer(LOST)
            for event in answer["events"]:
                self._offer(event)
        self._wanted.clear()

    async def _ask(self, place: int) -> dict[str, Any]:
        answer: dict[str, Any] = await self._client.ask(
            "events.wait", timeout_s=_ANSWER_S, after=place, patience_s=_POLL_S
        )
        return answer

    def _offer(self, event: Event) -> None:
        for subscription in tuple(self._listening):
            subscription.offer(event)

    def _forget(self, subscription: Subscription) -> None:
        self._listening.discard(subscription)
