"""`sealtone person`, `sealtone account` and `sealtone owner-link`: who signs in to the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import accounts, people
from sealtone.admin.links import NewLink
from sealtone.admin.service import service_settings
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, moment, print_json
from sealtone.model import Account, Person
from sealtone.net import ControlError
from sealtone.net.control import ask
from sealtone.store import Transaction

app = typer.Typer(help="People of the panel: list, add, new password, enable, disable, operator.", no_args_is_help=True)
account_app = typer.Typer(help="Accounts: list, create, enable, disable.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="E-MAIL", help="Such as ann@example.org.", show_default=False)]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `sealtone account list` has it.", show_default=False)]
AccountOption = Annotated[int | None, typer.Option("--account", help="The account's number, where there are several.")]


def owner_link(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Make the link by which the first owner comes in; earlier ones work no longer."""
    made = change(data, lambda t, who, now: people.owner_link(t, now))
    if made is None:
        raise admin.Conflict(
            "There is an owner already. A link for a new password: sealtone person reset-password E-MAIL"
        )
    _show_link(data, f"welcome/{made.token}", made, "Open this within 24 hours, once:", as_json)


@app.command("list")
def list_people(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Everybody who may sign in to the panel."""

    def query(transaction: Transaction) -> tuple[tuple[Person, ...], dict[int, str]]:
        names = {account.id: account.name for account in accounts.list_accounts(transaction, actor())}
        return people.list_people(transaction, actor()), names

    found, names = look(data, query)
    if as_json:
        print_json([_row(person) for person in found])
        return
    table = Table("E-mail", "Name", "Account", "Role", "Signs in by", "State")
    for person in found:
        role = f"{person.role.value}, operator" if person.operator else person.role.value
        ways = "password + app" if person.has_totp else "password" if person.has_password else "passkey or link"
        state = "on" if person.enabled else "off"
        account = Text(f"{person.account_id} {names.get(person.account_id, '')}")
        table.add_row(person.email, Text(person.name), account, role, ways, state)
    console().print(table if found else "There is nobody yet. The first owner's link: sealtone owner-link")


@app.command()
def add(
    email: Email,
    name: Annotated[str, typer.Option("--name", help="What they are called; else the address.")] = "",
    role: Annotated[str, typer.Option(help="owner, admin or viewer.")] = "admin",
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add somebody, and print the link by which they set their password, once."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> tuple[Person, NewLink]:
        chosen = _one_of(transaction, who, account)
        return people.add_person(transaction, who, now_wall, chosen.id, email, name or email, role)

    person, made = change(data, use_case)
    _show_link(data, f"new-password/{made.token}", made, f"{person.email} sets a password here:", as_json, person)


@app.command("reset-password")
def reset_password(
    email: Email,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="App, passkeys and recovery codes are lost too: take them away.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Print a link by which somebody sets a new password within a day, once."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> tuple[Person, NewLink]:
        person = people.person_by_email(transaction, who, email)
        return person, people.password_link(transaction, who, now_wall, person.id, without_second_factor=second_factor)

    person, made = change(data, use_case)
    _show_link(data, f"new-password/{made.token}", made, f"{person.email} sets a new password here:", as_json, person)


@app.command()
def disable(email: Email, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Keep somebody out; their sessions end."""
    _switch(data, email, False, as_json)


@app.command()
def enable(email: Email, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Let somebody in again."""
    _switch(data, email, True, as_json)


@app.command()
def operator(
    email: Email,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether they may.")] = True,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Let an owner operate the service: its settings, and every account's state; or no more."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Person:
        person = people.person_by_email(transaction, who, email)
        return people.set_operator(transaction, who, now_wall, person.id, operator=on)

    person = change(data, use_case)
    if as_json:
        print_json(_row(person))
    else:
        console().print(f"{person.email} {'operates' if person.operator else 'does not operate'} the service.")


@account_app.command("list")
def list_accounts(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All accounts, and how large they are."""
    found = look(data, lambda transaction: accounts.list_all_accounts(transaction, actor()))
    if as_json:
        print_json(
            [
                _account_row(facts.account)
                | {"people": facts.people, "domains": facts.domains, "sip_users": facts.sip_users}
                for facts in found
            ]
        )
        return
    table = Table("Number", "Name", "People", "Domains", "SIP users", "State")
    for facts in found:
        sizes = (str(size) for size in (facts.people, facts.domains, facts.sip_users))
        table.add_row(str(facts.account.id), Text(facts.account.name), *sizes, "on" if facts.account.enabled else "off")
    console().print(table)


@account_app.command()
def create(
    name: Annotated[str, typer.Argument(help="What its people see it called.", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make an account; then add its owner: sealtone person add E-MAIL --role owner --account NUMBER."""
    account = change(data, lambda t, who, now: accounts.create_account(t, who, now, name))
    _say_account(account, "created", as_json)


@account_app.command("disable")
def disable_account(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """None of its people signs in, and none of its phones registers or calls."""
    account = change(data, lambda t, who, now: accounts.set_account_enabled(t, who, now, number, enabled=False))
    _say_account(account, "switched off", as_json)


@account_app.command("enable")
def enable_account(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """They do again."""
    account = change(data, lambda t, who, now: accounts.set_account_enabled(t, who, now, number, enabled=True))
    _say_account(account, "switched on", as_json)


def _switch(data: Path, email: str, enabled: bool, as_json: bool) -> None:
    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Person:
        person = people.person_by_email(transaction, who, email)
        return people.set_person_enabled(transaction, who, now_wall, person.id, enabled=enabled)

    person = change(data, use_case)
    if as_json:
        print_json(_row(person))
    else:
        console().print(f"{person.email} is switched {'on' if enabled else 'off'}.")


def _one_of(transaction: Transaction, who: admin.Actor, number: int | None) -> Account:
    found = [account for account in accounts.list_accounts(transaction, who) if number in (None, account.id)]
    if not found:
        raise admin.NotFound("There is no such account. `sealtone account list` lists them.")
    if len(found) > 1:
        raise admin.Conflict("There are several accounts: name one with --account. `sealtone account list` lists them.")
    return found[0]


def _show_link(data: Path, path: str, made: NewLink, words: str, as_json: bool, person: Person | None = None) -> None:
    url = _panel(data) + path
    if as_json:
        print_json({"link": url, "expires_at": made.link.expires_at} | (_row(person) if person is not None else {}))
        return
    out = console()
    out.print(words)
    out.print(Text(url, "bold cyan"), soft_wrap=True)
    out.print(Text(f"Shown only now; works once, until {moment(made.link.expires_at)}.", "dim"))


def _panel(data: Path) -> str:
    """The panel's address: as the running server has it, else by the public name."""
    try:
        address = str(ask(data, "status").get("panel", {}).get("address", ""))
    except ControlError:
        address = ""
    if address:
        return address
    name = look(data, service_settings).public_name
    return f"https://{name or 'ADDRESS-OF-THE-SERVER'}/"


def _say_account(account: Account, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_account_row(account))
    else:
        console().print(Text(f"Account {account.id} ({account.name}) {done}."))


def _account_row(account: Account) -> dict[str, Any]:
    return {"account": account.id, "name": account.name, "enabled": account.enabled}


def _row(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "account": person.account_id,
        "role": person.role.value,
        "operator": person.operator,
        "enabled": person.enabled,
        "has_password": person.has_password,
        "has_totp": person.has_totp,
    }
