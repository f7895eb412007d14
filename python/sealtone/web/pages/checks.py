"""The check page: what can be seen from here of DNS, certificates, ports, routers, codecs and the machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, InvalidInput, NotFound, Reach, Standing
from sealtone.admin.certificates import CertificateSeen, inspected
from sealtone.admin.codec_overlap import codec_overlap
from sealtone.admin.phone_signs import PhoneSigns, phone_signs
from sealtone.net.port_check import PortAnswer, check_tls_ports
from sealtone.store import Transaction
from sealtone.web.asking import Pages, now, page, parts, read, server_or_none, signed_in
from sealtone.web.pages.certificates import said_of

router = Pages(prefix="/checks", area="domains")
Who = Annotated[Actor, Depends(signed_in)]
_MOST_DOMAINS = 30
_LITTLE_ROOM = 1 << 30
_LITTLE_SHARE = 0.05


def _(text: str) -> str:
    """Marks a text for translation, which the template does."""
    return text


NATS: Mapping[str, str] = {
    "none": _("No NAT"),
    "keeps-port": _("NAT, keeps the port"),
    "changes-port": _("NAT, changes the port"),
    "unknown": _("Not known"),
}
ALGS: Mapping[str, tuple[str, str]] = {
    "impossible": (_("Cannot interfere"), _("TLS: no router can change what passes.")),
    "no-sign": (_("No sign of one"), ""),
    "possible": (
        _("Possible"),
        _("The outside address stands in its Contact: put there by the phone (STUN) or by the router."),
    ),
    "likely": (_("Likely"), _("Without TLS another address arrives than with it. Switch “SIP ALG” off in the router.")),
}
PORTS: Mapping[str, str] = {
    "ok": _("Answers"),
    "refused": _("Nothing listens there"),
    "silent": _("No answer"),
    "no-tls": _("Something else answers there"),
}


class DomainSeen(NamedTuple):
    """A domain with its certificate, and why that was not renewed."""

    standing: Standing
    certificate: CertificateSeen | None
    failure: str


class Disk(NamedTuple):
    """Room where the data is; octets."""

    free: int
    total: int

    @property
    def is_little(self) -> bool:
        """Whether somebody should do something about it."""
        return self.free < _LITTLE_ROOM or self.free < _LITTLE_SHARE * self.total


@router.get("")
async def checks(request: Request, actor: Who, ports: str = "", first: str = "", second: str = "") -> Response:
    """Everything at a glance. `ports`: ask them too, which takes a moment; `first`, `second`: two users' codecs."""

    def query(transaction: Transaction) -> tuple[tuple[Standing, ...], tuple[PhoneSigns, ...], Reach]:
        return (
            admin.list_standings(transaction, actor),
            phone_signs(transaction, actor, now()),
            admin.read_reach(transaction),
        )

    standings, phones, reach = await read(request, query)
    data = parts(request).folder
    listed = standings[:_MOST_DOMAINS]
    shown = await asyncio.to_thread(_inspected, data, listed, reach)
    seen = [DomainSeen(one, found, said_of(request, one)) for one, found in zip(listed, shown, strict=True)]
    answers = await _ports(reach, standings) if ports else ()
    overlap, error = await _codecs(request, actor, first, second)
    status = await server_or_none(request, "status")
    return await page(
        request,
        "domains/checks.html",
        422 if error is not None else 200,
        seen=seen,
        more=len(standings) - len(seen),
        phones=phones,
        nats=NATS,
        algs=ALGS,
        reach=reach,
        answers=answers,
        asked=bool(ports),
        port_words=PORTS,
        overlap=overlap,
        error=error,
        form={"first": first, "second": second} if first or second else {},
        running=status is not None,
        codecs=(status or {}).get("codecs", {}),
        disk=await asyncio.to_thread(_disk, data) if actor.operator else None,
        operates=actor.operator,
        wall=now(),
    )


def _inspected(data: Path, standings: tuple[Standing, ...], reach: Reach) -> list[CertificateSeen | None]:
    return [inspected(data, one.name, reach.name) if one.domain is not None else None for one in standings]


async def _ports(reach: Reach, standings: tuple[Standing, ...]) -> tuple[PortAnswer, ...]:
    places = [
        (address, port) for address in reach.addresses for port in (reach.tls_port, reach.shared_tls_port) if port
    ]
    name = next((one.name for one in standings if one.domain is not None), "")
    return await check_tls_ports(places, reach.name or name)


async def _codecs(request: Request, actor: Actor, first: str, second: str) -> tuple[Any, dict[str, Exception] | None]:
    """What two users share; or which of the two fields is wrong."""
    if not first and not second:
        return None, None
    errors: dict[str, Exception] = {}
    for field, aor in (("first", first), ("second", second)):
        try:
            await read(request, lambda transaction, aor=aor: codec_overlap(transaction, actor, aor, aor))  # type: ignore[misc]
        except (InvalidInput, NotFound) as error:
            errors[field] = error
    if errors:
        return None, errors
    return await read(request, lambda transaction: codec_overlap(transaction, actor, first, second)), None


def _disk(data: Path) -> Disk:
    usage = shutil.disk_usage(data)
    return Disk(usage.free, usage.total)
