"""Webhooks: where an account wants to be told of events, and what became of each telling.

Nothing here opens a connection; `sealtone.web.webhooks` sends.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.admin.webhook_targets import TargetRules, check_url, read_target_rules
from sealtone.model import Role
from sealtone.store import Transaction, directory
from sealtone.store import webhooks as rows
from sealtone.store.webhooks import Delivery, Webhook

SECRET_PREFIX = "whsec_"
_SECRET_OCTETS = 32
_MOST_WEBHOOKS = 20
_MOST_PENDING = 1000
_OVERLAP_S = 86_400.0
TEST_EVENT = "webhook.test"


class EventKind(StrEnum):
    """What an account may be told of."""

    CALL_STARTED = "call.started"
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_CHANGED = "call.changed"
    CALL_ENDED = "call.ended"
    REGISTRATION_ADDED = "registration.added"
    REGISTRATION_REMOVED = "registration.removed"
    REGISTRATION_FAILED = "registration.failed"
    CHANGE_SETTLED = "change.settled"
    RECORDING_STARTED = "recording.started"
    RECORDING_ENDED = "recording.ended"
    SAS_VERIFIED = "sas.verified"
    SAS_DIFFERS = "sas.differs"


class NewWebhook(NamedTuple):
    """An endpoint with its signing secret, to be shown once."""

    webhook: Webhook
    secret: str


class WebhookChange(NamedTuple):
    """None leaves a field as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    enabled: bool | None = None


class Happened(NamedTuple):
    """Something that happened in an account, to be told."""

    account_id: int
    kind: str
    at: float
    data: dict[str, Any]


def create_webhook(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int, url: str, events: Iterable[str]
) -> NewWebhook:
    """A new endpoint with a generated secret. Raises `InvalidInput`, `Conflict`, `NotFound`, `Forbidden`."""
    actor.authorise(account_id, "such account")
    if len(rows.read_webhooks(transaction, account_id)) >= _MOST_WEBHOOKS:
        raise Conflict(
            "An account has at most {most} webhooks. Delete one that is not used any more.", most=_MOST_WEBHOOKS
        )
    rules = read_target_rules(transaction)
    hook = Webhook(0, account_id, check_url(url, rules), _events(events), True, now_wall)
    secret = _new_secret()
    hook = hook._replace(id=rows.insert_webhook(transaction, hook, secret))
    _log(transaction, actor, now_wall, "create", hook, {}, _shown(hook))
    return NewWebhook(hook, secret)


def list_webhooks(transaction: Transaction, actor: Actor) -> tuple[Webhook, ...]:
    """The endpoints of the actor's account."""
    return rows.read_webhooks(transaction, actor.account_id)


def webhook_of(transaction: Transaction, actor: Actor, webhook_id: int, role: Role = Role.ADMIN) -> Webhook:
    """One that the actor may change (or, for `Role.VIEWER`, see). Raises `NotFound` for any other; `Forbidden`."""
    hook = rows.find_webhook(transaction, webhook_id)
    if hook is None:
        raise NotFound("There is no webhook {number}.", number=webhook_id)
    actor.authorise(hook.account_id, f"webhook {webhook_id}", role)
    return hook


def update_webhook(
    transaction: Transaction, actor: Actor, now_wall: float, webhook_id: int, form: WebhookChange
) -> Webhook:
    """Changes what the form names. Switching it on again begins afresh. Raises as `create_webhook`."""
    hook = webhook_of(transaction, actor, webhook_id)
    changed = hook
    if form.url is not None:
        changed = changed._replace(url=check_url(form.url, read_target_rules(transaction)))
    if form.events is not None:
        changed = changed._replace(events=_events(form.events))
    if form.enabled is not None:
        changed = changed._replace(enabled=form.enabled)
    if changed.url != hook.url or (changed.enabled and not hook.enabled):
        changed = changed._replace(failing_since=None, note="")
    before, after = _shown(hook), _shown(changed)
    names = [name for name in before if before[name] != after[name]]
    if names:
        rows.update_webhook(transaction, changed)
        was, is_now = ({name: shown[name] for name in names} for shown in (before, after))
        _log(transaction, actor, now_wall, "change", hook, was, is_now)
    return changed


def rotate_webhook_secret(transaction: Transaction, actor: Actor, now_wall: float, webhook_id: int) -> NewWebhook:
    """Another secret. For a day, what is sent is signed with both, so that the receiver can change over."""
    hook = webhook_of(transaction, actor, webhook_id)
    secret = _new_secret()
    rows.replace_secret(transaction, hook.id, secret, now_wall + _OVERLAP_S)
    _log(transaction, actor, now_wall, "change", hook, {"secret": "••••"}, {"secret": "•••• (new)"})
    return NewWebhook(hook._replace(old_secret_until=now_wall + _OVERLAP_S), secret)


def delete_webhook(transaction: Transaction, actor: Actor, now_wall: float, webhook_id: int) -> Webhook:
    """With everything that was to be sent to it. Raises `NotFound`, `Forbidden`."""
    hook = webhook_of(transaction, actor, webhook_id)
    rows.delete_webhook(transaction, hook.id)
    _log(transaction, actor, now_wall, "delete", hook, _shown(hook), {})
    return hook


