"""Becoming somebody here: the owner's link, invitations, sign-up; and a new password for those who forgot theirs."""

from __future__ import annotations

import time
from typing import Annotated, NamedTuple

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import AdminError, Forbidden, InvalidInput, passkeys, people, person_fields, sign_in, sign_up
from sealtone.admin.links import open_link
from sealtone.admin.passwords import check_password, hash_password
from sealtone.admin.people import INVITATION, OWNER_LINK, Newcomer
from sealtone.admin.service import ServiceSettings, SignUp
from sealtone.model import Person
from sealtone.store import Transaction
from sealtone.store import people as people_rows
from sealtone.store.directory import find_account
from sealtone.web import gate as gates
from sealtone.web.asking import Pages, address_of, change, flash, go, page, parts, read
from sealtone.web.gate import drop_challenge, gate, mailed_address, new_challenge
from sealtone.web.mails import changed_mail, known_mail, password_mail, sign_up_mail
from sealtone.web.security import begin_session

router = Pages(area="people", public=True)


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


class Entered(NamedTuple):
    """What somebody new has entered."""

    name: str
    email: str
    account_name: str
    password: str
    passkey: str

    @property
    def kept(self) -> dict[str, str]:
        """What the form shows again: no secrets."""
        return {"name": self.name, "email": self.email, "account_name": self.account_name}


def _entered(
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    account_name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    passkey: Annotated[str, Form()] = "",
) -> Entered:
    return Entered(name, email, account_name, password, passkey)


async def _newcomer(request: Request, entered: Entered, email: str, purpose: str, *, may_be_first: bool) -> Newcomer:
    """With a passkey that was verified, or a password hashed. Raises `InvalidInput`, `Conflict`, `HTTPException`."""
    person_fields.name(entered.name)
    address = person_fields.email(email)
    language = request.state.language.code
    if entered.passkey:
        asked = gates.take_challenge(request, purpose)
        if asked is None:
            raise InvalidInput("passkey", "The passkey was not accepted. Try again.")
        host = request.headers.get("host", "")

        def verify(transaction: Transaction) -> passkeys.NewPasskey:
            party = passkeys.relying_party(transaction, host, may_be_first=may_be_first)
            return passkeys.verify_new_passkey(party, asked[0], entered.passkey)

        new = await read(request, verify)
        return Newcomer(entered.name, address, entered.account_name, "", new, asked[1], language)
    check_password(entered.password, entered.name, address)
    hashed = await gate(request).passwords.run(hash_password, entered.password)
    return Newcomer(entered.name, address, entered.account_name, hashed, language=language)


async def _options(request: Request, purpose: str, entered: Entered, email: str, *, may_be_first: bool) -> Response:
    """What the browser is to ask of a device for a new passkey. Raises `InvalidInput`, `Conflict`, `HTTPException`."""
    gate(request).check_challenge(request)
    name, address = person_fields.name(entered.name), person_fields.email(email)
    host, challenge, handle = request.headers.get("host", ""), new_challenge(), people_rows.new_handle()

    def options(transaction: Transaction) -> str:
        party = passkeys.relying_party(transaction, host, may_be_first=may_be_first)
        return passkeys.registration_options(party, challenge, handle, address, name)

    response = Response(await read(request, options), media_type="application/json")
    gates.set_challenge(request, response, challenge, purpose, handle)
    return response


async def _signed_in(request: Request, person: Person, by: str, url: str = "/") -> Response:
    response = go(request, url)
    await begin_session(request, response, person.id, by)
    drop_challenge(response)
    return response


# The first owner


@router.get("/welcome/{token}")
async def welcome_page(request: Request, token: str) -> Response:
    """The form of the first owner."""
    await _check_link(request, OWNER_LINK, token)
    return await _welcome(request, token)


async def _welcome(
    request: Request, token: str, status: int = 200, entered: Entered | None = None, error: AdminError | None = None
) -> Response:
    form = entered.kept if entered is not None else {}
    return await page(request, "people/welcome.html", status, token=token, form=form, error=error)


