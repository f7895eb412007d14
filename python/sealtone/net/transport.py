"""All SIP transports of a node: UDP sockets, TCP and TLS listeners, connections in both directions.

How it works, and its rules:

1. Everything runs on one event loop and nothing waits: `send` either hands data to the kernel or queues a bounded
   amount, and tells of failure later through `on_send_failed`, never from within `send`.
2. A `Flow` is answered on itself: its UDP socket or its connection, and no other. A connection that is gone is a
   failure; it is never replaced silently, since the phone behind it could not be reached anyway.
3. A `Target` uses a connection that this server opened to the same target before (RFC 5923), or opens one.
4. Connections are counted from accept, before their handshake, in all and by source, and the surplus is closed there.
5. `on_closed` comes once for each flow that was announced by a message, or could have been.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sealtone.net.limits import Counters, Limits
from sealtone.net.local_address import LocalAddresses, family_of
from sealtone.net.moderation import Moderation
from sealtone.net.outbound import OutboundConnections
from sealtone.net.probation import Probation
from sealtone.net.stream import Handover, StreamConnection
from sealtone.net.stream_listener import StreamListener, count_key
from sealtone.net.udp import UdpSocket
from sealtone.sip.flow import Flow, Hop, TransportName

_SWEEP_S = 1.0
_FULL_SWEEP_EVERY = 30
_CLOSE_S = 1.0


class Certificates(Protocol):
    """Where TLS gets its contexts; asked at each connection, so that a renewed certificate is used at once."""

    def server_context(self) -> ssl.SSLContext:
        """For an accepted connection; chooses the certificate by SNI."""
        ...

    def client_context(self) -> ssl.SSLContext:
        """For an outbound connection: verifies the chain; names are checked by RFC 5922 afterwards."""
        ...

    def sni_of(self, tls: ssl.SSLObject) -> str:
        """The server name that the client of an accepted connection sent; empty if none."""
        ...

    @property
    def awaits_challenge(self) -> bool:
        """Whether an authority may be checking a name just now (RFC 8737)."""
        ...

    def challenge_context(self, server_name: str) -> ssl.SSLContext | None:
        """What is shown to it; None for names that are not being checked."""
        ...


class Listening(NamedTuple):
    """A place that is listened on, with the port that was really got."""

    transport: TransportName
    host: str
    port: int
    receive_buffer: int = 0
    """Of a UDP socket, octets."""


class Transports:
    """The transports of a node; create it within a running event loop.

    `on_message(data, flow)`: one whole message, as far as framing can tell. `on_closed(flow)`: a connection ended.
    `on_send_failed(hop)`: something sent to `hop` will not arrive. `urgent`: descriptors that the loop reads too, and
    that no gathering of messages holds up.
    """

    def __init__(
        self,
        on_message: Callable[[bytes, Flow], None],
        on_closed: Callable[[Flow], None],
        on_send_failed: Callable[[Hop], None],
        limits: Limits | None = None,
        certificates: Certificates | None = None,
        urgent: Sequence[int] = (),
    ) -> None:
        self.message = on_message
        self._on_closed = on_closed
        self._on_send_failed = on_send_failed
        self.limits = limits or Limits()
        self.counters = Counters()
        self._certificates = certificates
        self._loop = asyncio.get_running_loop()
        self.moderation = Moderation(self._loop, self.limits, urgent)
        self._ids = itertools.count(1)
        self._addresses = LocalAddresses()
        self._udp: dict[int, UdpSocket] = {}
        self._listeners: list[StreamListener] = []
        self._connections: dict[int, StreamConnection] = {}
        self._probation = Probation()
        self._of_user: dict[str, OrderedDict[StreamConnection, None]] = {}
        """Accepted connections by who authenticated over them, oldest first."""
        self._outbound = OutboundConnections(self, lambda: next(self._ids), self._certificates, self._failed)
        self._sweeps = 0
        self._closing = False
        self._all_closed = asyncio.Event()
        self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)

    # Listening

    async def listen_udp(self, host: str, port: int) -> Listening:
        """Listens on an IP literal; port 0 lets the system choose. Raises `ListenError`."""
        udp = UdpSocket(
            next(self._ids), host, port, self.message, self.limits, self.counters, self._addresses, self.moderation
        )
        self._udp[udp.id] = udp
        return Listening("udp", host, udp.port, udp.receive_buffer)

    async def listen_tcp(self, host: str, port: int) -> Listening:
        """Listens on an IP literal; port 0 lets the system choose. Raises `ListenError`."""
        return self._listen("tcp", host, port, None, None)

    async def listen_tls(
        self, host: str, port: int, certificates: Certificates | None = None, handover: Handover | None = None
    ) -> Listening:
        """Listens for TLS. `handover` may claim a connection for another protocol by its first decrypted octets."""
        certificates = certificates or self._certificates
        if certificates is None:
            raise ValueError("TLS needs certificates")
        return self._listen("tls", host, port, certificates, handover)

    def _listen(
        self, kind: TransportName, host: str, port: int, certificates: Certificates | None, handover: Handover | None
    ) -> Listening:
        def connection(source: str) -> StreamConnection:
            accepted = StreamConnection(self, next(self._ids), kind, source, handover=handover)
            self._probation.add(accepted)
            return accepted

        context = certificates.server_context if certificates is not None else None

        def challenged() -> Callable[[str], ssl.SSLContext | None] | None:
            waits = certificates is not None and certificates.awaits_challenge
            return certificates.challenge_context if certificates is not None and waits else None

        listener = StreamListener(host, port, connection, context, self.limits, self.counters, self._admits, challenged)
        self._listeners.append(listener)
        return Listening(kind, host, listener.port)

    def _admits(self, source: str) -> bool:
        """Whether one more connection of a source is accepted; an older one may have to make room for it."""
        total = sum(listener.open for listener in self._listeners) + len(self._outbound)
        if total >= self.limits.connections:
            if not self._probation.end_oldest():
                self.counters.refused_total += 1
                return False
            self.counters.displaced += 1
        elif self._probation.count(source) >= self.limits.unauthenticated_per_source:
            self._probation.end_oldest(source)
            self.counters.displaced += 1
        return True

    @property
    def is_gathering(self) -> bool:
        """Whether messages come so fast that the loop takes many at once (`moderation`)."""
        return self.moderation.is_gathering

    # Sending

    def send(self, data: bytes, hop: Hop) -> None:
        """Sends one message over a flow, or to a target over a connection that is opened if needed."""
        if hop.transport == "udp":
            sent = self._send_udp(data, hop)
        elif isinstance(hop, Flow):
            connection = self._connections.get(hop.id)
            sent = connection is not None and connection.send(data)
        else:
            sent = not self._closing and self._outbound.send(data, hop)
        if not sent:
            self._loop.call_soon(self._failed, hop)

    def _send_udp(self, data: bytes, hop: Hop) -> bool:
        if isinstance(hop, Flow):
            udp = self._udp.get(hop.id)
            return udp is not None and udp.send(data, hop.remote, hop.local[0])
        udp = self._udp_towards(hop.host)
        return udp is not None and udp.send(data, (hop.host, hop.port))

    def _udp_towards(self, host: str) -> UdpSocket | None:
        """The socket of the right family; of several the one that is bound to the route's own address."""
        candidates = [udp for udp in self._udp.values() if udp.family == family_of(host)]
        if len(candidates) > 1:
            routed = self._addresses.towards(host)
            for udp in candidates:
                if udp.host == routed:
                    return udp
        return candidates[0] if candidates else None

    def local_for(self, hop: Hop) -> tuple[str, int] | None:
        """The address that a Via or Contact towards `hop` should carry: where this server listens on that transport,
        with the local address of the route. None when it does not listen on that transport and family.

        Of several ports, the one that an accepted connection came to: a phone finds the connection that it has by
        that, instead of opening another, and may be behind a firewall that lets it through nowhere else.
        """
        if isinstance(hop, Flow):
            if hop.transport == "udp":
                return hop.local
            return self._listening_address(hop.transport, hop.remote[0], hop.local[1])
        if hop.transport == "udp":
            udp = self._udp_towards(hop.host)
            return udp.local_towards(hop.host) if udp is not None else None
        return self._listening_address(hop.transport, hop.host)

    def _listening_address(self, transport: TransportName, remote: str, port: int = 0) -> tuple[str, int] | None:
        family = family_of(remote)
        routed = self._addresses.towards(remote)
        best: StreamListener | None = None
        fits = -1
        for listener in self._listeners:
            if listener.is_tls != (transport == "tls") or family_of(listener.host) != family:
                continue
            rank = 2 * (listener.port == port) + (listener.host == routed)
            if rank > fits:
                best, fits = listener, rank
        if best is None:
            return None
        return (routed if best.is_wildcard and routed else best.host), best.port

    # Connections

    def authenticated(self, flow: Flow, user: str) -> None:
        """A request over this flow proved to come from `user`: the connection may now idle like a phone's."""
        connection = self._connections.get(flow.id)
        if connection is None or not self._probation.discard(connection):
            return
        connection.authenticated, connection.user = True, user
        of_user = self._of_user.setdefault(user, OrderedDict())
        of_user[connection] = None
        if len(of_user) > self.limits.connections_per_user:
            of_user.popitem(last=False)[0].close()
            self.counters.displaced += 1

    def is_open(self, flow: Flow) -> bool:
        """Whether something sent over this flow has a chance: always for UDP while its socket is open."""
        return flow.id in (self._udp if flow.transport == "udp" else self._connections)

    def close_flow(self, flow: Flow) -> None:
        """Closes a connection once its buffered data is out; nothing for UDP."""
        connection = self._connections.get(flow.id)
        if connection is not None:
            connection.close()

    def opened(self, connection: StreamConnection) -> None:
        """Told by a connection."""
        self._connections[connection.flow_id] = connection

    def released(self, connection: StreamConnection) -> None:
        """Told by an accepted connection."""
        self._probation.discard(connection)
        of_user = self._of_user.get(connection.user)
        if of_user is not None:
            of_user.pop(connection, None)
            if not of_user:
                del self._of_user[connection.user]

    def closed(self, connection: StreamConnection) -> None:
        """Told by a connection."""
        self._connections.pop(connection.flow_id, None)
        if connection.target is not None:
            self._outbound.closed(connection)
        if connection.flow is not None:
            self._on_closed(connection.flow)
        if self._closing and not self._connections:
            self._all_closed.set()

    def sni_of(self, tls: ssl.SSLObject) -> str:
        """Asked by an accepted TLS connection."""
        return self._certificates.sni_of(tls) if self._certificates is not None else ""

    def connections(self) -> int:
        """Stream connections that are open, in both directions, handshakes not counted."""
        return len(self._connections)

    def connections_from(self, host: str) -> int:
        """Accepted connections of the source that `host` counts as, handshakes included."""
        return sum(listener.by_source.get(count_key(host), 0) for listener in self._listeners)

    def _failed(self, hop: Hop) -> None:
        if not self._closing:
            self._on_send_failed(hop)

    def _sweep(self) -> None:
        """Probation is looked at every second, the many authenticated connections now and then."""
        self._sweeps += 1
        watched = list(self._connections.values()) if self._sweeps % _FULL_SWEEP_EVERY == 0 else self._probation
        now = self._loop.time()
        for connection in [connection for connection in watched if connection.deadline() <= now]:
            self.counters.idle_closed += 1
            connection.abort()
        self._sweep_timer = self._loop.call_later(_SWEEP_S, self._sweep)

    async def close(self) -> None:
        """Stops listening, lets buffered data out for up to a second, then closes everything."""
        if self._closing:
            return
        self._closing = True
        self.moderation.stop()
        self._sweep_timer.cancel()
        for listener in self._listeners:
            listener.close()
        self._outbound.cancel()
        for connection in list(self._connections.values()):
            connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), _CLOSE_S)
        for connection in list(self._connections.values()):
            connection.abort()
        for udp in self._udp.values():
            udp.close()
        self._udp.clear()
        await asyncio.sleep(0)
