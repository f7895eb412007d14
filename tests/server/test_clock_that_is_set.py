"""The machine's clock is set while the server runs: by NTP soon after a start, by hand, after sleep."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sealtone.server.wall_clock import WallClock
from server.whole import config_in, running

HOUR_S = 3600.0


class Clock:
    """The machine's, `ahead` of the right time."""

    def __init__(self, ahead: float) -> None:
        self._right = time.time
        self.ahead = ahead

    def __call__(self) -> float:
        return self._right() + self.ahead


async def test_phones_register_and_call_though_the_clock_was_fast_and_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(2 * HOUR_S)
    monkeypatch.setattr(time, "time", clock)
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a, whole.phone("1001") as b:
        await a.register()
        clock.ahead += 400.0  # longer than a nonce is remembered
        await b.register()
        clock.ahead = 0.0
        await a.register()
        await b.register()
        call = await a.call("1001")
        await call.answered(5)
        await call.hang_up()


def test_moments_move_along_when_the_clock_is_set_and_with_nothing_less(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, monotonic = 1_000_000.0, 50.0
    monkeypatch.setattr(time, "time", lambda: wall)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    clock = WallClock()
    assert clock(40.0) == 999_990.0
    wall, monotonic = 1_000_010.2, 60.0  # the two are never read at the very same moment
    clock.look()
    assert clock(40.0) == 999_990.0
    wall -= HOUR_S
    clock.look()
    assert (clock(40.0), clock(60.0)) == pytest.approx((996_390.2, 996_410.2))
