"""Past calls: list, export, show, their SIP messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime
from starlette.responses import Response, StreamingResponse

from sealtone.admin import NotFound
from sealtone.admin import calls as cases
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.admin.calls import call_of
from sealtone.admin.calls_csv import csv_head
from sealtone.admin.ladders import CallLadder, ladder_of
from sealtone.model import CallState
from sealtone.model.record import CallRecord
from sealtone.store import CallFilter, Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import USUAL, Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.calls import CallOut, LadderOut, call_out, ladder_out
from sealtone.web.api.work import Caller, read
from sealtone.web.call_lines import call_lines

router = APIRouter(route_class=Operation, tags=["Calls"])
Id = Annotated[str, Path(max_length=200)]
_LOOK = details(Scope.READ, Scope.CALLS)
_CSV = "text/csv"


class CallCriteria(NamedTuple):
    """Which calls are meant."""

    party: str
    since: datetime | None
    until: datetime | None
    state: CallState | None
    answered: bool | None

    def filter(self, limit: int, before_id: tuple[float, str] | None = None) -> CallFilter:
        """As the database is asked."""
        return CallFilter(
            party=self.party,
            since=self.since.timestamp() if self.since is not None else None,
            until=self.until.timestamp() if self.until is not None else None,
            state=self.state,
            answered=self.answered,
            before_id=before_id,
            limit=limit,
        )


def _criteria(
    party: Annotated[str, Query(max_length=400, description="An address of record or a number, on either side.")] = "",
    since: Annotated[AwareDatetime | None, Query(description="Started at or after, RFC 3339.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Started before.")] = None,
    state: Annotated[CallState | None, Query(description="Who could have listened.")] = None,
    answered: Annotated[bool | None, Query(description="Only answered calls, or only others.")] = None,
) -> CallCriteria:
    return CallCriteria(party, since, until, state, answered)


Criteria = Annotated[CallCriteria, Depends(_criteria)]


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
    criteria: Criteria,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Records of calls of the account, newest first, each with what its legs reached."""
    place = place_of(cursor, float, str)
    wanted = criteria.filter(limit, (float(place[0]), place[1]) if place is not None else None)
    page = await read(request, lambda transaction: cases.list_calls(transaction, user.actor, wanted))
    following = written(*page.next_page) if page.next_page is not None else None
    return answer(Page[CallOut](items=[call_out(call) for call in page.records], next=following))


@router.get(
    "/calls/export",
    operation_id="exportCalls",
    summary="Export past calls as CSV",
    response_class=Response,
    responses={
        200: {
            "description": "A line a call, newest first.",
            "content": {_CSV: {"schema": {"type": "string"}, "example": csv_head()}},
        }
    },
    openapi_extra=_LOOK,
)
async def export_calls(request: Request, user: Caller, criteria: Criteria) -> Response:
    """All that the parameters find, up to 200,000. No spreadsheet takes a cell of it for a formula."""
    lines = call_lines(request, user.actor, criteria.filter(USUAL))
    headers = {"Content-Disposition": 'attachment; filename="calls.csv"'}
    return StreamingResponse(lines, media_type=_CSV, headers=headers)


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
