"""Wake-ups under load, gathered as network cards moderate their interrupts.

A thread that has slept for milliseconds finds its caches taken by others; to fill them again costs more than a message.
So where messages come fast the loop lets some come before it looks. How it works, and its rules:

1. Below `Limits.gathered_from` messages a second nothing is gathered: a lone call waits for nothing.
2. Above it the loop's thread sleeps between two rounds, so that whatever the loop waits for is gathered alike: sockets,
   connections, timers, what other threads have to say. None of it waits longer than `Limits.gathering_s`.
3. The faster messages come the shorter it sleeps, and not at all where a round has taken so long already.
4. A descriptor that is urgent ends the sleep.
"""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import Sequence
from time import monotonic
from typing import Final

from sealtone.net.limits import Limits

_ENOUGH: Final = 24
"""Messages that a wake-up may find; more make them hardly cheaper."""
_FIRST_LOOK: Final = 32
"""Messages after which the rate is first looked at: more than a call has, so that none of its own wait."""
_LOOK_S: Final = 0.1
_SETTLING: Final = 2
"""Turns of the loop before it sleeps: what callbacks have called soon comes first, and what that calls."""
_TICK_S: Final = 1e-3
"""poll(2) counts in these."""


class Moderation:
    """The moderation of an event loop. `urgent` are descriptors that the loop reads as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, urgent: Sequence[int] = ()) -> None:
        self.is_gathering = False
        self._loop = loop
        self._from = limits.gathered_from
        self._longest = limits.gathering_s - _TICK_S  # a sleep is rounded up
        self._sleep = self._longest
        self._poll = select.poll()
        for descriptor in urgent:
            self._poll.register(descriptor, select.POLLIN)
        self._count = 0
        self._since = self._woke_at = monotonic()
        self._unsettled = _SETTLING
        self._stopped = False

    def came(self, count: int) -> None:
        """So many messages have come."""
        self._count += count
        if self.is_gathering:
            if count and not self._unsettled:
                self._unsettled = 1  # what they call for leaves before the sleep
            return
        if self._count < _FIRST_LOOK:
            return
        now = monotonic()
        if self._rate(now) >= self._from and not self._stopped:
            self.is_gathering = True
            self._woke_at = now
            self._loop.call_soon(self._round)

    def stop(self) -> None:
        """Gather no more."""
        self._stopped = True

    def _rate(self, now: float) -> float:
        """Messages a second since it was asked for last."""
        rate = self._count / max(now - self._since, 1e-6)
        self._count, self._since = 0, now
        return rate

    def _round(self) -> None:
        """Once a turn of the loop; every so often it sleeps here."""
        if self._unsettled:
            self._unsettled -= 1
            self._loop.call_soon(self._round)
            return
        self._unsettled = _SETTLING
        now = monotonic()
        if now - self._since >= _LOOK_S:
            rate = self._rate(now)
            if rate < self._from / 2:
                self.is_gathering = False
            self._sleep = min(self._longest, _ENOUGH / max(rate, 1.0))
        if self._stopped or not self.is_gathering:
            self.is_gathering = False
            return
        left = self._woke_at + self._sleep - now
        if left > 0:
            self._poll.poll(math.ceil(left / _TICK_S))
        self._woke_at = monotonic()
        self._loop.call_soon(self._round)
