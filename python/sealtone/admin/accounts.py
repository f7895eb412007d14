"""Listing accounts, and how long their call records are kept."""

from __future__ import annotations

from dataclasses import replace

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import NotFound
from sealtone.model import Account
from sealtone.store import Transaction
from sealtone.store import directory as rows


def list_accounts(transaction: Transaction, actor: Actor) -> tuple[Account, ...]:
    """The accounts that the actor may see."""
    return tuple(account for account in rows.read_accounts(transaction) if actor.account_id in (None, account.id))


def set_call_retention(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, days: str) -> Account:
    """Keeps call records for so many days, or "forever". Outdated ones are deleted within the hour, for good.

    Raises `InvalidInput`, `NotFound`.
    """
    actor.authorise(account_id, "such account")
    account = rows.find_account(transaction, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    wanted = fields.retention_days(days)
    if wanted != account.keep_calls_days:
        rows.update_account(transaction, account_id, keep_calls_days=wanted)
        change = rows.Change(
            now_wall,
            account_id,
            actor.name,
            actor.origin,
            "change",
            f"account {account.name}",
            {"keep_calls": fields.written_retention(account.keep_calls_days)},
            {"keep_calls": fields.written_retention(wanted)},
        )
        rows.append_change(transaction, change)
    return replace(account, keep_calls_days=wanted)
