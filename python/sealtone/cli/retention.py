"""`sealtone retention`: how long call records are kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from sealtone import admin
from sealtone.admin.fields import written_retention
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.model import Account
from sealtone.store import Transaction


def retention(
    days: Annotated[str | None, typer.Argument(help="Keep call records for so many days, or: forever.")] = None,
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """How long call records are kept, by account. Outdated ones are deleted within the hour, for good."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> tuple[Account, ...]:
        chosen = chosen_account(transaction, who, account)
        return (admin.set_call_retention(transaction, who, now_wall, chosen.id, days or ""),)

    if days is None:
        accounts = look(data, lambda transaction: admin.list_accounts(transaction, actor()))
    else:
        accounts = change(data, use_case)
    if as_json:
        print_json([_row(each) for each in accounts])
        return
    table = Table("Account", "Name", "Call records are kept")
    for each in accounts:
        table.add_row(str(each.id), each.name, written_retention(each.keep_calls_days))
    console().print(table)


def _row(account: Account) -> dict[str, Any]:
    return {"account": account.id, "name": account.name, "keep_calls_days": account.keep_calls_days}