@router.post("/welcome/{token}/passkey/options")
async def welcome_options(request: Request, token: str, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """For an owner who wants a passkey."""
    await _check_link(request, OWNER_LINK, token)
    return await _options(request, f"welcome {token}", entered, entered.email, may_be_first=True)


@router.post("/welcome/{token}")
async def welcome(request: Request, token: str, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """Makes the first owner, who is signed in at once."""
    await _check_link(request, OWNER_LINK, token)
    now, origin, host = time.time(), address_of(request), request.headers.get("host", "")
    try:
        person_fields.name(entered.account_name, "account_name")
        newcomer = await _newcomer(request, entered, entered.email, f"welcome {token}", may_be_first=True)
        owner = await change(request, lambda t: people.accept_owner(t, now, token, newcomer, origin, host))
    except InvalidInput as error:
        return await _welcome(request, token, 422, entered, error)
    return await _signed_in(request, owner, "passkey" if newcomer.passkey else "password")


async def _check_link(request: Request, purpose: str, token: str) -> None:
    now = time.time()
    await read(request, lambda transaction: open_link(transaction, purpose, token, now))


# Invitations


class Invitation(NamedTuple):
    """What an invitation says to whoever opens it."""

    email: str
    by: str
    role: str
    account: str
    """Empty: they make one."""


async def _invitation(request: Request, token: str) -> Invitation:
    now = time.time()

    def find(transaction: Transaction) -> Invitation:
        link = people.open_invitation(transaction, token, now)
        account = find_account(transaction, link.account_id) if link.account_id is not None else None
        joins = link.purpose == INVITATION and account is not None
        role = people.role_of_invitation(link).value
        return Invitation(link.subject, link.created_by, role, account.name if joins and account is not None else "")

    return await read(request, find)


@router.get("/invitation/{token}")
async def invitation_page(request: Request, token: str) -> Response:
    """Who invites to what, and the form."""
    return await page(
        request, "people/invitation.html", token=token, invitation=await _invitation(request, token), form={}
    )


@router.post("/invitation/{token}/passkey/options")
async def invitation_options(request: Request, token: str, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """For somebody who wants a passkey."""
    invitation = await _invitation(request, token)
    return await _options(request, f"invitation {token}", entered, invitation.email, may_be_first=False)


@router.post("/invitation/{token}")
async def accept_invitation(request: Request, token: str, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """Joins, signed in at once."""
    invitation = await _invitation(request, token)
    now, origin = time.time(), address_of(request)
    try:
        if not invitation.account:
            person_fields.name(entered.account_name, "account_name")
        newcomer = await _newcomer(request, entered, invitation.email, f"invitation {token}", may_be_first=False)
        person = await change(request, lambda t: people.accept_invitation(t, now, token, newcomer, origin))
    except InvalidInput as error:
        return await page(
            request,
            "people/invitation.html",
            422,
            token=token,
            invitation=invitation,
            form=entered.kept,
            error=error,
        )
    return await _signed_in(request, person, "passkey" if newcomer.passkey else "password")


# Sign-up


@router.get("/sign-up")
async def sign_up_page(request: Request) -> Response:
    """The form, or that accounts are made by invitation."""
    settings = await gates.settings_of(request)
    return await page(request, "people/sign_up.html", is_open=settings.sign_up is SignUp.OPEN, form={})


@router.post("/sign-up/passkey/options")
async def sign_up_options(request: Request, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """For somebody who wants a passkey."""
    await read(request, sign_up.check_sign_up)
    return await _options(request, "sign-up", entered, entered.email, may_be_first=False)


@router.post("/sign-up")
async def signing_up(request: Request, entered: Annotated[Entered, Depends(_entered)]) -> Response:
    """Answers the same, whether or not the address is known."""
    settings = await gates.settings_of(request)
    if settings.sign_up is not SignUp.OPEN:
        raise Forbidden(sign_up.NOT_OPEN)
    now, origin = time.time(), address_of(request)
    try:
        person_fields.name(entered.account_name, "account_name")
        gate(request).check_asking(request)
        newcomer = await _newcomer(request, entered, entered.email, "sign-up", may_be_first=False)
        if not settings.sends_mail:
            await change(request, lambda t: sign_up.sign_up_at_once(t, now, newcomer, origin))
    except InvalidInput as error:
        return await page(request, "people/sign_up.html", 422, is_open=True, form=entered.kept, error=error)
    if settings.sends_mail and gate(request).may_send(newcomer.email):
        parts(request).soon(_send_sign_up(request, settings, newcomer))
    response = await page(request, "people/sign_up_sent.html", email=newcomer.email, by_mail=settings.sends_mail)
    drop_challenge(response)
    return response


async def _send_sign_up(request: Request, settings: ServiceSettings, newcomer: Newcomer) -> None:
    """After the answer, whose time tells nothing then."""
    now = time.time()
    mail = await change(request, lambda t: sign_up.begin_sign_up(t, now, newcomer), reload=False)
    language = request.state.language
    if mail.link is not None:
        url = mailed_address(request, settings, f"/sign-up/{mail.link.token}")
        gate(request).send(sign_up_mail(language, mail.email, url), counted=True)
    else:
        urls = (mailed_address(request, settings, path) for path in ("/sign-in", "/forgotten"))
        gate(request).send(known_mail(language, mail.email, *urls), counted=True)


@router.get("/sign-up/{token}")
async def verify_page(request: Request, token: str) -> Response:
    """A button, for programs that look at the links of e-mails press none."""
    await _check_link(request, sign_up.SIGN_UP, token)
    return await page(request, "people/verify.html", action=f"/sign-up/{token}", what="sign-up")


@router.post("/sign-up/{token}")
async def verify(request: Request, token: str) -> Response:
    """Makes the account, signed in at once."""
    now, origin = time.time(), address_of(request)
    person = await change(request, lambda t: sign_up.finish_sign_up(t, now, token, origin))
    return await _signed_in(request, person, "link")


@router.get("/email/{token}")
async def email_page(request: Request, token: str) -> Response:
    """The same for a changed address."""
    await _check_link(request, people.NEW_EMAIL, token)
    return await page(request, "people/verify.html", action=f"/email/{token}", what="email")


@router.post("/email/{token}")
async def email(request: Request, token: str) -> Response:
    """The new address is theirs; the one of before is told."""
    now, origin = time.time(), address_of(request)

    def use_case(transaction: Transaction) -> Person | None:
        link = open_link(transaction, people.NEW_EMAIL, token, now)
        before = people_rows.find_person(transaction, link.person_id) if link.person_id is not None else None
        people.take_email_link(transaction, now, token, origin)
        return before

    before = await change(request, use_case)
    settings = await gates.settings_of(request)
    if before is not None and settings.sends_mail:
        language = parts(request).translations.language(before.language or request.state.language.code)
        gate(request).send(changed_mail(language, before.email))
    response = go(request, "/account" if request.state.session is not None else "/sign-in")
    flash(response, "good", request.state.translate(_("Your new e-mail address is confirmed.")))
    return response


# A forgotten password


@router.get("/forgotten")
async def forgotten_page(request: Request) -> Response:
    """Asks for the address; where no e-mail is sent, says who can help."""
    settings = await gates.settings_of(request)
    return await page(request, "people/forgotten.html", by_mail=settings.sends_mail, sent=False, form={})


@router.post("/forgotten")
async def forgotten(request: Request, email: Annotated[str, Form()] = "") -> Response:
    """Answers the same, whether or not the address is known."""
    settings = await gates.settings_of(request)
    if not settings.sends_mail:
        return go(request, "/forgotten")
    try:
        address = person_fields.email(email)
    except InvalidInput as error:
        return await page(
            request, "people/forgotten.html", 422, by_mail=True, sent=False, form={"email": email}, error=error
        )
    gate(request).check_asking(request)
    # After the answer, whose time tells nothing then. No earlier link is ended for an address that was written a lot.
    if gate(request).may_send(address):
        parts(request).soon(_send_password_link(request, settings, address))
    return await page(request, "people/forgotten.html", by_mail=True, sent=True, form={"email": address})


async def _send_password_link(request: Request, settings: ServiceSettings, address: str) -> None:
    now = time.time()
    found = await change(request, lambda t: sign_in.forgotten_password(t, now, address), reload=False)
    if found is not None:
        link, person = found
        language = parts(request).translations.language(person.language or request.state.language.code)
        url = mailed_address(request, settings, f"/new-password/{link.token}")
        gate(request).send(password_mail(language, person.email, url), counted=True)


@router.get("/new-password/{token}")
async def new_password_page(request: Request, token: str) -> Response:
    """Whose password it is, and the form."""
    now = time.time()
    person = await read(request, lambda t: people.open_password_link(t, token, now))
    return await page(request, "people/new_password.html", token=token, owner=person, form={})


@router.post("/new-password/{token}")
async def new_password(request: Request, token: str, password: Annotated[str, Form()] = "") -> Response:
    """Sets it; they sign in with it, and with their second factor."""
    now, origin = time.time(), address_of(request)
    person = await read(request, lambda t: people.open_password_link(t, token, now))
    try:
        check_password(password, person.name, person.email)
    except InvalidInput as error:
        return await page(request, "people/new_password.html", 422, token=token, owner=person, form={}, error=error)
    hashed = await gate(request).passwords.run(hash_password, password)
    await change(request, lambda t: people.take_password_link(t, now, token, hashed, origin), reload=False)
    settings = await gates.settings_of(request)
    if settings.sends_mail:
        gate(request).send(changed_mail(parts(request).translations.language(person.language), person.email))
    response = go(request, "/sign-in")
    flash(response, "good", request.state.translate(_("Your new password is set. Sign in with it.")))
    return response
