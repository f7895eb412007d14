"""Domains: list, create, show, change, delete; their DNS records."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import domain_checks as checks
from sealtone.admin import domains as domain_cases
from sealtone.admin import fields
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.domain_checks import Standing
from sealtone.model import DomainKind, Role
from sealtone.net.dns_lookup import DnsLookup
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, answer_page
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.domains import DomainDns, DomainOut, DomainPatch, NewDomain, domain_dns, domain_out
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
    """The domains of the account by name, with those that are still to be proven."""
    found = await read(request, lambda transaction: checks.list_standings(transaction, user.actor))
    return answer_page(Page[DomainOut], found, lambda one: one.name, domain_out, cursor, limit, str)


@router.post(
    "/domains",
    operation_id="createDomain",
    summary="Create a domain",
    status_code=201,
    response_model=DomainOut,
    openapi_extra=_CHANGE,
)
async def create_domain(request: Request, user: Caller, form: NewDomain) -> Response:
    """A subdomain can be used at once. A parked name is pending: set the DNS records of `/domains/{domain}/dns`, then
    have them checked; they are looked for once a day too."""
    account = owner_of(user)

    def make(transaction: Transaction) -> Standing:
        name = form.name
        if form.kind is DomainKind.PARKED:
            name = domain_cases.park_domain(transaction, user.actor, now(), name, account).name
        elif form.kind is DomainKind.SUBDOMAIN:
            name = domain_cases.create_subdomain(transaction, user.actor, now(), name, account).name
        else:
            name = admin.create_domain(transaction, user.actor, now(), name, account).name
        return checks.standing_of(transaction, user.actor, name)

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
    return answer(domain_out(await read(request, lambda transaction: _named(transaction, user, domain))))


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

    def save(transaction: Transaction) -> Standing:
        found = _named(transaction, user, domain, Role.ADMIN)
        check_version(request, domain_out(found))
        if found.domain is None:
            raise admin.Conflict("This name is not proven yet: it has no settings.")
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
    """Deletes a domain with its settings, or gives up a name that was not proven. Call records that name it stay."""

    def remove(transaction: Transaction) -> None:
        found = _named(transaction, user, domain, Role.ADMIN)
        check_version(request, domain_out(found))
        if found.domain is None:
            domain_cases.abandon_claim(transaction, user.actor, now(), found.account_id, found.name)
        else:
            admin.delete_domain(transaction, user.actor, now(), found.name, with_users=with_users)

    await change(request, remove)
    return Response(status_code=204)


@router.get(
    "/domains/{domain}/dns",
    operation_id="getDomainDns",
    summary="Show a domain's DNS records",
    response_model=DomainDns,
    openapi_extra=_LOOK,
)
async def get_dns(request: Request, user: Caller, domain: str) -> Response:
    """The records to set, and what was found when they were looked for last."""
    return answer(domain_dns(await read(request, lambda transaction: _named(transaction, user, domain))))


@router.post(
    "/domains/{domain}/dns/check",
    operation_id="checkDomainDns",
    summary="Look for a domain's DNS records now",
    response_model=DomainDns,
    openapi_extra=_CHANGE,
)
async def check_dns(request: Request, user: Caller, domain: str) -> Response:
    """Asks DNS. A pending name whose ownership record is found is a domain from then on."""

    def begin(transaction: Transaction) -> tuple[Standing, tuple[tuple[str, int], ...]]:
        return _named(transaction, user, domain, Role.ADMIN), checks.dns_resolvers(transaction)

    standing, resolvers = await read(request, begin)
    findings = await checks.look_up(DnsLookup(resolvers), standing)

    def save(transaction: Transaction) -> Standing:
        return checks.record_check(transaction, user.actor, now(), standing, findings)

    return answer(domain_dns(await change(request, save)))


def _named(transaction: Transaction, user: KeyUser, name: str, role: Role = Role.VIEWER) -> Standing:
    """The domain of an address; what is no domain name is no domain either."""
    try:
        fields.domain_name(name)
    except admin.InvalidInput:
        raise admin.NotFound(f"There is no domain {name[:253]}.") from None
    return checks.standing_of(transaction, user.actor, name, role)


def _days(days: int | str | None) -> str | None:
    return None if days is None else str(days)
