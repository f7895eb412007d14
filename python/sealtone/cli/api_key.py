"""`sealtone api-key`: what programs sign in with."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import api_keys as keys
from sealtone.admin.api_keys import Scope
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, moment, print_json
from sealtone.store import Transaction
from sealtone.store.api_keys import ApiKey

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
_DAY_S = 86_400.0
_ALL = ", ".join(scope.value for scope in Scope)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What uses it.", show_default=False)],
    scope: Annotated[list[str] | None, typer.Option("--scope", help=f"What it may do; repeatable: {_ALL}.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, max=36_500, help="How long it lives; else for good.")] = None,
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make an API key; prints it, once. Without --scope it can only look."""
    expires_at = None if days is None else time.time() + days * _DAY_S

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> keys.NewApiKey:
        owner = chosen_account(transaction, who, account)
        return keys.create_api_key(transaction, who, now_wall, name, scope or ["read"], expires_at, owner.id)

    made = change(data, use_case)
    if as_json:
        print_json(_row(made.key) | {"token": made.token})
        return
    console().print(f"API key {made.key.id} ({made.key.name}): {', '.join(made.key.scopes)}.")
    console().print(Text(made.token, "bold").append("   (shown only now)", "dim"))


@app.command("list")
def list_keys(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All API keys, without what authenticates them."""
    found = look(data, lambda transaction: keys.list_api_keys(transaction, actor()))
    if as_json:
        print_json([_row(key) for key in found])
        return
    table = Table("Number", "Account", "Name", "Key", "Scopes", "Last used", "Ends")
    for key in found:
        used = moment(key.used_at) if key.used_at is not None else "never"
        ends = moment(key.expires_at) if key.expires_at is not None else "never"
        table.add_row(
            str(key.id), str(key.account_id), Text(key.name), f"{key.shown}…", ", ".join(key.scopes), used, ends
        )
    console().print(table if found else "There is no API key yet. Make one with: sealtone api-key create NAME")


@app.command()
def revoke(
    key: Annotated[int, typer.Argument(help="Its number.", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """From now on the key opens nothing."""
    gone = change(data, lambda t, who, now: keys.revoke_api_key(t, who, now, key))
    if as_json:
        print_json(_row(gone))
    else:
        console().print(f"API key {gone.id} ({gone.name}) revoked.")


def _row(key: ApiKey) -> dict[str, Any]:
    return key._asdict() | {"scopes": list(key.scopes)}
