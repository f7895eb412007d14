"""Domains: the list, adding one, and of each its DNS records, sounds, recording, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sealtone import admin
from sealtone.admin import Actor, InvalidInput, Standing
from sealtone.admin.domain_records import as_zone_file
from sealtone.model import DomainKind, Role
from sealtone.net.dns_lookup import DnsLookup
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.web.asking import Pages, change, flash, go, now, page, read, signed_in

router = Pages(prefix="/domains", area="domains")
Who = Annotated[Actor, Depends(signed_in)]
Text = Annotated[str, Form()]


def _(text: str) -> str:
    """Marks a text for translation, which the template does."""
    return text


PURPOSES: Mapping[str, tuple[str, str]] = {
    "ownership": (_("Proves that the domain is yours"), _("Until it is seen, nobody can register or call here.")),
    "address": (_("Where the server is"), _("For phones that look for nothing else.")),
    "tls": (_("Encrypted calls (TLS)"), _("How phones and other servers find the encrypted port.")),
    "tls-443": (_("Encrypted calls on port 443"), _("For networks that let only web traffic out.")),
    "tls-old": (_("Encrypted calls, older phones"), _("The name that some phones ask for instead.")),
    "tcp": (_("Calls without TLS, by TCP"), _("Only for phones that cannot do TLS.")),
    "udp": (_("Calls without TLS, by UDP"), _("Only for phones that cannot do TLS.")),
    "naptr": (_("The order of preference"), _("Tells phones to try TLS first.")),
    "acme": (_("Certificates by DNS"), _("Lets this server answer for the domain when its certificate is renewed.")),
}


@router.get("")
async def list_of_domains(request: Request, actor: Who) -> Response:
    """All of the account."""

    def query(transaction: Transaction) -> tuple[tuple[Standing, ...], dict[int, int]]:
        return admin.list_standings(transaction, actor), admin.count_sip_users(transaction, actor)

    standings, users = await read(request, query)
    return await page(request, "domains/list.html", standings=standings, users=users, may_change=_may(actor))


@router.get("/new")
async def new_domain(request: Request, actor: Who) -> Response:
    """The form for another one."""
    return await _adding(request, actor)


@router.post("/new")
async def add_domain(request: Request, actor: Who, kind: Text = "", label: Text = "", domain: Text = "") -> Response:
    """Makes a subdomain, claims a name, or (whoever operates the service) makes a domain without proof."""
    account_id = actor.account_id or 0

    def operation(transaction: Transaction) -> str:
        if kind == DomainKind.SUBDOMAIN:
            return admin.create_subdomain(transaction, actor, now(), label, account_id).name
        if kind == DomainKind.OPERATOR:
            return admin.create_domain(transaction, actor, now(), domain, account_id).name
        if kind == DomainKind.PARKED:
            return admin.park_domain(transaction, actor, now(), domain, account_id).name
        raise InvalidInput("kind", _("Choose one of these."))

    try:
        name = await change(request, operation)
    except InvalidInput as error:
        return await _adding(request, actor, 422, error=error, form={"kind": kind, "label": label, "domain": domain})
    response = go(request, f"/domains/{name}")
    if kind == DomainKind.PARKED:
        flash(response, "note", request.state.translate(_("Set the records below where the domain's DNS is kept.")))
    else:
        flash(response, "good", request.state.translate(_("The domain is ready: SIP users can be made in it.")))
    return response


async def _adding(request: Request, actor: Actor, status: int = 200, **context: Any) -> Response:
    actor.authorise(actor.account_id or 0, "such account")
    zone = await read(request, admin.zone_of)
    return await page(request, "domains/new.html", status, zone=zone, operates=actor.operator, **context)


@router.get("/{name}")
async def records(request: Request, actor: Who, name: str) -> Response:
    """DNS records as they should be and as they were found."""
    standing = await _standing(request, actor, name)
    return await _tab(request, actor, standing, "domains/records.html", zone_file=as_zone_file(standing.findings))


@router.get("/{name}/zone-file")
async def zone_file(request: Request, actor: Who, name: str) -> Response:
    """The records as a file for a name server."""
    standing = await _standing(request, actor, name)
    headers = {"Content-Disposition": f'attachment; filename="{standing.name}.zone"'}
    return PlainTextResponse(as_zone_file(standing.findings), headers=headers)


@router.post("/{name}/check")
async def check(request: Request, actor: Who, name: str) -> Response:
    """Asks DNS now."""
    standing = await _standing(request, actor, name, Role.ADMIN)
    resolvers = await read(request, admin.dns_resolvers)
    findings = await admin.look_up(DnsLookup(resolvers), standing)
    after = await change(request, lambda transaction: admin.record_check(transaction, actor, now(), standing, findings))
    response = go(request, f"/domains/{after.name}")
    flash(response, *_said(request, standing, after))
    return response


def _said(request: Request, before: Standing, after: Standing) -> tuple[str, str]:
    """What a check came to, in a sentence."""
    said = request.state.translate
    if all(one.state == "unknown" for one in after.findings):
        return "warn", said(_("DNS did not answer. Try again in a minute."))
    if after.status == "verified" and before.status != "verified":
        return "good", said(_("The domain is yours: it can be used now."))
    if after.status == "failed" and admin.is_proven(after.findings):
        return "bad", said(_("The record is there, but another account proved this domain before. Ask the operator."))
    if after.status != "verified":
        return "warn", said(_("The record that proves the domain is not there yet. DNS can take up to an hour."))
    if after.needs_care:
        return "warn", said(_("Some records that phones need are missing or different."))
    return "good", said(_("Everything that phones need is there."))


@router.get("/{name}/sounds")
async def sounds(request: Request, actor: Who, name: str) -> Response:
    """What the server says and plays."""
    standing = await _proven(request, actor, name)
    return await _tab(request, actor, standing, "domains/sounds.html")


@router.post("/{name}/sounds")
async def save_sounds(
    request: Request,
    actor: Who,
    name: str,
    language: Text = "",
    music_on_hold: Text = "",
    open_notice: Text = "",
    open_notice_to: Text = "",
) -> Response:
    """Saves it."""
    standing = await _proven(request, actor, name)
    form = admin.DomainChange(language, bool(music_on_hold), open_notice, open_notice_to)
    try:
        await change(request, lambda transaction: admin.update_domain(transaction, actor, now(), name, form))
    except InvalidInput as error:
        values = form._asdict() | {"music_on_hold": music_on_hold}
        return await _tab(request, actor, standing, "domains/sounds.html", 422, error=error, form=values)
    return _saved(request, f"/domains/{standing.name}/sounds")


@router.get("/{name}/recording")
async def recording(request: Request, actor: Who, name: str) -> Response:
    """What is recorded."""
    standing = await _proven(request, actor, name)
    return await _recording_tab(request, actor, standing)


@router.post("/{name}/recording")
async def save_recording(
    request: Request,
    actor: Who,
    name: str,
    recording: Text = "",
    notice: Text = "",
    format: Text = "",  # noqa: A002 - the field's name
    days: Text = "",
) -> Response:
    """Saves it."""
    standing = await _proven(request, actor, name)
    wanted = admin.DomainRecordingChange(recording, notice, format, days)
    try:
        await change(
            request, lambda transaction: admin.update_domain_recording(transaction, actor, now(), name, wanted)
        )
    except InvalidInput as error:
        form = {"recording": recording, "notice": notice, "format": format, "days": days}
        return await _recording_tab(request, actor, standing, 422, error=error, form=form)
    return _saved(request, f"/domains/{standing.name}/recording")


async def _recording_tab(
    request: Request, actor: Actor, standing: Standing, status: int = 200, **context: Any
) -> Response:
    account = await read(request, lambda transaction: rows.find_account(transaction, standing.account_id))
    has_key = account is not None and bool(account.recording_recipient)
    return await _tab(request, actor, standing, "domains/recording.html", status, has_key=has_key, **context)


@router.get("/{name}/delete")
async def delete_form(request: Request, actor: Who, name: str) -> Response:
    """Switching it off, or deleting it."""
    standing = await _standing(request, actor, name)
    return await _delete_tab(request, actor, standing)


@router.post("/{name}/enabled")
async def set_enabled(request: Request, actor: Who, name: str, enabled: Text = "") -> Response:
    """Switches it on or off."""
    wanted = enabled == "yes"
    await change(request, lambda transaction: admin.set_domain_enabled(transaction, actor, now(), name, enabled=wanted))
    return _saved(request, f"/domains/{name}/delete")


@router.post("/{name}/delete")
async def delete(request: Request, actor: Who, name: str, typed: Text = "") -> Response:
    """Deletes it with its SIP users, where its name was typed."""
    standing = await _standing(request, actor, name, Role.ADMIN)
    if typed.strip().lower().rstrip(".") != standing.name:
        error = InvalidInput("typed", _("Type {name} to confirm."), name=standing.name)
        return await _delete_tab(request, actor, standing, 422, error=error, form={"typed": typed})

    def operation(transaction: Transaction) -> None:
        if standing.domain is None:
            admin.abandon_claim(transaction, actor, now(), standing.account_id, standing.name)
        else:
            admin.delete_domain(transaction, actor, now(), standing.name, with_users=True)

    await change(request, operation)
    response = go(request, "/domains")
    flash(response, "good", request.state.translate(_("%(name)s is deleted."), name=standing.name))
    return response


async def _delete_tab(
    request: Request, actor: Actor, standing: Standing, status: int = 200, **context: Any
) -> Response:
    users = await read(request, lambda transaction: admin.count_sip_users(transaction, actor))
    count = users.get(standing.domain.id, 0) if standing.domain is not None else 0
    return await _tab(request, actor, standing, "domains/delete.html", status, count=count, **context)


async def _standing(request: Request, actor: Actor, name: str, role: Role = Role.VIEWER) -> Standing:
    return await read(request, lambda transaction: admin.standing_of(transaction, actor, name, role))


async def _proven(request: Request, actor: Actor, name: str) -> Standing:
    """One that is a domain already: a claim has neither sounds nor recordings."""
    standing = await _standing(request, actor, name)
    if standing.domain is None:
        raise admin.NotFound("There is no domain {name}.", name=standing.name)
    return standing


async def _tab(
    request: Request, actor: Actor, standing: Standing, template: str, status: int = 200, **context: Any
) -> Response:
    return await page(
        request,
        template,
        status,
        standing=standing,
        domain=standing.domain,
        purposes=PURPOSES,
        may_change=_may(actor),
        **context,
    )


def _saved(request: Request, url: str) -> Response:
    response = go(request, url)
    flash(response, "good", request.state.translate(_("Saved.")))
    return response


def _may(actor: Actor) -> bool:
    return actor.role.covers(Role.ADMIN)
