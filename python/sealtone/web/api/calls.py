"""Past calls: list, show, their SIP messages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response

from sealtone.admin import NotFound
from sealtone.admin import calls as cases
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.calls import call_of
from sealtone.admin.ladders import CallLadder, ladder_of
from sealtone.model import CallState
from sealtone.model.record import CallRecord
from sealtone.store import CallFilter, Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.calls import CallOut, LadderOut, call_out, ladder_out
from sealtone.web.api.work import Caller, read

router = APIRouter(route_class=Operation, tags=["Calls"])
Id = Annotated[str, Path(max_length=200)]
_LOOK = details(Scope.READ, Scope.CALLS)


@router.get(
    "/calls",
    operation_id="listCalls",
    summary="List past calls",
    response_model=Page[CallOut],
    openapi_extra=_LOOK,
)
async def list_calls(
    request: Request,
    user: Caller,
    party: Annotated[str, Query(max_length=400, description="An address of record or a number, on either side.")] = "",
    since: Annotated[AwareDatetime | None, Query(description="Started at or after, RFC 3339.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Started before.")] = None,
    state: Annotated[CallState | None, Query(description="Who could have listened.")] = None,
    answered: Annotated[bool | None, Query(description="Only answered calls, or only others.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Records of calls of the account, newest first, each with what its legs reached."""
    place = place_of(cursor, float, str)
    wanted = CallFilter(
        party=party,
        since=since.timestamp() if since is not None else None,
        until=until.timestamp() if until is not None else None,
        state=state,
        answered=answered,
        before_id=(float(place[0]), place[1]) if place is not None else None,
        limit=limit,
    )
    page = await read(request, lambda transaction: cases.list_calls(transaction, user.actor, wanted))
    following = written(*page.next_page) if page.next_page is not None else None
    return answer(Page[CallOut](items=[call_out(call) for call in page.records], next=following))


@router.get(
    "/calls/{id}",
    operation_id="getCall",
    summary="Show a past call",
    response_model=CallOut,
    openapi_extra=_LOOK,
)
async def get_call(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """One call: who could have listened, how it sounded, and why it ended."""
    return answer(call_out(await read(request, lambda transaction: _named(transaction, user, id))))


@router.get(
    "/calls/{id}/ladder",
    operation_id="getCallLadder",
    summary="Show the SIP messages of a call",
    response_model=LadderOut,
    openapi_extra=_LOOK,
)
async def get_ladder(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """What came of the call in plain words, then its messages in order, secrets masked. Messages of another account's
    phone are left out, and so are all where the account does not keep them."""

    def query(transaction: Transaction) -> CallLadder:
        _named(transaction, user, id)
        return ladder_of(transaction, user.actor, id)

    return answer(ladder_out(await read(request, query)))


def _named(transaction: Transaction, user: KeyUser, call: str) -> CallRecord:
    try:
        return call_of(transaction, user.actor, call)
    except NotFound:
        raise NotFound(f"There is no call {call}.") from None
