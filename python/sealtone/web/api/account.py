"""The account: show, change, the key that its recordings are sealed to."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.ladders import set_keep_ladders
from sealtone.model import Account, Role
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.account import AccountOut, AccountPatch, RecordingKeyIn, account_out
from sealtone.web.api.work import Caller, change, now, owner_of, read

router = APIRouter(route_class=Operation, tags=["Account"])
_CHANGE_VERSION = details(Scope.ACCOUNT, versioned=True)


@router.get(
    "/account",
    operation_id="getAccount",
    summary="Show the account",
    response_model=AccountOut,
    openapi_extra=details(Scope.READ, Scope.ACCOUNT),
)
async def get_account(request: Request, user: Caller) -> Response:
    """The account that the API key belongs to."""
    return answer(account_out(await read(request, lambda transaction: _own(transaction, user, Role.VIEWER))))


@router.patch(
    "/account",
    operation_id="updateAccount",
    summary="Change the account",
    response_model=AccountOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_account(request: Request, user: Caller, form: AccountPatch) -> Response:
    """How long call records are kept (what is older is deleted within the hour, for good), and of which calls the SIP
    messages are."""

    def save(transaction: Transaction) -> Account:
        found = _own(transaction, user)
        check_version(request, account_out(found))
        if form.keep_calls_days is not None:
            admin.set_call_retention(transaction, user.actor, now(), found.id, str(form.keep_calls_days))
        if form.keep_ladders is not None:
            set_keep_ladders(transaction, user.actor, now(), found.id, form.keep_ladders.value)
        return _own(transaction, user)

    return answer(account_out(await change(request, save)))


@router.put(
    "/account/recording-key",
    operation_id="setRecordingKey",
    summary="Set the key that recordings are sealed to",
    response_model=AccountOut,
    openapi_extra=_CHANGE_VERSION,
)
async def set_recording_key(request: Request, user: Caller, form: RecordingKeyIn) -> Response:
    """From now on recordings are sealed to this public key; those made before stay sealed to the one before. Make the
    pair with `age-keygen`, and keep the private half where this server is not."""
    from sealtone.admin.recording_seal import SealError, recipient_of

    try:
        recipient = recipient_of(form.recording_key)
    except SealError as error:
        raise admin.InvalidInput("recording_key", str(error)) from error

    def save(transaction: Transaction) -> Account:
        found = _own(transaction, user)
        check_version(request, account_out(found))
        rotate = bool(found.recording_recipient)
        return admin.set_recording_key(transaction, user.actor, now(), found.id, recipient, rotate=rotate)

    return answer(account_out(await change(request, save)))


def _own(transaction: Transaction, user: KeyUser, role: Role = Role.ADMIN) -> Account:
    account_id = owner_of(user)
    user.actor.authorise(account_id, "such account", role)
    for account in admin.list_accounts(transaction, user.actor):
        if account.id == account_id:
            return account
    raise admin.NotFound("There is no such account.")
