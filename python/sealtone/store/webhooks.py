"""Webhooks as rows: where events are sent, and what became of each sending. Secrets are sealed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.store.database import Transaction
from sealtone.store.tables import webhook, webhook_delivery


class Webhook(NamedTuple):
    """An endpoint without its secret. Times are Unix seconds."""

    id: int
    account_id: int
    url: str
    events: tuple[str, ...]
    """The kinds of events that are sent to it."""
    enabled: bool
    created_at: float
    failing_since: float | None = None
    """Since when nothing has arrived there; None while all is well."""
    note: str = ""
    """Why it was switched off, or what was not kept for it; a sentence."""
    old_secret_until: float | None = None
    """Until when it is signed with the secret before as well."""


class Delivery(NamedTuple):
    """An event for one endpoint, and what became of it."""

    id: int
    webhook_id: int
    event_id: str
    """The same in each attempt, and when it is sent again by hand."""
    event: str
    body: str
    """The JSON as it is sent and signed."""
    created_at: float
    next_try_at: float | None
    """None: delivered, or given up."""
    tries: int = 0
    status: int | None = None
    """Of the last attempt's HTTP answer; None where there was none."""
    failure: str = ""
    """Why the last attempt failed; empty where it did not."""
    tried_at: float | None = None


def insert_webhook(transaction: Transaction, hook: Webhook, secret: str) -> int:
    """Gives the new endpoint's id; the one in `hook` is not looked at."""
    values = {
        "account_id": hook.account_id,
        "url": hook.url,
        "events": " ".join(hook.events),
        "enabled": int(hook.enabled),
        "created_at": hook.created_at,
        "secret": b"",
    }
    inserted = transaction.connection.execute(webhook.insert().values(values)).inserted_primary_key
    assert inserted is not None
    number = int(inserted[0])
    transaction.connection.execute(
        webhook.update().where(webhook.c.id == number).values(secret=transaction.vault.seal(secret, _place(number)))
    )
    return number


def read_webhooks(transaction: Transaction, account_id: int | None = None) -> tuple[Webhook, ...]:
    """An account's, or all; oldest first."""
    query = select(webhook).order_by(webhook.c.id)
    if account_id is not None:
        query = query.where(webhook.c.account_id == account_id)
    return tuple(map(_webhook_of, transaction.connection.execute(query)))


def find_webhook(transaction: Transaction, webhook_id: int) -> Webhook | None:
    """By its id."""
    row = transaction.connection.execute(select(webhook).where(webhook.c.id == webhook_id)).one_or_none()
    return _webhook_of(row) if row is not None else None


def update_webhook(transaction: Transaction, hook: Webhook) -> None:
    """Saves everything but its secret."""
    values = {
        "url": hook.url,
        "events": " ".join(hook.events),
        "enabled": int(hook.enabled),
        "failing_since": hook.failing_since,
        "note": hook.note,
    }
    transaction.connection.execute(webhook.update().where(webhook.c.id == hook.id).values(values))


def replace_secret(transaction: Transaction, webhook_id: int, secret: str, old_until: float) -> None:
    """Another secret; until then what is sent is signed with the one before as well."""
    old = transaction.connection.execute(select(webhook.c.secret).where(webhook.c.id == webhook_id)).scalar_one()
    values = {
        "secret": transaction.vault.seal(secret, _place(webhook_id)),
        "old_secret": old,
        "old_secret_until": old_until,
    }
    transaction.connection.execute(webhook.update().where(webhook.c.id == webhook_id).values(values))


def secrets_of(transaction: Transaction, webhook_id: int, now_wall: float) -> tuple[str, ...]:
    """What to sign with at that moment, the present one first. Raises `KeyFileError`."""
    columns = (webhook.c.secret, webhook.c.old_secret, webhook.c.old_secret_until)
    row = transaction.connection.execute(select(*columns).where(webhook.c.id == webhook_id)).one()
    sealed = [row.secret]
    if row.old_secret is not None and (row.old_secret_until or 0.0) > now_wall:
        sealed.append(row.old_secret)
    return tuple(transaction.vault.open_sealed(one, _place(webhook_id)) for one in sealed)


def delete_webhook(transaction: Transaction, webhook_id: int) -> None:
    """With everything that was or was to be sent to it."""
    transaction.connection.execute(webhook_delivery.delete().where(webhook_delivery.c.webhook_id == webhook_id))
    transaction.connection.execute(webhook.delete().where(webhook.c.id == webhook_id))


