"""Unix time of moments that were noted on the monotonic clock."""

from __future__ import annotations

import time
from typing import Final

_SET_BY_S: Final = 0.5
"""The two clocks differ by more than before only where one was set: less is how long it takes to read both."""


class WallClock:
    """Turns monotonic seconds into Unix time, as the clock is set at present.

    A clock is set while the server runs: by NTP soon after a start without a battery, by hand, and when a machine has
    slept, through which monotonic time stands still. Moments of before move along, so that how long a call took stays
    as it was.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()
        self._ahead_of_boot = _since_boot()

    def __call__(self, now: float) -> float:
        """Unix seconds of the moment `now`."""
        self._follow()
        return now + self._ahead

    def _follow(self) -> None:
        ahead = time.time() - time.monotonic()
        if abs(ahead - self._ahead) > _SET_BY_S:
            self._ahead = ahead

    def was_set_by(self) -> float:
        """By how many seconds the clock was set since this was last asked; 0.0 where it was not. Sleep is no setting:
        what was to last an hour has lasted through it. To be called every few seconds."""
        ahead = _since_boot()
        by_s = ahead - self._ahead_of_boot
        if abs(by_s) <= _SET_BY_S:
            return 0.0
        self._ahead_of_boot = ahead
        return by_s


def _since_boot() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
