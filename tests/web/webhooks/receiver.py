"""Somebody's HTTP server on the loopback, which takes what webhooks send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[["Received"], bytes]


@dataclass
class Received:
    """A request as it came."""

    head: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Receiver:
    """What came, and what is answered."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Answer = lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    delay_s: float = 0.0
    connections: int = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            request = Received(lines[0], await reader.readexactly(int(headers.get("content-length", "0"))), headers)
            self.received.append(request)
            await asyncio.sleep(self.delay_s)
            writer.write(self.answer(request))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.converse, host, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
