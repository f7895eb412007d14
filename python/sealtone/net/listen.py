"""Sockets to listen on, and errors that say who is in the way."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable

from sealtone.net.errors import ListenError
from sealtone.net.local_address import family_of
from sealtone.net.port_holder import holder_of

_SO_RCVBUFFORCE = 33  # Linux, not named in the socket module; needs CAP_NET_ADMIN
_FIRST_UNPRIVILEGED = 1024
_BACKLOG = 1024


def bound_socket(kind: str, host: str, port: int) -> socket.socket:
    """A non-blocking bound socket of kind "udp", or a listening one of kind "tcp". Raises `ListenError`.

    An IPv6 socket takes IPv6 only, so that "0.0.0.0" and "::" can be listened on side by side.
    """
    family = family_of(host)
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    except OSError as error:
        raise ListenError(f"Cannot listen on {at(host, port)}: {error.strerror}.", host=host, port=port) from error
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == "tcp":
            sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _explained(kind, host, port, error) from error
    return sock


def at(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def widen_receive_buffer(sock: socket.socket, size: int) -> int:
    """Asks for a receive buffer of `size` octets, beyond the system's maximum where permitted; gives what was got."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    # The kernel reports twice the asked-for size, half of it for its own bookkeeping (socket(7)).
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def nearest_free_port(
    hosts: Iterable[str],
    wanted: int,
    kinds: Iterable[str] = ("udp", "tcp"),
    tries: int = 200,
    spoken_for: Collection[int] = (),
) -> int:
    """`wanted`, or the next port that every host and kind can have and that is not spoken for; a forbidden low port
    moves up by 8000 first.

    Raises `ListenError` of the wanted port when none of the tries succeeds, and at once when an address is not ours.
    """
    hosts, kinds = tuple(hosts), tuple(kinds)
    first = _obstacle(hosts, wanted, kinds)
    if first is None:
        return wanted
    if not (first.taken or first.forbidden):
        raise first
    start = wanted + 8000 if first.forbidden and wanted < _FIRST_UNPRIVILEGED else wanted + 1
    for port in range(start, min(start + tries, 65_536)):
        if port not in spoken_for and _obstacle(hosts, port, kinds) is None:
            return port
    raise first


def _obstacle(hosts: tuple[str, ...], port: int, kinds: tuple[str, ...]) -> ListenError | None:
    for host in hosts:
        for kind in kinds:
            try:
                bound_socket(kind, host, port).close()
            except ListenError as error:
                return error
    return None


def _explained(kind: str, host: str, port: int, error: OSError) -> ListenError:
    where = f"{kind.upper()} {at(host, port)}"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(kind, port) or "another program (`ss -lpn` run as root names it)"
        return ListenError(
            f"Cannot listen on {where}: {holder} already uses this port. "
            f"Stop that program, or choose another port in the configuration.",
            host=host,
            port=port,
            taken=True,
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ListenError(
            f"Cannot listen on {where}: ports below {_FIRST_UNPRIVILEGED} need a privilege. Run as root, give the "
            f"program CAP_NET_BIND_SERVICE, or choose a higher port in the configuration.",
            host=host,
            port=port,
            forbidden=True,
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ListenError(
            f"Cannot listen on {where}: this machine has no such address (`ip address` shows those it has). "
            f"Correct `listen` in the configuration.",
            host=host,
            port=port,
        )
    return ListenError(f"Cannot listen on {where}: {error.strerror}.", host=host, port=port)
