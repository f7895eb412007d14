"""Phones of SIP users: what one is set up with, links that do it, and a call to one from the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from sealtone import admin
from sealtone.admin.api_keys import Scope
from sealtone.admin.links import NewLink
from sealtone.admin.phone_calls import phone_to_call
from sealtone.admin.phone_links import list_phone_links, make_phone_link, revoke_phone_link
from sealtone.admin.sip_users import user_of
from sealtone.model import Protection, Role, SipUser, Strictness
from sealtone.model.directory import WHO_CAN_HEAR_SERVICE
from sealtone.provisioning import PhoneSettings, yealink_settings
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment
from sealtone.web.api.work import Caller, change, now, read, server
from sealtone.web.phone_place import phone_place

router = APIRouter(route_class=Operation, tags=["SIP users"])
Number = Annotated[str, Path(max_length=100)]
Result = TypeVar("Result")
_LOOK = details(Scope.READ, Scope.USERS)
_CHANGE = details(Scope.USERS)
_TEXT = "text/plain"


class PhoneLinkOut(Shown):
    """A link that sets up one phone and still works. What opens it is shown when it is made, and never again."""

    model_config = example(
        {
            "number": "p29crq33S0W5",
            "created_at": "2026-11-26T09:30:00.000Z",
            "created_by": "ann@office.example",
            "expires_at": "2026-11-26T09:40:00.000Z",
        }
    )

    number: str = Field(description="Names it; opens nothing.")
    created_at: Moment
    created_by: str
    expires_at: Moment


class NewPhoneLink(PhoneLinkOut):
    """A link that was made a moment ago, with its address."""

    model_config = example(
        {
            "number": "p29crq33S0W5",
            "created_at": "2026-11-26T09:30:00.000Z",
            "created_by": "ann@office.example",
            "expires_at": "2026-11-26T09:40:00.000Z",
            "url": "https://pbx.office.example/p/pILbukHIPf-cDsFAV1biA1qgy11pOELUhzGLT96Ub-g",
        }
    )

    url: str = Field(description="For the phone, as a link or as a QR code. Whoever has it can register as this user.")


class PhoneLinks(Shown):
    """Those of a SIP user that still work, newest first. There are never more than ten."""

    model_config = example(
        {
            "items": [
                {
                    "number": "p29crq33S0W5",
                    "created_at": "2026-11-26T09:30:00.000Z",
                    "created_by": "ann@office.example",
                    "expires_at": "2026-11-26T09:40:00.000Z",
                }
            ]
        }
    )

    items: list[PhoneLinkOut]


class PhoneSettingsOut(Shown):
    """What any SIP phone of a SIP user is set up with by hand, but for the secret: that is shown when it is made."""

    model_config = example(
        {
            "aor": "1000@office.example",
            "address": "sip:1000@office.example",
            "username": "1000",
            "domain": "office.example",
            "display_name": "Anna",
            "outbound_proxy": "sip:pbx.office.example:443;transport=tls",
            "host": "pbx.office.example",
            "port": 443,
            "transport": "tls",
            "protection": "zrtp",
            "strictness": "require",
            "codecs": ["opus", "g722"],
            "authority": None,
        }
    )

    aor: str
    address: str
    username: str = Field(description="The user, and the name to authenticate with.")
    domain: str = Field(description="The domain, the realm, and the SIP server.")
    display_name: str
    outbound_proxy: str = Field(description="As a SIP URI; its host and port stand beside it.")
    host: str = Field(description="The service's public name, or else that by which this request has reached it.")
    port: int
    transport: Literal["tls"]
    protection: Protection = Field(
        description="`srtp`: SRTP with keys by SDES is mandatory, ZRTP off. `zrtp`: ZRTP is mandatory, SRTP off. "
        "`none`: no voice encryption."
    )
    strictness: Strictness = Field(description="`require`: a call without this encryption is refused.")
    codecs: list[str] = Field(description="Those that the phone may use, best first; one at least has to be common.")
    authority: str | None = Field(
        description="PEM of the server's own authority, which the phone has to trust; null: it needs none of its own."
    )


class CallPhoneIn(Form):
    """What is played to whoever picks up."""

    model_config = example({"service": "who-can-hear"})

    service: str = Field(WHO_CAN_HEAR_SERVICE, max_length=40, description="`who-can-hear` or `echo`.")


class PlacedCallOut(Shown):
    """The call that rings now, among the calls in progress."""

    model_config = example({"call": "12994b4452e663ed"})

    call: str


@router.get(
    "/sip-users/{aor}/phone-settings",
    operation_id="getPhoneSettings",
    summary="Show what a phone is set up with by hand",
    response_model=PhoneSettingsOut,
    openapi_extra=_LOOK,
)
async def phone_settings(request: Request, user: Caller, aor: str) -> Response:
    """The same values as the panel's page "Connect a phone" has, for any SIP phone. A new secret is made with
    `rotateSipUserSecret`."""

    def find(transaction: Transaction) -> SipUser:
        return user_of(transaction, user.actor, aor, Role.VIEWER)

    found = await read(request, lambda transaction: _found(aor, find, transaction))
    return answer(_settings_out(PhoneSettings.of(found, await phone_place(request, found.domain))))


@router.get(
    "/sip-users/{aor}/phone-links",
    operation_id="listPhoneLinks",
    summary="List the links that set up a phone",
    response_model=PhoneLinks,
    openapi_extra=_LOOK,
)
async def list_links(request: Request, user: Caller, aor: str) -> Response:
    """Links of a SIP user that still work."""

    def find(transaction: Transaction) -> list[PhoneLinkOut]:
        links = list_phone_links(transaction, user.actor, now(), aor)
        return [PhoneLinkOut(**_fields(one.number, one.created_by, one.created_at, one.expires_at)) for one in links]

    return answer(PhoneLinks(items=await read(request, lambda transaction: _found(aor, find, transaction))))


@router.post(
    "/sip-users/{aor}/phone-links",
    operation_id="createPhoneLink",
    summary="Make a link that sets up a phone",
    status_code=201,
    response_model=NewPhoneLink,
    openapi_extra=_CHANGE,
)
async def create_link(request: Request, user: Caller, aor: str) -> Response:
    """It works once, for ten minutes, and gives a phone all settings, with a digest in place of the secret. The secret
    stays as it is."""

    def make(transaction: Transaction) -> NewLink:
        return make_phone_link(transaction, user.actor, now(), aor)

    made = await change(request, lambda transaction: _found(aor, make, transaction))
    link = made.link
    place = await phone_place(request, link.subject.rpartition("@")[2])
    shown = NewPhoneLink(
        **_fields(link.number, link.created_by, link.created_at, link.expires_at),
        url=place.url(f"/p/{made.token}"),
    )
    return answer(shown, 201, {"Cache-Control": "no-store"})


@router.delete(
    "/sip-users/{aor}/phone-links/{number}",
    operation_id="revokePhoneLink",
    summary="Revoke a link that sets up a phone",
    status_code=204,
    openapi_extra=_CHANGE,
)
async def revoke_link(request: Request, user: Caller, aor: str, number: Number) -> Response:
    """It works no longer."""

    def revoke(transaction: Transaction) -> None:
        revoke_phone_link(transaction, user.actor, now(), aor, number)

    await change(request, lambda transaction: _found(aor, revoke, transaction))
    return Response(status_code=204)


@router.post(
    "/sip-users/{aor}/desk-phone-file",
    operation_id="createDeskPhoneFile",
    summary="Make a settings file for a desk phone",
    response_class=Response,
    responses={
        200: {
            "description": "A file for Yealink phones, with a new secret in it.",
            "content": {_TEXT: {"schema": {"type": "string"}, "example": "#!version:1.0.0.1\n"}},
        }
    },
    openapi_extra=_CHANGE,
)
async def desk_phone_file(request: Request, user: Caller, aor: str) -> Response:
    """Gives the SIP user a new secret, which other phones of theirs need too from then on."""

    def renew(transaction: Transaction) -> admin.NewSecret:
        return admin.set_secret(transaction, user.actor, now(), aor)

    made = await change(request, lambda transaction: _found(aor, renew, transaction))
    settings = PhoneSettings.of(made.user, await phone_place(request, made.user.domain), made.secret)
    headers = {"Content-Disposition": 'attachment; filename="phone.cfg"', "Cache-Control": "no-store"}
    return Response(yealink_settings(settings), headers=headers, media_type=_TEXT)


@router.post(
    "/sip-users/{aor}/test-call",
    operation_id="callPhone",
    summary="Have the server call a phone",
    response_model=PlacedCallOut,
    openapi_extra=_CHANGE,
)
async def call_phone(request: Request, user: Caller, aor: str, form: CallPhoneIn) -> Response:
    """Rings a registered phone of the SIP user, and tells whoever picks up who could listen, or is their echo. Where
    none is registered, 409 tells so."""

    def find(transaction: Transaction) -> str:
        return phone_to_call(transaction, user.actor, aor, form.service).aor

    found = await read(request, lambda transaction: _found(aor, find, transaction))
    placed = await server(request, "calls.test", user=found, service=form.service)
    return answer(PlacedCallOut(call=placed["call"]))


def _found(aor: str, use_case: Callable[[Transaction], Result], transaction: Transaction) -> Result:
    """A use case of a SIP user. Whether its domain is somebody else's is not to be told from the answer."""
    try:
        return use_case(transaction)
    except admin.NotFound as error:
        if "link" in str(error):
            raise
        raise admin.NotFound("There is no SIP user {aor}.", aor=aor[:400]) from None
    except admin.InvalidInput as error:
        if error.field == "service":
            raise
        raise admin.NotFound("There is no SIP user {aor}.", aor=aor[:400]) from None


def _settings_out(settings: PhoneSettings) -> PhoneSettingsOut:
    server = settings.server
    return PhoneSettingsOut(
        aor=settings.aor,
        address=f"sip:{settings.aor}",
        username=settings.username,
        domain=settings.domain,
        display_name=settings.display_name,
        outbound_proxy=server.proxy,
        host=server.host,
        port=server.tls_port,
        transport="tls",
        protection=settings.policy.protection,
        strictness=settings.policy.strictness,
        codecs=list(settings.codecs),
        authority=server.authority or None,
    )


def _fields(number: str, created_by: str, created_at: float, expires_at: float) -> dict[str, Any]:
    return {
        "number": number,
        "created_by": created_by,
        "created_at": moment(created_at),
        "expires_at": moment(expires_at),
    }
