"""Messages that come fast are gathered; what comes alone, and what is urgent, does not wait."""

import asyncio
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import cast

from net.conftest import OPTIONS, Node
from net.test_udp import phone
from sealtone.net import Limits
from sealtone.net.moderation import Moderation

Nodes = Callable[..., Node]
LONG = Limits(gathering_s=0.3)


class Rush:
    """A moderation that has just seen more messages than it lets pass one by one, until `end`."""

    def __init__(self, urgent: tuple[int, ...] = ()) -> None:
        self.loop = asyncio.get_running_loop()
        self.moderation = Moderation(self.loop, LONG, urgent)
        self.moderation.came(100)

    async def begun(self) -> None:
        await asyncio.sleep(0)
        assert self.moderation.is_gathering


async def late_by(write: Callable[[], object], fd: int) -> float:
    """Seconds from `write` on another thread, 20 ms from now, to the loop's seeing that `fd` can be read."""
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[float] = loop.create_future()
    written = 0.0

    def later() -> None:
        nonlocal written
        time.sleep(0.02)
        written = time.monotonic()
        write()

    def readable() -> None:
        loop.remove_reader(fd)
        seen.set_result(time.monotonic())

    loop.add_reader(fd, readable)
    thread = threading.Thread(target=later)
    thread.start()
    at = await asyncio.wait_for(seen, 10)
    thread.join()
    return at - written


async def delays(*, urgent: bool) -> list[float]:
    """How late each of some is seen that comes while messages are gathered, in seconds."""
    found = []
    for _ in range(5):
        reader, writer = os.pipe()
        rush = Rush((reader,) if urgent else ())
        await rush.begun()
        found.append(await late_by(partial(os.write, writer, b"x"), reader))
        rush.moderation.stop()
        os.close(reader)
        os.close(writer)
    return found


# The machine itself may be late, with the writing or the seeing; hardly each time.


async def test_what_comes_while_messages_are_gathered_waits_for_the_next_round() -> None:
    assert 0.05 < median(await delays(urgent=False)) < 0.6


async def test_what_is_urgent_is_seen_at_once_while_messages_are_gathered() -> None:
    assert min(await delays(urgent=True)) < 0.05


async def wait_of_what_a_round_calls_soon() -> float:
    """In seconds."""
    rush = Rush()
    await rush.begun()
    begun = time.monotonic()
    steps: list[float] = []

    def step() -> None:
        steps.append(time.monotonic() - begun)
        rush.moderation.came(1000)
        if len(steps) == 1:
            rush.loop.call_soon(step)

    # A timer stands for whatever the round found.
    rush.loop.call_later(0.01, step)
    await asyncio.sleep(0.5)
    rush.moderation.stop()
    assert len(steps) == 2
    return steps[1] - steps[0]


async def test_what_a_round_calls_soon_is_done_before_the_next_is_waited_for() -> None:
    assert min([await wait_of_what_a_round_calls_soon() for _ in range(3)]) < 0.05


class Turns:
    """An event loop of which each turn is asked for: what was called soon runs in one, and then messages come."""

    def __init__(self) -> None:
        self._soon: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], object]) -> None:
        self._soon.append(callback)

    def turn(self) -> float:
        """Seconds that it took."""
        begun = time.monotonic()
        due, self._soon = self._soon, []
        for callback in due:
            callback()
        return time.monotonic() - begun


def wait_of_the_last_before_a_pause() -> float:
    """Seconds from a message in the turn before a pause until what it calls for is done; infinity without a pause."""
    loop = Turns()
    moderation = Moderation(cast(asyncio.AbstractEventLoop, loop), Limits(gathering_s=0.05))
    done_at = math.inf

    def done() -> None:
        nonlocal done_at
        done_at = time.monotonic()

    def turns_until_pause() -> int | None:
        return next((turn for turn in range(10) if loop.turn() > 0.03), None)

    moderation.came(100)
    turns_until_pause()
    moderation.came(16)  # some three hundred a second: it goes on gathering
    turns = turns_until_pause()
    moderation.came(15)
    for _ in range(turns or 0):
        loop.turn()
    moderation.came(1)
    came_at = time.monotonic()
    loop.call_soon(done)
    pauses = turns_until_pause() is not None
    return done_at - came_at if pauses else math.inf


def test_what_the_last_messages_before_a_pause_call_for_is_sent_before_it() -> None:
    assert min(wait_of_the_last_before_a_pause() for _ in range(5)) < 0.02


async def test_gathering_ends_when_messages_come_slowly_again() -> None:
    rush = Rush()
    await rush.begun()
    async with asyncio.timeout(10):
        while rush.moderation.is_gathering:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_stopped_moderation_holds_nothing_up() -> None:
    rush = Rush()
    await rush.begun()
    rush.moderation.stop()
    await asyncio.sleep(0.4)
    rush.moderation.came(1000)
    assert not rush.moderation.is_gathering


def send_slowly(sock: socket.socket, port: int, count: int, pause_s: float) -> None:
    for _ in range(count):
        sock.sendto(OPTIONS, ("127.0.0.1", port))
        time.sleep(pause_s)


async def test_a_lone_call_is_not_gathered(nodes: Nodes) -> None:
    """Some 13 messages within a second, again and again."""
    node = nodes()
    place = await node.transports.listen_udp("127.0.0.1", 0)
    with phone() as sock:
        for _ in range(4):
            await asyncio.to_thread(send_slowly, sock, place.port, 13, 0.0)
            assert not node.transports.moderation.is_gathering
            await asyncio.sleep(0.25)
    await node.until(lambda n: len(n.messages) == 52)


async def test_messages_that_come_fast_are_all_delivered_in_order(nodes: Nodes) -> None:
    node = nodes()
    place = await node.transports.listen_udp("127.0.0.1", 0)

    def send(sock: socket.socket) -> bool:
        gathered, end = False, time.monotonic() + 60
        for number in range(1500):
            while number - len(node.messages) > 200:  # no more than a receive buffer holds
                assert time.monotonic() < end, "they no longer arrive"
                time.sleep(0.001)
            sock.sendto(OPTIONS + b"%d" % number, ("127.0.0.1", place.port))
            gathered = gathered or node.transports.moderation.is_gathering
            time.sleep(0.0002)
        return gathered

    with phone() as sock:
        assert await asyncio.to_thread(send, sock)
        await node.until(lambda n: len(n.messages) == 1500)
    assert [data for data, _ in node.messages] == [OPTIONS + b"%d" % number for number in range(1500)]
