"""Messages on TCP and TLS: cut anywhere they are read in one way only; what could be read in two ways ends the line."""

from __future__ import annotations

import asyncio

import pytest

from hostile.server import OURS, Server
from hostile.wire import Line, fresh, is_alive, written

pytestmark = pytest.mark.usefixtures("unharmed")

STREAMS = pytest.mark.parametrize("transport", ["tcp", "tls"])


def options(line: Line, call_id: str, body: bytes = b"") -> bytes:
    return written(
        line, "OPTIONS", f"sip:{OURS}", from_="<sip:x@y>;tag=1", to=f"<sip:{OURS}>", call_id=call_id, body=body,
        headers=(("Content-Type", "text/plain"),) if body else (),
    )  # fmt: skip


@STREAMS
async def test_a_message_that_comes_octet_by_octet_is_one_message(server: Server, transport: str) -> None:
    async with await Line.to(server, transport) as line:
        for octet in options(line, "slow", b"twelve bytes"):
            line.send(bytes([octet]))
            await asyncio.sleep(0)
        answer = await line.final("slow")
        assert answer is not None
        assert answer.status == 200
        assert line.statuses == [200]


@STREAMS
async def test_many_messages_in_one_write_are_answered_one_by_one_in_order(server: Server, transport: str) -> None:
    async with await Line.to(server, transport) as line:
        names = [fresh("many") for _ in range(50)]
        line.send(b"\r\n\r\n".join(options(line, name, b"body of " + name.encode()) for name in names))
        assert await line.final(names[-1]) is not None
        assert [message.call_id for message in line.messages] == names


LENGTHS = {
    "two that differ": "Content-Length: {n}\r\nContent-Length: 0\r\n",
    "two that differ, the smaller first": "Content-Length: 0\r\nContent-Length: {n}\r\n",
    "the compact name differs": "Content-Length: {n}\r\nl: 0\r\n",
    "a list": "Content-Length: {n}, 0\r\n",
    "negative": "Content-Length: -{n}\r\n",
    "with a plus": "Content-Length: +0\r\n",
    "huge": "Content-Length: 99999999999999999999\r\n",
    "past 32 bits": "Content-Length: 4294967296\r\n",
    "hexadecimal": "Content-Length: 0x00\r\n",
    "not a number": "Content-Length: none\r\n",
    "empty": "Content-Length:\r\n",
    "none": "",
    "with a bare line feed": "Content-Length: 0\nX: \r\n",
    "hidden behind a NUL": "Content-Length: 0\0{n}\r\n",
    "other digits": "Content-Length: \u0660\r\n",
}


def outer(line: Line, length: str, inner: bytes) -> bytes:
    whole = options(line, "outer")
    assert whole.endswith(b"Content-Length: 0\r\n\r\n")
    head = whole.removesuffix(b"Content-Length: 0\r\n\r\n")
    return head + length.format(n=len(inner)).encode() + b"\r\n" + inner


@STREAMS
@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
async def test_no_request_is_smuggled_behind_a_doubtful_content_length(
    server: Server, transport: str, length: str
) -> None:
    async with await Line.to(server, transport, "127.0.0.12") as line:
        line.send(outer(line, length, options(line, "inner")))
        async with asyncio.timeout(2):
            await line.closed.wait()
        assert all(message.call_id != "inner" for message in line.messages)
        assert set(line.statuses) <= {400, 513}
    await is_alive(server)


async def test_the_oracle_of_smuggling_sees_a_second_request_and_a_body(server: Server) -> None:
    async with await Line.to(server, "tcp") as line:
        line.send(outer(line, "Content-Length: 0\r\n", options(line, "inner")))
        assert await line.final("inner") is not None
    async with await Line.to(server, "tcp") as line:
        line.send(outer(line, "Content-Length: {n}\r\n", options(line, "inner")))
        assert await line.final("outer") is not None
        assert await line.final("inner", timeout_s=0.2) is None


@STREAMS
async def test_what_is_too_large_ends_the_connection_and_nothing_else(server: Server, transport: str) -> None:
    for flood in (b"INVITE sip:x@y SIP/2.0\r\nX: " + b"a" * 200_000, b"A" * 200_000, b"\n" * 200_000):
        async with await Line.to(server, transport, "127.0.0.13") as line:
            line.send(flood)
            async with asyncio.timeout(3):
                await line.closed.wait()
            assert set(line.statuses) <= {400, 513}
    async with await Line.to(server, transport, "127.0.0.13") as line:
        line.send(outer(line, "Content-Length: 5000000\r\n", b"x" * 200_000))
        async with asyncio.timeout(3):
            await line.closed.wait()
        assert set(line.statuses) <= {400, 513}
    await is_alive(server)


async def test_a_datagram_of_the_largest_size_and_one_of_a_thousand_headers_are_survived(server: Server) -> None:
    async with await Line.to(server) as line:
        line.send(options(line, "largest", b"x" * 64_000))
        many = options(line, "headers").replace(b"Content-Length", b"X: y\r\n" * 9_000 + b"Content-Length")
        line.send(many)
        line.send(options(line, "vias").replace(b"Max-Forwards", b"Via: SIP/2.0/UDP h\r\n" * 2_500 + b"Max-Forwards"))
        await asyncio.sleep(0.3)
        await is_alive(server)
