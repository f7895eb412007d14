"""Which account a command is about, where it matters: the only one, or the one that is named."""

from __future__ import annotations

from typing import Annotated

import typer

from sealtone import admin
from sealtone.model import Account
from sealtone.store import Transaction

AccountOption = Annotated[int | None, typer.Option("--account", help="The account's number, where there are several.")]


def chosen_account(transaction: Transaction, who: admin.Actor, number: int | None) -> Account:
    """Raises `NotFound`, `Conflict` where there are several and none is named."""
    present = admin.list_accounts(transaction, who)
    if not present:
        raise admin.NotFound("There is no account yet. Start the server once: sealtone serve")
    found = [account for account in present if number in (None, account.id)]
    if not found:
        raise admin.NotFound("There is no such account. `sealtone account list` lists them.")
    if len(found) > 1:
        raise admin.Conflict("There are several accounts: name one with --account. `sealtone account list` lists them.")
    return found[0]
