"""Links that work once and for a while: first owner, invitations, e-mail addresses, new passwords, phones.

A token is kept as its SHA-256 alone. What a link carries is sealed (`content`), bound to its number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.store.database import Transaction
from sealtone.store.tables import one_time_link


class Link(NamedTuple):
    """A link that was made. Times are Unix seconds."""

    number: str
    """Names it in lists; opens nothing."""
    purpose: str
    account_id: int | None
    person_id: int | None
    subject: str
    """What it is for, as a person may see it: an e-mail address, a SIP user."""
    content: str
    """What it carries, opened; empty where it carries nothing."""
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None
    used_from: str = ""


def insert_link(transaction: Transaction, token_hash: bytes, link: Link) -> None:
    """Writes a new link, unused."""
    values: dict[str, Any] = link._asdict()
    values["content"] = transaction.vault.seal(link.content, _context(link.number)) if link.content else None
    transaction.connection.execute(one_time_link.insert().values(token_hash=token_hash, **values))


def find_open_link(transaction: Transaction, token_hash: bytes, purpose: str, now_wall: float) -> Link | None:
    """The link of that token, if it is for this purpose, not used and not expired."""
    query = select(one_time_link).where(
        one_time_link.c.token_hash == token_hash,
        one_time_link.c.purpose == purpose,
        one_time_link.c.used_at.is_(None),
        one_time_link.c.expires_at > now_wall,
    )
    row = transaction.connection.execute(query).one_or_none()
    return _link_of(transaction, row) if row is not None else None


def use_link(transaction: Transaction, number: str, now_wall: float, origin: str) -> bool:
    """Marks it used; False where somebody was faster, or it has expired."""
    used = transaction.connection.execute(
        one_time_link.update()
        .where(
            one_time_link.c.number == number,
            one_time_link.c.used_at.is_(None),
            one_time_link.c.expires_at > now_wall,
        )
        .values(used_at=now_wall, used_from=origin, content=None)
    )
    return used.rowcount == 1


def read_open_links(
    transaction: Transaction, purpose: str, now_wall: float, account_id: int | None = None, subject: str | None = None
) -> tuple[Link, ...]:
    """Those of a purpose that still work, newest first: of an account, for a subject, or all."""
    query = (
        select(one_time_link)
        .where(
            one_time_link.c.purpose == purpose,
            one_time_link.c.used_at.is_(None),
            one_time_link.c.expires_at > now_wall,
        )
        .order_by(one_time_link.c.created_at.desc(), one_time_link.c.number)
    )
    if account_id is not None:
        query = query.where(one_time_link.c.account_id == account_id)
    if subject is not None:
        query = query.where(one_time_link.c.subject == subject)
    return tuple(_link_of(transaction, row) for row in transaction.connection.execute(query))


def count_open_links(transaction: Transaction, purpose: str, now_wall: float) -> int:
    """How many of a purpose still work."""
    query = select(func.count()).where(
        one_time_link.c.purpose == purpose, one_time_link.c.used_at.is_(None), one_time_link.c.expires_at > now_wall
    )
    return int(transaction.connection.execute(query).scalar_one())


def delete_link(transaction: Transaction, number: str) -> None:
    """It works no longer, used or not."""
    transaction.connection.execute(one_time_link.delete().where(one_time_link.c.number == number))


def delete_links_of(transaction: Transaction, purpose: str, *, person_id: int | None = None) -> None:
    """Every link of a purpose, or a person's of it: a newer one takes their place."""
    statement = one_time_link.delete().where(one_time_link.c.purpose == purpose)
    if person_id is not None:
        statement = statement.where(one_time_link.c.person_id == person_id)
    transaction.connection.execute(statement)


def delete_expired_links(transaction: Transaction, expired_before: float) -> int:
    """Deletes what expired before that time, used or not; gives how many."""
    return transaction.connection.execute(
        one_time_link.delete().where(one_time_link.c.expires_at < expired_before)
    ).rowcount


def _context(number: str) -> str:
    return f"link {number} content"


def _link_of(transaction: Transaction, row: Any) -> Link:
    return Link(
        row.number,
        row.purpose,
        row.account_id,
        row.person_id,
        row.subject,
        transaction.vault.open_sealed(row.content, _context(row.number)) if row.content is not None else "",
        row.created_at,
        row.created_by,
        row.expires_at,
        row.used_at,
        row.used_from,
    )
