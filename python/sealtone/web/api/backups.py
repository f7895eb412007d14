"""Backups of the whole service: make, list, download, delete."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import FileResponse, Response

from sealtone.admin.api_keys import Scope
from sealtone.admin.backup_wishes import backup_path, read_wish
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.backups import BackupBegun, BackupIn, BackupOut, Backups
from sealtone.web.api.schemas.base import moment
from sealtone.web.api.work import Caller, parts_of
from sealtone.web.backups import backup_work, begin_backup, kept_backups

router = APIRouter(route_class=Operation, tags=["Service"])
Name = Annotated[str, Path(max_length=100)]
_WHOLE = details(Scope.ALL)  # it holds every key of the service: no narrower scope gives that away
_SEALED = "application/zip"


@router.get(
    "/service/backups",
    operation_id="listBackups",
    summary="List backups",
    response_model=Backups,
    openapi_extra=_WHOLE,
)
async def list_backups(request: Request, user: Caller) -> Response:
    """Those that lie on the server, newest first; before them the one that is being made, or the last that failed."""
    items = [
        BackupOut(name=one.name, state="ready", made_at=moment(one.made_at), octets=one.octets, error="")
        for one in await kept_backups(request, user.actor)
    ]
    work = backup_work(parts_of(request))
    if work.failed:
        items.insert(0, BackupOut(name=work.failed, state="failed", made_at=None, octets=None, error=str(work.failure)))
    if work.name:
        items.insert(0, BackupOut(name=work.name, state="making", made_at=None, octets=None, error=""))
    return answer(Backups(items=items))


@router.post(
    "/service/backups",
    operation_id="createBackup",
    summary="Make a backup",
    status_code=202,
    response_model=BackupBegun,
    openapi_extra=_WHOLE,
)
async def create_backup(request: Request, user: Caller, form: BackupIn) -> Response:
    """Begins to write the whole service into one sealed file: look at the list until it is ready, then download it.
    `sealtone restore` makes a service of it. At most five lie on the server at a time."""
    wish = read_wish(user.actor, form.recipient, form.passphrase, recordings=form.recordings)
    name = await begin_backup(request, user.actor, wish)
    return answer(BackupBegun(name=name, state="making", made_at=None, octets=None, error=""), 202)


@router.get(
    "/service/backups/{name}/file",
    operation_id="downloadBackup",
    summary="Download a backup",
    response_class=Response,
    responses={
        200: {
            "description": "The sealed file. Ranges are answered.",
            "content": {_SEALED: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    openapi_extra=_WHOLE,
)
async def download_backup(request: Request, user: Caller, name: Name) -> Response:
    """What opens it is not here: the private key, or the passphrase."""
    path = await asyncio.to_thread(backup_path, parts_of(request).folder, user.actor, name)
    return FileResponse(path, media_type=_SEALED, filename=path.name, headers={"Cache-Control": "private, no-cache"})


@router.delete(
    "/service/backups/{name}",
    operation_id="deleteBackup",
    summary="Delete a backup",
    status_code=204,
    openapi_extra=_WHOLE,
)
async def delete_backup(request: Request, user: Caller, name: Name) -> Response:
    """From this server; what was downloaded stays where it is."""
    path = await asyncio.to_thread(backup_path, parts_of(request).folder, user.actor, name)
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return Response(status_code=204)