def insert_deliveries(transaction: Transaction, deliveries: Iterable[Delivery]) -> list[int]:
    """Gives the new rows' ids; those in `deliveries` are not looked at."""
    ids = []
    for one in deliveries:
        values = one._asdict()
        del values["id"]
        inserted = transaction.connection.execute(webhook_delivery.insert().values(values)).inserted_primary_key
        assert inserted is not None
        ids.append(int(inserted[0]))
    return ids


def due_webhooks(transaction: Transaction, now_wall: float) -> tuple[int, ...]:
    """The endpoints, switched on, to which something is to be sent now."""
    query = (
        select(webhook_delivery.c.webhook_id)
        .distinct()
        .join(webhook, webhook_delivery.c.webhook_id == webhook.c.id)
        .where(webhook_delivery.c.next_try_at <= now_wall, webhook.c.enabled == 1)
        .order_by(webhook_delivery.c.webhook_id)
    )
    return tuple(transaction.connection.execute(query).scalars())


def due_deliveries(transaction: Transaction, webhook_id: int, now_wall: float, limit: int) -> tuple[Delivery, ...]:
    """What is to be sent to an endpoint now, the longest overdue first."""
    query = (
        select(webhook_delivery)
        .where(webhook_delivery.c.webhook_id == webhook_id, webhook_delivery.c.next_try_at <= now_wall)
        .order_by(webhook_delivery.c.next_try_at, webhook_delivery.c.id)
        .limit(limit)
    )
    return tuple(map(_delivery_of, transaction.connection.execute(query)))


def pending_counts(transaction: Transaction, webhook_ids: Sequence[int]) -> dict[int, int]:
    """How much waits to be sent, by endpoint."""
    query = (
        select(webhook_delivery.c.webhook_id, func.count())
        .where(webhook_delivery.c.webhook_id.in_(webhook_ids), webhook_delivery.c.next_try_at.is_not(None))
        .group_by(webhook_delivery.c.webhook_id)
    )
    return {row[0]: row[1] for row in transaction.connection.execute(query)}


def update_delivery(transaction: Transaction, delivery: Delivery) -> None:
    """Saves what became of an attempt."""
    values = {name: getattr(delivery, name) for name in ("next_try_at", "tries", "status", "failure", "tried_at")}
    transaction.connection.execute(webhook_delivery.update().where(webhook_delivery.c.id == delivery.id).values(values))


def read_deliveries(
    transaction: Transaction, webhook_id: int, limit: int, before_id: int | None = None
) -> tuple[Delivery, ...]:
    """An endpoint's, newest first."""
    query = select(webhook_delivery).where(webhook_delivery.c.webhook_id == webhook_id)
    if before_id is not None:
        query = query.where(webhook_delivery.c.id < before_id)
    query = query.order_by(webhook_delivery.c.id.desc()).limit(limit)
    return tuple(map(_delivery_of, transaction.connection.execute(query)))


def find_delivery(transaction: Transaction, delivery_id: int) -> Delivery | None:
    """By its id."""
    row = transaction.connection.execute(
        select(webhook_delivery).where(webhook_delivery.c.id == delivery_id)
    ).one_or_none()
    return _delivery_of(row) if row is not None else None


def give_up_deliveries(transaction: Transaction, webhook_id: int, why: str) -> None:
    """Nothing that waits for this endpoint is tried again by itself."""
    transaction.connection.execute(
        webhook_delivery.update()
        .where(webhook_delivery.c.webhook_id == webhook_id, webhook_delivery.c.next_try_at.is_not(None))
        .values(next_try_at=None, failure=why)
    )


def delete_old_deliveries(transaction: Transaction, before: float) -> int:
    """Forgets what was made before that moment and does not wait; gives how many."""
    return transaction.connection.execute(
        webhook_delivery.delete().where(
            webhook_delivery.c.created_at < before, webhook_delivery.c.next_try_at.is_(None)
        )
    ).rowcount


def _place(webhook_id: int) -> str:
    return f"webhook {webhook_id}"


def _webhook_of(row: Any) -> Webhook:
    return Webhook(
        row.id,
        row.account_id,
        row.url,
        tuple(row.events.split()),
        bool(row.enabled),
        row.created_at,
        row.failing_since,
        row.note,
        row.old_secret_until,
    )


def _delivery_of(row: Any) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery._fields})
