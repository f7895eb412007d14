"""Calls in progress: list, show, hang up, have recorded, compare a SAS."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone.admin import NotFound
from sealtone.admin import calls as cases
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.calls import LiveRequest
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.calls import LiveCallOut, LiveCalls, RecordIn, SasIn, SasOut, live_call_out
from sealtone.web.api.work import Caller, now, server, write

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
    return answer(LiveCalls(items=[live_call_out(row) for row in await _asked(request, cases.live_calls(user.actor))]))


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
    wanted = cases.hang_up(user.actor, id)
    live = await _own_call(request, user, id)
    await _asked(request, wanted)
    await write(request, lambda transaction: cases.note_hang_up(transaction, user.actor, now(), live))
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
    wanted = cases.record_call(user.actor, id, start=form.record)
    live = await _own_call(request, user, id)
    await _asked(request, wanted)

    def note(transaction: Transaction) -> None:
        cases.note_recording(transaction, user.actor, now(), live, start=form.record)

    await write(request, note)
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
    phone; that it differs means that somebody is in between: hang up then."""
    wanted = cases.compare_sas(user.actor, id, form.aor, matches=form.matches)
    await _own_call(request, user, id)
    found = await _asked(request, wanted)
    await write(request, lambda transaction: cases.note_comparison(transaction, user.actor, now(), found))
    return answer(SasOut(aor=found["aor"], sas=found["sas"], matches=found["matches"]))


async def _asked(request: Request, wanted: LiveRequest) -> Any:
    return await server(request, wanted.action, **wanted.arguments)


async def _own_call(request: Request, user: KeyUser, call: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = await _asked(request, cases.live_calls(user.actor, call))
    for row in rows:
        if row["id"] == call:
            return row
    raise NotFound(f"There is no live call {call}.")
