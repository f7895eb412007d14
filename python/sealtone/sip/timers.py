"""Timers of a sans-I/O core: one heap, one entry for each thing that waits, cancelled lazily.

How it works. Whatever waits is a `Timed` with two times: `due`, when it wants to be woken, and `wake`, when the heap
will look at it. Moving `due` later, or clearing it, touches no heap: the entry comes up at `wake`, finds `due` later,
and goes back. Only moving `due` before `wake` pushes a new entry; the old one no longer equals `wake` and is skipped.
Entries of things cleared long before their time (a session timer of half an hour) are swept once they are the half.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

NEVER: Final = float("inf")
_SWEEP_FROM: Final = 1024  # below this many cleared entries a sweep is not worth while


class Timed:
    """Something that can wait for one moment at a time; subclasses set `due = wake = NEVER` and define `fire`."""

    __slots__ = ("due", "wake")

    due: float
    wake: float

    def fire(self, now: float) -> None:
        """Called once `due` has passed; `due` is NEVER by then."""
        raise NotImplementedError


class Timers:
    """The heap. Times are seconds on the owner's monotonic clock."""

    __slots__ = ("_cleared", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._serial = 0
        self._cleared = 0

    def __len__(self) -> int:
        """Entries in the heap, those waiting to be skipped among them."""
        return len(self._heap)

    def set(self, timed: Timed, at: float) -> None:
        """Wake `timed` at `at`, instead of when it was to be woken before."""
        timed.due = at
        if at < timed.wake:
            timed.wake = at
            self._serial += 1
            heappush(self._heap, (at, self._serial, timed))

    def clear(self, timed: Timed) -> None:
        """Do not wake `timed` any more."""
        if timed.due is not NEVER:
            timed.due = NEVER
            self._cleared += 1
            if self._cleared > _SWEEP_FROM and self._cleared * 2 > len(self._heap):
                self._sweep()

    def next(self) -> float | None:
        """When `run` has something to do, or None. May be early (a moved timer), never late."""
        heap = self._heap
        while heap:
            at, _, timed = heap[0]
            if timed.wake == at and timed.due is not NEVER:
                return at
            heappop(heap)
            if timed.wake == at:
                timed.wake = NEVER
        return None

    def run(self, now: float) -> None:
        """Fire all that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, timed = heappop(heap)
            if timed.wake != at:
                continue
            timed.wake = NEVER
            due = timed.due
            if due <= now:
                timed.due = NEVER
                timed.fire(now)
            elif due is not NEVER:
                self.set(timed, due)

    def _sweep(self) -> None:
        kept = []
        for entry in self._heap:
            at, _, timed = entry
            if timed.wake == at:
                if timed.due is NEVER:
                    timed.wake = NEVER
                else:
                    kept.append(entry)
        self._heap[:] = kept  # in place: `run` may be iterating
        heapify(self._heap)
        self._cleared = 0
