"""Plain HTTP on port 80: answers an authority that checks a name (RFC 8555 8.3), and sends everybody else to HTTPS.

One request a connection, of bounded size and time, and a bounded number of connections. Nothing else is served here,
since nothing is worth being served without encryption.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable

from sealtone.net.listen import bound_socket

_CHALLENGE = re.compile(rb"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,128})")
_TARGET = re.compile(rb"/[\x21-\x7e]{0,2000}")
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,253}")
_LONGEST = 8192
_MOST_CONNECTIONS = 200
_REQUEST_S = 5.0


class PlainHttp:
    """Listens on one address. `file(token)` gives what an authority looks for; `https_port` is where others are sent,
    0 for nowhere."""

    def __init__(self, host: str, port: int, file: Callable[[str], bytes | None], https_port: int) -> None:
        self._socket = bound_socket("tcp", host, port)
        self.port: int = self._socket.getsockname()[1]
        self._file = file
        self._https_port = https_port
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begins to answer."""
        self._server = await asyncio.start_server(self._accepted, sock=self._socket, limit=_LONGEST)

    def close(self) -> None:
        """Stops, and ends what is open."""
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        for task in self._connections:
            task.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            async with asyncio.timeout(_REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._connections.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    def _answer(self, head: bytes) -> bytes:
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response(b"400 Bad Request")
        method, target = words[0], words[1]
        if method not in (b"GET", b"HEAD"):
            return _response(b"405 Method Not Allowed", b"Allow: GET, HEAD\r\n")
        challenge = _CHALLENGE.fullmatch(target)
        if challenge is not None:
            content = self._file(challenge[1].decode())
            if content is None:
                return _response(b"404 Not Found")
            return _response(b"200 OK", b"Content-Type: application/octet-stream\r\n", content, method)
        host = _host(lines[1:])
        if not self._https_port or not host or not _TARGET.fullmatch(target):
            return _response(b"404 Not Found")
        port = b"" if self._https_port == 443 else b":%d" % self._https_port
        return _response(b"308 Permanent Redirect", b"Location: https://%b%b%b\r\n" % (host, port, target))


def _host(lines: list[bytes]) -> bytes:
    """The name asked for, without a port; nothing where it is not one of a plain form."""
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"host":
            host = value.strip().partition(b":")[0]
            return host if _HOST.fullmatch(host) else b""
    return b""


def _response(status: bytes, headers: bytes = b"", content: bytes = b"", method: bytes = b"GET") -> bytes:
    head = b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, headers, len(content))
    return head if method == b"HEAD" else head + content
