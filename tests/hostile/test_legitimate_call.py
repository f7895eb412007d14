"""The oracle of all other tests: the account of the legitimate call sees what it is to see."""

from __future__ import annotations

import asyncio
import time

import pytest

from hostile import beside
from hostile.server import Server
from hostile.talk import Tap, forged, settled, talking


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_without_an_attack_the_call_loses_nothing(server: Server, transport: str) -> None:
    async with talking(server, transport) as talk:
        await asyncio.sleep(0.5)
        assert talk.a.tap.marked == talk.b.tap.marked == 0


async def test_a_call_whose_packets_are_held_back_is_seen_to_lose(server: Server) -> None:
    async with talking(server, "udp") as talk:
        whole, talk.a.tap.inject = talk.a.tap.inject, lambda packet: None  # type: ignore[method-assign]
        await asyncio.sleep(0.3)
        with pytest.raises(AssertionError, match="packets were lost"):
            await talk.check()
        talk.a.tap.inject = whole  # type: ignore[method-assign]
        await asyncio.sleep(0.1)
        talk.mark()


def hold_back(tap: Tap) -> None:
    whole, tap.inject = tap.inject, lambda packet: None  # type: ignore[method-assign]
    time.sleep(0.3)
    tap.inject = whole  # type: ignore[method-assign]


def test_the_call_beside_many_attacks_is_seen_to_lose_too(server: Server) -> None:
    with beside.running(server) as call:
        with call.unharmed():
            time.sleep(0.5)
        with pytest.raises(AssertionError, match="packets were lost"), call.unharmed():
            hold_back(call.talk.b.tap)
        with call.unharmed():
            time.sleep(0.1)


async def test_a_packet_from_the_signalled_address_is_counted_as_injected(server: Server) -> None:
    async with talking(server, "udp") as talk:
        for sequence in range(20):
            talk.a.tap.inject(forged(sequence))
        await settled(lambda: talk.b.tap.marked >= 15, lambda: f"{talk.b.tap.marked} came")
