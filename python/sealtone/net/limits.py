"""How much of this process the network may occupy, and counters of what was turned away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of the transports. Times are seconds, sizes octets."""

    connections: int = 20_000
    """Stream connections in all, those still in their TLS handshake included."""
    connections_per_user: int = 64
    """Over which one SIP user has authenticated; beyond that its oldest is closed."""
    unauthenticated_per_source: int = 100
    """From one IPv4 address or one IPv6 /64, that nobody has authenticated over; beyond that the oldest is closed."""
    handshake_s: float = 10.0
    """From accept to the end of the TLS handshake."""
    unauthenticated_idle_s: float = 30.0
    """A connection that nobody has authenticated on is closed when no whole message came for this long."""
    unauthenticated_total_s: float = 300.0
    """It is closed after this long whatever it sends."""
    authenticated_idle_s: float = 3900.0
    """Longer than the usual registration of an hour; dead peers are found sooner, by TCP keep-alive."""
    outbound_idle_s: float = 600.0
    """For connections that this server opened."""
    connect_s: float = 5.0
    """To open a connection, TLS handshake included."""
    write_buffer: int = 262_144
    """What one connection may leave unread before it is cut."""
    waiting_for_connection: int = 64
    """Messages that may wait for one connection to open."""
    outbound_connecting: int = 256
    """Connections being opened at one time."""
    message: int = 65_536
    """One SIP message."""
    receive_buffer: int = 8 * 1024 * 1024
    """Of each UDP socket, in the kernel. A burst must wait there while Python works, or calls are dropped."""
    datagrams_per_wake: int = 64
    """Read from one UDP socket before other sockets and timers get their turn."""
    gathered_from: int = 400
    """Messages a second from which on they are gathered (`net.moderation`)."""
    gathering_s: float = 0.005
    """For how long at most, each time: INVITE, what follows the challenge, and the callee's 180 have waited in turn.
    With 20 ms a call takes a quarter less CPU at 100 a second, and its 180 comes 28 ms late."""
    accepts_per_wake: int = 16
    """A TLS handshake costs half a millisecond; a storm of connections must not silence the rest."""


@dataclass(slots=True)
class Counters:
    """What passed and what was turned away since the start."""

    datagrams_in: int = 0
    datagrams_out: int = 0
    datagrams_dropped: int = 0
    """The kernel's send buffer was full; SIP retransmits."""
    keepalives: int = 0
    connections_in: int = 0
    connections_out: int = 0
    refused_total: int = 0
    """Connections closed at accept since the process holds as many as it may."""
    displaced: int = 0
    """Connections that nobody had authenticated over, or too many of one user, closed for a new one."""
    refused_descriptors: int = 0
    """The process ran out of file descriptors."""
    handshake_failures: int = 0
    idle_closed: int = 0
    framing_errors: int = 0
    write_overflows: int = 0
    connect_failures: int = 0
