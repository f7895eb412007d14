"""Where requests for a SIP URI go: NAPTR, SRV and address records (RFC 3263), as a list of targets in order of trying.

An IP literal is its own answer and asks nobody. A name is asked for in DNS with one time limit over all queries, and
what comes back is bounded, so that a hostile zone cannot make us try for ever.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.resolver

from sealtone.net.errors import ResolveError
from sealtone.sip.flow import Target, TransportName

_MOST_TARGETS = 16
_MOST_RECORDS = 32
_TIME_S = 5.0
_SERVICES: dict[str, TransportName] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_PREFIXES: dict[TransportName, str] = {"tls": "_sips._tcp", "tcp": "_sip._tcp", "udp": "_sip._udp"}
_PORTS: dict[TransportName, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}


class Service(NamedTuple):
    """One SRV record."""

    priority: int
    weight: int
    host: str
    port: int


class Resolver:
    """Asks DNS. `nameservers` (address, port) replace the system's, for tests and special networks."""

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        chance: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            self._resolver.nameservers = [host for host, _ in nameservers]
            self._resolver.nameserver_ports = dict(nameservers)
        self._resolver.lifetime = _TIME_S
        self._resolver.cache = dns.resolver.LRUCache(1000)
        self._chance = chance

    async def targets(
        self, host: str, port: int | None = None, transport: TransportName | None = None, *, secure: bool = False
    ) -> tuple[Target, ...]:
        """Where to send a request, best first (RFC 3263 4). `secure` for a sips: URI: TLS or nothing.

        The name asked for stays the one that a TLS certificate has to cover, whatever SRV says (RFC 5922 7.3).
        Raises `ResolveError` when there is no address, or none in time.
        """
        literal = _literal(host)
        if literal is not None:
            chosen = transport or ("tls" if secure else "udp")
            return (Target(chosen, literal, port or _PORTS[chosen], literal if chosen == "tls" else None),)
        try:
            async with asyncio.timeout(_TIME_S):
                found = await self._targets(host.rstrip(".").lower(), port, transport, secure)
        except TimeoutError as error:
            raise ResolveError(f"DNS gave no address for {host} within {_TIME_S:.0f} seconds.") from error
        if not found:
            raise ResolveError(f"DNS knows no address for {host}.")
        return tuple(dict.fromkeys(found))[:_MOST_TARGETS]

    async def _targets(
        self, host: str, port: int | None, transport: TransportName | None, secure: bool
    ) -> list[Target]:
        if port is not None:  # RFC 3263 4.2: an explicit port means addresses only
            chosen = transport or ("tls" if secure else "udp")
            return await self._addresses(host, port, chosen, host)
        found: list[Target] = []
        for kind, name in await self._places(host, transport, secure):
            for service in await self._services(name):
                found += await self._addresses(service.host, service.port, kind, host)
                if len(found) >= _MOST_TARGETS:
                    return found
        if found:
            return found
        chosen = transport or ("tls" if secure else "udp")
        return await self._addresses(host, _PORTS[chosen], chosen, host)

    async def _places(
        self, host: str, transport: TransportName | None, secure: bool
    ) -> list[tuple[TransportName, str]]:
        """Transports with the names of their SRV records: from NAPTR, else the usual ones."""
        wanted = ("tls",) if secure else ("tls", "tcp", "udp")
        if transport is not None:
            return [(transport, f"{_PREFIXES[transport]}.{host}")]
        places: list[tuple[TransportName, str]] = []
        records = await self._ask(host, "NAPTR")
        for record in sorted(records, key=lambda record: (record.order, record.preference)):
            kind = _SERVICES.get(record.service.decode("ascii", "replace").upper())
            if kind in wanted and kind is not None and record.flags.lower() == b"s":
                places.append((kind, record.replacement.to_text(omit_final_dot=True)))
        return places or [(kind, f"{_PREFIXES[kind]}.{host}") for kind in _PREFIXES if kind in wanted]

    async def _services(self, name: str) -> list[Service]:
        """SRV records in order of trying (RFC 2782)."""
        records = [
            Service(record.priority, record.weight, record.target.to_text(omit_final_dot=True), record.port)
            for record in await self._ask(name, "SRV")
            if record.target.to_text() != "."  # "." says that the service is not offered
        ]
        return in_order(records, self._chance)

    async def _addresses(self, host: str, port: int, transport: TransportName, name: str) -> list[Target]:
        v6, v4 = await asyncio.gather(self._ask(host, "AAAA"), self._ask(host, "A"))
        server_name = name if transport == "tls" else None
        return [Target(transport, record.address, port, server_name) for record in (*v4, *v6)]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            answer = await self._resolver.resolve(name, kind)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
            return []
        except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
            raise ResolveError(f"DNS could not be asked for {name}: {error}.") from error
        return list(answer)[:_MOST_RECORDS]


def in_order(services: Sequence[Service], chance: Callable[[int], int]) -> list[Service]:
    """By priority; within one, drawn by weight (RFC 2782). `chance(n)` gives a number from 0 to n - 1."""
    ordered: list[Service] = []
    for priority in sorted({service.priority for service in services}):
        left = sorted((service for service in services if service.priority == priority), key=lambda one: one.weight)
        while left:
            draw = chance(sum(service.weight for service in left) + 1)
            running = 0
            for service in left:
                running += service.weight
                if running >= draw:
                    ordered.append(service)
                    left.remove(service)
                    break
    return ordered


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None
