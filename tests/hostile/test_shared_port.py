"""The port that SIP over TLS shares with the panel: what is meant for one harms neither, and each reads only its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator

import pytest

from hostile.server import OURS, Server
from hostile.wire import Line, fresh, is_alive, trusting_nobody, written
from interop.processes import LOOPBACK

pytestmark = pytest.mark.usefixtures("unharmed")
VISITOR, CROWD = "127.0.0.60", "127.0.0.61"
MOST_WAIT_S = 3.0
"""Beside an attack, on two shared cores."""
HELLO = bytes.fromhex("16030100c8010000c40303")


def register(line: Line, call_id: str) -> bytes:
    return written(line, "OPTIONS", f"sip:{OURS}", from_="<sip:a@b>;tag=1", to=f"<sip:{OURS}>", call_id=call_id)


async def page(server: Server, path: str = "/healthz", address: str = VISITOR) -> bytes:
    """What the panel answers, whole."""
    async with opened(server, address) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()


@contextlib.asynccontextmanager
async def opened(
    server: Server, address: str = VISITOR, tls: ssl.SSLContext | None = None, *, plain: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the shared port; `plain`: its handshake is the caller's business."""
    reader, writer = await asyncio.open_connection(
        LOOPBACK,
        server.shared_port,
        local_addr=(address, 0),
        ssl=None if plain else tls or trusting_nobody(),
        server_hostname=None if plain else OURS,
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def both_are_alive(server: Server) -> None:
    """The panel answers in time, and so does SIP on that port and on its own."""
    begun = time.monotonic()
    async with asyncio.timeout(MOST_WAIT_S):
        assert (await page(server)).startswith(b"HTTP/1.1 200")
        async with await Line.to(server, "tls", VISITOR, server.shared_port) as line:
            call_id = fresh("shared")
            line.send(register(line, call_id))
            answer = await line.final(call_id)
            assert answer is not None
            assert answer.status == 200
    assert time.monotonic() - begun < MOST_WAIT_S
    await is_alive(server)


async def read_to_end(reader: asyncio.StreamReader, within_s: float) -> bytes:
    """What comes until the other side closes, or for that long."""
    found = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(within_s):
            while octets := await reader.read(65_536):
                found += octets
    return found


FLOODS = {
    "a header without end": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
    "an address without end": b"GET /" + b"a" * 1_000_000,
    "a body that is larger than any": b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    + b"a" * 500_000,
    "chunks that are no chunks": b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"zz\r\n" * 50_000,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100_000,
    "garbage": os.urandom(300_000),
    "line ends": b"\r\n" * 100_000,
    "a method that nobody knows": b"GETT / HTTP/1.1\r\n\r\n" * 1000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_what_is_no_request_ends_its_connection_and_nothing_else(server: Server, flood: bytes) -> None:
    async with opened(server) as (reader, writer):
        writer.write(flood)
        with contextlib.suppress(OSError):
            await writer.drain()
        said = await read_to_end(reader, 1.0)
    assert not said.startswith((b"HTTP/1.1 2", b"HTTP/1.1 5", b"SIP/2.0 2")), said[:200]
    await both_are_alive(server)


async def test_a_connection_speaks_what_it_began_with_and_never_the_other(server: Server) -> None:
    probe = await Line.to(server, "tls", VISITOR, server.shared_port)
    async with probe:
        sip = register(probe, fresh("within"))
    async with opened(server) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + sip)
        said = await read_to_end(reader, 1.0)
        assert said.startswith(b"HTTP/1.1 ")
        assert b"SIP/2.0" not in said
    for body in (
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(sip),
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        async with opened(server) as (reader, writer):
            writer.write(body + sip)
            assert b"SIP/2.0 2" not in await read_to_end(reader, 0.5)
    async with await Line.to(server, "tls", VISITOR, server.shared_port) as line:
        call_id = fresh("before")
        line.send(register(line, call_id) + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await line.final(call_id) is not None
        await asyncio.sleep(0.5)
        assert set(line.statuses) <= {200, 400}
    await both_are_alive(server)


async def test_half_handshakes_and_what_is_no_tls_keep_nobody_out(server: Server) -> None:
    async with contextlib.AsyncExitStack() as held:
        for number in range(150):
            _, writer = await held.enter_async_context(opened(server, CROWD, plain=True))
            writer.write((HELLO, b"", os.urandom(200), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff")[number % 5])
        await both_are_alive(server)


async def test_many_who_send_their_request_octet_by_octet_keep_nobody_out(server: Server) -> None:
    head = b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50
    async with contextlib.AsyncExitStack() as held:
        slow = [await held.enter_async_context(opened(server, CROWD)) for _ in range(60)]
        ends = time.monotonic() + 4.0
        place = 0
        while time.monotonic() < ends:
            for _, writer in slow:
                if not writer.is_closing():
                    writer.write(head[place : place + 1])
            place += 1
            if place % 20 == 1:
                await both_are_alive(server)
            await asyncio.sleep(0.02)
        await both_are_alive(server)


async def test_who_reads_no_answer_costs_no_more_than_the_buffers_of_one_connection(server: Server) -> None:
    async with contextlib.AsyncExitStack() as held:
        for _ in range(20):
            _, writer = await held.enter_async_context(opened(server, CROWD))
            writer.write(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        await asyncio.sleep(1.0)
        await both_are_alive(server)
