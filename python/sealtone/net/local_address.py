"""Which of this machine's addresses the kernel uses towards a remote one, and the list of them all."""

from __future__ import annotations

import socket
import time

_KEEP_S = 60.0
_LIMIT = 4096
_DISCARD_PORT = 9


def family_of(host: str) -> socket.AddressFamily:
    """The address family of an IP literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def routed_source(remote: str) -> str | None:
    """The local address of the route to an IP literal; None when there is no route. Sends nothing."""
    with socket.socket(family_of(remote), socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote, _DISCARD_PORT))
        except OSError:
            return None
        host: str = probe.getsockname()[0]
        return host


class LocalAddresses:
    """`routed_source` remembered for a minute, since a listener on every address asks it for each new remote."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}
        self._since = time.monotonic()

    def towards(self, remote: str) -> str | None:
        """The local address for an IP literal."""
        if remote in self._known:
            return self._known[remote]
        now = time.monotonic()
        if len(self._known) >= _LIMIT or now - self._since > _KEEP_S:
            self._known.clear()
            self._since = now
        found = self._known[remote] = routed_source(remote)
        return found


def primary_addresses() -> tuple[str, ...]:
    """This machine's addresses on its default routes, IPv4 first; loopback only when there is nothing else.

    The destinations are documentation addresses (RFC 5737, RFC 3849): a route is looked up, nothing is sent.
    """
    found = [address for address in (routed_source("192.0.2.1"), routed_source("2001:db8::1")) if address]
    return tuple(found) or ("127.0.0.1",)


def machine_addresses() -> tuple[str, ...]:
    """Every address a phone might dial this machine by, loopback included; for the server's certificate."""
    names = {"127.0.0.1", "::1", *primary_addresses()}
    try:
        infos = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_DGRAM)
    except OSError:
        infos = []
    for info in infos:
        names.add(str(info[4][0]).partition("%")[0])
    return tuple(sorted(names, key=lambda name: (":" in name, name)))
