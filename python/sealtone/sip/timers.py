"""Timers of a sans-I/O core: one heap, one entry for each thing that waits, cancelled lazily.

How it works. Whatever waits is a `Timed` with `due`, when it wants to be woken, and `entry`, its place in the heap:
[when the heap will look at it, serial number, the thing]. Moving `due` later touches no heap: the entry comes up, finds
`due` later, and goes back. Moving it before its entry, or clearing it, empties the entry, which is skipped when it
comes up. So the heap keeps nothing alive that no longer waits: an ended call has a session timer that was due in half
an hour. Empty entries are swept once they are the half.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, Final

NEVER: Final = float("inf")
_SWEEP_FROM: Final = 1024  # below this many empty entries a sweep is not worth while

Entry = list[Any]
"""[time, serial, `Timed` or None]: a list, so that it can be emptied where it stands in the heap."""


class Timed:
    """Something that can wait for one moment at a time; subclasses set `due = NEVER`, `entry = None`, define `fire`."""

    __slots__ = ("due", "entry")

    due: float
    entry: Entry | None

    def fire(self, now: float) -> None:
        """Called once `due` has passed; `due` is NEVER by then."""
        raise NotImplementedError


class Timers:
    """The heap. Times are seconds on the owner's monotonic clock."""

    __slots__ = ("_empty", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._serial = 0
        self._empty = 0

    def __len__(self) -> int:
        """Entries in the heap, those waiting to be skipped among them."""
        return len(self._heap)

    def set(self, timed: Timed, at: float) -> None:
        """Wake `timed` at `at`, instead of when it was to be woken before."""
        timed.due = at
        entry = timed.entry
        if entry is not None:
            if at >= entry[0]:
                return
            entry[2] = None
            self._empty += 1
        self._serial += 1
        entry = timed.entry = [at, self._serial, timed]
        heappush(self._heap, entry)

    def clear(self, timed: Timed) -> None:
        """Do not wake `timed` any more."""
        timed.due = NEVER
        entry = timed.entry
        if entry is not None:
            timed.entry = None
            entry[2] = None
            self._empty += 1
            if self._empty > _SWEEP_FROM and self._empty * 2 > len(self._heap):
                self._sweep()

    def next(self) -> float | None:
        """When `run` has something to do, or None. May be early (a moved timer), never late."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if entry[2] is not None:
                return entry[0]  # type: ignore[no-any-return]
            heappop(heap)
            self._empty -= 1
        return None

    def run(self, now: float) -> None:
        """Fire all that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            timed = heappop(heap)[2]
            if timed is None:
                self._empty -= 1
                continue
            timed.entry = None
            due = timed.due
            if due <= now:
                timed.due = NEVER
                timed.fire(now)
            elif due is not NEVER:
                self.set(timed, due)

    def _sweep(self) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[2] is not None]  # in place: `run` may be iterating
        heapify(self._heap)
        self._empty = 0
