"""What has happened in an account for the first time, and what its tables tell of that."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select

from sealtone.model import CallState
from sealtone.store.database import Transaction
from sealtone.store.tables import account, binding, call_record, domain, milestone, sip_user

_LATEST_CALLS = 500
"""How many call records are looked at: an account with a million of others has long begun."""


def read_milestones(transaction: Transaction, account_id: int) -> dict[str, float]:
    """When what happened first, Unix seconds by name."""
    query = select(milestone.c.name, milestone.c.at).where(milestone.c.account_id == account_id)
    return {row.name: row.at for row in transaction.connection.execute(query)}


def write_milestone(transaction: Transaction, account_id: int, name: str, at: float) -> None:
    """Notes it, unless it is noted already."""
    if name not in read_milestones(transaction, account_id):
        transaction.connection.execute(milestone.insert().values(account_id=account_id, name=name, at=at))


def delete_milestone(transaction: Transaction, account_id: int, name: str) -> None:
    """Forgets it."""
    transaction.connection.execute(
        milestone.delete().where(milestone.c.account_id == account_id, milestone.c.name == name)
    )


def accounts_without(transaction: Transaction, names: tuple[str, ...], limit: int) -> tuple[int, ...]:
    """Accounts in which none of these has happened, the newest first."""
    reached = select(milestone.c.account_id).where(milestone.c.name.in_(names))
    query = select(account.c.id).where(account.c.id.not_in(reached)).order_by(account.c.id.desc()).limit(limit)
    return tuple(transaction.connection.execute(query).scalars())


def first_domain(transaction: Transaction, account_id: int) -> tuple[str, float] | None:
    """The account's oldest domain, and when it was made."""
    query = select(domain.c.name, domain.c.created_at).where(domain.c.account_id == account_id).order_by(domain.c.id)
    row = transaction.connection.execute(query.limit(1)).one_or_none()
    return (row.name, row.created_at) if row is not None else None


def first_user(transaction: Transaction, account_id: int) -> tuple[str, float] | None:
    """The AOR of the account's oldest SIP user, and when it was made."""
    query = (
        select(sip_user.c.username, domain.c.name, sip_user.c.created_at)
        .join(domain, sip_user.c.domain_id == domain.c.id)
        .where(domain.c.account_id == account_id)
        .order_by(sip_user.c.id)
    )
    row = transaction.connection.execute(query.limit(1)).one_or_none()
    return (f"{row.username}@{row.name}", row.created_at) if row is not None else None


def first_registration(transaction: Transaction, account_id: int) -> float | None:
    """When the first of the account's phones that are registered now did so."""
    aor = sip_user.c.username + "@" + domain.c.name
    query = (
        select(func.min(binding.c.registered_at))
        .select_from(sip_user.join(domain, sip_user.c.domain_id == domain.c.id).join(binding, binding.c.aor == aor))
        .where(domain.c.account_id == account_id)
    )
    at: float | None = transaction.connection.execute(query).scalar()
    return at


def first_call(transaction: Transaction, account_id: int, *, protected: bool) -> float | None:
    """When the first answered call among the latest ones was; `protected`: that was encrypted on every side."""
    latest = (
        select(call_record.c.answered_at, call_record.c.state)
        .where(call_record.c.account_id == account_id)
        .order_by(call_record.c.started_at.desc())
        .limit(_LATEST_CALLS)
        .subquery()
    )
    wanted: list[ColumnElement[bool]] = [latest.c.answered_at.is_not(None)]
    if protected:
        wanted.append(latest.c.state != CallState.OPEN.value)
    at: float | None = transaction.connection.execute(select(func.min(latest.c.answered_at)).where(*wanted)).scalar()
    return at
