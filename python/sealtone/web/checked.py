"""What can be seen from here of domains, certificates, phones, ports and the machine: gathered for page and API."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import Request

from sealtone import admin
from sealtone.admin import Actor, Reach, Standing
from sealtone.admin.certificates import CertificateSeen, inspected
from sealtone.admin.phone_signs import PhoneSigns, phone_signs
from sealtone.net.port_check import PortAnswer, check_tls_ports
from sealtone.store import Transaction
from sealtone.web.asking import now, parts, read, server_or_none

_MOST_DOMAINS = 30
_LITTLE_ROOM = 1 << 30
_LITTLE_SHARE = 0.05


class Disk(NamedTuple):
    """Room where the data is; octets."""

    free: int
    total: int

    @property
    def is_little(self) -> bool:
        """Whether somebody should do something about it."""
        return self.free < _LITTLE_ROOM or self.free < _LITTLE_SHARE * self.total


class Checked(NamedTuple):
    """Everything at a glance."""

    domains: tuple[tuple[Standing, CertificateSeen | None], ...]
    """At most 30, each with its certificate."""
    more: int
    """How many domains were left out."""
    phones: tuple[PhoneSigns, ...]
    reach: Reach
    ports: tuple[PortAnswer, ...]
    """Empty where they were not asked."""
    status: dict[str, Any] | None
    """None: the server does not answer."""
    disk: Disk | None
    """For whoever operates the service."""


class Stored(NamedTuple):
    """What the database knows of it."""

    standings: tuple[Standing, ...]
    phones: tuple[PhoneSigns, ...]
    reach: Reach


def read_stored(transaction: Transaction, actor: Actor, now_wall: float) -> Stored:
    """The part of a check that is read."""
    return Stored(
        admin.list_standings(transaction, actor),
        phone_signs(transaction, actor, now_wall),
        admin.read_reach(transaction),
    )


async def checked(request: Request, actor: Actor, *, ports: bool) -> Checked:
    """Looks at it all. `ports`: asks them too, which takes a moment. Raises `StoreError`."""
    stored = await read(request, lambda transaction: read_stored(transaction, actor, now()))
    return await look_around(
        stored,
        parts(request).folder,
        await server_or_none(request, "status"),
        ports=ports,
        with_disk=actor.operator,
    )


async def look_around(
    stored: Stored, data: Path, status: dict[str, Any] | None, *, ports: bool, with_disk: bool
) -> Checked:
    """The rest: certificates, ports, the disk. `status`: what the running server says of itself."""
    standings, phones, reach = stored
    listed = standings[:_MOST_DOMAINS]
    shown = await asyncio.to_thread(_inspected, data, listed, reach)
    return Checked(
        tuple(zip(listed, shown, strict=True)),
        len(standings) - len(listed),
        phones,
        reach,
        await _ports(reach, standings) if ports else (),
        status,
        await asyncio.to_thread(_disk, data) if with_disk else None,
    )


def _inspected(data: Path, standings: tuple[Standing, ...], reach: Reach) -> list[CertificateSeen | None]:
    return [inspected(data, one.name, reach.name) if one.domain is not None else None for one in standings]


async def _ports(reach: Reach, standings: tuple[Standing, ...]) -> tuple[PortAnswer, ...]:
    places = [
        (address, port) for address in reach.addresses for port in (reach.tls_port, reach.shared_tls_port) if port
    ]
    name = next((one.name for one in standings if one.domain is not None), "")
    return await check_tls_ports(places, reach.name or name)


def _disk(data: Path) -> Disk:
    usage = shutil.disk_usage(data)
    return Disk(usage.free, usage.total)
