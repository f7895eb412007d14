"""A domain's certificate: what it says, who issues it, ordering and bringing one; and the settings of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, InvalidInput, Standing
from sealtone.admin.acme import DIRECTORIES, AcmeForm, AcmeSettings, acme_settings, acme_target, set_acme
from sealtone.admin.certificates import (
    check_upload,
    inspected,
    save_upload,
    use_acme_certificate,
    use_own_certificate,
)
from sealtone.model import Role
from sealtone.net.errors import ControlError
from sealtone.pki.acme_words import SAYS, parted
from sealtone.pki.facts import Cover
from sealtone.pki.upload import LARGEST
from sealtone.web.asking import (
    Pages,
    ServerAway,
    change,
    flash,
    go,
    now,
    page,
    parts,
    read,
    server,
    server_or_none,
    signed_in,
)
from sealtone.web.sections import Section

_domains = Pages(prefix="/domains", area="domains")
_service = Pages(prefix="/service", area="domains")
routers = [_domains, _service]
Who = Annotated[Actor, Depends(signed_in)]
Text = Annotated[str, Form()]
_RUNNING = ("waiting", "account", "order", "check", "issue")


def _(text: str) -> str:
    """Marks a text for translation, which the template does."""
    return text


STAGES: Mapping[str, str] = {
    "waiting": _("Waiting for its turn."),
    "account": _("Introducing this server to the authority."),
    "order": _("Placing the order."),
    "check": _("The authority is checking that the name leads here."),
    "issue": _("The authority is issuing the certificate."),
}


@_domains.get("/{name}/certificate")
async def certificate(request: Request, actor: Who, name: str) -> Response:
    """What it says, and who issues it."""
    return await _tab(request, actor, await _proven(request, actor, name))


@_domains.get("/{name}/certificate/authority.pem")
async def authority(request: Request, actor: Who, name: str) -> Response:
    """The certificate of the server's own authority, for phones."""
    await _proven(request, actor, name)
    file = parts(request).folder / "authority" / "ca.pem"
    content = await asyncio.to_thread(lambda: file.read_bytes() if file.exists() else None)
    if content is None:
        raise ServerAway
    headers = {"Content-Disposition": 'attachment; filename="sealtone-authority.pem"'}
    return Response(content, headers=headers, media_type="application/x-pem-file")


@_domains.post("/{name}/certificate/own")
async def use_own(request: Request, actor: Who, name: str) -> Response:
    """From now on the server's own authority issues it."""
    domain = await change(request, lambda transaction: use_own_certificate(transaction, actor, now(), name))
    response = go(request, f"/domains/{domain.name}/certificate")
    flash(response, "good", request.state.translate(_("This server's own authority issues the certificate now.")))
    return response


@_domains.post("/{name}/certificate/acme")
async def use_acme(request: Request, actor: Who, name: str, challenge: Text = "") -> Response:
    """From now on a public authority issues it; one is ordered at once."""
    standing = await _proven(request, actor, name, Role.ADMIN)
    try:
        domain = await change(
            request, lambda transaction: use_acme_certificate(transaction, actor, now(), name, challenge)
        )
    except InvalidInput as error:
        return await _tab(request, actor, standing, 422, error=error, form={"challenge": challenge})
    response = go(request, f"/domains/{domain.name}/certificate")
    try:
        await server(request, "reload")
        await server(request, "certificates.order", domain=domain.name)
    except (ServerAway, ControlError):
        said = request.state.translate(_("The certificate is ordered as soon as the SIP server runs."))
        flash(response, "warn", said)
    return response


@_domains.post("/{name}/certificate/upload")
async def upload(
    request: Request,
    actor: Who,
    name: str,
    certificate: Annotated[UploadFile | None, File()] = None,
    key: Annotated[UploadFile | None, File()] = None,
    passphrase: Text = "",
) -> Response:
    """Takes one that somebody brings, once it is held against its key, its chain and the domain."""
    standing = await _proven(request, actor, name, Role.ADMIN)
    files = [await one.read(LARGEST + 1) if one is not None else b"" for one in (certificate, key)]
    data = parts(request).folder
    try:
        uploaded = await read(
            request, lambda transaction: check_upload(transaction, actor, name, files[0], files[1], passphrase)
        )
    except InvalidInput as error:
        return await _tab(request, actor, standing, 422, error=error, form={"passphrase": ""})
    await change(request, lambda transaction: save_upload(transaction, actor, now(), data, name, uploaded))
    response = go(request, f"/domains/{standing.name}/certificate")
    if uploaded.cover is Cover.HOST:
        said = _("The certificate is in use. It covers the host's name only: phones that follow RFC 5922 refuse it.")
        flash(response, "warn", request.state.translate(said))
    else:
        flash(response, "good", request.state.translate(_("The certificate is in use: new connections get it.")))
    return response


