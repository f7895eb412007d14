"""The check page: what can be seen from here of DNS, certificates, ports, routers, codecs and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, InvalidInput, NotFound, Standing
from sealtone.admin.certificates import CertificateSeen
from sealtone.admin.codec_overlap import codec_overlap
from sealtone.web.asking import Pages, now, page, read, signed_in
from sealtone.web.checked import checked
from sealtone.web.pages.certificates import said_of

router = Pages(prefix="/checks", area="domains")
Who = Annotated[Actor, Depends(signed_in)]


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


@router.get("")
async def checks(request: Request, actor: Who, ports: str = "", first: str = "", second: str = "") -> Response:
    """Everything at a glance. `ports`: ask them too, which takes a moment; `first`, `second`: two users' codecs."""
    found = await checked(request, actor, ports=bool(ports))
    overlap, error = await _codecs(request, actor, first, second)
    return await page(
        request,
        "domains/checks.html",
        422 if error is not None else 200,
        seen=[DomainSeen(one, certificate, said_of(request, one)) for one, certificate in found.domains],
        more=found.more,
        phones=found.phones,
        nats=NATS,
        algs=ALGS,
        reach=found.reach,
        answers=found.ports,
        asked=bool(ports),
        port_words=PORTS,
        overlap=overlap,
        error=error,
        form={"first": first, "second": second} if first or second else {},
        running=found.status is not None,
        codecs=(found.status or {}).get("codecs", {}),
        disk=found.disk,
        operates=actor.operator,
        wall=now(),
    )


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
