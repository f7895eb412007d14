"""Webhooks: list, create, show, change, new secret, test, deliveries, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone.admin import webhooks as hooks
from sealtone.admin.api_keys import Scope
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store.webhooks import Delivery, Webhook
from sealtone.web.api.conditional import answer, check_version, etag_of
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, answer_page, place_of, written
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.schemas.webhooks import (
    DeliveryOut,
    NewWebhook,
    WebhookOut,
    WebhookPatch,
    WebhookWithSecret,
    delivery_out,
    webhook_out,
    with_signing_secret,
)
from sealtone.web.api.work import Caller, change, now, owner_of, read, write

router = APIRouter(route_class=Operation, tags=["Webhooks"])
Number = Annotated[int, Path(ge=1, le=2**53)]
_LOOK = details(Scope.READ, Scope.ACCOUNT)
_CHANGE = details(Scope.ACCOUNT)
_CHANGE_VERSION = details(Scope.ACCOUNT, versioned=True)


@router.get(
    "/webhooks",
    operation_id="listWebhooks",
    summary="List webhooks",
    response_model=Page[WebhookOut],
    openapi_extra=_LOOK,
)
async def list_webhooks(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """The endpoints of the account, oldest first."""
    found = await read(request, lambda transaction: hooks.list_webhooks(transaction, user.actor))
    return answer_page(Page[WebhookOut], found, lambda hook: hook.id, webhook_out, cursor, limit, int)


@router.post(
    "/webhooks",
    operation_id="createWebhook",
    summary="Create a webhook",
    status_code=201,
    response_model=WebhookWithSecret,
    openapi_extra=_CHANGE,
)
async def create_webhook(request: Request, user: Caller, form: NewWebhook) -> Response:
    """A new endpoint, with the secret that its events are signed with, which is shown this once.

    Events are POSTed as JSON. `Webhook-Signature: t=<Unix seconds>,v1=<hex>` is the HMAC-SHA256, under the secret, of
    the time, a full stop and the body. What is not answered with 2xx is tried again for a day."""

    def make(transaction: Transaction) -> hooks.NewWebhook:
        return hooks.create_webhook(transaction, user.actor, now(), owner_of(user), form.url, form.events)

    return _shown_once(await change(request, make), 201)


@router.get(
    "/webhooks/{id}",
    operation_id="getWebhook",
    summary="Show a webhook",
    response_model=WebhookOut,
    openapi_extra=_LOOK,
)
async def get_webhook(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """One endpoint, and whether it takes what it is sent."""
    found = await read(request, lambda transaction: hooks.webhook_of(transaction, user.actor, id, Role.VIEWER))
    return answer(webhook_out(found))


@router.patch(
    "/webhooks/{id}",
    operation_id="updateWebhook",
    summary="Change a webhook",
    response_model=WebhookOut,
    openapi_extra=_CHANGE_VERSION,
)
async def update_webhook(request: Request, user: Caller, id: Number, form: WebhookPatch) -> Response:  # noqa: A002
    """Changes what is named."""
    events = None if form.events is None else tuple(form.events)

    def save(transaction: Transaction) -> Webhook:
        check_version(request, webhook_out(hooks.webhook_of(transaction, user.actor, id)))
        wanted = hooks.WebhookChange(form.url, events, form.enabled)
        return hooks.update_webhook(transaction, user.actor, now(), id, wanted)

    return answer(webhook_out(await change(request, save)))


@router.delete(
    "/webhooks/{id}",
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    status_code=204,
    openapi_extra=_CHANGE_VERSION,
)
async def delete_webhook(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """Deletes an endpoint with what was to be sent to it."""

    def remove(transaction: Transaction) -> None:
        check_version(request, webhook_out(hooks.webhook_of(transaction, user.actor, id)))
        hooks.delete_webhook(transaction, user.actor, now(), id)

    await change(request, remove)
    return Response(status_code=204)


@router.post(
    "/webhooks/{id}/secret",
    operation_id="rotateWebhookSecret",
    summary="Give a webhook a new secret",
    response_model=WebhookWithSecret,
    openapi_extra=_CHANGE,
)
async def rotate_secret(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """The new secret is shown this once. For a day events carry a signature by either, so that nothing is lost while
    the receiver changes over."""

    def save(transaction: Transaction) -> hooks.NewWebhook:
        return hooks.rotate_webhook_secret(transaction, user.actor, now(), id)

    return _shown_once(await change(request, save), 200)


@router.post(
    "/webhooks/{id}/test",
    operation_id="testWebhook",
    summary="Send a test event",
    status_code=202,
    response_model=DeliveryOut,
    openapi_extra=_CHANGE,
)
async def test_webhook(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """Has an event `webhook.test` sent, which stands for nothing. Its delivery tells what came of it."""

    def queue(transaction: Transaction) -> Delivery:
        return hooks.send_test(transaction, user.actor, now(), id)

    return answer(delivery_out(await write(request, queue)), 202)


@router.get(
    "/webhooks/{id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List what was sent to a webhook",
    response_model=Page[DeliveryOut],
    openapi_extra=_LOOK,
)
async def list_deliveries(
    request: Request,
    user: Caller,
    id: Number,  # noqa: A002
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """What was or is to be sent, newest first. Kept for two weeks."""
    place = place_of(cursor, int)
    before = place[0] if place is not None else None

    def query(transaction: Transaction) -> tuple[Delivery, ...]:
        return hooks.list_deliveries(transaction, user.actor, id, limit + 1, before)

    found = await read(request, query)
    page = found[:limit]
    following = written(page[-1].id) if len(found) > limit else None
    return answer(Page[DeliveryOut](items=[delivery_out(one) for one in page], next=following))


@router.post(
    "/webhooks/{id}/deliveries/{delivery}/redeliver",
    operation_id="redeliverWebhookDelivery",
    summary="Send an event once more",
    status_code=202,
    response_model=DeliveryOut,
    openapi_extra=_CHANGE,
)
async def redeliver(request: Request, user: Caller, id: Number, delivery: Number) -> Response:  # noqa: A002
    """A new delivery of the same event, with the same event id."""

    def queue(transaction: Transaction) -> Delivery:
        return hooks.redeliver(transaction, user.actor, now(), id, delivery)

    return answer(delivery_out(await write(request, queue)), 202)


def _shown_once(made: hooks.NewWebhook, status: int) -> Response:
    headers = {"ETag": etag_of(webhook_out(made.webhook)), "Cache-Control": "no-store"}
    if status == 201:
        headers["Location"] = f"/api/v1/webhooks/{made.webhook.id}"
    return answer(with_signing_secret(made.webhook, made.secret), status, headers)
