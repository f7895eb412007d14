"""The phone's one connection to its server: UDP, TCP or TLS, opened again by whoever owns it when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from sealtone.sip.errors import FramingError
from sealtone.sip.flow import Flow, TlsInfo
from sealtone.sip.framing import KeepAlive, StreamFramer

Transport = Literal["udp", "tcp", "tls"]
CONNECT_TIMEOUT_S: Final = 10.0
_KEEP_ALIVE_S: Final = 25.0
_PING: Final = b"\r\n\r\n"
_ids = itertools.count(1)


class ConnectError(OSError):
    """The server could not be reached; the text says why, and what to look at."""


def tls_context(ca_file: Path | None, insecure: bool) -> ssl.SSLContext:
    """TLS 1.2 or better; certificates are checked against `ca_file` or the system's authorities, unless `insecure`."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConnectError(f"The CA file {ca_file} cannot be used: {error}.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def local_address_towards(host: str) -> str:
    """The address of this machine from which packets to `host` (an IP literal) leave."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError as error:
            raise ConnectError(f"There is no way from this machine to {host}: {error.strerror}.") from None
        return str(probe.getsockname()[0])


class Connection:
    """Sends and receives whole SIP messages. `on_message(data, flow)`; `on_closed()` once, when a stream breaks.

    Over UDP only packets from the server's address are taken.
    """

    def __init__(
        self, transport: Transport, on_message: Callable[[bytes, Flow], None], on_closed: Callable[[], None]
    ) -> None:
        self.transport = transport
        self.flow: Flow | None = None
        self._on_message = on_message
        self._on_closed = on_closed
        self._datagrams: asyncio.DatagramTransport | None = None
        self._stream: asyncio.Transport | None = None
        self._keep_alive: asyncio.TimerHandle | None = None

    async def open(self, host: str, port: int, server_name: str, context: ssl.SSLContext | None) -> Flow:
        """Connect. `server_name` is what the certificate must cover (RFC 5922: the domain). Raises `ConnectError`."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError(f"The name {host} cannot be resolved: {error.strerror}.") from None
        address = str(found[0][4][0])
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self.transport == "udp":
                    await self._open_datagrams(address, port)
                else:
                    await self._open_stream(address, port, server_name, context if self.transport == "tls" else None)
        except ssl.SSLCertVerificationError as error:
            raise ConnectError(
                f"The certificate of {host} is not trusted for {server_name}: {error.verify_message}. "
                "Give the server's authority with --ca."
            ) from None
        except TimeoutError:
            raise ConnectError(f"{host}:{port} did not answer within {CONNECT_TIMEOUT_S:g} s.") from None
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise ConnectError(f"No connection to {host}:{port} over {self.transport.upper()}: {reason}.") from None
        assert self.flow is not None
        self._schedule_keep_alive()
        return self.flow

    async def _open_datagrams(self, address: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), remote_addr=(address, port))
        self._datagrams = transport
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        self.flow = Flow(next(_ids), "udp", (local[0], local[1]), (remote[0], remote[1]))

    async def _open_stream(self, address: str, port: int, server_name: str, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        name = server_name if context else None
        transport, _ = await loop.create_connection(
            lambda: _Stream(self), address, port, ssl=context, server_hostname=name
        )
        self._stream = transport
        local, remote = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        tls = None
        if context:
            session: ssl.SSLObject = transport.get_extra_info("ssl_object")
            cipher = session.cipher()
            tls = TlsInfo(
                session.version() or "", cipher[0] if cipher else "", "" if _is_address(server_name) else server_name
            )
        self.flow = Flow(next(_ids), self.transport, (local[0], local[1]), (remote[0], remote[1]), tls)

    def send(self, data: bytes) -> None:
        """Send one message; dropped when the connection is gone (its owner has been told)."""
        if self._datagrams is not None:
            self._datagrams.sendto(data)
        elif self._stream is not None and not self._stream.is_closing():
            self._stream.write(data)

    def received(self, data: bytes) -> None:
        if self.flow is not None:
            self._on_message(data, self.flow)

    def lost(self) -> None:
        """The stream broke under us."""
        if self._stream is not None:
            self.close()
            self._on_closed()

    def close(self) -> None:
        if self._keep_alive is not None:
            self._keep_alive.cancel()
            self._keep_alive = None
        for transport in (self._datagrams, self._stream):
            if transport is not None:
                transport.close()
        self._datagrams = self._stream = None

    def _schedule_keep_alive(self) -> None:
        # RFC 5626 4.4.1; over UDP a double CRLF keeps a NAT's mapping alive just as well.
        self._keep_alive = asyncio.get_running_loop().call_later(_KEEP_ALIVE_S, self._ping)

    def _ping(self) -> None:
        self.send(_PING)
        self._schedule_keep_alive()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if data.strip(b"\r\n\x00"):
            self._connection.received(data)


class _Stream(asyncio.Protocol):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._framer = StreamFramer()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            pieces = self._framer.feed(data)
        except FramingError:
            if self._transport is not None:
                self._transport.close()
            return
        for piece in pieces:
            if isinstance(piece, KeepAlive):
                if piece is KeepAlive.PING:
                    self._connection.send(b"\r\n")
            else:
                self._connection.received(piece)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost()
