"""Service: who may sign up, all accounts, and how e-mail is sent. For whoever operates it."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, accounts, service, sign_up
from sealtone.admin.accounts import AccountFacts
from sealtone.admin.person_fields import email as email_field
from sealtone.admin.service import MailForm, ServiceChange, ServiceSettings
from sealtone.net.mail import MailError, MailSecurity, send_mail
from sealtone.store import Transaction
from sealtone.store.links import Link
from sealtone.web import gate as gates
from sealtone.web.asking import Pages, change, page, read, signed_in
from sealtone.web.confirming import confirmed
from sealtone.web.gate import gate
from sealtone.web.invitations import Invited, invited
from sealtone.web.mails import trial_mail
from sealtone.web.pages.account import done
from sealtone.web.reasons import reason_said
from sealtone.web.tabs import add_service_tab, service_tabs

SignedIn = Annotated[Actor, Depends(signed_in)]


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_service_tab(20, "/service/sign-up", _("Sign-up"))
add_service_tab(30, "/service/accounts", _("Accounts"))
add_service_tab(40, "/service/mail", _("E-mail"))


async def operating(actor: SignedIn) -> Actor:
    """Whoever operates the service. Raises `Forbidden`."""
    actor.authorise_operating()
    return actor


Operator = Annotated[Actor, Depends(operating)]
ConfirmedOperator = Annotated[Actor, Depends(operating), Depends(confirmed)]

router = Pages(prefix="/service", area="people")


# Sign-up


@router.get("/sign-up")
async def sign_up_page(request: Request, actor: Operator) -> Response:
    """Who may make an account, and how large it may grow."""
    return await _sign_up(request)


async def _sign_up(
    request: Request, status: int = 200, form: dict[str, str] | None = None, error: AdminError | None = None
) -> Response:
    return await page(
        request,
        "people/service_sign_up.html",
        status,
        tabs=service_tabs(request),
        settings=await gates.settings_of(request),
        form=form or {},
        error=error,
    )


@router.post("/sign-up")
async def save_sign_up(
    request: Request,
    actor: Operator,
    sign_up: Annotated[str, Form()] = "",
    most_sip_users: Annotated[str | None, Form()] = None,
) -> Response:
    """Saves it."""
    now, form = time.time(), ServiceChange(sign_up, most_sip_users=most_sip_users)
    try:
        await change(request, lambda t: service.update_service(t, actor, now, form))
    except InvalidInput as error:
        kept = {"sign_up": sign_up, "most_sip_users": most_sip_users or ""}
        return await _sign_up(request, 422, kept, error)
    return done(request, "/service/sign-up", request.state.translate(_("Saved.")))


# Accounts


@router.get("/accounts")
async def accounts_page(request: Request, actor: Operator) -> Response:
    """Every account, how large it is, and who is invited to make one."""
    return await _accounts(request, actor)


async def _accounts(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
    made: Invited | None = None,
) -> Response:
    now = time.time()

    def find(transaction: Transaction) -> tuple[tuple[AccountFacts, ...], tuple[Link, ...]]:
        invitations = sign_up.list_account_invitations(transaction, actor, now)
        return accounts.list_all_accounts(transaction, actor), invitations

    found, invitations = await read(request, find)
    return await page(
        request,
        "people/service_accounts.html",
        status,
        tabs=service_tabs(request),
        accounts=found,
        invitations=invitations,
        mine=actor.account_id,
        settings=await gates.settings_of(request),
        form=form or {},
        error=error,
        made=made,
    )


@router.post("/accounts/invite")
async def invite_account(request: Request, actor: Operator, email: Annotated[str, Form()] = "") -> Response:
    """The link is shown once, and e-mailed where that can be done."""
    now = time.time()
    try:
        made = await change(request, lambda t: sign_up.invite_account(t, actor, now, email))
    except InvalidInput as error:
        return await _accounts(request, actor, 422, {"email": email}, error)
    return await _accounts(request, actor, made=await invited(request, actor, made))


@router.post("/accounts/invitations/{number}/revoke")
async def revoke(request: Request, actor: Operator, number: str) -> Response:
    """It works no longer."""
    now = time.time()
    await change(request, lambda t: sign_up.revoke_account_invitation(t, actor, now, number))
    return done(request, "/service/accounts", request.state.translate(_("The invitation does not work any more.")))


@router.post("/accounts/{account_id}/enabled")
async def set_enabled(
    request: Request, actor: ConfirmedOperator, account_id: int, enabled: Annotated[str, Form()] = ""
) -> Response:
    """Switches an account off or on."""
    now, wanted = time.time(), enabled == "yes"
    await change(request, lambda t: accounts.set_account_enabled(t, actor, now, account_id, enabled=wanted))
    return done(request, "/service/accounts", request.state.translate(_("Saved.")))


# E-mail


@router.get("/mail")
async def mail_page(request: Request, actor: Operator) -> Response:
    """By which server e-mail is sent."""
    return await _mail(request)


async def _mail(
    request: Request,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
    tried: tuple[str, str] = ("", ""),
) -> Response:
    settings: ServiceSettings = await gates.settings_of(request)
    return await page(
        request,
        "people/service_mail.html",
        status,
        tabs=service_tabs(request),
        settings=settings,
        usual={security.value: security.usual_port for security in MailSecurity},
        form=form or {},
        error=error,
        tried=tried,
    )


def _mail_form(
    host: Annotated[str, Form()] = "",
    port: Annotated[str, Form()] = "",
    security: Annotated[str, Form()] = MailSecurity.STARTTLS.value,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    sender: Annotated[str, Form()] = "",
) -> MailForm:
    return MailForm(host, port, security, username, password or None, sender)


@router.post("/mail")
async def save_mail(
    request: Request, actor: ConfirmedOperator, form: Annotated[MailForm, Depends(_mail_form)]
) -> Response:
    """Saves it, sealed."""
    now = time.time()
    try:
        await change(request, lambda t: service.set_mail(t, actor, now, form))
    except InvalidInput as error:
        kept = {name: value for name, value in form._asdict().items() if name != "password"}
        return await _mail(request, 422, kept, error)
    return done(
        request, "/service/mail", request.state.translate(_("Saved. Send a test message to see whether it works."))
    )


@router.post("/mail/remove")
async def remove_mail(request: Request, actor: ConfirmedOperator) -> Response:
    """No e-mail any more."""
    now = time.time()
    await change(request, lambda t: service.remove_mail(t, actor, now))
    return done(request, "/service/mail", request.state.translate(_("No e-mail is sent any more.")))


@router.post("/mail/test")
async def try_mail(request: Request, actor: Operator, recipient: Annotated[str, Form()] = "") -> Response:
    """A message sent while the person waits, and what the server said."""
    gate(request).check_asking(request)
    settings = await gates.settings_of(request)
    if settings.mail is None:
        return await _mail(request, 409)
    try:
        mail = trial_mail(request.state.language, email_field(recipient, "recipient"))
        await asyncio.to_thread(send_mail, settings.mail, mail)
    except InvalidInput as error:
        return await _mail(request, 422, {"recipient": recipient}, error)
    except MailError as error:
        server, colon, why = str(error).partition(": ")
        said = f"{server}{colon}{reason_said(request.state.language, why)}"
        return await _mail(request, 502, {"recipient": recipient}, tried=("bad", said))
    return await _mail(request, form={"recipient": recipient}, tried=("good", mail.recipient))
