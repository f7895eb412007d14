"""Certificates of domains: the one in use, and who issues it."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import fields
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.certificates import (
    check_upload,
    inspected,
    save_upload,
    use_acme_certificate,
    use_own_certificate,
)
from sealtone.admin.domain_checks import Standing, standing_of
from sealtone.model import CertificateSource, Role
from sealtone.net import ControlError
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.certificates import CertificateForm, DomainCertificate, domain_certificate
from sealtone.web.api.work import Caller, change, now, parts_of, read, server

router = APIRouter(route_class=Operation, tags=["Domains"])
_LOOK = details(Scope.READ, Scope.DOMAINS)
_CHANGE = details(Scope.DOMAINS)


@router.get(
    "/domains/{domain}/certificate",
    operation_id="getDomainCertificate",
    summary="Show a domain's certificate",
    response_model=DomainCertificate,
    openapi_extra=_LOOK,
)
async def get_certificate(request: Request, user: Caller, domain: str) -> Response:
    """What it says, who issues it, and how far an order of another one is."""
    standing = await read(request, lambda transaction: _proven(transaction, user, domain))
    return await _shown(request, standing)


@router.put(
    "/domains/{domain}/certificate",
    operation_id="setDomainCertificate",
    summary="Choose who issues a domain's certificate",
    response_model=DomainCertificate,
    openapi_extra=_CHANGE,
)
async def set_certificate(request: Request, user: Caller, domain: str, form: CertificateForm) -> Response:
    """The server's own authority at once; a public one (`acme`), which is asked for a certificate now while the present
    one stays in use; or one that is brought, once it is held against its key, its chain and the domain."""
    standing = await read(request, lambda transaction: _proven(transaction, user, domain, Role.ADMIN))
    name, actor = standing.name, user.actor
    if form.source is CertificateSource.OWN:
        await change(request, lambda transaction: use_own_certificate(transaction, actor, now(), name))
    elif form.source is CertificateSource.ACME:
        challenge = form.challenge.value if form.challenge is not None else ""
        await change(request, lambda transaction: use_acme_certificate(transaction, actor, now(), name, challenge))
        with contextlib.suppress(ControlError):  # no server runs: it orders the certificate when it does
            await server(request, "reload")
            await server(request, "certificates.order", domain=name)
    else:
        files = form.certificate.encode(), form.key.encode()
        brought = await read(
            request, lambda transaction: check_upload(transaction, actor, name, *files, form.passphrase)
        )
        data = parts_of(request).folder
        await change(request, lambda transaction: save_upload(transaction, actor, now(), data, name, brought))
    return await _shown(request, await read(request, lambda transaction: _proven(transaction, user, name)))


async def _shown(request: Request, standing: Standing) -> Response:
    reach = await read(request, admin.read_reach)
    seen = await asyncio.to_thread(inspected, parts_of(request).folder, standing.name, reach.name)
    stage = ""
    with contextlib.suppress(ControlError):
        stage = (await server(request, "certificates.state", domain=standing.name))["stage"]
    return answer(domain_certificate(standing, seen, stage))


def _proven(transaction: Transaction, user: KeyUser, name: str, role: Role = Role.VIEWER) -> Standing:
    """A domain; what is no domain name, or not proven yet, has no certificate."""
    try:
        standing = standing_of(transaction, user.actor, fields.domain_name(name), role)
    except admin.InvalidInput:
        raise admin.NotFound("There is no domain {name}.", name=name[:253]) from None
    if standing.domain is None:
        raise admin.NotFound("There is no domain {name}.", name=standing.name)
    return standing
