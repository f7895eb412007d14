"""Ending an account: everything of it goes, at once or, where it is much, within the hour."""

from __future__ import annotations

import os

from sqlalchemy import func, select

from sealtone.store.bindings import delete_bindings_of
from sealtone.store.database import Transaction
from sealtone.store.tables import (
    account,
    api_key,
    change_log,
    domain,
    idempotency,
    milestone,
    one_time_link,
    panel_session,
    passkey,
    person,
    recording,
    recovery_code,
    sip_user,
    webhook,
    webhook_delivery,
)

_ZID = 12  # octets of a ZRTP identifier (RFC 6189 4.9)


def count_running_recordings(transaction: Transaction, account_id: int) -> int:
    """How many files of it are being written now."""
    query = select(func.count()).where(recording.c.account_id == account_id, recording.c.ended_at.is_(None))
    return int(transaction.connection.execute(query).scalar_one())


def close_account(transaction: Transaction, account_id: int) -> None:
    """Deletes its people, domains, SIP users, keys, links and change log.

    What may be much is deleted in small steps by those who delete what is outdated: recordings are marked for that,
    and call records are kept for 0 days. Hence the account's row stays, without a name. Its ZID changes, so that the
    secrets that phones share with the old one are forgotten as those of an account that is gone.
    """
    connection = transaction.connection
    users = select(sip_user.c.username, domain.c.name).join(domain, sip_user.c.domain_id == domain.c.id)
    aors = [f"{row.username}@{row.name}" for row in connection.execute(users.where(domain.c.account_id == account_id))]
    delete_bindings_of(connection, aors)
    connection.execute(recording.update().where(recording.c.account_id == account_id).values(deleting=1))
    domains = select(domain.c.id).where(domain.c.account_id == account_id)
    people = select(person.c.id).where(person.c.account_id == account_id)
    webhooks = select(webhook.c.id).where(webhook.c.account_id == account_id)
    connection.execute(sip_user.delete().where(sip_user.c.domain_id.in_(domains)))
    connection.execute(webhook_delivery.delete().where(webhook_delivery.c.webhook_id.in_(webhooks)))
    for table in (panel_session, passkey, recovery_code):
        connection.execute(table.delete().where(table.c.person_id.in_(people)))
    for table in (domain, webhook, idempotency, api_key, one_time_link, milestone, person, change_log):
        connection.execute(table.delete().where(table.c.account_id == account_id))
    values = {"name": "", "enabled": 0, "keep_calls_days": 0, "recording_recipient": "", "zid": os.urandom(_ZID)}
    connection.execute(account.update().where(account.c.id == account_id).values(**values))
