"""The queues of timers beside a plain list that is searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealtone.sip.timers import NEVER, Timed, Timers


class Bell(Timed):
    """Notes when it was rung."""

    __slots__ = ("name", "rung")

    def __init__(self, name: int, rung: list[tuple[float, int]]) -> None:
        self.due = NEVER
        self.entry = None
        self.name = name
        self.rung = rung

    def fire(self, now: float) -> None:
        self.rung.append((now, self.name))


DELAYS = st.sampled_from([0.2, 0.5, 5.0, 32.0, 1800.0]) | st.floats(0.0, 50.0)
STEPS = st.tuples(st.sampled_from(["set", "set", "set", "clear", "pass"]), st.integers(0, 30), DELAYS)


@pytest.mark.interpreted
@given(st.lists(STEPS, max_size=120))
def test_each_timer_fires_once_after_its_last_time_and_those_that_were_not_moved_in_order(
    steps: list[tuple[str, int, float]],
) -> None:
    timers, rung, now = Timers(), list[tuple[float, int]](), 1000.0
    bells = [Bell(number, rung) for number in range(31)]
    waiting: dict[int, float] = {}
    moved: set[int] = set()
    for step, number, seconds in [*steps, ("pass", 0, 4000.0)]:
        if step == "set":
            timers.set(bells[number], now + seconds)
            moved |= {number} & waiting.keys()
            waiting[number] = now + seconds
        elif step == "clear":
            timers.clear(bells[number])
            waiting.pop(number, None)
        else:
            now += seconds
            rung.clear()
            timers.run(now)
            due = {name: at for name, at in waiting.items() if at <= now}
            assert sorted(name for _, name in rung) == sorted(due)
            times = [due[name] for _, name in rung if name not in moved]
            assert times == sorted(times)
            for name in due:
                del waiting[name]
            moved &= waiting.keys()
        soonest = min(waiting.values(), default=None)
        found = timers.next()
        assert (found is None) <= (soonest is None)
        assert soonest is None or (found is not None and found <= soonest)
    assert not len(timers)


@pytest.mark.interpreted
def test_what_is_cleared_leaves_nothing_behind() -> None:
    timers = Timers()
    bells = [Bell(number, []) for number in range(5000)]
    for number, bell in enumerate(bells):
        timers.set(bell, 1800.0 + number)
    for bell in bells:
        timers.clear(bell)
    assert len(timers) <= 1100
