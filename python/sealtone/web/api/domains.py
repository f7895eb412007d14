"""Domains: list, create, show, change, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import fields
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.domains import domain_of
from sealtone.model import Domain, Role
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, page_of
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.domains import DomainOut, DomainPatch, NewDomain, domain_out
from sealtone.web.api.work import Caller, change, now, owner_of, read

router = APIRouter(route_class=Operation, tags=["Domains"])
_LOOK = details(Scope.READ, Scope.DOMAINS)
_CHANGE = details(Scope.DOMAINS)
_CHANGE_VERSION = details(Scope.DOMAINS, versioned=True)


@router.get(
    "/domains",
    operation_id="listDomains",
    summary="List domains",
    response_model=Page[DomainOut],
    openapi_extra=_LOOK,
)
async def list_domains(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """The domains of the account, by name."""
    found = await read(request, lambda transaction: admin.list_domains(transaction, user.actor))
    page, following = page_of(sorted(found, key=lambda one: one.name), lambda one: one.name, cursor, limit, str)
    return answer(Page[DomainOut](items=[domain_out(domain) for domain in page], next=following))


@router.post(
    "/domains",
    operation_id="createDomain",
    summary="Create a domain",
    status_code=201,
    response_model=DomainOut,
    openapi_extra=_CHANGE,
)
async def create_domain(request: Request, user: Caller, form: NewDomain) -> Response:
    """A new domain of the account. SIP users are made in it next."""

    def make(transaction: Transaction) -> Domain:
        return admin.create_domain(transaction, user.actor, now(), form.name, owner_of(user))

    made = await change(request, make)
    return answer(domain_out(made), 201, {"Location": f"/api/v1/domains/{made.name}"})


@router.get(
    "/domains/{domain}",
    operation_id="getDomain",
    summary="Show a domain",
    response_model=DomainOut,
    openapi_extra=_LOOK,
)
async def get_domain(request: Request, user: Caller, domain: str) -> Response:
    """One domain with its settings."""
    found = await read(request, lambda transaction: _named(transaction, user, domain, Role.VIEWER))
    return answer(domain_out(found))


@router.patch(
    "/domains/{domain}",
    operation_id="updateDomain",
    summary="Change a domain",
    response_model=DomainOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_domain(request: Request, user: Caller, domain: str, form: DomainPatch) -> Response:
    """Changes what is named; either all of it, or, where a value cannot be used, nothing. Calls in progress keep what
    they were decided with."""
    announced = admin.DomainChange(form.language, form.music_on_hold, form.open_notice, form.open_notice_to)
    recording = form.recording
    recorded = (
        admin.DomainRecordingChange(recording.policy, recording.notice, recording.format, _days(recording.keep_days))
        if recording is not None
        else None
    )

    def save(transaction: Transaction) -> Domain:
        found = _named(transaction, user, domain)
        check_version(request, domain_out(found))
        if form.enabled is not None:
            admin.set_domain_enabled(transaction, user.actor, now(), found.name, enabled=form.enabled)
        admin.update_domain(transaction, user.actor, now(), found.name, announced)
        if recorded is not None:
            admin.update_domain_recording(transaction, user.actor, now(), found.name, recorded)
        return _named(transaction, user, found.name)

    return answer(domain_out(await change(request, save)))


@router.delete(
    "/domains/{domain}",
    operation_id="deleteDomain",
    summary="Delete a domain",
    status_code=204,
    openapi_extra=_CHANGE_VERSION,
)
async def delete_domain(
    request: Request,
    user: Caller,
    domain: str,
    with_users: Annotated[
        bool, Query(description="Delete its SIP users too; else a domain that has some stays.")
    ] = False,
) -> Response:
    """Deletes a domain with its settings. Call records that name it stay."""

    def remove(transaction: Transaction) -> None:
        found = _named(transaction, user, domain)
        check_version(request, domain_out(found))
        admin.delete_domain(transaction, user.actor, now(), found.name, with_users=with_users)

    await change(request, remove)
    return Response(status_code=204)


def _named(transaction: Transaction, user: KeyUser, name: str, role: Role = Role.ADMIN) -> Domain:
    """The domain of an address; what is no domain name is no domain either."""
    try:
        fields.domain_name(name)
    except admin.InvalidInput:
        raise admin.NotFound(f"There is no domain {name[:253]}.") from None
    return domain_of(transaction, user.actor, name, role)


def _days(days: int | str | None) -> str | None:
    return None if days is None else str(days)
