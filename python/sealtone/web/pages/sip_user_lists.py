"""SIP users as a list: finding, adding one or many, CSV files, and changing several together; and the route tester."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, AdminError, InvalidInput, SipUserChange
from sealtone.admin.fields import address_of_record
from sealtone.admin.sip_user_csv import MOST_OCTETS
from sealtone.model import Domain, Role
from sealtone.store import Transaction
from sealtone.store.sip_users import UserFilter
from sealtone.web.asking import Pages, change, flash, go, now, page, read, server_or_none, signed_in
from sealtone.web.user_words import FIELD_NAMES, PROTECTION_NAMES, VALUE_NAMES, codec_words

router = Pages(prefix="/sip-users", area="users")
Who = Annotated[Actor, Depends(signed_in)]
Text = Annotated[str, Form()]

_STATES = ("online", "offline", "off")
_MOST_EXPORTED = 200_000
_SHOWN_OF_IMPORT = 20
_NEW = {"protection": "srtp", "strictness": "prefer"}


def may_change(actor: Actor) -> bool:
    """Whether whoever asks may do more than look."""
    return actor.role.covers(Role.ADMIN)


def options(domains: Sequence[Domain]) -> list[tuple[str, str]]:
    """Domains as a select has them."""
    return [(domain.name, domain.name) for domain in domains]


async def live_users(request: Request, users: Sequence[admin.ListedUser]) -> tuple[Sequence[admin.ListedUser], bool]:
    """The users as the running server sees their phones, and whether it does; else as the database has them."""
    seen = await server_or_none(request, "registrations", aors=[one.user.aor for one in users])
    return (users, False) if seen is None else (admin.as_the_server_sees(users, seen), True)


# The list


@router.get("")
async def listing(
    request: Request,
    actor: Who,
    q: str = "",
    domain: str = "",
    state: str = "",
    protection: str = "",
    after: str = "",
) -> Response:
    """A page of SIP users."""
    wanted = _filter(q, domain, state, protection, after)
    now_wall = now()

    def query(transaction: Transaction) -> tuple[admin.sip_user_pages.ListedPage, tuple[Domain, ...]]:
        domains = admin.list_domains(transaction, actor)
        known = wanted if any(one.name == wanted.domain for one in domains) else wanted._replace(domain="")
        return admin.page_of_sip_users(transaction, actor, now_wall, known), domains

    found, domains = await read(request, query)
    users, is_live = await live_users(request, found.users)
    narrowed = {"q": q, "domain": domain, "state": state, "protection": protection}
    chosen = {name: value for name, value in narrowed.items() if value}
    next_page = {**chosen, "after": "@".join(reversed(found.after))} if found.after else None
    return await page(
        request,
        "users/list.html",
        users=users,
        is_live=is_live,
        domains=domains,
        domain_options=options(domains),
        form=narrowed,
        is_narrowed=bool(chosen),
        first=f"/sip-users?{urlencode(chosen)}" if after else "",
        next=f"/sip-users?{urlencode(next_page)}" if next_page else "",
        export=f"/sip-users/export.csv?{urlencode(chosen)}",
        may_change=may_change(actor),
        protections=PROTECTION_NAMES,
        codec_words=codec_words,
    )


def _filter(q: str, domain: str, state: str, protection: str, after: str = "") -> UserFilter:
    place: tuple[str, str] | None = None
    if after:
        try:
            username, name = address_of_record(after)
            place = (name, username)
        except InvalidInput:
            place = None  # from elsewhere: the first page
    return UserFilter(
        domain=domain.strip().lower(),
        text=q.replace("\0", "").strip()[:100],
        state=state if state in _STATES else "",
        protection=protection if protection in PROTECTION_NAMES else "",
        after=place,
    )


@router.get("/live")
async def live(request: Request, actor: Who, aor: str = "") -> Response:
    """Where the phones of the users on a page are now, for the page to put in their places."""
    aors = [one for one in aor.split(",") if one][:200]

    def query(transaction: Transaction) -> list[admin.ListedUser]:
        users = []
        for one in aors:
            try:
                users.append(admin.user_of(transaction, actor, one, Role.VIEWER))
            except AdminError:
                continue  # deleted meanwhile, or never theirs
        return list(admin.with_phones(transaction, users, now()))

    users, is_live = await live_users(request, await read(request, query))
    return await page(request, "users/live.html", users=users, is_live=is_live, aors=aors)


@router.get("/export.csv")
async def export(
    request: Request, actor: Who, q: str = "", domain: str = "", state: str = "", protection: str = ""
) -> Response:
    """The users that the list shows, as CSV, without secrets."""
    wanted, now_wall = _filter(q, domain, state, protection), now()

    def query(transaction: Transaction) -> str:
        users: list[admin.ListedUser] = []
        after = None
        while len(users) < _MOST_EXPORTED:
            found = admin.page_of_sip_users(transaction, actor, now_wall, wanted._replace(after=after, limit=200))
            users += found.users
            after = found.after
            if after is None:
                break
        return admin.export_csv(one.user for one in users)

    return _download(await read(request, query), "sip-users.csv")


def _download(text: str, name: str) -> Response:
    # The mark at the beginning has spreadsheets read it as UTF-8.
    return Response(
        f"\ufeff{text}",
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


# Adding


async def _domains(request: Request, actor: Actor) -> tuple[Domain, ...]:
    return await read(request, lambda transaction: admin.list_domains(transaction, actor))


@router.get("/new")
async def new(request: Request, actor: Who, like: int = 0, domain: str = "") -> Response:
    """The form for one SIP user; `like`: with the settings that a deleted one had, by the change's number."""
    actor.authorise(actor.account_id or 0, "page")
    form: dict[str, Any] = {**_NEW, "domain": domain}
    if like:
        deleted = await read(request, lambda transaction: admin.change_of(transaction, actor, like))
        if deleted.action == "delete" and deleted.subject.startswith("SIP user "):
            username, _, home = deleted.subject.removeprefix("SIP user ").rpartition("@")
            form |= {**deleted.before, "username": username, "domain": home}
    return await _new_page(request, actor, form)


