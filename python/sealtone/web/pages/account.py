"""Account: one's own profile; the account's name, what is kept for how long, and its end."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, accounts, people
from sealtone.admin.fields import written_retention
from sealtone.admin.people import ProfileChange
from sealtone.model import Account, Person, Role
from sealtone.store import Transaction
from sealtone.store import people as people_rows
from sealtone.web import gate as gates
from sealtone.web.asking import Pages, change, flash, go, page, parts, read, signed_in
from sealtone.web.confirming import confirmed
from sealtone.web.gate import gate, mailed_address
from sealtone.web.i18n import LANGUAGES
from sealtone.web.mails import email_mail
from sealtone.web.security import end_session
from sealtone.web.tabs import account_tabs, add_account_tab

router = Pages(prefix="/account", area="people")

SignedIn = Annotated[Actor, Depends(signed_in)]
Confirmed = Annotated[Actor, Depends(confirmed)]


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_account_tab(10, "/account", _("Profile"))
add_account_tab(90, "/account/data", _("Account and data"))


def own_id(actor: Actor) -> int:
    """The id of somebody who is signed in."""
    if actor.person_id is None:
        raise LookupError("somebody who is signed in is a person")
    return actor.person_id


def own_account(actor: Actor) -> int:
    """The id of their account."""
    if actor.account_id is None:
        raise LookupError("somebody who is signed in has an account")
    return actor.account_id


# Profile


@router.get("")
async def profile_page(request: Request, actor: SignedIn) -> Response:
    """Name, language, theme; the address."""
    return await _profile(request, actor)


async def _profile(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
) -> Response:
    myself = await read(request, lambda transaction: people_rows.find_person(transaction, own_id(actor)))
    settings = await gates.settings_of(request)
    return await page(
        request,
        "people/profile.html",
        status,
        tabs=account_tabs(request),
        myself=myself,
        by_mail=settings.sends_mail,
        choices=[("", request.state.translate(_("As the browser wants it"))), *LANGUAGES.items()],
        form=form or {},
        error=error,
    )


@router.post("")
async def save_profile(
    request: Request,
    actor: SignedIn,
    name: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
) -> Response:
    """Saves them."""
    now, form = time.time(), ProfileChange(name, language, theme)
    try:
        await change(request, lambda t: people.update_profile(t, actor, now, own_id(actor), form))
    except InvalidInput as error:
        return await _profile(request, actor, 422, {"name": name, "language": language, "theme": theme}, error)
    return done(request, "/account", parts(request).translations.chosen(request, language)(_("Saved.")))


@router.post("/email")
async def change_email(request: Request, actor: Confirmed, email: Annotated[str, Form()] = "") -> Response:
    """Another address: at once, or, where e-mail can be sent, once the link in it is followed."""
    now, settings = time.time(), await gates.settings_of(request)
    me = own_id(actor)
    try:
        if settings.sends_mail:
            gate(request).check_asking(request)
            link = await change(request, lambda t: people.email_link(t, actor, now, me, email), reload=False)
            if link is not None:
                url = mailed_address(request, settings, f"/email/{link.token}")
                gate(request).send(email_mail(request.state.language, link.link.subject, url))
            said = _("We have written to the new address. Open the link in the message to confirm it.")
        else:
            await change(request, lambda t: people.change_email(t, actor, now, me, email))
            said = _("Saved. From now on you sign in with the new address.")
    except InvalidInput as error:
        return await _profile(request, actor, 422, {"email": email}, error)
    return done(request, "/account", request.state.translate(said))


def done(request: Request, url: str, text: str, kind: str = "good") -> Response:
    """On to a page, with a message on it."""
    response = go(request, url)
    flash(response, kind, text)
    return response


# The account itself


async def _data(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
    problem: str = "",
) -> Response:
    account_id = own_account(actor)

    def find(transaction: Transaction) -> tuple[Account, bool, tuple[Person, ...]]:
        account = accounts.account_of(transaction, actor, account_id)
        needed = people_rows.needs_second_factor(transaction, account_id)
        return account, needed, people.list_people(transaction, actor)

    account, needed, members = await read(request, find)
    days = "" if account.keep_calls_days is None else str(account.keep_calls_days)
    return await page(
        request,
        "people/data.html",
        status,
        tabs=account_tabs(request),
        account=account,
        days=days,
        kept=written_retention(account.keep_calls_days),
        needed=needed,
        others=len(members) - 1,
        may_own=actor.role is Role.OWNER,
        may_change=actor.role.covers(Role.ADMIN),
        form=form or {},
        error=error,
        problem=problem,
    )


@router.get("/data")
async def data_page(request: Request, actor: SignedIn) -> Response:
    """Name, retention, second factor, and the end."""
    return await _data(request, actor)


@router.post("/name")
async def rename(request: Request, actor: SignedIn, account_name: Annotated[str, Form()] = "") -> Response:
    """What the account is called."""
    now = time.time()
    try:
        await change(request, lambda t: accounts.rename_account(t, actor, now, own_account(actor), account_name))
    except InvalidInput as error:
        return await _data(request, actor, 422, {"account_name": account_name}, error)
    return done(request, "/account/data", request.state.translate(_("Saved.")))


@router.post("/retention")
async def retention(
    request: Request, actor: SignedIn, days: Annotated[str, Form()] = "", forever: Annotated[str, Form()] = ""
) -> Response:
    """For how long call records are kept."""
    now, wanted = time.time(), "forever" if forever else days
    try:
        await change(request, lambda t: accounts.set_call_retention(t, actor, now, own_account(actor), wanted))
    except InvalidInput as error:
        return await _data(request, actor, 422, {"days": days, "forever": forever}, error)
    return done(request, "/account/data", request.state.translate(_("Saved.")))


@router.post("/second-factor-needed")
async def second_factor_needed(request: Request, actor: Confirmed, needed: Annotated[str, Form()] = "") -> Response:
    """Whether everybody needs one."""
    now, wanted = time.time(), needed == "yes"
    await change(request, lambda t: accounts.set_second_factor_needed(t, actor, now, own_account(actor), needed=wanted))
    return done(request, "/account/data", request.state.translate(_("Saved.")))


@router.get("/close")
async def close_page(request: Request, actor: Confirmed) -> Response:
    """What closing means, and the form."""
    return await _close(request, actor)


async def _close(request: Request, actor: Actor, status: int = 200, error: AdminError | None = None) -> Response:
    account = await read(request, lambda t: accounts.account_of(t, actor, own_account(actor), Role.OWNER))
    return await page(
        request, "people/close.html", status, tabs=account_tabs(request), account=account, form={}, error=error
    )


@router.post("/close")
async def close(request: Request, actor: Confirmed, typed_name: Annotated[str, Form()] = "") -> Response:
    """The end of everything of it."""
    now = time.time()
    try:
        await change(request, lambda t: accounts.close_account(t, actor, now, own_account(actor), typed_name))
    except InvalidInput as error:
        return await _close(request, actor, 422, error)
    response = done(request, "/sign-in", request.state.translate(_("The account is closed.")))
    await end_session(request, response)
    return response
