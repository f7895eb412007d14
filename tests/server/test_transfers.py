"""Attended transfers with the real media core on two threads, and phones whose sequence numbers have wrapped."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from sealtone.admin import Actor, SipUserChange, update_sip_user
from sealtone.phone import Call, CallState, Encryption, Tone, Wish
from sealtone.phone.events import TransferProgress
from server.whole import Whole, config_in, running


async def let_use(whole: Whole, user: str, codecs: str) -> None:
    change, actor = SipUserChange(codecs=codecs), Actor("test", "here")
    await whole.server._store.submit(
        lambda transaction: update_sip_user(transaction, actor, time.time(), f"{user}@office.example", change)
    )
    await whole.server.reload()


async def go_past_the_wrap(*calls: Call) -> None:
    """In steps of less than half the numbers: what is more would be taken for a step back (RFC 3711 3.3.1)."""
    for sequence in (0x7FF0, 0xC000, 0xFFF8):
        for call in calls:
            call.media._sequence = sequence
        await asyncio.sleep(0.2)


async def hear(*calls: Call) -> None:
    """Each is up and hears the other side now."""
    before = [call.stats() for call in calls]
    await asyncio.sleep(0.5)
    for call, then in zip(calls, before, strict=True):
        assert call.state is CallState.ESTABLISHED, call.reason
        assert call.stats().received >= then.received + 15
        assert call.stats().rejected == then.rejected


async def test_one_that_fails_leaves_both_calls_talking_and_one_that_works_joins_the_others(tmp_path: Path) -> None:
    async with running(config_in(tmp_path, workers=2)) as whole, contextlib.AsyncExitStack() as stack:
        plane = whole.server.node.exchange.plane
        plane._codecs = dict.fromkeys(plane.codecs(), "not on this machine")  # type: ignore[attr-defined]
        await let_use(whole, "1001", "PCMA")
        await let_use(whole, "1002", "PCMU")
        phones = []
        for user in ("1000", "1001", "1002", "1003"):
            wish = Wish(Encryption.REQUIRE)
            phone = whole.phone(user, "tls", wish=wish, source=lambda: Tone(440.0, 1.0, 0.0))
            phones.append(await stack.enter_async_context(phone))
            await phones[-1].register()
        a, b, c, d = phones
        first, second = await a.call("1001"), await a.call("1002")
        await first.answered(5)
        await second.answered(5)
        at_b, at_c = await b.next_call(5), await c.next_call(5)
        await go_past_the_wrap(first, second, at_b, at_c)
        await hear(first, second, at_b, at_c)

        told: list[int] = []
        a._on_event = lambda event: told.append(event.status) if isinstance(event, TransferProgress) else None
        await first.transfer_to(second)  # b and c have no codec in common, nor has the server any
        await asyncio.sleep(0.3)
        assert 488 in told
        await hear(first, second, at_b, at_c)

        await second.hang_up()
        third = await a.call("1003")
        await third.answered(5)
        at_d = await d.next_call(5)
        await go_past_the_wrap(third, at_d)
        await first.transfer_to(third)
        await first.ended(5)
        await third.ended(5)
        await hear(at_b, at_d)
        (joined,) = whole.server.node.exchange.calls.values()
        for leg in joined.legs():
            stats = whole.server._engine.leg_stats(leg.port.id)
            assert (stats.auth_failures, stats.replays) == (0, 0)
        await at_b.hang_up()
        await at_d.ended(5)
