"""Many SIP users at once; CSV in and out; and what a call between two would come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import sip_user_csv, trial_call
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.sip_user_batches import create_sip_users, delete_sip_users, update_sip_users
from sealtone.model import Role, SipUser
from sealtone.net import ControlError
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.problems import Refused
from sealtone.web.api.schemas.batches import (
    CsvIn,
    CsvOut,
    NewSipUsers,
    SipUsersChange,
    SipUsersChanged,
    SipUsersDeletion,
    SipUsersMade,
    TrialIn,
    TrialOut,
    csv_plan_out,
    csv_result_out,
    trial_out,
)
from sealtone.web.api.schemas.sip_users import sip_user_out, with_secret
from sealtone.web.api.sip_users import form_of
from sealtone.web.api.work import Caller, change, now, read, server

router = APIRouter(route_class=Operation, tags=["SIP users"])
_CSV = "text/csv"


@router.post(
    "/sip-users/bulk",
    operation_id="createSipUsers",
    summary="Create many SIP users",
    status_code=201,
    response_model=SipUsersMade,
    openapi_extra=details(Scope.USERS),
)
async def create_many(request: Request, user: Caller, form: NewSipUsers) -> Response:
    """All of them or, where one cannot be made, none. `{number}` in the name stands for each one's user name. Their
    secrets are shown this once."""
    wanted = form_of(form)._replace(display_name=None)
    if form.protection is None:
        wanted = wanted._replace(protection="srtp", strictness=form.strictness or "prefer")

    def make(transaction: Transaction) -> tuple[admin.NewSecret, ...]:
        name = form.display_name or ""
        return create_sip_users(transaction, user.actor, now(), form.domain, form.numbers, wanted, name)

    made = await change(request, make)
    items = [with_secret(one.user, one.secret) for one in made]
    return answer(SipUsersMade(items=items), 201, {"Cache-Control": "no-store"})


@router.post(
    "/sip-users/bulk-change",
    operation_id="updateSipUsers",
    summary="Change several SIP users alike",
    response_model=SipUsersChanged,
    openapi_extra=details(Scope.USERS),
)
async def change_several(request: Request, user: Caller, form: SipUsersChange) -> Response:
    """All of them or, where a value cannot be used, none."""
    wanted, aors = form_of(form.change), list(dict.fromkeys(form.aors))

    def save(transaction: Transaction) -> tuple[SipUser, ...]:
        _check_named(transaction, user, aors)
        return update_sip_users(transaction, user.actor, now(), aors, wanted)

    return answer(SipUsersChanged(items=[sip_user_out(one) for one in await change(request, save)]))


@router.post(
    "/sip-users/bulk-delete",
    operation_id="deleteSipUsers",
    summary="Delete several SIP users",
    status_code=204,
    openapi_extra=details(Scope.USERS),
)
async def delete_several(request: Request, user: Caller, form: SipUsersDeletion) -> Response:
    """All of them or, where one is not there, none. Their phones are registered no more."""
    aors = list(dict.fromkeys(form.aors))

    def delete(transaction: Transaction) -> None:
        _check_named(transaction, user, aors)
        delete_sip_users(transaction, user.actor, now(), aors)

    await change(request, delete)
    return Response(status_code=204)


@router.post(
    "/sip-users/import",
    operation_id="importSipUsers",
    summary="Create and change SIP users from CSV",
    response_model=CsvOut,
    openapi_extra=details(Scope.USERS),
)
async def import_csv(request: Request, user: Caller, form: CsvIn) -> Response:
    """All of the file or, where a line cannot be taken up, nothing; `errors` name the lines. Generated secrets are
    shown this once."""
    if form.dry_run:
        return answer(csv_plan_out(await read(request, lambda t: _planned(t, user, form))))

    def take(transaction: Transaction) -> sip_user_csv.ImportResult:
        user.actor.authorise(user.key.account_id, "such account")
        return sip_user_csv.import_users(transaction, user.actor, now(), form.csv, form.domain)

    try:
        result = await change(request, take)
    except sip_user_csv.ImportRefused as error:
        raise _refused(error.errors) from error
    return answer(csv_result_out(result), 200, {"Cache-Control": "no-store"})


@router.get(
    "/sip-users/export",
    operation_id="exportSipUsers",
    summary="Export SIP users as CSV",
    response_class=Response,
    responses={
        200: {
            "description": "The SIP users without their secrets, as the import reads them.",
            "content": {_CSV: {"schema": {"type": "string"}, "example": "user,name\r\n1000@office.example,Anna\r\n"}},
        }
    },
    openapi_extra=details(Scope.READ, Scope.USERS),
)
async def export_csv(
    request: Request,
    user: Caller,
    domain: Annotated[str | None, Query(max_length=300, description="Of this domain only.")] = None,
) -> Response:
    """No spreadsheet takes a cell of it for a formula."""

    def query(transaction: Transaction) -> str:
        return sip_user_csv.export_csv(admin.list_sip_users(transaction, user.actor, domain))

    headers = {"Content-Disposition": 'attachment; filename="sip-users.csv"'}
    return Response(await read(request, query), media_type=_CSV, headers=headers)


@router.post(
    "/trial-calls",
    operation_id="tryCall",
    summary="Tell what a call would come to",
    response_model=TrialOut,
    openapi_extra=details(Scope.READ, Scope.USERS),
)
async def try_call(request: Request, user: Caller, form: TrialIn) -> Response:
    """Nothing rings. By the users as they are saved and their phones as they are registered: whether the call comes
    about, in which codecs, and who could listen."""

    def parties(transaction: Transaction) -> list[str]:
        caller = admin.user_of(transaction, user.actor, form.caller, Role.VIEWER)
        return [caller.aor, *trial_call.aors_meant(transaction, caller, form.dialled)]

    aors = await read(request, parties)
    registrations: list[dict[str, Any]] = []
    codecs: dict[str, str] = {}
    try:
        registrations = await server(request, "registrations", aors=aors)
        codecs = (await server(request, "status")).get("codecs") or {}
    except ControlError:
        pass  # nobody is registered where no server runs
    seen = trial_call.registrations_by_aor(registrations)

    def query(transaction: Transaction) -> trial_call.TrialCall:
        return trial_call.try_call(transaction, user.actor, form.caller, form.dialled, seen, codecs)

    return answer(trial_out(await read(request, query)))


def _check_named(transaction: Transaction, user: KeyUser, aors: Sequence[str]) -> None:
    """What is no address is answered as what is not there."""
    for aor in aors:
        try:
            admin.user_of(transaction, user.actor, aor)
        except (admin.InvalidInput, admin.NotFound):
            raise admin.NotFound("There is no SIP user {aor}.", aor=aor[:400]) from None


def _planned(transaction: Transaction, user: KeyUser, form: CsvIn) -> sip_user_csv.ImportPlan:
    user.actor.authorise(user.key.account_id, "such account")
    plan = sip_user_csv.plan_import(transaction, user.actor, form.csv, form.domain)
    if plan.errors:
        raise _refused(plan.errors)
    return plan


def _refused(errors: tuple[sip_user_csv.LineError, ...]) -> Refused:
    found = [{"field": f"csv.line {one.line}", "message": str(one.error)} for one in errors]
    return Refused("invalid", f"{len(errors)} lines cannot be taken up. Nothing was imported.", errors=found)
