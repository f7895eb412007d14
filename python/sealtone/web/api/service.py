"""The service itself, for whoever operates it: state of the server, settings, where webhooks may go."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from sealtone.admin import Conflict, InvalidInput
from sealtone.admin.api_keys import Scope
from sealtone.admin.person_fields import email as email_field
from sealtone.admin.service import (
    MailForm,
    ServiceChange,
    ServiceSettings,
    SignUp,
    remove_mail,
    service_settings,
    set_mail,
    update_service,
)
from sealtone.admin.webhook_targets import TargetRules, read_target_rules, set_target_rules
from sealtone.net.mail import MailError, MailSecurity, MailServer, send_mail
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.base import Form, Shown, example
from sealtone.web.api.work import Caller, change, now, parts_of, read, server, write
from sealtone.web.mails import trial_mail

_MAIL = {
    "host": "mail.office.example",
    "port": 587,
    "security": "starttls",
    "username": "sealtone",
    "sender": "sealtone@office.example",
}
_SETTINGS = {"sign_up": "invited", "public_name": "sip.example.net", "zone": "", "most_sip_users": 10_000}
router = APIRouter(route_class=Operation, tags=["Service"])


class ListeningOut(Shown):
    """Where the server listens."""

    transport: str
    host: str
    port: int


class ServiceStatus(Shown):
    """The running server."""

    model_config = example(
        {
            "version": "0.1.0",
            "uptime_s": 86_400.0,
            "listening": [{"transport": "tls", "host": "0.0.0.0", "port": 5061}],
            "sip_users": 40,
            "registrations": 35,
            "calls": 3,
            "connections": 35,
            "codecs_missing": {"gsm": "libgsm.so.1 is not installed"},
        }
    )

    version: str
    uptime_s: float
    listening: list[ListeningOut]
    sip_users: int
    registrations: int
    calls: int
    connections: int
    codecs_missing: dict[str, str] = Field(description="Codecs that cannot be converted on this machine, and why.")


class WebhookTargets(Form):
    """Where webhooks may go beyond https to public addresses."""

    model_config = example({"networks": ["10.20.0.0/16"], "ports": [443, 8443], "http": False})

    networks: list[Annotated[str, Field(max_length=100)]] = Field(
        max_length=100, description="Networks that are permitted although they are not public."
    )
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(max_length=100, description="Empty: every port.")
    http: bool = Field(description="Whether events may be sent unencrypted.")


@router.get(
    "/service/status",
    operation_id="getServiceStatus",
    summary="Show how the server is",
    response_model=ServiceStatus,
    openapi_extra=details(Scope.SERVICE),
)
async def get_status(request: Request, user: Caller) -> Response:
    """Figures of the whole service, over all accounts."""
    user.actor.authorise_operating()
    found: dict[str, Any] = await server(request, "status")
    missing = {name: why for name, why in (found.get("codecs") or {}).items() if why}
    known = {name: found[name] for name in ServiceStatus.model_fields if name in found}
    return answer(ServiceStatus.model_validate(known | {"codecs_missing": missing}))


class MailOut(Shown):
    """How e-mail is sent, without the password."""

    model_config = example(_MAIL)

    host: str
    port: int
    security: MailSecurity
    username: str
    sender: str


class MailIn(Form):
    """How e-mail is to be sent."""

    model_config = example(_MAIL | {"password": "k7mf-92qx-hw3n-p8rt"})

    host: str = Field(max_length=300)
    port: int | None = Field(None, ge=1, le=65_535, description="Null: the usual one.")
    security: MailSecurity = MailSecurity.STARTTLS
    username: str = Field("", max_length=300)
    password: str | None = Field(None, max_length=300, description="Null: the one that is saved, for the same server.")
    sender: str = Field(max_length=400)


class MailTestIn(Form):
    """Whom the test message goes to."""

    model_config = example({"recipient": "anna@office.example"})

    recipient: str = Field(max_length=400)


class MailTried(Shown):
    """What came of it."""

    model_config = example({"sent": True, "said": ""})

    sent: bool = Field(description="Whether the mail server took it.")
    said: str = Field(description="Why not, where it did not.")


class ServiceSettingsOut(Shown):
    """What the operator has chosen."""

    model_config = example(_SETTINGS | {"mail": _MAIL})

    sign_up: SignUp
    public_name: str = Field(description="The host name of the service; empty: whatever it is asked by.")
    zone: str = Field(description="The domain under which accounts get subdomains; empty: none.")
    most_sip_users: int = Field(description="Of one account.")
    mail: MailOut | None


class ServicePatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example(_SETTINGS)

    sign_up: SignUp | None = None
    public_name: str | None = Field(None, max_length=300)
    zone: str | None = Field(None, max_length=300)
    most_sip_users: int | None = Field(None, ge=1, le=1_000_000)


@router.get(
    "/service/settings",
    operation_id="getServiceSettings",
    summary="Show the service's settings",
    response_model=ServiceSettingsOut,
    openapi_extra=details(Scope.SERVICE),
)
async def get_settings(request: Request, user: Caller) -> Response:
    """Who may sign up, how the service is called, how it sends e-mail."""
    user.actor.authorise_operating()
    return answer(_settings(await read(request, service_settings)))


@router.patch(
    "/service/settings",
    operation_id="updateServiceSettings",
    summary="Change the service's settings",
    response_model=ServiceSettingsOut,
    openapi_extra=details(Scope.SERVICE, versioned=True),
)
async def patch_settings(request: Request, user: Caller, form: ServicePatch) -> Response:
    """Changes what is named."""
    most = None if form.most_sip_users is None else str(form.most_sip_users)
    wanted = ServiceChange(form.sign_up, form.public_name, form.zone, most)

    def save(transaction: Transaction) -> ServiceSettings:
        user.actor.authorise_operating()
        check_version(request, _settings(service_settings(transaction)))
        return update_service(transaction, user.actor, now(), wanted)

    return answer(_settings(await change(request, save)))


@router.put(
    "/service/mail",
    operation_id="setMail",
    summary="Say how e-mail is sent",
    response_model=MailOut,
    openapi_extra=details(Scope.SERVICE),
)
async def put_mail(request: Request, user: Caller, form: MailIn) -> Response:
    """The password is kept sealed and never shown."""
    port = "" if form.port is None else str(form.port)
    wanted = MailForm(form.host, port, form.security.value, form.username, form.password, form.sender)

    def save(transaction: Transaction) -> MailServer:
        return set_mail(transaction, user.actor, now(), wanted)

    return answer(_mail(await write(request, save)))


@router.delete(
    "/service/mail",
    operation_id="removeMail",
    summary="Send no e-mail any more",
    status_code=204,
    openapi_extra=details(Scope.SERVICE),
)
async def delete_mail(request: Request, user: Caller) -> Response:
    """Invitations and new passwords are passed on by hand from then on."""

    def save(transaction: Transaction) -> None:
        remove_mail(transaction, user.actor, now())

    await write(request, save)
    return Response(status_code=204)


@router.post(
    "/service/mail/test",
    operation_id="testMail",
    summary="Send a test message",
    response_model=MailTried,
    openapi_extra=details(Scope.SERVICE),
)
async def test_mail(request: Request, user: Caller, form: MailTestIn) -> Response:
    """Sends an e-mail now, and tells what the mail server said. 409 where none is set."""
    user.actor.authorise_operating()
    settings = await read(request, service_settings)
    if settings.mail is None:
        raise Conflict("No mail server is set.")
    mail = trial_mail(parts_of(request).translations.language("en"), email_field(form.recipient, "recipient"))
    try:
        await asyncio.to_thread(send_mail, settings.mail, mail)
    except MailError as error:
        return answer(MailTried(sent=False, said=str(error)))
    return answer(MailTried(sent=True, said=""))


def _settings(settings: ServiceSettings) -> ServiceSettingsOut:
    return ServiceSettingsOut(
        sign_up=settings.sign_up,
        public_name=settings.public_name,
        zone=settings.zone,
        most_sip_users=settings.most_sip_users,
        mail=_mail(settings.mail) if settings.mail is not None else None,
    )


def _mail(server: MailServer) -> MailOut:
    return MailOut(
        host=server.host, port=server.port, security=server.security, username=server.username, sender=server.sender
    )


@router.get(
    "/service/webhook-targets",
    operation_id="getWebhookTargets",
    summary="Show where webhooks may go",
    response_model=WebhookTargets,
    openapi_extra=details(Scope.SERVICE),
)
async def get_webhook_targets(request: Request, user: Caller) -> Response:
    """Without any of it: https on port 443 or 8443 of public addresses."""
    user.actor.authorise_operating()
    return answer(_shown(await read(request, read_target_rules)))


@router.put(
    "/service/webhook-targets",
    operation_id="setWebhookTargets",
    summary="Say where webhooks may go",
    response_model=WebhookTargets,
    openapi_extra=details(Scope.SERVICE, versioned=True),
)
async def put_webhook_targets(request: Request, user: Caller, form: WebhookTargets) -> Response:
    """For receivers in the operator's own network. Everybody who may make webhooks may then reach these networks."""
    rules = TargetRules(tuple(_network(text) for text in form.networks), tuple(form.ports), form.http)

    def save(transaction: Transaction) -> TargetRules:
        user.actor.authorise_operating()
        check_version(request, _shown(read_target_rules(transaction)))
        return set_target_rules(transaction, user.actor, now(), rules)

    return answer(_shown(await change(request, save)))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise InvalidInput("networks", f"“{text}” is no network. Write it like 10.20.0.0/16.") from None


def _shown(rules: TargetRules) -> WebhookTargets:
    return WebhookTargets(networks=[str(one) for one in rules.networks], ports=list(rules.ports), http=rules.http)
