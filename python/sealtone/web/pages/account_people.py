"""Account, People: who is in it, who is invited, and what each may do."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, people
from sealtone.admin.links import NewLink
from sealtone.admin.person_log import person_of
from sealtone.model import Person, Role
from sealtone.store import Transaction
from sealtone.store.directory import find_account
from sealtone.store.links import Link
from sealtone.web.asking import Pages, change, page, parts, read, signed_in
from sealtone.web.confirming import confirmed, is_confirmed
from sealtone.web.gate import own_address
from sealtone.web.invitations import Invited, invited
from sealtone.web.pages.account import done, own_account
from sealtone.web.tabs import account_tabs, add_account_tab

router = Pages(prefix="/account/people", area="people")

SignedIn = Annotated[Actor, Depends(signed_in)]
Confirmed = Annotated[Actor, Depends(confirmed)]


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_account_tab(30, "/account/people", _("People"))


@router.get("")
async def list_page(request: Request, actor: SignedIn) -> Response:
    """Everybody in the account."""
    return await _list(request, actor)


async def _list(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
    made: Invited | None = None,
) -> Response:
    now = time.time()

    def find(transaction: Transaction) -> tuple[tuple[Person, ...], tuple[Link, ...]]:
        invitations = people.list_invitations(transaction, actor, now) if actor.role is Role.OWNER else ()
        return people.list_people(transaction, actor), invitations

    members, invitations = await read(request, find)
    return await page(
        request,
        "people/people.html",
        status,
        tabs=account_tabs(request),
        members=members,
        invitations=[(link, people.role_of_invitation(link).value) for link in invitations],
        may_own=actor.role is Role.OWNER,
        operates=actor.operator,
        owners=sum(member.role is Role.OWNER and member.enabled for member in members),
        confirmed=is_confirmed(request),
        form=form or {},
        error=error,
        made=made,
    )


@router.post("/invite")
async def invite(
    request: Request, actor: SignedIn, email: Annotated[str, Form()] = "", role: Annotated[str, Form()] = "viewer"
) -> Response:
    """The link is shown once, and e-mailed where that can be done."""
    now, account_id = time.time(), own_account(actor)

    def use_case(transaction: Transaction) -> tuple[NewLink, str]:
        made = people.invite(transaction, actor, now, account_id, email, role)
        account = find_account(transaction, account_id)
        return made, account.name if account is not None else ""

    try:
        made, account_name = await change(request, use_case)
    except InvalidInput as error:
        return await _list(request, actor, 422, {"email": email, "role": role}, error)
    return await _list(request, actor, made=await invited(request, actor, made, account_name))


@router.post("/invitations/{number}/revoke")
async def revoke(request: Request, actor: SignedIn, number: str) -> Response:
    """It works no longer."""
    now = time.time()
    await change(request, lambda t: people.revoke_invitation(t, actor, now, number))
    return done(request, "/account/people", request.state.translate(_("The invitation does not work any more.")))


async def _person(request: Request, actor: Actor, person_id: int) -> Person:
    return await read(request, lambda t: person_of(t, actor, person_id))


async def _show(request: Request, actor: Actor, person_id: int, status: int = 200, url: str = "") -> Response:
    member = await _person(request, actor, person_id)
    return await page(
        request,
        "people/person.html",
        status,
        tabs=account_tabs(request),
        member=member,
        is_me=member.id == actor.person_id,
        # What an owner may not do to somebody who operates the service, unless they do so too.
        is_above=member.operator and not actor.operator,
        url=url,
        operates=actor.operator,
        form={},
    )


@router.get("/{person_id}")
async def person_page(request: Request, actor: Confirmed, person_id: int) -> Response:
    """What an owner decides about somebody."""
    return await _show(request, actor, person_id)


@router.post("/{person_id}/role")
async def change_role(
    request: Request, actor: Confirmed, person_id: int, role: Annotated[str, Form()] = ""
) -> Response:
    """What they may do from now on."""
    now = time.time()
    await change(request, lambda t: people.change_role(t, actor, now, person_id, role))
    if person_id == actor.person_id:
        return done(request, "/sign-in", request.state.translate(_("Your role has changed. Sign in again.")))
    return done(request, f"/account/people/{person_id}", request.state.translate(_("Saved.")))


@router.post("/{person_id}/enabled")
async def set_enabled(
    request: Request, actor: Confirmed, person_id: int, enabled: Annotated[str, Form()] = ""
) -> Response:
    """Whether they get in."""
    now, wanted = time.time(), enabled == "yes"
    await change(request, lambda t: people.set_person_enabled(t, actor, now, person_id, enabled=wanted))
    return done(request, f"/account/people/{person_id}", request.state.translate(_("Saved.")))


@router.post("/{person_id}/operator")
async def set_operator(
    request: Request, actor: Confirmed, person_id: int, operator: Annotated[str, Form()] = ""
) -> Response:
    """Whether they operate the service."""
    now, wanted = time.time(), operator == "yes"
    await change(request, lambda t: people.set_operator(t, actor, now, person_id, operator=wanted))
    return done(request, f"/account/people/{person_id}", request.state.translate(_("Saved.")))


@router.post("/{person_id}/password-link")
async def password_link(
    request: Request, actor: Confirmed, person_id: int, without: Annotated[str, Form()] = ""
) -> Response:
    """A link for a new password, shown once."""
    now, bare = time.time(), without == "on"
    made = await change(request, lambda t: people.password_link(t, actor, now, person_id, without_second_factor=bare))
    return await _show(request, actor, person_id, url=own_address(request, f"/new-password/{made.token}"))


@router.post("/{person_id}/remove")
async def remove(request: Request, actor: Confirmed, person_id: int) -> Response:
    """They are gone from the account."""
    now = time.time()
    gone = await change(request, lambda t: people.remove_person(t, actor, now, person_id))
    said = parts(request).translations.language(request.state.language.code)
    url = "/sign-in" if person_id == actor.person_id else "/account/people"
    return done(request, url, said(_("%(email)s is no longer in this account."), email=gone.email))
