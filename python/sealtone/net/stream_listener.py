"""A listening TCP socket, for TCP or TLS: accepts in bounded bursts and turns the surplus away before any handshake."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable

from sealtone.net.client_hello import peeked
from sealtone.net.limits import Counters, Limits
from sealtone.net.listen import bound_socket
from sealtone.net.stream import StreamConnection

_KEEPALIVE_IDLE_S = 60
_KEEPALIVE_INTERVAL_S = 15
_KEEPALIVE_PROBES = 4
_UNACKNOWLEDGED_MS = 30_000
_TLS_SHUTDOWN_S = 3.0
_DESCRIPTOR_PAUSE_S = 0.25


def count_key(host: str) -> str:
    """What connections are counted by: an IPv4 address, or the /64 of an IPv6 one, since a host may use all of it."""
    if ":" not in host:
        return host
    network = ipaddress.ip_network((int(ipaddress.IPv6Address(host.partition("%")[0])) >> 64 << 64, 64))
    return str(network.network_address)


def watch_for_death(sock: socket.socket) -> None:
    """Lets the kernel end a connection whose peer is gone: after two minutes idle, 30 s with data unacknowledged."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class StreamListener:
    """Listens on one address. `connection(source)` makes the protocol of each accepted connection."""

    def __init__(
        self,
        host: str,
        port: int,
        connection: Callable[[str], StreamConnection],
        context: Callable[[], ssl.SSLContext] | None,
        limits: Limits,
        counters: Counters,
        admits: Callable[[str], bool],
        challenged: Callable[[], Callable[[str], ssl.SSLContext | None] | None] = lambda: None,
    ) -> None:
        self._socket = bound_socket("tcp", host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.open = 0
        """Connections accepted here and not yet ended, handshakes included."""
        self.by_source: dict[str, int] = {}
        self._connection = connection
        self._context = context
        self._limits = limits
        self._counters = counters
        self._admits = admits
        self._challenged = challenged
        """Gives, while an authority may be checking a name, what finds the context that is shown to it."""
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        # Given up for a moment when descriptors run out, so that connections can be closed instead of left waiting.
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._loop.add_reader(self._socket.fileno(), self._acceptable)

    @property
    def is_tls(self) -> bool:
        return self._context is not None

    @property
    def is_wildcard(self) -> bool:
        return self.host in ("0.0.0.0", "::")

    def close(self) -> None:
        """Stops accepting and ends running handshakes; established connections are their owner's."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        os.close(self._spare)
        for task in self._handshakes:
            task.cancel()

    def _acceptable(self) -> None:
        for _ in range(self._limits.accepts_per_wake):
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._out_of_descriptors()
                    return
                continue  # the peer was gone before it was accepted
            source = count_key(address[0])
            if not self._admits(source):
                sock.close()
                continue
            self._take(sock, source)

    def _take(self, sock: socket.socket, source: str) -> None:
        self.open += 1
        self.by_source[source] = self.by_source.get(source, 0) + 1
        connection = self._connection(source)
        connection.on_released = lambda: self._ended(source)
        task = self._loop.create_task(self._establish(sock, connection))
        connection.give_up = task.cancel
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _establish(self, sock: socket.socket, connection: StreamConnection) -> None:
        context = self._context() if self._context is not None else None
        try:
            watch_for_death(sock)
            sock.setblocking(False)
            if context is not None and (find := self._challenged()) is not None:
                hello = await peeked(sock)
                if hello.is_challenge and (challenge := find(hello.server_name)) is not None:
                    await self._show(challenge, sock)
                    connection.release()
                    return
            await self._loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=context,
                ssl_handshake_timeout=self._limits.handshake_s if context is not None else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S if context is not None else None,
            )
            self._counters.connections_in += 1
        except (OSError, ConnectionError, TimeoutError, asyncio.CancelledError):
            self._counters.handshake_failures += 1
            with contextlib.suppress(OSError):
                sock.close()
            connection.release()

    async def _show(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        """The hand-shake is all that an authority wants, and nothing is read of it after (RFC 8737 3)."""
        transport, _ = await self._loop.connect_accepted_socket(
            asyncio.Protocol, sock, ssl=context, ssl_handshake_timeout=self._limits.handshake_s
        )
        transport.close()

    def _ended(self, source: str) -> None:
        self.open -= 1
        left = self.by_source[source] - 1
        if left:
            self.by_source[source] = left
        else:
            del self.by_source[source]

    def _out_of_descriptors(self) -> None:
        self._counters.refused_descriptors += 1
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._socket.accept()[0].close()
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._loop.remove_reader(self._socket.fileno())
        self._loop.call_later(_DESCRIPTOR_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)