async def _new_page(
    request: Request, actor: Actor, form: dict[str, Any], error: AdminError | None = None, status: int = 200
) -> Response:
    domains = await _domains(request, actor)
    return await page(
        request, "users/new.html", status, form=form, error=error, domains=domains, domain_options=options(domains)
    )


@router.post("/new")
async def create(
    request: Request,
    actor: Who,
    domain: Text = "",
    username: Text = "",
    display_name: Text = "",
    protection: Text = "srtp",
    strictness: Text = "prefer",
    path: Text = "",
    codecs: Text = "",
    max_contacts: Text = "",
    recording: Text = "",
    language: Text = "",
) -> Response:
    """Adds one, and shows its secret."""
    form = SipUserChange(
        display_name,
        protection,
        strictness,
        path or None,
        codecs,
        int(max_contacts) if max_contacts.isascii() and max_contacts.isdigit() and len(max_contacts) < 4 else None,
        recording=recording or None,
        language=language or None,
    )
    typed = {**form._asdict(), "username": username, "domain": domain}
    typed = {name: value for name, value in typed.items() if value is not None}
    try:
        if not username.strip():
            raise InvalidInput("username", "Enter a number or a name, such as 1000 or anna.")
        made = await change(
            request,
            lambda transaction: admin.create_sip_user(transaction, actor, now(), f"{username.strip()}@{domain}", form),
        )
    except (InvalidInput, admin.Conflict) as error:
        shown = error if isinstance(error, InvalidInput) else InvalidInput("username", error.template, **error.values)
        return await _new_page(request, actor, typed, shown, 422)
    return await page(request, "users/secret.html", made=made, is_new=True)


@router.get("/new-many")
async def new_many(request: Request, actor: Who) -> Response:
    """The form for many."""
    actor.authorise(actor.account_id or 0, "page")
    domains = await _domains(request, actor)
    return await page(
        request, "users/new_many.html", form={**_NEW, "name": ""}, domains=domains, domain_options=options(domains)
    )


@router.post("/new-many")
async def create_many(
    request: Request,
    actor: Who,
    domain: Text = "",
    numbers: Text = "",
    name: Text = "",
    protection: Text = "srtp",
    strictness: Text = "prefer",
) -> Response:
    """Adds them, and shows their secrets."""
    form = SipUserChange(protection=protection, strictness=strictness)
    try:
        made = await change(
            request,
            lambda transaction: admin.create_sip_users(transaction, actor, now(), domain, numbers, form, name),
        )
    except (InvalidInput, admin.Conflict) as error:
        field = {"display_name": "name"}.get(error.field, error.field) if isinstance(error, InvalidInput) else "numbers"
        typed = {
            "domain": domain,
            "numbers": numbers,
            "name": name,
            "protection": protection,
            "strictness": strictness,
        }
        domains = await _domains(request, actor)
        return await page(
            request,
            "users/new_many.html",
            422,
            form=typed,
            error=InvalidInput(field, error.template, **error.values),
            domains=domains,
            domain_options=options(domains),
        )
    return await page(request, "users/secrets.html", made=made, csv=admin.secrets_csv(made))


