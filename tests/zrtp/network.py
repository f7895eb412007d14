"""A network between two endpoints, under simulated time: it loses, repeats, delays and reorders, from a seed."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any, Protocol


class Endpoint(Protocol):
    """The shape of a `Session`, which foreign peers are fitted to."""

    def receive(self, datagram: bytes, now: float) -> None: ...
    def handle_timeout(self, now: float) -> None: ...
    def next_timeout(self) -> float | None: ...
    def transmits(self) -> list[bytes]: ...
    def events(self) -> list[Any]: ...


Tap = Callable[[int, bytes], list[bytes]]
"""Sees each datagram with the index of its sender, and says what is to be delivered in its place."""


class Network:
    """Joins `a` (index 0) and `b` (1). `sent[i]`: what each sent, `told[i]`: its events. Times in seconds."""

    def __init__(
        self,
        a: Endpoint,
        b: Endpoint,
        *,
        seed: int = 0,
        loss: float = 0.0,
        repeat: float = 0.0,
        delay_s: tuple[float, float] = (0.0, 0.0),
        tap: Tap | None = None,
    ) -> None:
        self.ends = (a, b)
        self.now = 0.0
        self.loss = loss
        self.repeat = repeat
        self.delay_s = delay_s
        self.tap: Tap = tap or (lambda _sender, datagram: [datagram])
        self.sent: tuple[list[bytes], list[bytes]] = ([], [])
        self.told: tuple[list[Any], list[Any]] = ([], [])
        self._random = random.Random(seed)
        self._on_the_way: list[tuple[float, int, int, bytes]] = []
        self._number = itertools.count()

    def drain(self) -> None:
        """Take what both want sent and told."""
        for index, end in enumerate(self.ends):
            for datagram in end.transmits():
                self.sent[index].append(datagram)
                for one in self.tap(index, datagram):
                    self.put(one, to=1 - index)
            self.told[index].extend(end.events())

    def put(self, datagram: bytes, to: int) -> None:
        """Onto the network, as if sent by the other end."""
        for _ in range(1 + (self._random.random() < self.repeat)):
            if self._random.random() >= self.loss:
                arrival = self.now + self._random.uniform(*self.delay_s)
                heapq.heappush(self._on_the_way, (arrival, next(self._number), to, datagram))

    def run(self, until_s: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Until that time, or until `stop` says so, or until nothing more can happen."""
        self.drain()
        while not stop():
            times = [end.next_timeout() for end in self.ends]
            due = [each for each in times if each is not None]
            if self._on_the_way:
                due.append(self._on_the_way[0][0])
            if not due or min(due) > until_s:
                self.now = max(self.now, until_s) if due or until_s < float("inf") else self.now
                return
            self.now = max(self.now, min(due))
            while self._on_the_way and self._on_the_way[0][0] <= self.now:
                _, _, to, datagram = heapq.heappop(self._on_the_way)
                self.ends[to].receive(datagram, self.now)
            for end, timeout in zip(self.ends, times, strict=True):
                if timeout is not None and timeout <= self.now:
                    end.handle_timeout(self.now)
            self.drain()

    def all(self, index: int, kind: type[Any]) -> list[Any]:
        """The events of one kind that one end told."""
        return [event for event in self.told[index] if isinstance(event, kind)]
