"""Takes what happened, writes down who is to be told, and sends until it has arrived or a day has passed.

What is to be sent is in the database before anything is sent, so a restart loses nothing that was taken from the feed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sealtone import __version__
from sealtone.admin import webhooks
from sealtone.admin.webhook_targets import TargetRules
from sealtone.admin.webhooks import EventKind, Happened
from sealtone.store import Database, StoreError, Transaction
from sealtone.store import webhooks as rows
from sealtone.store.webhooks import Delivery, Webhook
from sealtone.web.webhooks.sending import Sender, SendingFailed
from sealtone.web.webhooks.signature import HEADER, sign

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Feed = Callable[[], AsyncIterator[dict[str, Any]]]
"""Gives the live events of every account; ends, or raises, where they have to be asked for anew."""

_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 4 * 3600.0
_JITTER = 0.2
_GIVE_UP_S = 86_400.0
_SWITCH_OFF_S = 7 * 86_400.0
_KEEP_S = 14 * 86_400.0
_PURGE_S = 3600.0
_POLL_S = 2.0
_AT_ONCE = 64
_AT_ONCE_EACH = 2
_MOST_WAITING = 5000
_FEED_PAUSE_S = 1.0
_STORE_PAUSE_S = 30.0
_KINDS = frozenset(EventKind)
_NOT_DATA = ("kind", "account_id", "at", "seq")


class _Attempt(NamedTuple):
    delivery: Delivery
    hook: Webhook
    secrets: tuple[str, ...]
    rules: TargetRules


class Courier:
    """Runs in the web process, beside the pages. `wall` is the clock; `pause` how long nothing is looked for."""

    def __init__(
        self, database: Database, sender: Sender, wall: Callable[[], float] = time.time, pause: float = _POLL_S
    ) -> None:
        self._database = database
        self._sender = sender
        self._wall = wall
        self._pause = pause
        self._happened: asyncio.Queue[Happened] = asyncio.Queue(_MOST_WAITING)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[int, tuple[int, asyncio.Task[None]]] = {}
        self.lost = 0
        """Events that could not be written down."""

    def start(self, feed: Feed | None) -> None:
        """Begins; `feed` None where nothing happens that is to be told."""
        self._tasks = [asyncio.create_task(task) for task in (self._write_down(), self._send(), self._purge())]
        if feed is not None:
            self._tasks.append(asyncio.create_task(self._listen(feed)))
        for one in self._tasks:
            one.add_done_callback(_report)

    async def close(self) -> None:
        """Ends; what is being sent is sent again at the next start."""
        ending = [*self._tasks, *(task for hook, task in self._running.values())]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._tasks = []

    def wake(self) -> None:
        """There is something to send: no need to wait for the next look."""
        self._wake.set()

    def tell(self, event: dict[str, Any]) -> None:
        """Takes a live event of the server's."""
        if event.get("kind") not in _KINDS or event.get("account_id") is None:
            return
        data = {name: value for name, value in event.items() if name not in _NOT_DATA}
        happened = Happened(int(event["account_id"]), str(event["kind"]), float(event["at"]), data)
        try:
            self._happened.put_nowait(happened)
        except asyncio.QueueFull:
            self.lost += 1

    async def _listen(self, feed: Feed) -> None:
        while True:
            async for event in feed():
                self.tell(event)
            await asyncio.sleep(_FEED_PAUSE_S)

    async def _write_down(self) -> None:
        while True:
            some = [await self._happened.get()]
            while not self._happened.empty():
                some.append(self._happened.get_nowait())
            try:
                if await self._write(partial(webhooks.tell, now_wall=self._wall(), happenings=some)):
                    self.wake()
            except StoreError as error:
                self.lost += len(some)
                log.warning("%d events were not written down for webhooks: %s", len(some), error)

    async def _send(self) -> None:
        while True:
            self._wake.clear()
            try:
                # As it is before the database is looked at: who ends meanwhile is no more due, and looked for again.
                running = {number: hook for number, (hook, _) in self._running.items()}
                for attempt in await self._read(partial(self._due, running)):
                    task = asyncio.create_task(self._attempt(attempt))
                    self._running[attempt.delivery.id] = attempt.hook.id, task
                    task.add_done_callback(partial(self._ended, attempt.delivery.id))
            except StoreError as error:
                log.warning("webhooks are not sent at present: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._wake.wait()

    def _ended(self, delivery_id: int, task: asyncio.Task[None]) -> None:
        del self._running[delivery_id]
        _report(task)
        self.wake()

    def _due(self, running: Mapping[int, int], transaction: Transaction) -> list[_Attempt]:
        """A few of each endpoint's, so that one that is slow, or has much to be told, holds up no other.

        `running`: the deliveries that are being sent, each with its endpoint.
        """
        now = self._wall()
        rules = webhooks.target_rules(transaction)
        busy = Counter(running.values())
        free = _AT_ONCE - len(running)
        attempts: list[_Attempt] = []
        for number in rows.due_webhooks(transaction, now):
            wanted = min(_AT_ONCE_EACH - busy[number], free - len(attempts))
            hook = rows.find_webhook(transaction, number)
            if wanted <= 0 or hook is None:
                continue
            some = rows.due_deliveries(transaction, number, now, _AT_ONCE_EACH)
            new = [delivery for delivery in some if delivery.id not in running][:wanted]
            secrets = rows.secrets_of(transaction, number, now)
            attempts += [_Attempt(delivery, hook, secrets, rules) for delivery in new]
        return attempts

    async def _attempt(self, attempt: _Attempt) -> None:
        delivery, hook, secrets, rules = attempt
        body = delivery.body.encode()
        at = self._wall()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Sealtone/{__version__}",
            "Webhook-Id": delivery.event_id,
            "Webhook-Event": delivery.event,
            HEADER: sign(secrets, int(at), body),
        }
        status: int | None = None
        try:
            answer = await self._sender.post(hook.url, headers, body, rules)
            status = answer.status
            failure = "" if answer.taken else f"The receiver answered {answer.status}."
        except SendingFailed as error:
            failure = str(error)
        tried = delivery._replace(tries=delivery.tries + 1, status=status, failure=failure, tried_at=at)
        try:
            await self._write(lambda transaction: _settle(transaction, tried, self._wall()))
        except StoreError as error:
            log.warning("what came of a webhook's delivery was not written down: %s", error)
            await asyncio.sleep(_STORE_PAUSE_S)  # it is due again as soon as this ends

    async def _purge(self) -> None:
        while True:
            try:
                await self._write(lambda t: rows.delete_old_deliveries(t, self._wall() - _KEEP_S))
            except StoreError as error:
                log.warning("old webhook deliveries were not deleted: %s", error)
            await asyncio.sleep(_PURGE_S)

    async def _write(self, operation: Callable[[Transaction], Result]) -> Result:
        def work() -> Result:
            with self._database.write() as transaction:
                return operation(transaction)

        return await asyncio.to_thread(work)

    async def _read(self, query: Callable[[Transaction], Result]) -> Result:
        def work() -> Result:
            with self._database.read() as transaction:
                return query(transaction)

        return await asyncio.to_thread(work)


