"""One UDP socket: read in bounded bursts, each remote address turned into a remembered `Flow`.

A socket on every address answers from the one that was written to (RFC 3581 4): NAT lets nothing else through. The
kernel tells which one that was (IP_PKTINFO, and RFC 3542 6.1 for IPv6), and would by itself answer from the route's.

The socket is read here rather than through an asyncio transport: the number of datagrams a wake is ours to bound, and
a send tells at once what is wrong with it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from sealtone.net.limits import Counters, Limits
from sealtone.net.listen import bound_socket, widen_receive_buffer
from sealtone.net.local_address import LocalAddresses
from sealtone.net.moderation import Moderation
from sealtone.sip.flow import Flow

_REMEMBERED_REMOTES = 65_536
_SHORTEST_MESSAGE = 16
_LARGEST_DATAGRAM = 65_535
_RUSH_S = 50e-6
"""A socket that is readable again so soon after it was read had more to read."""
_WILDCARDS = frozenset({"0.0.0.0", "::"})
_IP_PKTINFO = 8  # Linux, not named in the socket module


class _AddressInfo(NamedTuple):
    """How the kernel speaks of the local address of a datagram, by family."""

    level: int
    wanted: int
    """Socket option that asks for it."""
    kind: int
    """Of the control message that tells it, or is told it."""
    begin: int
    """Where the address stands in that message; what else it holds may be zero when sending."""
    end: int
    size: int


_INFO = {
    socket.AF_INET: _AddressInfo(socket.IPPROTO_IP, _IP_PKTINFO, _IP_PKTINFO, 4, 8, 12),
    socket.AF_INET6: _AddressInfo(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, socket.IPV6_PKTINFO, 0, 16, 20),
}
_ANCILLARY = 64
"""Octets; room for the larger of these control messages."""


class UdpSocket:
    """A bound UDP socket. `on_message` gets each datagram that may be SIP; keep-alives are swallowed."""

    def __init__(
        self,
        socket_id: int,
        host: str,
        port: int,
        on_message: Callable[[bytes, Flow], None],
        limits: Limits,
        counters: Counters,
        addresses: LocalAddresses,
        moderation: Moderation,
    ) -> None:
        self.id = socket_id
        self._socket = bound_socket("udp", host, port)
        self.receive_buffer = widen_receive_buffer(self._socket, limits.receive_buffer)
        """Octets that the kernel really grants."""
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._on_message = on_message
        self._burst = limits.datagrams_per_wake
        self._counters = counters
        self._addresses = addresses
        self._moderation = moderation
        self._is_wildcard = host in _WILDCARDS
        self._info = _INFO[self._socket.family]
        if self._is_wildcard:
            self._socket.setsockopt(self._info.level, self._info.wanted, 1)
        self._flows: dict[Any, Flow] = {}
        self._unrouted: dict[tuple[str, tuple[str, int]], list[tuple[int, int, bytes]]] = {}
        """What sends from a local address to a remote one, where the kernel would choose another."""
        # Kept: to ask for so large a piece each time makes malloc gather its small ones, again and again.
        self._buffer = memoryview(bytearray(_LARGEST_DATAGRAM))
        self._read_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def family(self) -> socket.AddressFamily:
        return self._socket.family

    def local_towards(self, remote: str) -> tuple[str, int]:
        """The address that datagrams to an IP literal leave from."""
        host = (self._addresses.towards(remote) or self.host) if self._is_wildcard else self.host
        return host, self.port

    def send(self, data: bytes, remote: tuple[str, int], local: str = "") -> bool:
        """Sends from `local`, if given. False when the system refuses: no route, too long, not permitted. A full send
        buffer only counts as a drop: SIP retransmits. What ICMP reports is not heeded, since anybody could forge it;
        timers notice a dead peer."""
        try:
            if self._unrouted and (control := self._unrouted.get((local, remote))) is not None:
                self._socket.sendmsg([data], control, 0, remote)
            else:
                self._socket.sendto(data, remote)
        except BlockingIOError:
            self._counters.datagrams_dropped += 1
            return True
        except OSError:
            return False
        self._counters.datagrams_out += 1
        return True

    def close(self) -> None:
        """Stops reading; nothing is delivered afterwards."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        buffer = self._buffer
        into = [buffer]
        flows = self._flows
        on_message = self._on_message
        # To find a socket empty costs more than to be called once more. So there is a second look only in a rush, and
        # where datagrams were let come.
        gathered = self._moderation.is_gathering
        most = self._burst if gathered or monotonic() - self._read_at < _RUSH_S else 1
        count = keepalives = 0
        try:
            while count < most:
                key: tuple[Any, ...]
                if self._is_wildcard:
                    size, control, _, source = self._socket.recvmsg_into(into, _ANCILLARY)
                    key = (source, control[0][2] if control else b"")
                else:
                    size, source = self._socket.recvfrom_into(buffer)
                    key = (source, b"")
                count += 1
                if size < _SHORTEST_MESSAGE:
                    keepalives += 1  # CRLF, NUL octets: no message is that short
                    continue
                on_message(bytes(buffer[:size]), flows.get(key) or self._flow_from(*key))
        except OSError:
            # BlockingIOError: all read. Anything else here is a late ICMP error of no use (see `send`).
            pass
        self._counters.datagrams_in += count
        self._counters.keepalives += keepalives
        self._moderation.came(count - keepalives)
        self._read_at = monotonic()

    def _flow_from(self, source: tuple[Any, ...], told: bytes) -> Flow:
        host, port = source[0], source[1]
        if len(source) == 4 and source[3] and "%" not in host:
            host = f"{host}%{socket.if_indextoname(source[3])}"  # link-local: meaningless without its interface
        if len(self._flows) >= _REMEMBERED_REMOTES:
            self._flows.clear()
            self._unrouted.clear()
        local, remote = self.local_towards(host), (host, port)
        if told and "%" not in host:
            info = self._info
            address = told[info.begin : info.end]
            asked = str(ipaddress.ip_address(address))
            if asked != local[0]:
                local = asked, self.port
                control = bytes(info.begin) + address + bytes(info.size - info.end)
                self._unrouted[asked, remote] = [(info.level, info.kind, control)]
        flow = self._flows[source, told] = Flow(self.id, "udp", local, remote)
        return flow
