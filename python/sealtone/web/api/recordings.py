"""Recordings: list, show, download as sealed, delete. The server cannot open them, so neither can the API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, Field
from starlette.responses import FileResponse, Response

from sealtone import admin
from sealtone.admin import recording_files
from sealtone.admin.api_keys import KeyUser, Scope
from sealtone.model import ConsentNotice, RecordingFacts, RecordingFormat
from sealtone.store import Transaction
from sealtone.store.recordings import RecordingFilter
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Moment, Page, Shown, example, moment, moment_or_none
from sealtone.web.api.work import Caller, change, now, owner_of, parts_of, read, write

router = APIRouter(route_class=Operation, tags=["Recordings"])
Id = Annotated[str, Path(max_length=200)]
_LOOK = details(Scope.READ, Scope.RECORDINGS)
_SEALED = "application/age-encryption"


class RecordingOut(Shown):
    """A recording, without its sound."""

    model_config = example(
        {
            "id": "4f1c2d",
            "call_id": "01jdkq8v3hq2",
            "caller": "1000@office.example",
            "callee": "1001@office.example",
            "format": "opus",
            "notice": "tone",
            "recording_key": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
            "started_by": "1000@office.example",
            "started_at": "2026-11-26T09:30:05.000Z",
            "ended_at": "2026-11-26T09:30:46.000Z",
            "seconds": 41.0,
            "reason": "",
        }
    )

    id: str
    call_id: str
    caller: str
    callee: str
    format: RecordingFormat
    notice: ConsentNotice
    recording_key: str = Field(description="The public key that it is sealed to.")
    started_by: str
    started_at: Moment
    ended_at: Moment | None = Field(description="Null while it runs.")
    seconds: float
    reason: str = Field(description="Why it ended, where nobody asked for it.")


@router.get(
    "/recordings",
    operation_id="listRecordings",
    summary="List recordings",
    response_model=Page[RecordingOut],
    openapi_extra=_LOOK,
)
async def list_recordings(
    request: Request,
    user: Caller,
    party: Annotated[str, Query(max_length=400, description="An address of record or a number, on either side.")] = "",
    call_id: Annotated[str, Query(max_length=200, description="Of this call.")] = "",
    since: Annotated[AwareDatetime | None, Query(description="Started at or after, RFC 3339.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Started before.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The recordings of the account, newest first."""
    place = place_of(cursor, float, str)
    wanted = RecordingFilter(
        party=party,
        call_id=call_id,
        since=since.timestamp() if since is not None else None,
        until=until.timestamp() if until is not None else None,
        before_id=(float(place[0]), place[1]) if place is not None else None,
        limit=limit,
    )
    page = await read(request, lambda transaction: admin.list_recordings(transaction, user.actor, wanted))
    following = written(*page.next_page) if page.next_page is not None else None
    return answer(Page[RecordingOut](items=[_shown(facts) for facts in page.recordings], next=following))


@router.get(
    "/recordings/{id}",
    operation_id="getRecording",
    summary="Show a recording",
    response_model=RecordingOut,
    openapi_extra=_LOOK,
)
async def get_recording(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """One recording, without its sound."""
    return answer(_shown(await read(request, lambda transaction: _exactly(transaction, user, id))))


@router.get(
    "/recordings/{id}/file",
    operation_id="downloadRecording",
    summary="Download a sealed recording",
    response_class=Response,
    responses={
        200: {
            "description": "An age file (age-encryption.org/v1). Open it with the private half of the account's key: "
            "`age -d -i key.txt`.",
            "content": {_SEALED: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    openapi_extra=details(Scope.RECORDINGS),
)
async def download(
    request: Request,
    user: Caller,
    id: Id,  # noqa: A002
    part: Annotated[
        Literal["file", "tail"], Query(description="“tail”: what an unfinished recording has beside its file.")
    ] = "file",
) -> Response:
    """The file as it lies here: sealed, so that only who has the private key can listen. Ranges are answered."""
    facts = await read(request, lambda transaction: _exactly(transaction, user, id))
    path = recording_files.folder_of(parts_of(request).folder) / facts.path
    if part == "tail":
        path = path.with_name(path.name + recording_files.TAIL)
    if not await asyncio.to_thread(path.is_file):
        raise admin.NotFound(f"The recording {id} has no such file.")
    return FileResponse(path, media_type=_SEALED, filename=path.name, headers={"Cache-Control": "private, no-cache"})


@router.delete(
    "/recordings/{id}",
    operation_id="deleteRecording",
    summary="Delete a recording",
    status_code=204,
    openapi_extra=details(Scope.RECORDINGS),
)
async def delete_recording(request: Request, user: Caller, id: Id) -> Response:  # noqa: A002
    """Deletes a recording with its file, for good."""

    def begin(transaction: Transaction) -> RecordingFacts:
        facts = _exactly(transaction, user, id)
        return admin.begin_deletion(transaction, user.actor, now(), facts.id)

    facts = await change(request, begin)
    data = parts_of(request).folder
    gone = await asyncio.to_thread(recording_files.purge_files, data, [facts])
    await write(request, lambda transaction: admin.finish_deletion(transaction, gone))
    return Response(status_code=204)


def _exactly(transaction: Transaction, user: KeyUser, wanted: str) -> RecordingFacts:
    """By its whole id."""
    missing = admin.NotFound(f"There is no recording {wanted}.")
    try:
        facts = admin.recording_of(transaction, user.actor, wanted)
    except (admin.NotFound, admin.Conflict):
        raise missing from None
    if facts.id != wanted or facts.account_id != owner_of(user):
        raise missing
    return facts


def _shown(facts: RecordingFacts) -> RecordingOut:
    return RecordingOut(
        id=facts.id,
        call_id=facts.call_id,
        caller=facts.caller,
        callee=facts.callee,
        format=facts.format,
        notice=facts.notice,
        recording_key=facts.recipient,
        started_by=facts.started_by,
        started_at=moment(facts.started_at),
        ended_at=moment_or_none(facts.ended_at),
        seconds=round(facts.seconds, 3),
        reason=facts.reason,
    )
