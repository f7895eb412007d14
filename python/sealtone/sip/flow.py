"""Where a message came from and where one goes: flows, targets and what is to be sent.

A `Flow` is something that exists already: one stream connection, or one remote address on one UDP socket.
A `Target` is an address to reach, over a connection that may have to be opened first. Either is a `Hop`.
"""

from typing import Literal, NamedTuple

TransportName = Literal["udp", "tcp", "tls", "ws", "wss"]


class TlsInfo(NamedTuple):
    """What the TLS handshake of a connection settled: `version` such as "TLSv1.3", the cipher's name, the SNI sent."""

    version: str
    cipher: str
    sni: str


class Flow(NamedTuple):
    """One stream connection (`id` is the connection's) or one remote on a UDP socket (`id` is the socket's)."""

    id: int
    transport: TransportName
    local: tuple[str, int]
    remote: tuple[str, int]
    tls: TlsInfo | None = None


class Target(NamedTuple):
    """An address to connect to where no connection is known: `host` is an IP literal, never a name.

    `server_name` is the domain that a TLS certificate has to cover (RFC 5922) and that SNI carries.
    """

    transport: TransportName
    host: str
    port: int
    server_name: str | None = None


Hop = Flow | Target


Transmit = tuple[bytes, Hop]
"""One serialised message and where it goes."""


def host_port(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address (RFC 3261 25.1)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_reliable(hop: Hop) -> bool:
    """Whether the transport retransmits by itself, so that SIP does not (RFC 3261 17)."""
    return hop.transport != "udp"


def is_secure(hop: Hop) -> bool:
    """Whether the hop is encrypted (TLS, or WebSocket over TLS)."""
    return hop.transport in ("tls", "wss")
