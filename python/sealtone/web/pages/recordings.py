"""Recordings: listed, opened by the browser with a key that stays there, downloaded sealed, deleted; and that key."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Form, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from sealtone import admin
from sealtone.admin import Actor, Conflict, InvalidInput, NotFound, recording_files
from sealtone.admin.recording_access import exact_recording, recipient, sealed_file, sealed_tail
from sealtone.model import Account, Role
from sealtone.store import Transaction
from sealtone.store.recordings import RecordingFilter, RecordingPage
from sealtone.web import shown
from sealtone.web.asking import Pages, change, flash, go, now, page, parts, read, signed_in
from sealtone.web.pages.calls import day, place_of

router = Pages(area="calls")

PAGE = 50
_DAY_S = 86_400.0
_OCTETS = "application/octet-stream"
Who = Annotated[Actor, Depends(signed_in)]


@router.get("/recordings")
async def recording_list(
    request: Request,
    actor: Who,
    party: Annotated[str, Query(max_length=200)] = "",
    call: Annotated[str, Query(max_length=64)] = "",
    since: Annotated[str, Query(max_length=20)] = "",
    until: Annotated[str, Query(max_length=20)] = "",
    after: str = "",
) -> Response:
    """A page of recordings, newest first."""
    given = {"party": party, "call": call, "since": since, "until": until}
    query = urlencode({name: value for name, value in given.items() if value})
    error, found = None, RecordingPage((), None)
    try:
        ends = day("until", until)
        wanted = RecordingFilter(
            party.strip(), call, day("since", since), None if ends is None else ends + _DAY_S, limit=PAGE
        )._replace(before_id=place_of(after))
        found = await read(request, lambda transaction: admin.list_recordings(transaction, actor, wanted))
    except InvalidInput as invalid:
        error = invalid
    account = await _account(request, actor)
    folder = parts(request).folder
    sizes = await asyncio.to_thread(
        lambda: {facts.id: recording_files.size_of(folder, facts) for facts in found.recordings}
    )
    following = ""
    if found.next_page is not None:
        following = "/recordings?" + urlencode(
            {**{name: value for name, value in given.items() if value}, "after": "{!r}/{}".format(*found.next_page)}
        )
    return await page(
        request,
        "recordings/list.html",
        422 if error else 200,
        recordings=found.recordings,
        sizes=sizes,
        account=account,
        form=given,
        query=query,
        is_first=not after,
        following=following,
        error=error,
        may_change=actor.role.covers(Role.ADMIN),
        duration=shown.duration,
        octets=shown.octets,
        party=shown.party,
    )


@router.get("/recordings/{recording_id}/sealed")
async def sealed(request: Request, actor: Who, recording_id: str) -> Response:
    """The recording as it lies on the disk: an age file, of which a part may be asked for too."""
    facts = await read(request, lambda transaction: exact_recording(transaction, actor, recording_id))
    path = sealed_file(parts(request).folder, facts)
    name = f"{facts.id}.{facts.format.extension}.age"
    return FileResponse(path, media_type=_OCTETS, filename=name)


@router.get("/recordings/{recording_id}/tail")
async def tail(request: Request, actor: Who, recording_id: str) -> Response:
    """The last part of a recording that was not finished."""
    facts = await read(request, lambda transaction: exact_recording(transaction, actor, recording_id))
    octets = await asyncio.to_thread(sealed_tail, parts(request).folder, facts)
    return Response(octets, media_type=_OCTETS)


@router.post("/recordings/{recording_id}/delete")
async def delete(request: Request, actor: Who, recording_id: str) -> Response:
    """Deletes a recording, its files too, for good."""

    def begin(transaction: Transaction) -> Any:
        exact_recording(transaction, actor, recording_id)
        return admin.begin_deletion(transaction, actor, now(), recording_id)

    facts = await change(request, begin)
    folder = parts(request).folder
    gone = await asyncio.to_thread(recording_files.purge_files, folder, [facts])
    # Files that could not be deleted now are deleted by the server's next purge; nobody sees the recording any more.
    await change(request, lambda transaction: admin.finish_deletion(transaction, gone), reload=False)
    response = go(request, "/recordings")
    flash(response, "good", request.state.translate("The recording was deleted."))
    return response


@router.get("/recordings/settings")
async def settings(request: Request, actor: Who) -> Response:
    """The account's recording key, and where the rules are."""
    return await _settings(request, actor)


@router.post("/recordings/settings")
async def save_key(
    request: Request,
    actor: Who,
    recipient_given: Annotated[str, Form(alias="recipient", max_length=2000)] = "",
    rotate: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Takes a public key for the account; its private half was made in the browser, or elsewhere."""

    def operation(transaction: Transaction) -> None:
        account_id = actor.account_id or 0
        actor.authorise(account_id, "such account")
        key = recipient(recipient_given)
        admin.set_recording_key(transaction, actor, now(), account_id, key, rotate=rotate == "yes")

    try:
        await change(request, operation)
    except (InvalidInput, Conflict) as error:
        said = error if isinstance(error, InvalidInput) else InvalidInput("recipient", _CHANGED)
        return await _settings(request, actor, 422, {"recipient": recipient_given}, said)
    response = go(request, "/recordings/settings")
    flash(response, "good", request.state.translate("From now on recordings are sealed to this key."))
    return response


_CHANGED = "Somebody else has set a key meanwhile. Look at the one below, then try again."


async def _settings(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: InvalidInput | None = None,
) -> Response:
    domains = await read(request, lambda transaction: admin.list_domains(transaction, actor))
    return await page(
        request,
        "recordings/settings.html",
        status,
        account=await _account(request, actor),
        domains=domains,
        form=form or {},
        error=error,
        may_change=actor.role.covers(Role.ADMIN),
    )


async def _account(request: Request, actor: Actor) -> Account:
    accounts = await read(request, lambda transaction: admin.list_accounts(transaction, actor))
    if not accounts:
        raise NotFound("There is no such account.")
    return accounts[0]
