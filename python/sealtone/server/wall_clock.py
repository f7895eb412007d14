"""Unix time of moments that were noted on the monotonic clock."""

from __future__ import annotations

import time
from typing import Final

_SET_BY_S: Final = 0.5
"""The two clocks differ by more than before only where one was set: less is how long it takes to read both."""


class WallClock:
    """Turns monotonic seconds into Unix time, as the clock is set at present.

    A clock is set while the server runs: by NTP soon after a start without a battery, by hand, and when a machine has
    slept, through which monotonic time stands still. `look` finds it out, and moments of before move along, so that how
    long a call took stays as it was.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def __call__(self, now: float) -> float:
        """Unix seconds of the moment `now`."""
        return now + self._ahead

    def look(self) -> None:
        """To be called every few seconds."""
        ahead = time.time() - time.monotonic()
        if abs(ahead - self._ahead) > _SET_BY_S:
            self._ahead = ahead
