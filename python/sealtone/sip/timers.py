"""Timers of a sans-I/O core: one entry for each thing that waits, cancelled lazily.

How it works. Whatever waits is a `Timed` with `due`, when it wants to be woken, and `entry`, what stands for it here:
[when it is looked at, serial number, the thing]. Moving `due` later touches no entry: it comes up, finds `due` later,
and goes back. Moving it before its entry, or clearing it, empties the entry, which is skipped when it comes up. So
nothing is kept alive that no longer waits: an ended call has a session timer that was due in half an hour. Empty
entries are swept once they are the half.

Nearly all times are now plus one of a few durations (T1, T4, 64*T1, the session interval). So entries stand in a few
queues that are each in order: a new one goes to the end of that which ends latest before it. Only what fits no queue
goes to a heap. A heap of all would be 100,000 entries deep under load, and each that is taken from it a walk through
cold memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heapify, heappop, heappush
from typing import Any, Final

NEVER: Final = float("inf")
_SWEEP_FROM: Final = 1024  # below this many empty entries a sweep is not worth while

_MOST_QUEUES: Final = 16

Entry = list[Any]
"""[time, serial, `Timed` or None]: a list, so that it can be emptied where it stands."""


class Timed:
    """Something that can wait for one moment at a time; subclasses set `due = NEVER`, `entry = None`, define `fire`."""

    __slots__ = ("due", "entry")

    due: float
    entry: Entry | None

    def fire(self, now: float) -> None:
        """Called once `due` has passed; `due` is NEVER by then."""
        raise NotImplementedError


class Timers:
    """What waits. Times are seconds on the owner's monotonic clock."""

    __slots__ = ("_empty", "_ends", "_heap", "_queues", "_serial")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._queues: list[deque[Entry]] = []
        self._ends: list[float] = []  # the last time that each queue was given, ascending
        self._serial = 0
        self._empty = 0

    def __len__(self) -> int:
        """Entries, those waiting to be skipped among them."""
        return len(self._heap) + sum(map(len, self._queues))

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
        ends = self._ends
        place = bisect_right(ends, at) - 1
        if place >= 0:
            ends[place] = at  # still before the next one's end
            self._queues[place].append(entry)
        elif len(ends) < _MOST_QUEUES:
            ends.insert(0, at)
            self._queues.insert(0, deque((entry,)))
        else:
            heappush(self._heap, entry)

    def clear(self, timed: Timed) -> None:
        """Do not wake `timed` any more."""
        timed.due = NEVER
        entry = timed.entry
        if entry is not None:
            timed.entry = None
            entry[2] = None
            self._empty += 1
            if self._empty > _SWEEP_FROM and self._empty * 2 > len(self):
                self._sweep()

    def next(self) -> float | None:
        """When `run` has something to do, or None. May be early (a moved timer), never late."""
        entry = self._first()[0]
        return None if entry is None else entry[0]

    def run(self, now: float) -> None:
        """Fire all that is due, in the order of entries."""
        while True:
            entry, queue = self._first()
            if entry is None or entry[0] > now:
                return
            if queue is None:
                heappop(self._heap)
            else:
                queue.popleft()
            timed = entry[2]
            timed.entry = None
            due = timed.due
            if due <= now:
                timed.due = NEVER
                timed.fire(now)
            elif due is not NEVER:
                self.set(timed, due)

    def _first(self) -> tuple[Entry | None, deque[Entry] | None]:
        """The first entry that is not empty, and its queue; without one it is the heap's."""
        heap = self._heap
        while heap and heap[0][2] is None:
            heappop(heap)
            self._empty -= 1
        first, source = heap[0] if heap else None, None
        for queue in self._queues:
            while queue and queue[0][2] is None:
                queue.popleft()
                self._empty -= 1
            if queue and (first is None or queue[0] < first):
                first, source = queue[0], queue
        return first, source

    def _sweep(self) -> None:
        self._heap[:] = [entry for entry in self._heap if entry[2] is not None]  # in place: `run` may be under way
        heapify(self._heap)
        for queue in self._queues:
            kept = [entry for entry in queue if entry[2] is not None]
            queue.clear()
            queue.extend(kept)
        self._empty = 0