def list_deliveries(
    transaction: Transaction, actor: Actor, webhook_id: int, limit: int = 50, before_id: int | None = None
) -> tuple[Delivery, ...]:
    """What was or is to be sent to an endpoint, newest first. Raises `NotFound`."""
    hook = webhook_of(transaction, actor, webhook_id, Role.VIEWER)
    return rows.read_deliveries(transaction, hook.id, limit, before_id)


def redeliver(transaction: Transaction, actor: Actor, now_wall: float, webhook_id: int, delivery_id: int) -> Delivery:
    """Sends an event once more, with the same event id. Raises `NotFound`, `Conflict`, `Forbidden`."""
    hook = webhook_of(transaction, actor, webhook_id)
    old = rows.find_delivery(transaction, delivery_id)
    if old is None or old.webhook_id != hook.id:
        raise NotFound("There is no delivery {number}.", number=delivery_id)
    return _queue(transaction, hook, now_wall, old.event_id, old.event, old.body)


def send_test(transaction: Transaction, actor: Actor, now_wall: float, webhook_id: int) -> Delivery:
    """Sends an event that stands for nothing. Raises `NotFound`, `Conflict`, `Forbidden`."""
    hook = webhook_of(transaction, actor, webhook_id)
    event_id = _event_id()
    happened = Happened(hook.account_id, TEST_EVENT, now_wall, {"webhook_id": hook.id})
    return _queue(transaction, hook, now_wall, event_id, TEST_EVENT, body_of(event_id, happened))


def tell(transaction: Transaction, now_wall: float, happenings: Iterable[Happened]) -> int:
    """Writes down what is to be sent to whom, for whatever happened; gives how many sendings that makes.

    An endpoint for which too much waits already loses the event, which its note says.
    """
    hooks: dict[int, list[Webhook]] = {}
    for hook in rows.read_webhooks(transaction):
        if hook.enabled:
            hooks.setdefault(hook.account_id, []).append(hook)
    waiting = rows.pending_counts(transaction, [hook.id for some in hooks.values() for hook in some])
    wanted: list[Delivery] = []
    lost: dict[int, Webhook] = {}
    for happened in happenings:
        event_id = _event_id()
        for hook in hooks.get(happened.account_id, ()):
            if happened.kind not in hook.events:
                continue
            waiting[hook.id] = waiting.get(hook.id, 0) + 1
            if waiting[hook.id] > _MOST_PENDING:
                lost[hook.id] = hook
                continue
            body = body_of(event_id, happened)
            wanted.append(Delivery(0, hook.id, event_id, happened.kind, body, now_wall, now_wall))
    rows.insert_deliveries(transaction, wanted)
    for hook in lost.values():
        note = f"More than {_MOST_PENDING} events wait to be sent: newer ones are not kept until some have gone."
        rows.update_webhook(transaction, hook._replace(note=note))
    return len(wanted)


def body_of(event_id: str, happened: Happened) -> str:
    """The JSON that is sent: ``{"id", "type", "at", "data"}``."""
    at = datetime.fromtimestamp(happened.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"id": event_id, "type": happened.kind, "at": at, "data": happened.data}, ensure_ascii=False)


def target_rules(transaction: Transaction) -> TargetRules:
    """Where the operator permits webhooks to go."""
    return read_target_rules(transaction)


def _queue(transaction: Transaction, hook: Webhook, now_wall: float, event_id: str, event: str, body: str) -> Delivery:
    if not hook.enabled:
        raise Conflict("The webhook is switched off. Switch it on first.")
    if rows.pending_counts(transaction, [hook.id]).get(hook.id, 0) >= _MOST_PENDING:
        raise Conflict("{most} events wait to be sent to this webhook already.", most=_MOST_PENDING)
    delivery = Delivery(0, hook.id, event_id, event, body, now_wall, now_wall)
    return delivery._replace(id=rows.insert_deliveries(transaction, [delivery])[0])


def _events(wanted: Iterable[str]) -> tuple[str, ...]:
    names = {name.strip() for name in wanted}
    known = [kind.value for kind in EventKind]
    for name in sorted(names):
        if name not in known:
            raise InvalidInput(
                "events", "“{name}” is no kind of event. There are {known}.", name=name, known=", ".join(known)
            )
    if not names:
        raise InvalidInput("events", "Choose at least one kind of event.")
    return tuple(name for name in known if name in names)


def _new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(_SECRET_OCTETS)


def _event_id() -> str:
    return "evt_" + secrets.token_urlsafe(15)


def _shown(hook: Webhook) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {"url": hook.url, "events": ", ".join(hook.events), "enabled": "yes" if hook.enabled else "no"}


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    action: str,
    hook: Webhook,
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    subject = f"webhook {hook.id}"
    change = directory.Change(now_wall, hook.account_id, actor.name, actor.origin, action, subject, before, after)
    directory.append_change(transaction, change)
