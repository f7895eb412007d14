"""Connections that this server opens: one for each target, shared by all that is sent there (RFC 5923)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sealtone.net.errors import IdentityError
from sealtone.net.stream import StreamConnection, StreamOwner
from sealtone.net.stream_listener import watch_for_death
from sealtone.sip.flow import Hop, Target

if TYPE_CHECKING:
    from sealtone.net.transport import Certificates


class OutboundOwner(StreamOwner, Protocol):
    """The transports that the connections belong to."""


class _Opening:
    """A connection being opened, and what waits for it."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.task: asyncio.Task[None] | None = None


class OutboundConnections:
    """By target: a connection, or one on its way. `failed(target)` is told once when one cannot be opened."""

    def __init__(
        self,
        owner: OutboundOwner,
        next_id: Callable[[], int],
        certificates: Certificates | None,
        failed: Callable[[Hop], None],
    ) -> None:
        self._owner = owner
        self._next_id = next_id
        self._certificates = certificates
        self._failed = failed
        self._open: dict[Target, StreamConnection] = {}
        self._opening: dict[Target, _Opening] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._open) + len(self._opening)

    def send(self, data: bytes, target: Target) -> bool:
        """Sends, or keeps the message until the connection is open; False when neither can be."""
        connection = self._open.get(target)
        if connection is not None and connection.send(data):
            return True
        opening = self._opening.get(target)
        if opening is None:
            limits = self._owner.limits
            if len(self._opening) >= limits.outbound_connecting or len(self) >= limits.connections:
                return False
            opening = self._opening[target] = _Opening()
            opening.task = self._loop.create_task(self._establish(target, opening))
        elif len(opening.waiting) >= self._owner.limits.waiting_for_connection:
            return False
        opening.waiting.append(data)
        return True

    def closed(self, connection: StreamConnection) -> None:
        """A connection ended; the next message to its target opens another."""
        if connection.target is not None and self._open.get(connection.target) is connection:
            del self._open[connection.target]

    def cancel(self) -> None:
        """Gives up those being opened, when the server stops."""
        for opening in self._opening.values():
            if opening.task is not None:
                opening.task.cancel()
        self._opening.clear()

    async def _establish(self, target: Target, opening: _Opening) -> None:
        try:
            async with asyncio.timeout(self._owner.limits.connect_s):
                connection = await self._connect(target)
        except (OSError, TimeoutError, ssl.SSLError, IdentityError):
            self._owner.counters.connect_failures += 1
            self._opening.pop(target, None)
            self._failed(target)
            return
        self._owner.counters.connections_out += 1
        self._opening.pop(target, None)
        self._open[target] = connection
        for data in opening.waiting:
            connection.send(data)

    async def _connect(self, target: Target) -> StreamConnection:
        context = None
        if target.transport == "tls":
            if self._certificates is None:
                raise IdentityError("TLS needs certificates")
            context = self._certificates.client_context()
        name = target.server_name or target.host
        transport, connection = await self._loop.create_connection(
            lambda: StreamConnection(self._owner, self._next_id(), target.transport, target.host, target=target),
            target.host,
            target.port,
            ssl=context,
            server_hostname=name if context is not None else None,
        )
        if connection.identity_error is not None:
            raise connection.identity_error
        sock: socket.socket = transport.get_extra_info("socket")
        watch_for_death(sock)
        return connection
