"""How much an account has, counted by index."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select

from sealtone.store.changes import waiting_changes
from sealtone.store.database import Transaction
from sealtone.store.tables import domain, sip_user


class Totals(NamedTuple):
    """Of one account, or of all."""

    domains: int
    sip_users: int
    waiting_changes: int
    """Saved, and not yet taken up by the running server."""


def read_totals(transaction: Transaction, account_id: int | None = None) -> Totals:
    """Counts what there is."""
    domains = select(func.count()).select_from(domain)
    users = select(func.count()).select_from(sip_user.join(domain, domain.c.id == sip_user.c.domain_id))
    if account_id is not None:
        domains = domains.where(domain.c.account_id == account_id)
        users = users.where(domain.c.account_id == account_id)
    connection = transaction.connection
    return Totals(
        int(connection.execute(domains).scalar_one()),
        int(connection.execute(users).scalar_one()),
        waiting_changes(transaction, account_id),
    )
