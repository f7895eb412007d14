"""Webhooks as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sealtone.admin.webhooks import EventKind
from sealtone.store.webhooks import Delivery, Webhook
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment, moment_or_none

HOOK = {
    "id": 3,
    "url": "https://crm.office.example/sealtone",
    "events": ["call.ended"],
    "enabled": True,
    "created_at": "2026-11-26T09:30:00.000Z",
    "failing_since": None,
    "note": "",
    "old_secret_until": None,
}


class WebhookOut(Shown):
    """An endpoint that is told of events."""

    model_config = example(HOOK)

    id: int
    url: str
    events: list[EventKind]
    enabled: bool
    created_at: Moment
    failing_since: Moment | None = Field(description="Since when nothing has arrived there; null while all is well.")
    note: str = Field(description="Why it was switched off, or what was not kept for it.")
    old_secret_until: Moment | None = Field(description="Until when it is signed with the secret before as well.")


class WebhookWithSecret(WebhookOut):
    """An endpoint with the secret that its events are signed with. It is shown this once."""

    model_config = example(HOOK | {"secret": "whsec_3nV0s4bq9l8Yk2JtRmXwQe7uHcZpLdGfAiUoTyBvNxM"})

    secret: str


class NewWebhook(Form):
    """An endpoint to be told."""

    model_config = example({"url": "https://crm.office.example/sealtone", "events": ["call.ended"]})

    url: str = Field(max_length=4000, description="https, port 443 or 8443, at a public address.")
    events: list[EventKind] = Field(min_length=1, max_length=50)


class WebhookPatch(Form):
    """What is left out, or null, stays as it is."""

    model_config = example({"enabled": False})

    url: str | None = Field(None, max_length=4000)
    events: list[EventKind] | None = Field(None, min_length=1, max_length=50)
    enabled: bool | None = Field(None, description="Switching it on again forgets past failures.")


class DeliveryOut(Shown):
    """An event for an endpoint, and what became of it."""

    model_config = example(
        {
            "id": 41,
            "event_id": "evt_nR2v8xKq0TzWmB5yLcDa",
            "event": "call.ended",
            "state": "waiting",
            "created_at": "2026-11-26T09:31:00.000Z",
            "tried_at": "2026-11-26T09:31:00.210Z",
            "next_try_at": "2026-11-26T09:31:10.000Z",
            "tries": 1,
            "status": 502,
            "failure": "The receiver answered 502.",
            "body": '{"id": "evt_nR2v8xKq0TzWmB5yLcDa", "type": "call.ended", "at": "…", "data": {}}',
        }
    )

    id: int
    event_id: str = Field(description="The same in each attempt: what came twice is known by it.")
    event: str
    state: Literal["waiting", "delivered", "given-up"]
    created_at: Moment
    tried_at: Moment | None
    next_try_at: Moment | None
    tries: int
    status: int | None = Field(description="The last attempt's HTTP status; null where there was no answer.")
    failure: str
    body: str = Field(description="As it was sent and signed.")


def webhook_out(hook: Webhook) -> WebhookOut:
    return WebhookOut.model_validate(_fields(hook))


def with_signing_secret(hook: Webhook, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret.model_validate(_fields(hook) | {"secret": secret})


def delivery_out(one: Delivery) -> DeliveryOut:
    state: Literal["waiting", "delivered", "given-up"]
    state = "waiting" if one.next_try_at is not None else "given-up" if one.failure else "delivered"
    return DeliveryOut(
        id=one.id,
        event_id=one.event_id,
        event=one.event,
        state=state,
        created_at=moment(one.created_at),
        tried_at=moment_or_none(one.tried_at),
        next_try_at=moment_or_none(one.next_try_at),
        tries=one.tries,
        status=one.status,
        failure=one.failure,
        body=one.body,
    )


def _fields(hook: Webhook) -> dict[str, object]:
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "enabled": hook.enabled,
        "created_at": moment(hook.created_at),
        "failing_since": moment_or_none(hook.failing_since),
        "note": hook.note,
        "old_secret_until": moment_or_none(hook.old_secret_until),
    }
