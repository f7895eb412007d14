"""Attended transfers with the real media core on two threads, and phones whose sequence numbers have wrapped."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from pathlib import Path

import pytest

from sealtone.admin import Actor, SipUserChange, update_sip_user
from sealtone.media import EngineConfig
from sealtone.phone import Call, CallState, Encryption, Phone, Tone, Wish
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
    for call, then in zip(calls, before, strict=True):
        async with asyncio.timeout(10):
            while call.stats().received < then.received + 15:  # noqa: ASYNC110 - packets come fifty times a second
                await asyncio.sleep(0.02)
        assert call.state is CallState.ESTABLISHED, call.reason
        assert call.stats().rejected == then.rejected


async def calls_of_four(
    whole: Whole, stack: contextlib.AsyncExitStack
) -> tuple[list[Phone], tuple[Call, Call], tuple[Call, Call]]:
    """The first phone talks to the second, which has PCMA alone, and to the third, which has PCMU; the fourth waits."""
    await let_use(whole, "1001", "PCMA")
    await let_use(whole, "1002", "PCMU")
    phones = []
    for user in ("1000", "1001", "1002", "1003"):
        codecs = {"1001": ("PCMA",), "1002": ("PCMU",)}.get(user, ("PCMU", "PCMA"))
        wish = Wish(Encryption.REQUIRE, codecs=codecs)
        phone = whole.phone(user, "tls", wish=wish, source=lambda: Tone(440.0, 1.0, 0.0))
        phones.append(await stack.enter_async_context(phone))
        await phones[-1].register()
    first, second = await phones[0].call("1001"), await phones[0].call("1002")
    await first.answered(15)
    await second.answered(15)
    far = await phones[1].next_call(15), await phones[2].next_call(15)
    await go_past_the_wrap(first, second, *far)
    await hear(first, second, *far)
    return phones, (first, second), far


def nothing_was_refused(whole: Whole) -> None:
    """Of the one call that is left."""
    (joined,) = whole.server.node.exchange.calls.values()
    for leg in joined.legs():
        stats = whole.server._engine.leg_stats(leg.port.id)
        assert (stats.auth_failures, stats.replays) == (0, 0)


async def test_one_that_fails_leaves_both_calls_talking_and_one_that_works_joins_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealtone.app.EngineConfig", functools.partial(EngineConfig, codec_process=None))
    async with running(config_in(tmp_path, workers=2)) as whole, contextlib.AsyncExitStack() as stack:
        (a, _, _, d), (first, second), (at_b, at_c) = await calls_of_four(whole, stack)
        told: list[int] = []
        a._on_event = lambda event: told.append(event.status) if isinstance(event, TransferProgress) else None
        await first.transfer_to(second)  # the two have no codec in common, and this server converts nothing
        async with asyncio.timeout(10):
            while 488 not in told:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await hear(first, second, at_b, at_c)

        await second.hang_up()
        third = await a.call("1003")
        await third.answered(15)
        at_d = await d.next_call(15)
        await go_past_the_wrap(third, at_d)
        await first.transfer_to(third)
        await first.ended(15)
        await third.ended(15)
        await hear(at_b, at_d)
        nothing_was_refused(whole)
        await at_b.hang_up()
        await at_d.ended(15)


async def test_phones_of_different_codecs_are_joined_through_codecs(tmp_path: Path) -> None:
    async with running(config_in(tmp_path, workers=2)) as whole, contextlib.AsyncExitStack() as stack:
        _, (first, second), (at_b, at_c) = await calls_of_four(whole, stack)
        await first.transfer_to(second)
        await first.ended(15)
        await second.ended(15)
        await hear(at_b, at_c)
        assert (at_b.stats().codec, at_c.stats().codec) == ("PCMA", "PCMU")
        (joined,) = whole.server.node.exchange.calls.values()
        assert all(leg.transcoded for leg in joined.legs())
        for leg in joined.legs():
            assert whole.server._engine.leg_stats(leg.port.id).codec_tx_packets >= 15
        nothing_was_refused(whole)
        await at_b.hang_up()
        await at_c.ended(15)
