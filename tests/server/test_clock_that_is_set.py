"""The machine's clock is set while the server runs: by NTP soon after a start, by hand, after sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from sealtone.registrar import Binding
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


async def test_phones_stay_registered_when_the_clock_is_set_by_an_hour_forward_or_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0.0)
    monkeypatch.setattr(time, "time", clock)
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a, whole.phone("1001") as b:
        await a.register()
        await b.register()
        node = whole.server.node
        lasting_s = [binding.expires_at - time.time() for binding in node.registrar.all_bindings(time.time())]
        for ahead in (HOUR_S, -HOUR_S):
            clock.ahead = ahead
            async with asyncio.timeout(20):  # it is found out by itself
                while not _are_about(await whole.server._store.load_bindings(0.0), lasting_s):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert _are_about(node.registrar.all_bindings(0.0), lasting_s)
            call = await a.call("1001")
            await call.answered(5)
            await call.hang_up()


def _are_about(bindings: Iterable[Binding], lasting_s: list[float]) -> bool:
    left_s = [binding.expires_at - time.time() for binding in bindings]
    return left_s == [pytest.approx(before, abs=60.0) for before in lasting_s]


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
    assert clock(40.0) == 999_990.0
    wall -= HOUR_S
    assert (clock(40.0), clock(60.0)) == pytest.approx((996_390.2, 996_410.2))


def test_sleep_is_no_setting_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, monotonic, since_boot = 1_000_000.0, 50.0, 50.0
    monkeypatch.setattr(time, "time", lambda: wall)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    monkeypatch.setattr(time, "clock_gettime", lambda which: since_boot)
    clock = WallClock()
    wall, since_boot = wall + HOUR_S, since_boot + HOUR_S
    assert (clock.was_set_by(), clock(50.0)) == (0.0, 1_003_600.0)
    wall -= 30.0
    assert (clock.was_set_by(), clock.was_set_by()) == (-30.0, 0.0)