def _report(task: asyncio.Task[None]) -> None:
    """None is to end by an exception: where one does, that must not stay unseen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("sending webhooks: %r", error)


def _settle(transaction: Transaction, tried: Delivery, now: float) -> None:
    """Saves what came of an attempt; switches off an endpoint that has taken nothing for a week."""
    hook = rows.find_webhook(transaction, tried.webhook_id)
    if hook is None:  # deleted meanwhile, with its deliveries
        return
    if not tried.failure:
        rows.update_delivery(transaction, tried._replace(next_try_at=None))
        if hook.failing_since is not None or hook.note:
            rows.update_webhook(transaction, hook._replace(failing_since=None, note=""))
        return
    wait = wait_before(tried.tries)
    again = now + wait if now + wait < tried.created_at + _GIVE_UP_S else None
    rows.update_delivery(transaction, tried._replace(next_try_at=again))
    since = hook.failing_since if hook.failing_since is not None else now
    if now - since < _SWITCH_OFF_S:
        rows.update_webhook(transaction, hook._replace(failing_since=since))
        return
    note = f"Switched off, since nothing had arrived for a week. {tried.failure}"
    rows.update_webhook(transaction, hook._replace(failing_since=since, enabled=False, note=note))
    rows.give_up_deliveries(transaction, hook.id, "The webhook was switched off.")


def wait_before(tries: int) -> float:
    """Seconds from a failed attempt, the first being 1, to the next: doubling, at most four hours, a fifth at random.

    At random, so that a receiver that comes back is not met by everybody at once.
    """
    wait = min(_FIRST_WAIT_S * 2.0 ** (tries - 1), _LONGEST_WAIT_S)
    return wait * (1.0 + random.uniform(-_JITTER, _JITTER))  # noqa: S311 (not for secrecy)
