"""Account, Webhooks: endpoints that are told of events; and the courier that tells them, beside the pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Depends, Form, Path
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, AdminError, InvalidInput, webhooks
from sealtone.admin.webhooks import EventKind, NewWebhook, WebhookChange
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store.webhooks import Delivery, Webhook
from sealtone.web.asking import Pages, change, flash, go, page, read, signed_in
from sealtone.web.parts import Parts
from sealtone.web.tabs import account_tabs, add_account_tab
from sealtone.web.webhooks import Courier, Sender

router = Pages(prefix="/account/webhooks", area="api")
SignedIn = Annotated[Actor, Depends(signed_in)]
Number = Annotated[int, Path(ge=1, le=2**53)]
_SHOWN = 50
_RETRY_S = 1.0


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


EVENTS: dict[EventKind, str] = {
    EventKind.CALL_STARTED: _("A call begins"),
    EventKind.CALL_RINGING: _("A phone rings"),
    EventKind.CALL_ANSWERED: _("A call is answered"),
    EventKind.CALL_CHANGED: _("A call's keys, codecs, hold or recording change"),
    EventKind.CALL_ENDED: _("A call ends"),
    EventKind.REGISTRATION_ADDED: _("A phone registers"),
    EventKind.REGISTRATION_REMOVED: _("A phone is registered no more"),
    EventKind.REGISTRATION_FAILED: _("A phone tries a wrong password"),
    EventKind.CHANGE_SETTLED: _("A change has taken effect, or failed"),
    EventKind.RECORDING_STARTED: _("A recording begins"),
    EventKind.RECORDING_ENDED: _("A recording ends"),
    EventKind.SAS_VERIFIED: _("A SAS was compared and matches"),
    EventKind.SAS_DIFFERS: _("A SAS was compared and differs"),
}
add_account_tab(70, "/account/webhooks", _("Webhooks"))


async def run(parts: Parts) -> None:
    """Sends what is to be told, for as long as the process lives."""

    async def feed() -> AsyncIterator[dict[str, Any]]:
        while parts.live is None:  # noqa: ASYNC110 (set once, at the start)
            await asyncio.sleep(_RETRY_S)
        async for event in parts.live.subscribe(None):
            yield event

    courier = Courier(parts.database, Sender())
    courier.start(feed)
    try:
        await asyncio.Event().wait()
    finally:
        await courier.close()


@router.get("")
async def list_page(request: Request, actor: SignedIn) -> Response:
    """The endpoints of the account."""
    return await _list(request, actor)


@router.post("")
async def create(
    request: Request,
    actor: SignedIn,
    url: Annotated[str, Form()] = "",
    events: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """A new endpoint; its secret is shown on the page that this answers with and nowhere else."""
    now, chosen, account_id = time.time(), events or [], _account(actor)
    try:
        made = await change(request, lambda t: webhooks.create_webhook(t, actor, now, account_id, url.strip(), chosen))
    except InvalidInput as error:
        return await _list(request, actor, 422, {"url": url, "events": chosen}, error)
    return await _show(request, actor, made.webhook.id, made=made)


@router.get("/{number}")
async def show_page(request: Request, actor: SignedIn, number: Number) -> Response:
    """One endpoint, and what became of what was sent to it."""
    return await _show(request, actor, number)


@router.post("/{number}")
async def save(
    request: Request,
    actor: SignedIn,
    number: Number,
    url: Annotated[str, Form()] = "",
    events: Annotated[list[str] | None, Form()] = None,
    enabled: Annotated[str, Form()] = "",
) -> Response:
    """Saves it."""
    now, chosen = time.time(), events or []
    wanted = WebhookChange(url.strip(), tuple(chosen), enabled == "on")
    form = {"url": url, "events": chosen, "enabled": enabled}
    try:
        await change(request, lambda t: webhooks.update_webhook(t, actor, now, number, wanted))
    except InvalidInput as error:
        return await _show(request, actor, number, 422, form, error)
    return _done(request, f"/account/webhooks/{number}", _("Saved."))


@router.post("/{number}/secret")
async def rotate(request: Request, actor: SignedIn, number: Number) -> Response:
    """A new secret, shown on the page that this answers with."""
    now = time.time()
    made = await change(request, lambda t: webhooks.rotate_webhook_secret(t, actor, now, number))
    return await _show(request, actor, number, made=made)


@router.post("/{number}/test")
async def send_test(request: Request, actor: SignedIn, number: Number) -> Response:
    """Has a test event sent."""
    now = time.time()
    await change(request, lambda t: webhooks.send_test(t, actor, now, number), reload=False)
    return _done(request, f"/account/webhooks/{number}", _("A test event is on its way. Reload the page to see it."))


@router.post("/{number}/deliveries/{delivery}/redeliver")
async def redeliver(request: Request, actor: SignedIn, number: Number, delivery: Number) -> Response:
    """Sends an event once more."""
    now = time.time()
    await change(request, lambda t: webhooks.redeliver(t, actor, now, number, delivery), reload=False)
    return _done(request, f"/account/webhooks/{number}", _("It is being sent again."))


@router.post("/{number}/delete")
async def delete(request: Request, actor: SignedIn, number: Number) -> Response:
    """Deletes it, with what was to be sent."""
    now = time.time()
    await change(request, lambda t: webhooks.delete_webhook(t, actor, now, number))
    return _done(request, "/account/webhooks", _("The webhook was deleted."))


def _done(request: Request, url: str, text: str) -> Response:
    response = go(request, url)
    flash(response, "good", request.state.translate(text))
    return response


def _account(actor: Actor) -> int:
    if actor.account_id is None:
        raise LookupError("somebody who is signed in has an account")
    return actor.account_id


async def _list(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: Mapping[str, object] | None = None,
    error: AdminError | None = None,
) -> Response:
    hooks = await read(request, lambda transaction: webhooks.list_webhooks(transaction, actor))
    return await page(
        request,
        "api/webhooks.html",
        status,
        tabs=account_tabs(request),
        hooks=hooks,
        may_change=actor.role.covers(Role.ADMIN),
        kinds=_kinds(request),
        form=form or {},
        error=error,
    )


async def _show(
    request: Request,
    actor: Actor,
    number: int,
    status: int = 200,
    form: Mapping[str, object] | None = None,
    error: AdminError | None = None,
    made: NewWebhook | None = None,
) -> Response:
    def query(transaction: Transaction) -> tuple[Webhook, tuple[Delivery, ...]]:
        hook = webhooks.webhook_of(transaction, actor, number, Role.VIEWER)
        return hook, webhooks.list_deliveries(transaction, actor, number, _SHOWN)

    hook, deliveries = await read(request, query)
    return await page(
        request,
        "api/webhook.html",
        status,
        tabs=account_tabs(request),
        hook=hook,
        deliveries=deliveries,
        made=made,
        may_change=actor.role.covers(Role.ADMIN),
        kinds=_kinds(request),
        form=form or {},
        error=error,
    )


def _kinds(request: Request) -> list[dict[str, str]]:
    translate = request.state.translate
    return [{"value": kind.value, "name": translate(text), "text": kind.value} for kind, text in EVENTS.items()]
