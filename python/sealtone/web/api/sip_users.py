"""SIP users: list, create, show, change, new secret, delete."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import fields
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.sip_user_pages import page_of_sip_users
from sealtone.model import Protection, Role, SipUser
from sealtone.store import Transaction
from sealtone.store.sip_users import UserFilter
from sealtone.web.api.conditional import answer, check_version, etag_of
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.sip_users import (
    NewSipUser,
    SecretIn,
    SipUserFields,
    SipUserOut,
    SipUserWithSecret,
    sip_user_out,
    with_secret,
)
from sealtone.web.api.work import Caller, change, now, read

router = APIRouter(route_class=Operation, tags=["SIP users"])
_LOOK = details(Scope.READ, Scope.USERS)
_CHANGE = details(Scope.USERS)
_CHANGE_VERSION = details(Scope.USERS, versioned=True)


@router.get(
    "/sip-users",
    operation_id="listSipUsers",
    summary="List SIP users",
    response_model=Page[SipUserOut],
    openapi_extra=_LOOK,
)
async def list_sip_users(
    request: Request,
    user: Caller,
    domain: Annotated[str, Query(max_length=300, description="Of this domain only.")] = "",
    text: Annotated[str, Query(max_length=200, description="Stands in the address or in the name.")] = "",
    state: Annotated[Literal["online", "offline", "off"] | None, Query(description="off: switched off.")] = None,
    protection: Annotated[Protection | None, Query(description="Of their media.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The SIP users of the account, by domain and name."""
    place = place_of(cursor, str, str)
    after = (str(place[0]), str(place[1])) if place is not None else None
    wanted = UserFilter(
        domain=domain, text=text, state=state or "", protection=protection or "", after=after, limit=limit
    )
    page = await read(request, lambda transaction: page_of_sip_users(transaction, user.actor, now(), wanted))
    following = written(*page.after) if page.after is not None else None
    return answer(Page[SipUserOut](items=[sip_user_out(one.user) for one in page.users], next=following))


@router.post(
    "/sip-users",
    operation_id="createSipUser",
    summary="Create a SIP user",
    status_code=201,
    response_model=SipUserWithSecret,
    openapi_extra=_CHANGE,
)
async def create_sip_user(request: Request, user: Caller, form: NewSipUser) -> Response:
    """A new SIP user, with the secret for its phones, which is shown this once. The ETag is that of the user."""
    wanted = form_of(form)
    if form.protection is None:
        wanted = wanted._replace(protection="srtp", strictness=form.strictness or "prefer")

    def make(transaction: Transaction) -> admin.NewSecret:
        return admin.create_sip_user(transaction, user.actor, now(), form.aor, wanted, form.secret)

    made = await change(request, make)
    return _shown_once(made, 201)


@router.get(
    "/sip-users/{aor}",
    operation_id="getSipUser",
    summary="Show a SIP user",
    response_model=SipUserOut,
    openapi_extra=_LOOK,
)
async def get_sip_user(request: Request, user: Caller, aor: str) -> Response:
    """One SIP user with all its fields."""
    found = await read(request, lambda transaction: _named(transaction, user, aor, Role.VIEWER))
    return answer(sip_user_out(found))


@router.patch(
    "/sip-users/{aor}",
    operation_id="updateSipUser",
    summary="Change a SIP user",
    response_model=SipUserOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_sip_user(request: Request, user: Caller, aor: str, form: SipUserFields) -> Response:
    """Changes what is named; either all of it, or, where a value cannot be used, nothing. The next call is decided
    with it; calls in progress keep what they were decided with."""

    def save(transaction: Transaction) -> SipUser:
        found = _named(transaction, user, aor)
        check_version(request, sip_user_out(found))
        return admin.update_sip_user(transaction, user.actor, now(), found.aor, form_of(form))

    return answer(sip_user_out(await change(request, save)))


@router.post(
    "/sip-users/{aor}/secret",
    operation_id="rotateSipUserSecret",
    summary="Give a SIP user a new secret",
    response_model=SipUserWithSecret,
    openapi_extra=_CHANGE,
)
async def rotate_secret(request: Request, user: Caller, aor: str, form: SecretIn) -> Response:
    """The new secret is shown this once. Phones need it before they register again."""

    def save(transaction: Transaction) -> admin.NewSecret:
        found = _named(transaction, user, aor)
        return admin.set_secret(transaction, user.actor, now(), found.aor, form.secret)

    return _shown_once(await change(request, save), 200)


@router.delete(
    "/sip-users/{aor}",
    operation_id="deleteSipUser",
    summary="Delete a SIP user",
    status_code=204,
    openapi_extra=_CHANGE_VERSION,
)
async def delete_sip_user(request: Request, user: Caller, aor: str) -> Response:
    """Deletes a SIP user with its registrations. Call records that name it stay."""

    def remove(transaction: Transaction) -> None:
        found = _named(transaction, user, aor)
        check_version(request, sip_user_out(found))
        admin.delete_sip_user(transaction, user.actor, now(), found.aor)

    await change(request, remove)
    return Response(status_code=204)


def _named(transaction: Transaction, user: KeyUser, aor: str, role: Role = Role.ADMIN) -> SipUser:
    """The SIP user of an address. Whether its domain is somebody else's is not to be told from the answer."""
    missing = admin.NotFound(f"There is no SIP user {aor[:400]}.")
    try:
        fields.address_of_record(aor)
        return admin.user_of(transaction, user.actor, aor, role)
    except (admin.InvalidInput, admin.NotFound):
        raise missing from None


def form_of(form: SipUserFields) -> admin.SipUserChange:
    return admin.SipUserChange(
        display_name=form.display_name,
        protection=form.protection,
        strictness=form.strictness,
        path=form.media_path,
        codecs=None if form.codecs is None else ",".join(_codec(name) for name in form.codecs),
        max_contacts=form.max_contacts,
        enabled=form.enabled,
        recording=form.recording,
        language=form.language,
    )


def _codec(name: str) -> str:
    if "," in name or not name.strip():
        raise admin.InvalidInput("codecs", "Each codec is an item of its own.")
    return name


def _shown_once(made: admin.NewSecret, status: int) -> Response:
    headers = {"ETag": etag_of(sip_user_out(made.user)), "Cache-Control": "no-store"}
    if status == 201:
        headers["Location"] = f"/api/v1/sip-users/{made.user.aor}"
    return answer(with_secret(made.user, made.secret), status, headers)