@router.post("/secrets.csv")
async def secrets_file(actor: Who, csv: Text = "") -> Response:
    """The secrets that a page shows, as a file: what the page itself holds comes back as a download."""
    return _download(csv[:MOST_OCTETS], "sip-user-secrets.csv")


# CSV in


@router.get("/import")
async def import_form(request: Request, actor: Who) -> Response:
    """The form for a CSV file."""
    actor.authorise(actor.account_id or 0, "page")
    domains = await _domains(request, actor)
    return await page(request, "users/import.html", domains=domains, domain_options=options(domains), plan=None)


@router.post("/import")
async def import_file(
    request: Request,
    actor: Who,
    file: Annotated[UploadFile | None, File()] = None,
    text: Text = "",
    domain: Text = "",
    step: Text = "check",
) -> Response:
    """Looks a file through, or takes it up."""
    domains = await _domains(request, actor)
    form = {"domain": domain}
    known: dict[str, Any] = {"domains": domains, "domain_options": options(domains), "form": form, "plan": None}
    try:
        if file is not None and file.filename:
            text = (await file.read(MOST_OCTETS + 1)).decode("utf-8-sig")
        if not text:
            raise InvalidInput("file", "Choose a CSV file.")
        if step == "apply":
            done = await change(
                request, lambda transaction: admin.import_users(transaction, actor, now(), text, domain)
            )
            if not done.secrets:
                response = go(request, "/sip-users")
                said = request.state.translate(
                    "Imported: %(created)s added, %(changed)s changed.", created=done.created, changed=done.changed
                )
                flash(response, "good", said)
                return response
            return await page(
                request, "users/secrets.html", made=done.secrets, csv=admin.secrets_csv(done.secrets), imported=done
            )
        plan = await read(request, lambda transaction: admin.plan_import(transaction, actor, text, domain))
    except UnicodeDecodeError:
        error = InvalidInput("file", "The file is not UTF-8. Save it as “CSV UTF-8”.")
        return await page(request, "users/import.html", 422, error=error, **known)
    except InvalidInput as error:
        return await page(request, "users/import.html", 422, error=error, **known)
    except admin.ImportRefused as refused:
        # Something was changed between the check and this: show the check anew.
        plan = admin.ImportPlan((), refused.errors)
    return await page(
        request,
        "users/import.html",
        422 if plan.errors else 200,
        lines=[line for line in plan.lines if line.action != "same"][:_SHOWN_OF_IMPORT],
        text=text,
        field_names=FIELD_NAMES,
        value_names=VALUE_NAMES,
        **known | {"plan": plan},
    )


# Several together


@router.post("/several")
async def several(
    request: Request,
    actor: Who,
    action: Text = "",
    aor: Annotated[list[str] | None, Form()] = None,
    protection: Text = "",
    strictness: Text = "",
    sure: Text = "",
) -> Response:
    """Switches, protects or deletes the users that were ticked; all or none."""
    aors = list(dict.fromkeys(aor or ()))
    translate = request.state.translate
    forms = {
        "enable": SipUserChange(enabled=True),
        "disable": SipUserChange(enabled=False),
        "protect": SipUserChange(protection=protection or None, strictness=strictness or None),
    }
    response = go(request, "/sip-users")
    if not aors:
        flash(response, "note", translate("Tick at least one SIP user first."))
        return response
    if action == "delete" and not sure:
        users = await read(
            request, lambda transaction: [admin.user_of(transaction, actor, one, Role.ADMIN) for one in aors[:1000]]
        )
        return await page(request, "users/delete.html", users=users, back="/sip-users")
    if action == "protect" and not (protection and strictness):
        users = await read(
            request, lambda transaction: [admin.user_of(transaction, actor, one, Role.ADMIN) for one in aors[:1000]]
        )
        return await page(request, "users/protect.html", users=users, form=_NEW)
    if action == "delete":
        count = await change(request, lambda transaction: admin.delete_sip_users(transaction, actor, now(), aors))
        said = translate.plural("%(number)s SIP user was deleted.", "%(number)s SIP users were deleted.", count)
    elif action in forms:
        changed = await change(
            request,
            lambda transaction: admin.update_sip_users(transaction, actor, now(), aors, forms[action]),
        )
        said = translate.plural("%(number)s SIP user was changed.", "%(number)s SIP users were changed.", len(changed))
    else:
        return response
    flash(response, "good", said)
    return response
