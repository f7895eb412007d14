"""SIP users a page at a time, found by what a person looks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from sealtone.model import SipUser
from sealtone.store.database import Transaction
from sealtone.store.directory import USER_COLUMNS, user_of_row
from sealtone.store.statements import lowered
from sealtone.store.tables import account, binding, domain, sip_user


class UserFilter(NamedTuple):
    """Which SIP users, and where the page begins; what is empty or None narrows nothing."""

    account_id: int | None = None
    domain: str = ""
    text: str = ""
    """Stands in the address or in the display name, in any case."""
    state: str = ""
    """`online`, `offline` (switched on, no phone registered) or `off` (switched off)."""
    protection: str = ""
    after: tuple[str, str] | None = None
    """Domain and user name of the last one on the page before."""
    limit: int = 50


class UserPage(NamedTuple):
    """One page, by domain and name."""

    users: tuple[SipUser, ...]
    after: tuple[str, str] | None
    """Where the next page begins; None where there is none."""


def read_user_page(transaction: Transaction, wanted: UserFilter, now_wall: float) -> UserPage:
    """At most `limit` SIP users. Raises `KeyFileError` when their secrets do not open."""
    query = (
        select(*USER_COLUMNS)
        .join(domain, sip_user.c.domain_id == domain.c.id)
        .join(account)
        .where(*_conditions(wanted, now_wall))
        .order_by(domain.c.name, sip_user.c.username)
        .limit(wanted.limit + 1)
    )
    if wanted.after is not None:
        name, username = wanted.after
        query = query.where(
            or_(domain.c.name > name, and_(domain.c.name == name, sip_user.c.username > username)),
        )
    users = tuple(user_of_row(transaction, row) for row in transaction.connection.execute(query))
    page = users[: wanted.limit]
    is_last = len(users) <= wanted.limit
    return UserPage(page, None if is_last else (page[-1].domain, page[-1].username))


def count_users(transaction: Transaction, account_id: int) -> int:
    """How many SIP users an account has."""
    query = select(func.count()).select_from(sip_user.join(domain)).where(domain.c.account_id == account_id)
    return transaction.connection.execute(query).scalar() or 0


def usernames_in(transaction: Transaction, domain_id: int) -> frozenset[str]:
    """The user parts that are taken in a domain."""
    rows = transaction.connection.execute(select(sip_user.c.username).where(sip_user.c.domain_id == domain_id))
    return frozenset(rows.scalars())


def secrets_set_at(transaction: Transaction, user_ids: Iterable[int]) -> dict[int, float]:
    """When each of these users was given its present secret, Unix seconds."""
    rows = transaction.connection.execute(
        select(sip_user.c.id, sip_user.c.secret_set_at).where(sip_user.c.id.in_(list(user_ids)))
    )
    return {row.id: row.secret_set_at for row in rows}


def _conditions(wanted: UserFilter, now_wall: float) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        found.append(domain.c.account_id == wanted.account_id)
    if wanted.domain:
        found.append(domain.c.name == wanted.domain)
    if wanted.protection:
        found.append(sip_user.c.protection == wanted.protection)
    if wanted.text:
        address: Any = sip_user.c.username + "@" + domain.c.name
        text = wanted.text.lower()
        found.append(
            or_(
                lowered(address).contains(text, autoescape=True),
                lowered(sip_user.c.display_name).contains(text, autoescape=True),
            )
        )
    if wanted.state == "off":
        found.append(sip_user.c.enabled == 0)
    elif wanted.state in ("online", "offline"):
        registered = exists().where(
            binding.c.aor == sip_user.c.username + "@" + domain.c.name, binding.c.expires_at > now_wall
        )
        found.append(registered if wanted.state == "online" else and_(~registered, sip_user.c.enabled == 1))
    return found
