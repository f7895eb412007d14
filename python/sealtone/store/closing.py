"""Ending an account: everything of it goes, at once or, where it is much, within the hour."""

from __future__ import annotations

import os

from sqlalchemy import Table, func, select

from sealtone.store.bindings import delete_bindings_of
from sealtone.store.database import Transaction
from sealtone.store.tables import account, domain, last_seen, metadata, person, recording, sip_user, webhook

_ZID = 12  # octets of a ZRTP identifier (RFC 6189 4.9)
_AT_ONCE = 500  # names in one statement
_LATER = ("account", "call_record", "recording")


def count_running_recordings(transaction: Transaction, account_id: int) -> int:
    """How many files of it are being written now."""
    query = select(func.count()).where(recording.c.account_id == account_id, recording.c.ended_at.is_(None))
    return int(transaction.connection.execute(query).scalar_one())


def close_account(transaction: Transaction, account_id: int) -> None:
    """Deletes its people, domains, SIP users, keys, links and change log: whatever table names it, or something of it.

    What may be much is deleted in small steps by those who delete what is outdated: recordings are marked for that,
    and call records are kept for 0 days. Hence the account's row stays, without a name. Its ZID changes, so that the
    secrets that phones share with the old one are forgotten as those of an account that is gone.
    """
    connection = transaction.connection
    users = select(sip_user.c.username, domain.c.name).join(domain, sip_user.c.domain_id == domain.c.id)
    aors = [f"{row.username}@{row.name}" for row in connection.execute(users.where(domain.c.account_id == account_id))]
    delete_bindings_of(connection, aors)
    for start in range(0, len(aors), _AT_ONCE):
        connection.execute(last_seen.delete().where(last_seen.c.aor.in_(aors[start : start + _AT_ONCE])))
    connection.execute(recording.update().where(recording.c.account_id == account_id).values(deleting=1))
    for table in reversed(metadata.sorted_tables):  # what points to something goes before it
        if table.name not in _LATER:
            _delete_of(transaction, table, account_id)
    values = {"name": "", "enabled": 0, "keep_calls_days": 0, "recording_recipient": "", "zid": os.urandom(_ZID)}
    connection.execute(account.update().where(account.c.id == account_id).values(**values))


def _delete_of(transaction: Transaction, table: Table, account_id: int) -> None:
    owners = {"domain_id": domain, "person_id": person, "webhook_id": webhook}
    if "account_id" in table.c:
        transaction.connection.execute(table.delete().where(table.c.account_id == account_id))
        return
    for name, owner in owners.items():
        if name in table.c:
            of_account = select(owner.c.id).where(owner.c.account_id == account_id)
            transaction.connection.execute(table.delete().where(table.c[name].in_(of_account)))
