"""The feed in the web process: each hears its own account's events; who is too slow, or missed some, is told so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from sealtone.net.control import SOCKET_FILE, ControlSocket
from sealtone.server.event_feed import EventFeed
from sealtone.web.live import LOST, MAX_QUEUED, Live


async def test_each_hears_its_own_account_and_none_hears_all(tmp_path: Path) -> None:
    feed = EventFeed()
    socket = ControlSocket(
        tmp_path / SOCKET_FILE, {"events.wait": lambda after, patience_s=5.0: feed.wait(after, patience_s)}
    )
    await socket.open()
    live = Live(tmp_path)
    one, everything = live.subscribe(1), live.subscribe(None)
    task = asyncio.create_task(live.run())
    try:
        for listener in (one, everything):  # at its beginning, and when the server answers
            for _ in range(2):
                assert await asyncio.wait_for(anext(listener), 3) is LOST
        feed.tell("call.started", 2, call="theirs")
        feed.tell("call.started", 1, call="ours")
        assert (await asyncio.wait_for(anext(one), 3))["call"] == "ours"
        assert [(await asyncio.wait_for(anext(everything), 3))["call"] for _ in range(2)] == ["theirs", "ours"]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await socket.close()


async def test_a_listener_that_is_too_slow_is_told_to_look_anew_and_ends() -> None:
    live = Live(Path("/nowhere"))
    subscription = live.subscribe(1)
    for number in range(MAX_QUEUED + 5):
        live._offer({"kind": "call.changed", "account_id": 1, "seq": number})
    assert [event async for event in subscription] == [LOST]
