"""API keys as rows, and the answers kept so that a request sent twice is done once. Of a key only its hash is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.model import Role
from sealtone.store.database import Transaction
from sealtone.store.tables import account, api_key, idempotency, person


class ApiKey(NamedTuple):
    """An API key without what authenticates it. Times are Unix seconds."""

    id: int
    account_id: int
    person_id: int | None
    """Who made it; None for a key that was made on the command line."""
    name: str
    shown: str
    """Its first characters, by which a person recognises it."""
    scopes: tuple[str, ...]
    created_at: float
    used_at: float | None = None
    expires_at: float | None = None


class KeyHolder(NamedTuple):
    """A key with what bounds it: its account and the person who made it, as they are now."""

    key: ApiKey
    account_enabled: bool
    person_email: str = ""
    person_role: Role | None = None
    """None where there is no such person (any more) in the key's account, or they are switched off."""
    person_operates: bool = False


class KeptAnswer(NamedTuple):
    """What is known of a request that was sent with an idempotency key."""

    request_hash: bytes
    status: int | None
    """None while the first of them is still being worked on."""
    headers: dict[str, str]
    body: bytes
    created_at: float


def insert_api_key(transaction: Transaction, key: ApiKey, key_hash: bytes) -> int:
    """Gives the new key's id; the one in `key` is not looked at."""
    values = key._asdict() | {"scopes": " ".join(key.scopes), "key_hash": key_hash}
    del values["id"]
    inserted = transaction.connection.execute(api_key.insert().values(values)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def read_api_keys(transaction: Transaction, account_id: int | None = None) -> tuple[ApiKey, ...]:
    """An account's, or all; oldest first."""
    query = select(api_key).order_by(api_key.c.id)
    if account_id is not None:
        query = query.where(api_key.c.account_id == account_id)
    return tuple(map(_key_of, transaction.connection.execute(query)))


def find_api_key(transaction: Transaction, key_id: int) -> ApiKey | None:
    """By its id."""
    row = transaction.connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    return _key_of(row) if row is not None else None


def count_api_keys(transaction: Transaction, account_id: int) -> int:
    """How many an account has."""
    query = select(func.count()).select_from(api_key).where(api_key.c.account_id == account_id)
    return int(transaction.connection.execute(query).scalar_one())


def find_holder(transaction: Transaction, key_hash: bytes) -> KeyHolder | None:
    """The key of that hash, and whom it stands for."""
    query = (
        select(
            api_key,
            account.c.enabled.label("account_enabled"),
            person.c.email,
            person.c.role,
            person.c.operator,
            person.c.enabled.label("person_enabled"),
            person.c.account_id.label("person_account_id"),
        )
        .join(account, api_key.c.account_id == account.c.id)
        .outerjoin(person, api_key.c.person_id == person.c.id)
        .where(api_key.c.key_hash == key_hash)
    )
    row = transaction.connection.execute(query).one_or_none()
    if row is None:
        return None
    known = row.person_enabled and row.person_account_id == row.account_id
    return KeyHolder(
        _key_of(row),
        bool(row.account_enabled),
        row.email or "",
        Role(row.role) if known else None,
        bool(known and row.operator),
    )


def delete_api_key(transaction: Transaction, key_id: int) -> None:
    """Forgets a key: from now on it opens nothing."""
    transaction.connection.execute(api_key.delete().where(api_key.c.id == key_id))


def touch_api_key(transaction: Transaction, key_id: int, now_wall: float) -> None:
    """Notes when a key was used last."""
    transaction.connection.execute(api_key.update().where(api_key.c.id == key_id).values(used_at=now_wall))


def find_answer(transaction: Transaction, account_id: int, key: str) -> KeptAnswer | None:
    """What is known of an idempotency key. Raises `KeyFileError` when its answer does not open."""
    query = select(idempotency).where(idempotency.c.account_id == account_id, idempotency.c.key == key)
    row = transaction.connection.execute(query).one_or_none()
    if row is None:
        return None
    headers: dict[str, str] = {}
    body = ""
    if row.answer is not None:
        headers, body = json.loads(transaction.vault.open_sealed(row.answer, _place(account_id, key)))
    return KeptAnswer(row.request_hash, row.status, headers, body.encode(), row.created_at)


def begin_answer(transaction: Transaction, account_id: int, key: str, request_hash: bytes, now_wall: float) -> None:
    """The first request with an idempotency key is being worked on."""
    values = {"account_id": account_id, "key": key, "request_hash": request_hash, "created_at": now_wall}
    transaction.connection.execute(idempotency.insert().values(values))


def keep_answer(
    transaction: Transaction, account_id: int, key: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Keeps an answer, sealed: it may hold a secret that is shown once."""
    sealed = transaction.vault.seal(json.dumps([headers, body.decode()]), _place(account_id, key))
    transaction.connection.execute(
        idempotency.update()
        .where(idempotency.c.account_id == account_id, idempotency.c.key == key)
        .values(status=status, answer=sealed)
    )


def forget_answer(transaction: Transaction, account_id: int, key: str) -> None:
    """The request changed nothing: it may be sent again."""
    transaction.connection.execute(
        idempotency.delete().where(idempotency.c.account_id == account_id, idempotency.c.key == key)
    )


def forget_old_answers(transaction: Transaction, before: float) -> int:
    """Deletes what was kept before that moment; gives how many."""
    return transaction.connection.execute(idempotency.delete().where(idempotency.c.created_at < before)).rowcount


def count_answers(transaction: Transaction, account_id: int) -> int:
    """How many answers are kept for an account."""
    query = select(func.count()).select_from(idempotency).where(idempotency.c.account_id == account_id)
    return int(transaction.connection.execute(query).scalar_one())


def delete_keys_of(transaction: Transaction, account_ids: Iterable[int]) -> None:
    """Everything here of accounts that are being deleted."""
    ids = list(account_ids)
    transaction.connection.execute(idempotency.delete().where(idempotency.c.account_id.in_(ids)))
    transaction.connection.execute(api_key.delete().where(api_key.c.account_id.in_(ids)))


def _place(account_id: int, key: str) -> str:
    return f"idempotency {account_id} {key}"


def _key_of(row: Any) -> ApiKey:
    return ApiKey(
        row.id,
        row.account_id,
        row.person_id,
        row.name,
        row.shown,
        tuple(row.scopes.split()),
        row.created_at,
        row.used_at,
        row.expires_at,
    )
