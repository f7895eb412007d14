"""The legitimate call beside many short attacks: one for a whole module, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

from hostile.server import Server
from hostile.talk import Party, Talk, settled, talking
from sealtone.phone import CallState

_SLACK = 3
"""Packets that may be on their way, or wait for this process's turn, when it is asked."""


class CallBeside:
    """Up while `running` is; `unharmed` is what each attack has to leave it."""

    def __init__(self, talk: Talk, loop: asyncio.AbstractEventLoop) -> None:
        self.talk = talk
        self._loop = loop

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """During the block, and right after it, every packet of both voices arrives."""
        self._ask(self._mark())
        yield
        self._ask(self._check())

    def _ask(self, coroutine: object) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)  # type: ignore[arg-type]
        future.result(40)

    async def _mark(self) -> None:
        self.talk.mark()

    async def _check(self) -> None:
        talk = self.talk
        arrived = [party.tap.arrived for party in (talk.a, talk.b)]
        for party, before in zip((talk.a, talk.b), arrived, strict=True):
            await settled(partial(_goes_on, party, before), lambda: "a stream has stopped")
        for party in (talk.a, talk.b):
            assert party.established.state is CallState.ESTABLISHED, party.established.reason
        await talk.loses_at_most(_SLACK, 0.01)


def _goes_on(party: Party, before: int) -> bool:
    return party.tap.arrived >= before + 2


@contextmanager
def running(server: Server) -> Iterator[CallBeside]:
    """A call over TLS with SRTP both ways."""
    ready: Future[CallBeside] = Future()
    over = threading.Event()

    async def live() -> None:
        loop = asyncio.get_running_loop()
        async with talking(server) as talk:
            ready.set_result(CallBeside(talk, loop))
            await loop.run_in_executor(None, over.wait)

    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            failed.append(error)
            if not ready.done():
                ready.set_exception(error)

    thread = threading.Thread(target=run, name="call beside the attacks")
    thread.start()
    try:
        yield ready.result(60)
    finally:
        over.set()
        thread.join(60)
    if failed:
        raise failed[0]
