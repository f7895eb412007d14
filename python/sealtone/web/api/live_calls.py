"""Calls in progress: list, show, hang up, have recorded, compare a SAS."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Forbidden, NotFound
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.model import Role
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.calls import LiveCallOut, LiveCalls, RecordIn, SasIn, SasOut, live_call_out
from sealtone.web.api.work import Caller, read, server

router = APIRouter(route_class=Operation, tags=["Live calls"])
Id = Annotated[str, Path(max_length=200)]
_LOOK = details(Scope.READ, Scope.CALLS)
_CHANGE = details(Scope.CALLS)


@router.get(
    "/live-calls",
    operation_id="listLiveCalls",
    summary="List calls in progress",
    response_model=LiveCalls,
    openapi_extra=_LOOK,
)
async def list_live_calls(request: Request, user: Caller) -> Response:
    """The calls of the account that are up or being set up."""
    return answer(LiveCalls(items=[live_call_out(row) for row in await _own_calls(request, user)]))


@router.get(
    "/live-calls/{id}",
    operation_id="getLiveCall",
    summary="Show a call in progress",
    response_model=LiveCallOut,
    openapi_extra=_LOOK,
)
async def get_live_call(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """One call as it is at this moment, with the SAS of its legs where the server ends their ZRTP."""
    return answer(live_call_out(await _own_call(request, user, id)))


@router.post(
    "/live-calls/{id}/hang-up",
    operation_id="hangUpCall",
    summary="Hang up a call",
    status_code=204,
    openapi_extra=_CHANGE,
)
async def hang_up(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """Ends the call on both sides."""
    await _call_to_change(request, user, id)
    await server(request, "calls.hang_up", call=id)
    return Response(status_code=204)


@router.post(
    "/live-calls/{id}/recording",
    operation_id="recordCall",
    summary="Start or stop recording a call",
    response_model=LiveCallOut,
    openapi_extra=_CHANGE,
)
async def record(request: Request, user: Caller, id: Id, form: RecordIn) -> Response:  # noqa: A002
    """Where it cannot be recorded (a sealed path, a user who says never, no key), 409 tells why."""
    await _call_to_change(request, user, id)
    await server(request, "calls.record", call=id, start=form.record, by=user.actor.name)
    return answer(live_call_out(await _own_call(request, user, id)))


@router.post(
    "/live-calls/{id}/sas",
    operation_id="verifySas",
    summary="Say whether a SAS matches",
    response_model=SasOut,
    openapi_extra=_CHANGE,
)
async def verify_sas(request: Request, user: Caller, id: Id, form: SasIn) -> Response:  # noqa: A002
    """Somebody compared the SAS shown here with the one that the phone shows. That it matches is remembered for that
    phone; that it differs means that somebody is in between."""
    await _call_to_change(request, user, id)
    found = await server(request, "calls.verify", call=id, user=form.aor, matches=form.matches)
    return answer(SasOut(aor=found["aor"], sas=found["sas"], matches=found["matches"]))


async def _own_calls(request: Request, user: KeyUser) -> list[dict[str, Any]]:
    """A call is its caller's account's; the called one's where the caller is none of ours."""
    domains = {domain.name for domain in await read(request, lambda t: admin.list_domains(t, user.actor))}
    everyones = {domain.name for domain in await read(request, _all_domains)}
    rows: list[dict[str, Any]] = await server(request, "calls.live")
    return [row for row in rows if _domain_of_call(row, everyones) in domains]


def _all_domains(transaction: Any) -> tuple[Any, ...]:
    from sealtone.store.directory import read_domains

    return read_domains(transaction)


def _domain_of_call(row: dict[str, Any], known: set[str]) -> str:
    sides = [str(row[side]).rpartition("@")[2].lower() for side in ("caller", "callee")]
    return next((side for side in sides if side in known), "")


async def _own_call(request: Request, user: KeyUser, call: str) -> dict[str, Any]:
    for row in await _own_calls(request, user):
        if row["id"] == call:
            return row
    raise NotFound(f"There is no live call {call}.")


async def _call_to_change(request: Request, user: KeyUser, call: str) -> None:
    await _own_call(request, user, call)
    if not user.actor.role.covers(Role.ADMIN):
        raise Forbidden("Only an admin or owner of the account may do this.")
