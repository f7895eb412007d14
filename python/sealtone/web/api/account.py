"""The account: show, change, the key that its recordings are sealed to, close."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin.accounts import account_of, close_account, rename_account, set_second_factor_needed
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.ladders import set_keep_ladders
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store.people import needs_second_factor
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.account import (
    AccountOut,
    AccountPatch,
    ChecklistOut,
    CloseIn,
    RecordingKeyIn,
    account_out,
    checklist_out,
)
from sealtone.web.api.work import Caller, change, now, owner_of, read
from sealtone.web.first_steps import noted_checklist

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
    return answer(await read(request, lambda transaction: _shown(transaction, user, Role.VIEWER)))


@router.get(
    "/account/checklist",
    operation_id="getChecklist",
    summary="Show the way to the first encrypted call",
    response_model=ChecklistOut,
    openapi_extra=details(Scope.READ, Scope.ACCOUNT),
)
async def get_checklist(request: Request, user: Caller) -> Response:
    """The checklist of the panel: a domain, a SIP user, a registered phone, a call, an encrypted call. Each step ticks
    itself from what really happened, whether by panel, API or phone."""
    return answer(checklist_out(await noted_checklist(request, user.actor, owner_of(user))))


@router.patch(
    "/account",
    operation_id="updateAccount",
    summary="Change the account",
    response_model=AccountOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_account(request: Request, user: Caller, form: AccountPatch) -> Response:
    """Its name; how long call records are kept (what is older is deleted within the hour, for good), and of which calls
    the SIP messages are; whether everybody in it needs a second factor."""
    owner = owner_of(user)

    def save(transaction: Transaction) -> AccountOut:
        check_version(request, _shown(transaction, user))
        if form.name is not None:
            try:
                rename_account(transaction, user.actor, now(), owner, form.name)
            except admin.InvalidInput as error:
                raise admin.InvalidInput("name", error.template, **error.values) from None
        if form.keep_calls_days is not None:
            admin.set_call_retention(transaction, user.actor, now(), owner, str(form.keep_calls_days))
        if form.keep_ladders is not None:
            set_keep_ladders(transaction, user.actor, now(), owner, form.keep_ladders.value)
        if form.second_factor_needed is not None:
            needed = form.second_factor_needed
            set_second_factor_needed(transaction, user.actor, now(), owner, needed=needed)
        return _shown(transaction, user)

    return answer(await change(request, save))


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

    def save(transaction: Transaction) -> AccountOut:
        check_version(request, _shown(transaction, user))
        found = account_of(transaction, user.actor, owner_of(user), Role.ADMIN)
        rotate = bool(found.recording_recipient)
        admin.set_recording_key(transaction, user.actor, now(), found.id, recipient, rotate=rotate)
        return _shown(transaction, user)

    return answer(await change(request, save))


@router.post(
    "/account/close",
    operation_id="closeAccount",
    summary="Close the account",
    status_code=204,
    openapi_extra=details(Scope.ALL),
)
async def close(request: Request, user: Caller, form: CloseIn) -> Response:
    """For owners: deletes the account with everything in it, its people and this API key too, for good. Call records
    and recordings are gone within the hour."""

    def end(transaction: Transaction) -> None:
        try:
            close_account(transaction, user.actor, now(), owner_of(user), form.name)
        except admin.InvalidInput as error:
            raise admin.InvalidInput("name", error.template, **error.values) from None

    await change(request, end)
    return Response(status_code=204)


def _shown(transaction: Transaction, user: KeyUser, role: Role = Role.ADMIN) -> AccountOut:
    account = account_of(transaction, user.actor, owner_of(user), role)
    return account_out(account, second_factor_needed=needs_second_factor(transaction, account.id))
