"""One UDP socket: read in bounded bursts, each remote address turned into a remembered `Flow`.

The socket is read here rather than through an asyncio transport: the number of datagrams a wake is ours to bound, and
a send tells at once what is wrong with it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from sealtone.net.limits import Counters, Limits
from sealtone.net.listen import bound_socket, widen_receive_buffer
from sealtone.net.local_address import LocalAddresses
from sealtone.sip.flow import Flow

_REMEMBERED_REMOTES = 65_536
_SHORTEST_MESSAGE = 16
_LARGEST_DATAGRAM = 65_535
_RUSH_S = 50e-6
"""A socket that is readable again so soon after it was read had more to read."""
_WILDCARDS = frozenset({"0.0.0.0", "::"})


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
        self._is_wildcard = host in _WILDCARDS
        self._flows: dict[Any, Flow] = {}
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

    def send(self, data: bytes, remote: tuple[str, int]) -> bool:
        """False when the system refuses: no route, too long, not permitted. A full send buffer only counts as a drop:
        SIP retransmits. What ICMP reports is not heeded, since anybody could forge it; timers notice a dead peer."""
        try:
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
        receive = self._socket.recvfrom_into
        buffer = self._buffer
        flows = self._flows
        on_message = self._on_message
        # To find a socket empty costs more than to be called once more. So only in a rush is there a second look.
        most = self._burst if monotonic() - self._read_at < _RUSH_S else 1
        count = 0
        try:
            while count < most:
                size, source = receive(buffer)
                count += 1
                if size < _SHORTEST_MESSAGE:
                    self._counters.keepalives += 1  # CRLF, NUL octets: no message is that short
                    continue
                on_message(bytes(buffer[:size]), flows.get(source) or self._flow_from(source))
        except OSError:
            # BlockingIOError: all read. Anything else here is a late ICMP error of no use (see `send`).
            pass
        self._counters.datagrams_in += count
        self._read_at = monotonic()

    def _flow_from(self, source: tuple[Any, ...]) -> Flow:
        host, port = source[0], source[1]
        if len(source) == 4 and source[3] and "%" not in host:
            host = f"{host}%{socket.if_indextoname(source[3])}"  # link-local: meaningless without its interface
        if len(self._flows) >= _REMEMBERED_REMOTES:
            self._flows.clear()
        flow = self._flows[source] = Flow(self.id, "udp", self.local_towards(host), (host, port))
        return flow
