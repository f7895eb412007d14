"""The one timer of a node, and what it does together, under simulated time."""

import contextlib
import heapq
import io
import itertools
import os
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from calls.media import BookedPlane
from sealtone.model import Snapshot
from sealtone.registrar import Rules
from sealtone.server.journal import Journal
from sealtone.server.node import Node
from sealtone.server.zrtp_memory import ZrtpMemory
from sealtone.sip.flow import Flow, Hop
from sealtone.zrtp import StandardCrypto

SERVER, PHONE = ("192.0.2.1", 5060), ("192.0.2.10", 5060)
FLOW = Flow(1, "udp", SERVER, PHONE)
OPTIONS = (
    b"OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:1000@office.example>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


class Timer:
    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        self.action = None


class Loop:
    """As much of an event loop as a node's timers need."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, action: Callable[[], object]) -> Timer:
        timer = Timer(action)
        heapq.heappush(self._due, (at, next(self._numbers), timer))
        return timer

    def call_later(self, delay_s: float, action: Callable[[], object]) -> Timer:
        return self.call_at(self.now + delay_s, action)

    def call_soon(self, action: Callable[[], object]) -> Timer:
        return self.call_at(self.now, action)

    def run_until(self, end: float) -> None:
        while self._due and self._due[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._due)
            if timer.action is not None:
                timer.action()
        self.now = end


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_gathering = False

    def send(self, data: bytes, hop: Hop) -> None:
        self.sent.append(data)


def node(loop: Loop, wire: Wire) -> Node:
    made = Node(
        user_agent="Sealtone",
        plane=BookedPlane(),
        store=cast(Any, None),  # no registrations here
        snapshot=Snapshot(),
        contact_for=lambda _: SERVER,
        own_addresses=lambda: frozenset({SERVER}),
        journal=Journal(io.StringIO()),
        entropy=os.urandom,
        rules=Rules(),
        zrtp=ZrtpMemory(cast(Any, None), {}),
        zrtp_crypto=StandardCrypto(),
    )
    made.start(cast(Any, wire), cast(Any, loop))
    return made


def test_timers_run_though_messages_come_in_without_a_pause() -> None:
    loop, wire = Loop(), Wire()
    server = node(loop, wire)
    server.on_message(OPTIONS, FLOW)
    loop.run_until(0.002)
    server.on_message(OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK2").replace(b"Call-ID: 1", b"Call-ID: 2"), FLOW)
    assert [data[:11] for data in wire.sent] == [b"SIP/2.0 200"] * 2
    assert server.endpoint.transaction_count == 2
    # One every 3 ms, oftener than the grain of the timer, for longer than the transactions linger. The second is due
    # within the grain of the first.
    for step in range(1, 11_000):
        loop.run_until(step * 0.003)
        server.on_message(b"no SIP at all", FLOW)
    assert server.endpoint.transaction_count == 0


def options(number: int) -> bytes:
    return OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK%d" % number).replace(b"Call-ID: 1", b"Call-ID: %d" % number)


def test_messages_that_are_gathered_are_answered_together_and_in_order() -> None:
    loop, wire = Loop(), Wire()
    server = node(loop, wire)
    wire.is_gathering = True
    for number in range(1, 6):
        server.on_message(options(number), FLOW)
    assert not wire.sent
    loop.run_until(loop.now)
    assert [b"Call-ID: %d\r\n" % number in data for number, data in enumerate(wire.sent, 1)] == [True] * 5
    server.on_message(options(6), FLOW)
    wire.is_gathering = False
    server.on_message(options(7), FLOW)
    assert len(wire.sent) == 7
    loop.run_until(60)
    assert server.endpoint.transaction_count == 0


def test_what_waits_to_be_sent_together_is_limited() -> None:
    loop, wire = Loop(), Wire()
    server = node(loop, wire)
    wire.is_gathering = True
    for number in range(1, 65):
        server.on_message(options(number), FLOW)
    assert not wire.sent
    server.on_message(options(65), FLOW)
    assert wire.sent


@pytest.mark.interpreted
def test_the_timer_is_set_again_after_a_fault_in_one_of_those_it_runs() -> None:
    loop, wire = Loop(), Wire()
    server = node(loop, wire)
    server.on_message(OPTIONS, FLOW)

    def fail(now: float) -> None:
        server.exchange.handle_timeout = whole  # type: ignore[method-assign]
        raise RuntimeError

    whole, server.exchange.handle_timeout = server.exchange.handle_timeout, fail  # type: ignore[method-assign]
    while server.exchange.handle_timeout is fail:
        with contextlib.suppress(RuntimeError):
            loop.run_until(loop.now + 1)
    server.on_message(OPTIONS.replace(b"z9hG4bK1", b"z9hG4bK2").replace(b"Call-ID: 1", b"Call-ID: 2"), FLOW)
    loop.run_until(loop.now + 60)
    assert server.endpoint.transaction_count == 0


def test_records_have_the_time_that_the_clock_was_set_to_soon_after(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, before = Loop(), time.time
    server = node(loop, Wire())
    began = server.exchange.settings.wall_of(time.monotonic())
    assert began == pytest.approx(before(), abs=1.0)
    monkeypatch.setattr(time, "time", lambda: before() + 3600.0)
    loop.run_until(6.0)
    assert server.exchange.settings.wall_of(time.monotonic()) == pytest.approx(before() + 3600.0, abs=1.0)