async def _proven(request: Request, actor: Actor, name: str, role: Role = Role.VIEWER) -> Standing:
    standing = await read(request, lambda transaction: admin.standing_of(transaction, actor, name, role))
    if standing.domain is None:
        raise admin.NotFound("There is no domain {name}.", name=standing.name)
    return standing


async def _tab(request: Request, actor: Actor, standing: Standing, status: int = 200, **context: Any) -> Response:
    settings, reach = await read(
        request, lambda transaction: (acme_settings(transaction), admin.read_reach(transaction))
    )
    shown = await asyncio.to_thread(inspected, parts(request).folder, standing.name, reach.name)
    order = await server_or_none(request, "certificates.state", domain=standing.name) or {"stage": ""}
    return await page(
        request,
        "domains/certificate.html",
        status,
        standing=standing,
        domain=standing.domain,
        shown=shown,
        settings=settings,
        authority_name=_name_of(settings),
        target=acme_target(standing.name, settings.dns_zone) if settings.dns_zone else "",
        failure=said_of(request, standing),
        order=order,
        is_running=order["stage"] in _RUNNING,
        stages=STAGES,
        may_change=actor.role.covers(Role.ADMIN),
        **context,
    )


def said_of(request: Request, standing: Standing) -> str:
    """Why the last order failed, in the reader's language; the authority's own words stay as they are."""
    if not standing.certificate_error:
        return ""
    said = request.state.translate
    template, way, words = parted(standing.certificate_error, standing.name)
    if not way:
        return str(said(template))
    sentence = str(said(template)).format(domain=standing.name, way=said(way))
    return f"{sentence} {said(SAYS).format(detail=words)}" if words else sentence


def _name_of(settings: AcmeSettings) -> str:
    """Of the authority, as people know it."""
    known = {DIRECTORIES["production"]: "Let's Encrypt", DIRECTORIES["staging"]: "Let's Encrypt (staging)"}
    return known.get(settings.directory) or settings.directory.removeprefix("https://").partition("/")[0]


# The service's own settings


async def service_section(request: Request) -> Section | None:
    """For the page of the service: which authority there is, and the way to its settings."""
    settings = await read(request, acme_settings)
    return Section("domains/acme_section.html", {"settings": settings, "authority": _name_of(settings)})


@_service.get("/certificates")
async def acme_page(request: Request, actor: Who) -> Response:
    """Which public authority is asked, and how it checks names."""
    return await _acme_page(request, actor)


@_service.post("/certificates")
async def save_acme(
    request: Request,
    actor: Who,
    directory: Text = "",
    address: Text = "",
    email: Text = "",
    agreed: Text = "",
    trusted: Text = "",
    dns_zone: Text = "",
    dns_port: Text = "",
) -> Response:
    """Saves it."""
    chosen = directory if directory in DIRECTORIES else address
    wanted = AcmeForm(chosen, email, bool(agreed), trusted, dns_zone, dns_port)
    try:
        await change(request, lambda transaction: set_acme(transaction, actor, now(), wanted))
    except InvalidInput as error:
        form = {"directory": directory, "address": address, "email": email, "agreed": agreed}
        form |= {"trusted": trusted, "dns_zone": dns_zone, "dns_port": dns_port}
        return await _acme_page(request, actor, 422, error=error, form=form)
    response = go(request, "/service/certificates")
    flash(response, "good", request.state.translate(_("Saved.")))
    return response


async def _acme_page(request: Request, actor: Actor, status: int = 200, **context: Any) -> Response:
    actor.authorise_operating()
    settings, reach = await read(
        request, lambda transaction: (acme_settings(transaction), admin.read_reach(transaction))
    )
    named = {address: name for name, address in DIRECTORIES.items()}
    return await page(
        request,
        "domains/acme.html",
        status,
        settings=settings,
        chosen=named.get(settings.directory, "other"),
        reach=reach,
        **context,
    )
