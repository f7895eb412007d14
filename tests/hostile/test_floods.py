"""Floods at a modest rate, and connections that only sit there: calls go on, phones still register."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import pytest

from hostile.server import OURS, Server
from hostile.talk import phone_of, talking
from hostile.wire import SDP, Line, fresh, is_alive, offer, trusting_nobody, written
from interop.processes import LOOPBACK

RATE, SECONDS = 1000, 5


def garbage(line: Line) -> bytes:
    return os.urandom(300)


def register(line: Line) -> bytes:
    user = f"<sip:{os.urandom(3).hex()}@{OURS}>"
    contact = (("Contact", f"<sip:x@{line.address}:{line.port}>"),)
    return written(line, "REGISTER", f"sip:{OURS}", from_=f"{user};tag=1", to=user, call_id=fresh(), headers=contact)


def invite(line: Line) -> bytes:
    user = f"<sip:{os.urandom(3).hex()}@{OURS}>"
    headers = (("Contact", f"<sip:x@{line.address}:{line.port}>"), SDP)
    return written(
        line, "INVITE", f"sip:1000@{OURS}", from_=f"{user};tag=1", to=f"<sip:1000@{OURS}>", call_id=fresh(),
        headers=headers, body=offer(line.address, 30000),
    )  # fmt: skip


async def flood(line: Line, make: Callable[[Line], bytes]) -> None:
    """`RATE` datagrams a second for `SECONDS`, in bursts of a hundredth of a second."""
    loop = asyncio.get_running_loop()
    begin, sent = loop.time(), 0
    while sent < RATE * SECONDS:
        due = min(int((loop.time() - begin) * RATE), RATE * SECONDS)
        while sent < due:
            line.send(make(line))
            sent += 1
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("make", [garbage, register, invite])
async def test_a_call_and_a_registration_get_through_a_flood(server: Server, make: Callable[[Line], bytes]) -> None:
    async with talking(server), await Line.to(server, "udp", "127.0.0.21") as line:
        flooding = asyncio.create_task(flood(line, make))
        await asyncio.sleep(1)
        begin = time.monotonic()
        async with phone_of(server, server.user(), "tls") as phone:
            await phone.register()
            assert time.monotonic() - begin <= 2
        async with phone_of(server, server.user("open"), "udp") as phone:
            await phone.register()
        await flooding
        await is_alive(server)
        assert set(line.statuses) <= {400, 401, 407, 503}


async def test_two_hundred_idle_and_slow_tls_connections_keep_nobody_out(server: Server) -> None:
    loop = asyncio.get_running_loop()
    context = trusting_nobody()
    writers = []

    async def sit(number: int) -> None:
        address = f"127.0.0.{31 + number % 4}"
        silent = number % 2 == 0  # connects, and never says hello
        _, writer = await asyncio.open_connection(
            LOOPBACK,
            server.tls_port,
            local_addr=(address, 0),
            ssl=None if silent else context,
            server_hostname=None if silent else OURS,
        )
        writers.append(writer)

    async def trickle() -> None:
        begin = loop.time()
        while loop.time() - begin < 2.5:
            for writer in writers[1::4]:
                if not writer.is_closing():
                    writer.write(b"R")
            await asyncio.sleep(0.1)

    async with talking(server):
        await asyncio.gather(*(sit(number) for number in range(200)))
        trickling = asyncio.create_task(trickle())
        await asyncio.sleep(0.5)
        for _ in range(3):
            begin = time.monotonic()
            async with phone_of(server, server.user(), "tls") as phone:
                await phone.register()
                assert time.monotonic() - begin <= 2
        await trickling
        for writer in writers:
            writer.transport.abort()
        await is_alive(server)
