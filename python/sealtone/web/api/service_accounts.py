"""All accounts of the service and invitations to make one, for whoever operates it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone.admin import NotFound, sign_up
from sealtone.admin import accounts as cases
from sealtone.admin.accounts import AccountFacts
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.links import NewLink
from sealtone.model import Account
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, answer_page
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.service_accounts import (
    AccountInvitation,
    AccountInvitationWithLink,
    NewAccountInvitation,
    NewServiceAccount,
    ServiceAccount,
    ServiceAccountPatch,
    account_invitation,
    account_invitation_with_link,
    service_account,
)
from sealtone.web.api.work import Caller, change, now, read, write

router = APIRouter(route_class=Operation, tags=["Service"])
Id = Annotated[int, Path(ge=1, le=2**53)]
Number = Annotated[str, Path(max_length=200)]
_OPERATE = details(Scope.SERVICE)


@router.get(
    "/service/accounts",
    operation_id="listServiceAccounts",
    summary="List all accounts",
    response_model=Page[ServiceAccount],
    openapi_extra=_OPERATE,
)
async def list_accounts(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Every account of the service and how large it is, the oldest first."""
    found = await read(request, lambda transaction: cases.list_all_accounts(transaction, user.actor))
    return answer_page(Page[ServiceAccount], found, lambda one: one.account.id, service_account, cursor, limit, int)


@router.post(
    "/service/accounts",
    operation_id="createServiceAccount",
    summary="Create an account",
    status_code=201,
    response_model=ServiceAccount,
    openapi_extra=_OPERATE,
)
async def create_account(request: Request, user: Caller, form: NewServiceAccount) -> Response:
    """An account without anybody in it. To have somebody make their own, send an invitation in its place."""

    def make(transaction: Transaction) -> Account:
        return cases.create_account(transaction, user.actor, now(), form.name)

    made = await change(request, make)
    shown = service_account(AccountFacts(made, 0, 0, 0))
    return answer(shown, 201, {"Location": f"/api/v1/service/accounts/{made.id}"})


@router.get(
    "/service/accounts/{account}",
    operation_id="getServiceAccount",
    summary="Show an account",
    response_model=ServiceAccount,
    openapi_extra=_OPERATE,
)
async def get_account(request: Request, user: Caller, account: Id) -> Response:
    """How large it is; nothing of what is in it."""
    return answer(service_account(await read(request, lambda transaction: _facts(transaction, user, account))))


@router.patch(
    "/service/accounts/{account}",
    operation_id="updateServiceAccount",
    summary="Switch an account off or on",
    response_model=ServiceAccount,
    openapi_extra=details(Scope.SERVICE, versioned=True),
)
async def update_account(request: Request, user: Caller, account: Id, form: ServiceAccountPatch) -> Response:
    """Calls in progress go on. The account whose people operate the service stays on."""

    def save(transaction: Transaction) -> AccountFacts:
        check_version(request, service_account(_facts(transaction, user, account)))
        if form.enabled is not None:
            cases.set_account_enabled(transaction, user.actor, now(), account, enabled=form.enabled)
        return _facts(transaction, user, account)

    return answer(service_account(await change(request, save)))


@router.get(
    "/service/account-invitations",
    operation_id="listAccountInvitations",
    summary="List open invitations to make an account",
    response_model=Page[AccountInvitation],
    openapi_extra=_OPERATE,
)
async def list_invitations(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Who was invited and has made none yet."""
    found = await read(request, lambda transaction: sign_up.list_account_invitations(transaction, user.actor, now()))
    return answer_page(Page[AccountInvitation], found, lambda one: one.number, account_invitation, cursor, limit, str)


@router.post(
    "/service/account-invitations",
    operation_id="createAccountInvitation",
    summary="Invite somebody to make an account",
    status_code=201,
    response_model=AccountInvitationWithLink,
    openapi_extra=_OPERATE,
)
async def create_invitation(request: Request, user: Caller, form: NewAccountInvitation) -> Response:
    """A link that works once within seven days, shown this once. No e-mail is sent from here; a newer invitation of
    the same address replaces it."""

    def make(transaction: Transaction) -> NewLink:
        return sign_up.invite_account(transaction, user.actor, now(), form.email)

    made = await write(request, make)
    return answer(account_invitation_with_link(made.link, made.token), 201, {"Cache-Control": "no-store"})


@router.delete(
    "/service/account-invitations/{number}",
    operation_id="revokeAccountInvitation",
    summary="Revoke an invitation to make an account",
    status_code=204,
    openapi_extra=_OPERATE,
)
async def revoke_invitation(request: Request, user: Caller, number: Number) -> Response:
    """Its link does not work any more."""

    def revoke(transaction: Transaction) -> None:
        sign_up.revoke_account_invitation(transaction, user.actor, now(), number)

    await write(request, revoke)
    return Response(status_code=204)


def _facts(transaction: Transaction, user: KeyUser, account: int) -> AccountFacts:
    for facts in cases.list_all_accounts(transaction, user.actor):
        if facts.account.id == account:
            return facts
    raise NotFound("There is no such account.")
