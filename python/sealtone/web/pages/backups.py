"""Service, Backup: the whole service in one sealed file, made, fetched and deleted. For whoever operates it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from sealtone.admin import Actor, AdminError, InvalidInput
from sealtone.admin.backup_wishes import MOST_KEPT, SHORTEST_PASSPHRASE, backup_path, read_wish
from sealtone.web.asking import Pages, page, parts
from sealtone.web.backups import backup_work, begin_backup, kept_backups
from sealtone.web.confirming import confirmed
from sealtone.web.pages.account import done
from sealtone.web.pages.service import operating
from sealtone.web.tabs import add_service_tab, service_tabs

router = Pages(prefix="/service/backups", area="backup")
Operator = Annotated[Actor, Depends(operating)]
ConfirmedOperator = Annotated[Actor, Depends(operating), Depends(confirmed)]
_URL = "/service/backups"


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_service_tab(60, _URL, _("Backup"))


@router.get("")
async def show(request: Request, actor: ConfirmedOperator) -> Response:
    """Those that lie here, and the form for another."""
    return await _page(request, actor)


@router.get("/list")
async def listing(request: Request, actor: Operator) -> Response:
    """The list alone, for the page that waits for one to be finished."""
    work = backup_work(parts(request))
    return await page(request, "backup/list.html", files=await kept_backups(request, actor), work=work)


@router.post("")
async def begin(
    request: Request,
    actor: ConfirmedOperator,
    sealed_by: Annotated[str, Form()] = "passphrase",
    passphrase: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    recipient: Annotated[str, Form()] = "",
    recordings: Annotated[str, Form()] = "",
) -> Response:
    """Begins to make one."""
    by_key = sealed_by == "key"
    form = {"sealed_by": sealed_by, "recipient": recipient, "recordings": recordings}
    try:
        if by_key and not recipient.strip():
            raise InvalidInput("recipient", "This is no public key of age: it begins with age1.")
        wish = read_wish(
            actor, recipient if by_key else "", "" if by_key else passphrase, recordings=recordings == "on"
        )
        if not by_key and passphrase != again:
            raise InvalidInput("again", "This is not the same. Type the passphrase again.")
    except InvalidInput as error:
        return await _page(request, actor, 422, form, error)
    await begin_backup(request, actor, wish)
    return done(request, _URL, request.state.translate(_("The backup is being made. Then fetch it here.")))


@router.get("/{name}/file")
async def download(request: Request, actor: ConfirmedOperator, name: str) -> Response:
    """The sealed file."""
    path = await asyncio.to_thread(backup_path, parts(request).folder, actor, name)
    return FileResponse(
        path, media_type="application/zip", filename=path.name, headers={"Cache-Control": "private, no-store"}
    )


@router.post("/{name}/delete")
async def delete(request: Request, actor: ConfirmedOperator, name: str) -> Response:
    """From this server."""
    path = await asyncio.to_thread(backup_path, parts(request).folder, actor, name)
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return done(request, _URL, request.state.translate(_("The backup was deleted from this server.")))


async def _page(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: AdminError | None = None,
) -> Response:
    return await page(
        request,
        "backup/backups.html",
        status,
        tabs=service_tabs(request),
        files=await kept_backups(request, actor),
        work=backup_work(parts(request)),
        least=SHORTEST_PASSPHRASE,
        most=MOST_KEPT,
        form=form or {},
        error=error,
    )
