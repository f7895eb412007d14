"""A name server for one small zone, which says nothing but what authorities look for (RFC 8555 8.4).

The owner of `office.example` sets, once and for all, a CNAME from `_acme-challenge.office.example` to a name in this
zone; whoever operates the service delegates the zone to this machine with an NS record. Then certificates are renewed
without anybody's password for anybody's DNS.

Answers are no larger than five times the question, are given over UDP and TCP, and are limited in number for each
source, so that nothing is won by asking in somebody else's name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from sealtone.net.listen import bound_socket

_TTL_S = 1
_ZONE_TTL_S = 60
_LONGEST_UDP = 512
_ANSWERS_A_SECOND = 200
_MOST_CONNECTIONS = 50
_TCP_S = 5.0
_TYPES = (dns.rdatatype.TXT, dns.rdatatype.SOA, dns.rdatatype.NS, dns.rdatatype.ANY)


class ChallengeDns:
    """Listens on one address, UDP and TCP. `text(name)` gives the TXT record of a name in the zone.

    `host`: the name of this machine, for the zone's own SOA and NS records.
    """

    def __init__(self, address: str, port: int, zone: str, host: str, text: Callable[[str], str | None]) -> None:
        self._udp = bound_socket("udp", address, port)
        self.port: int = self._udp.getsockname()[1]
        try:
            self._tcp = bound_socket("tcp", address, self.port)
        except OSError:
            self._udp.close()
            raise
        self._zone = dns.name.from_text(zone)
        self._host = dns.name.from_text(host or zone)
        self._text = text
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._second, self._answered = 0, 0

    async def open(self) -> None:
        """Begins to answer."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=self._udp)
        self._server = await asyncio.start_server(self._accepted, sock=self._tcp)

    def close(self) -> None:
        """Stops."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()

    def answer(self, data: bytes, *, longest: int) -> bytes | None:
        """The answer to one message; None where none is given."""
        try:
            query = dns.message.from_wire(data, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        response = dns.message.make_response(query)
        response.flags &= ~dns.flags.RA
        if query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        else:
            self._fill(response, query.question[0])
        return response.to_wire(max_size=longest)

    def _fill(self, response: dns.message.Message, question: dns.rrset.RRset) -> None:
        name, kind = question.name, question.rdtype
        if not name.is_subdomain(self._zone) or question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        text = self._text(name.to_text(omit_final_dot=True).lower())
        if text is not None and kind in (dns.rdatatype.TXT, dns.rdatatype.ANY):
            response.answer.append(dns.rrset.from_text(name, _TTL_S, "IN", "TXT", f'"{text}"'))
        elif name == self._zone and kind == dns.rdatatype.SOA:
            response.answer.append(self._soa())
        elif name == self._zone and kind == dns.rdatatype.NS:
            response.answer.append(dns.rrset.from_text(name, _ZONE_TTL_S, "IN", "NS", self._host.to_text()))
        else:
            # Of a name that is only answered for now and then the absence of a record is said, not of the name.
            response.authority.append(self._soa())

    def _soa(self) -> dns.rrset.RRset:
        values = f"{self._host.to_text()} hostmaster.{self._zone.to_text()} 1 3600 600 86400 {_TTL_S}"
        return dns.rrset.from_text(self._zone, _ZONE_TTL_S, "IN", "SOA", values)

    def received(self, data: bytes, source: tuple[str, int]) -> None:
        """A datagram."""
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._answered = second, 0
        self._answered += 1
        if self._answered > _ANSWERS_A_SECOND or self._transport is None:
            return
        answer = self.answer(data, longest=_LONGEST_UDP)
        if answer is not None:
            self._transport.sendto(answer, source)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            async with asyncio.timeout(_TCP_S):
                while size := int.from_bytes(await reader.readexactly(2)):
                    answer = self.answer(await reader.readexactly(size), longest=65_535)
                    if answer is None:
                        break
                    writer.write(len(answer).to_bytes(2) + answer)
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ChallengeDns) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self._server.received(data, cast("tuple[str, int]", addr))
