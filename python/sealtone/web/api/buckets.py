"""Token buckets: so many requests at once, and so many a second for good. Bounded, since anybody may make one."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple


class Level(NamedTuple):
    """What is left after a request."""

    allowed: bool
    left: int
    """Whole requests that could follow at once."""
    wait_s: float
    """Until one more is allowed; 0 where one is."""
    full_s: float
    """Until the bucket is full again."""


class Buckets:
    """A bucket a key, in memory. The one used longest ago is forgotten first, which only ever is to its favour."""

    def __init__(self, size: int, per_second: float, most: int = 10_000) -> None:
        self.size = size
        self.per_second = per_second
        self._most = most
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float, cost: float = 1.0) -> Level:
        """Takes from a bucket where enough is in it; `cost` 0 only looks."""
        amount = self._amount(key, now)
        allowed = amount >= max(cost, 1.0)
        if allowed:
            amount -= cost
        self._filled[key] = amount, now
        self._filled.move_to_end(key)
        while len(self._filled) > self._most:
            self._filled.popitem(last=False)
        wait = 0.0 if amount >= 1.0 else (1.0 - amount) / self.per_second
        return Level(allowed, math.floor(amount), wait, (self.size - amount) / self.per_second)

    def _amount(self, key: str, now: float) -> float:
        amount, at = self._filled.get(key, (float(self.size), now))
        return min(float(self.size), amount + max(0.0, now - at) * self.per_second)
