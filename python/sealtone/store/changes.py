"""The change log: what was changed, by whom, and how far a running server has taken it up.

A change is `pending` when it is committed, `applying` while the server loads what it changed, and then `done`, or
`failed` with the reason; one that failed is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select

from sealtone.store.database import Transaction
from sealtone.store.statements import lowered
from sealtone.store.tables import change_log

PENDING, APPLYING, DONE, FAILED = "pending", "applying", "done", "failed"
STATES = (PENDING, APPLYING, DONE, FAILED)
ACTIONS = ("create", "change", "delete")


class LoggedChange(NamedTuple):
    """A row of the change log. `before` and `after` map fields to what a person may see; secrets come masked."""

    id: int
    at: float
    account_id: int | None
    actor: str
    origin: str
    action: str
    subject: str
    before: dict[str, str]
    after: dict[str, str]
    state: str
    settled_at: float | None
    failure: str
    """Why it failed, as a sentence; empty where it did not."""
    reverts: int | None
    """The change that this one took back."""
    reverted_by: int | None


class ChangeFilter(NamedTuple):
    """Which changes, newest first; what is empty or None narrows nothing."""

    account_id: int | None = None
    state: str = ""
    action: str = ""
    text: str = ""
    """Stands in what was changed, in who did it, or in where from, in any case."""
    subject: str = ""
    """Exactly what was changed, such as ``SIP user 1000@office.example``."""
    since: float | None = None
    until: float | None = None
    before_id: int | None = None
    limit: int = 50


class ChangePage(NamedTuple):
    """One page."""

    changes: tuple[LoggedChange, ...]
    before_id: int | None
    """Where the next page begins; None where there is none."""


class Settled(NamedTuple):
    """A change that the server has taken up, or could not."""

    id: int
    account_id: int | None
    state: str


def read_change_page(transaction: Transaction, wanted: ChangeFilter) -> ChangePage:
    """At most `limit` changes."""
    query = select(*_COLUMNS).where(*_conditions(wanted)).order_by(change_log.c.id.desc()).limit(wanted.limit + 1)
    found = tuple(_change_of(row) for row in transaction.connection.execute(query))
    page = found[: wanted.limit]
    return ChangePage(page, page[-1].id if len(found) > wanted.limit else None)


def find_change(transaction: Transaction, change_id: int) -> LoggedChange | None:
    """By its number."""
    row = transaction.connection.execute(select(*_COLUMNS).where(change_log.c.id == change_id)).one_or_none()
    return _change_of(row) if row is not None else None


def mark_reverting(transaction: Transaction, change_id: int, after_id: int, account_id: int | None) -> int | None:
    """Of what an account changed after `after_id`, the newest took back `change_id`; gives its number."""
    query = select(func.max(change_log.c.id)).where(change_log.c.id > after_id, change_log.c.account_id == account_id)
    newest: int | None = transaction.connection.execute(query).scalar()
    if newest is not None:
        transaction.connection.execute(change_log.update().where(change_log.c.id == newest).values(reverts=change_id))
    return newest


def begin_applying(transaction: Transaction) -> tuple[int, ...]:
    """Whatever waits, or failed before, is being taken up now; gives which changes these are."""
    waiting = select(change_log.c.id).where(change_log.c.state.in_((PENDING, APPLYING, FAILED)))
    ids = tuple(transaction.connection.execute(waiting).scalars())
    _set(transaction, ids, state=APPLYING)
    return ids


def settle(transaction: Transaction, ids: Sequence[int], now_wall: float, failure: str = "") -> tuple[Settled, ...]:
    """These changes are in force, or could not be taken up because of `failure`."""
    state = FAILED if failure else DONE
    _set(transaction, ids, state=state, failure=failure, settled_at=now_wall)
    accounts: dict[int, int | None] = {}
    for some in _parts(ids):
        rows = transaction.connection.execute(
            select(change_log.c.id, change_log.c.account_id).where(change_log.c.id.in_(some))
        )
        accounts |= {row.id: row.account_id for row in rows}
    return tuple(Settled(change_id, account_id, state) for change_id, account_id in accounts.items())


def waiting_changes(transaction: Transaction, account_id: int | None = None) -> int:
    """How many changes are not in force."""
    query = select(func.count()).where(change_log.c.state.in_((PENDING, APPLYING, FAILED)))
    if account_id is not None:
        query = query.where(change_log.c.account_id == account_id)
    return transaction.connection.execute(query).scalar() or 0


_AT_ONCE = 500  # far below the most parameters that a statement may have


def _set(transaction: Transaction, ids: Sequence[int], **values: Any) -> None:
    for some in _parts(ids):
        transaction.connection.execute(change_log.update().where(change_log.c.id.in_(some)).values(**values))


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]


_later = change_log.alias("later")
_COLUMNS = (
    change_log,
    select(func.min(_later.c.id)).where(_later.c.reverts == change_log.c.id).scalar_subquery().label("reverted_by"),
)


def _conditions(wanted: ChangeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        found.append(change_log.c.account_id == wanted.account_id)
    if wanted.state:
        found.append(change_log.c.state == wanted.state)
    if wanted.action:
        found.append(change_log.c.action == wanted.action)
    if wanted.subject:
        found.append(change_log.c.subject == wanted.subject)
    if wanted.text:
        text = wanted.text.lower()
        columns = (change_log.c.subject, change_log.c.actor, change_log.c.origin)
        found.append(or_(*(lowered(column).contains(text, autoescape=True) for column in columns)))
    if wanted.since is not None:
        found.append(change_log.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(change_log.c.at < wanted.until)
    if wanted.before_id is not None:
        found.append(change_log.c.id < wanted.before_id)
    return found


def _change_of(row: Any) -> LoggedChange:
    return LoggedChange(
        row.id,
        row.at,
        row.account_id,
        row.actor,
        row.origin,
        row.action,
        row.subject,
        json.loads(row.before),
        json.loads(row.after),
        row.state,
        row.settled_at,
        row.failure,
        row.reverts,
        row.reverted_by,
    )
