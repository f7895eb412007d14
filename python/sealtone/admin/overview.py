"""What an account has, for the first page."""

from __future__ import annotations

from sealtone.admin.actor import Actor
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.store.totals import Totals, read_totals


def totals(transaction: Transaction, actor: Actor) -> Totals:
    """Of the actor's account; of all accounts for whoever operates the machine."""
    if actor.account_id is not None:
        actor.authorise(actor.account_id, "such account", Role.VIEWER)
    return read_totals(transaction, actor.account_id)
