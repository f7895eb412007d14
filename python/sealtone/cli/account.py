"""`sealtone account`: the accounts of the service, and who is invited to make one."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone.admin import accounts, sign_up
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, moment, print_json
from sealtone.cli.panel_link import show_link
from sealtone.model import Account

app = typer.Typer(
    help="Accounts: list, create, rename, enable, disable, close; invite somebody to make one.", no_args_is_help=True
)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `sealtone account list` has it.", show_default=False)]


@app.command("list")
def list_accounts(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All accounts, and how large they are."""
    found = look(data, lambda transaction: accounts.list_all_accounts(transaction, actor()))
    if as_json:
        print_json(
            [
                _row(facts.account) | {"people": facts.people, "domains": facts.domains, "sip_users": facts.sip_users}
                for facts in found
            ]
        )
        return
    table = Table("Number", "Name", "People", "Domains", "SIP users", "State")
    for facts in found:
        sizes = (str(size) for size in (facts.people, facts.domains, facts.sip_users))
        table.add_row(str(facts.account.id), Text(facts.account.name), *sizes, "on" if facts.account.enabled else "off")
    console().print(table)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What its people see it called.", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make an account; then add its owner: sealtone person add E-MAIL --role owner --account NUMBER."""
    made = change(data, lambda t, who, now: accounts.create_account(t, who, now, name))
    _say(made, "created", as_json)


@app.command()
def rename(
    number: Number,
    name: Annotated[str, typer.Argument(help="What its people see it called.", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Give an account another name."""
    _say(change(data, lambda t, who, now: accounts.rename_account(t, who, now, number, name)), "renamed", as_json)


@app.command("disable")
def disable(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """None of its people signs in, and none of its phones registers or calls."""
    account = change(data, lambda t, who, now: accounts.set_account_enabled(t, who, now, number, enabled=False))
    _say(account, "switched off", as_json)


@app.command("enable")
def enable(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """They do again."""
    account = change(data, lambda t, who, now: accounts.set_account_enabled(t, who, now, number, enabled=True))
    _say(account, "switched on", as_json)


@app.command()
def close(
    number: Number,
    name: Annotated[str, typer.Option(help="The account's name, exactly: so that no other is meant.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Delete an account with its people, domains, SIP users, call records and recordings, for good."""
    _say(change(data, lambda t, who, now: accounts.close_account(t, who, now, number, name)), "closed", as_json)


@app.command("second-factor")
def second_factor(
    number: Number,
    needed: Annotated[bool, typer.Option("--needed/--not-needed", help="Of everybody in it.")] = True,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Whether everybody in the account needs a second factor to sign in."""
    change(data, lambda t, who, now: accounts.set_second_factor_needed(t, who, now, number, needed=needed))
    console().print("Everybody in it needs a second factor." if needed else "Nobody in it needs a second factor.")


@app.command()
def invite(
    email: Annotated[str, typer.Argument(metavar="E-MAIL", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Print the link by which somebody makes an account of their own within a week, once."""
    made = change(data, lambda t, who, now: sign_up.invite_account(t, who, now, email))
    words = f"{made.link.subject} makes an account here:"
    show_link(data, f"invitation/{made.token}", made, words, as_json, {"number": made.link.number})


@app.command()
def invitations(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Who was invited to make an account, and has made none yet."""
    found = look(data, lambda transaction: sign_up.list_account_invitations(transaction, actor(), time.time()))
    if as_json:
        fields = ("number", "subject", "created_at", "created_by", "expires_at")
        print_json([{name: getattr(link, name) for name in fields} for link in found])
        return
    for link in found:
        console().print(f"{link.number}  {link.subject}, by {link.created_by}, until {moment(link.expires_at)}")
    if not found:
        console().print("Nobody is invited.")


@app.command("revoke-invitation")
def revoke_invitation(
    number: Annotated[str, typer.Argument(metavar="NUMBER", show_default=False)], data: DataOption = DEFAULT_DATA
) -> None:
    """Its link works no longer."""
    change(data, lambda t, who, now: sign_up.revoke_account_invitation(t, who, now, number))
    console().print("The invitation does not work any more.")


def _say(account: Account, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_row(account))
    else:
        console().print(Text(f"Account {account.id} ({account.name}) {done}."))


def _row(account: Account) -> dict[str, Any]:
    return {"account": account.id, "name": account.name, "enabled": account.enabled}
