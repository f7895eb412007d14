"""The change log: who changed what, whether it is in force, and taking it back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from sealtone.admin import changes as cases
from sealtone.admin.api_keys import Scope
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store.changes import ChangeFilter, LoggedChange
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Moment, Page, Shown, example, moment, moment_or_none
from sealtone.web.api.work import Caller, change, now, read

router = APIRouter(route_class=Operation, tags=["Changes"])
Number = Annotated[int, Path(ge=1, le=2**53)]
State = Literal["pending", "applying", "done", "failed"]
Action = Literal["create", "change", "delete"]
_LOOK = details(Scope.READ, Scope.ACCOUNT)


class ChangeOut(Shown):
    """A change, and how far the running server has taken it up."""

    model_config = example(
        {
            "id": 17,
            "at": "2026-11-26T09:30:00.000Z",
            "actor": "anna@office.example",
            "origin": "192.0.2.7",
            "action": "change",
            "subject": "SIP user 1000@office.example",
            "before": {"protection": "srtp"},
            "after": {"protection": "zrtp"},
            "state": "done",
            "settled_at": "2026-11-26T09:30:00.120Z",
            "failure": "",
            "reverts": None,
            "reverted_by": None,
        }
    )

    id: int
    at: Moment
    actor: str
    origin: str
    action: Action
    subject: str
    before: dict[str, str] = Field(description="The fields that changed, as they were; secrets masked.")
    after: dict[str, str]
    state: State
    settled_at: Moment | None
    failure: str
    reverts: int | None = Field(description="The change that this one took back.")
    reverted_by: int | None


@router.get(
    "/changes",
    operation_id="listChanges",
    summary="List changes",
    response_model=Page[ChangeOut],
    openapi_extra=_LOOK,
)
async def list_changes(
    request: Request,
    user: Caller,
    state: Annotated[State | None, Query(description="How far they are.")] = None,
    action: Annotated[Action | None, Query(description="What was done.")] = None,
    text: Annotated[str, Query(max_length=200, description="Stands in what was changed, or in who did it.")] = "",
    since: Annotated[AwareDatetime | None, Query(description="Made at or after, RFC 3339.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Made before.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The changes of the account, newest first."""
    place = place_of(cursor, int)
    wanted = ChangeFilter(
        state=state or "",
        action=action or "",
        text=text,
        since=since.timestamp() if since is not None else None,
        until=until.timestamp() if until is not None else None,
        before_id=place[0] if place is not None else None,
        limit=limit,
    )
    page = await read(request, lambda transaction: cases.page_of_changes(transaction, user.actor, wanted))
    following = written(page.before_id) if page.before_id is not None else None
    return answer(Page[ChangeOut](items=[_shown(one) for one in page.changes], next=following))


@router.get(
    "/changes/{id}",
    operation_id="getChange",
    summary="Show a change",
    response_model=ChangeOut,
    openapi_extra=_LOOK,
)
async def get_change(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """One change, with what it changed."""
    return answer(_shown(await read(request, lambda transaction: cases.change_of(transaction, user.actor, id))))


@router.post(
    "/changes/{id}/revert",
    operation_id="revertChange",
    summary="Take a change back",
    status_code=201,
    response_model=ChangeOut,
    openapi_extra=details(Scope.ACCOUNT),
)
async def revert_change(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """Sets each field back that still is as the change left it, as a new change, which is shown. Where nothing of it
    can be taken back, 409 tells why."""

    def revert(transaction: Transaction) -> LoggedChange:
        made = cases.revert_change(transaction, user.actor, now(), id)
        return cases.change_of(transaction, user.actor, made, Role.VIEWER)

    made = await change(request, revert)
    return answer(_shown(made), 201, {"Location": f"/api/v1/changes/{made.id}"})


def _shown(one: LoggedChange) -> ChangeOut:
    known = {name: getattr(one, name) for name in ChangeOut.model_fields}
    times = {"at": moment(one.at), "settled_at": moment_or_none(one.settled_at)}
    return ChangeOut.model_validate(known | times)
