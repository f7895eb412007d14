"""`sealtone person` and `sealtone owner-link`: who signs in to the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import accounts, people
from sealtone.admin.links import NewLink
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.cli.panel_link import show_link
from sealtone.model import Person
from sealtone.store import Transaction

app = typer.Typer(
    help="People of the panel: list, add, role, new password, enable, disable, remove, operator.", no_args_is_help=True
)

Email = Annotated[str, typer.Argument(metavar="E-MAIL", help="Such as ann@example.org.", show_default=False)]


def owner_link(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Make the link by which the first owner comes in; earlier ones work no longer."""
    made = change(data, lambda t, who, now: people.owner_link(t, now))
    if made is None:
        raise admin.Conflict(
            "There is an owner already. A link for a new password: sealtone person reset-password E-MAIL"
        )
    show_link(data, f"welcome/{made.token}", made, "Open this within 24 hours, once:", as_json)


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
        chosen = chosen_account(transaction, who, account)
        return people.add_person(transaction, who, now_wall, chosen.id, email, name or email, role)

    person, made = change(data, use_case)
    show_link(data, f"new-password/{made.token}", made, f"{person.email} sets a password here:", as_json, _row(person))


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
    show_link(
        data, f"new-password/{made.token}", made, f"{person.email} sets a new password here:", as_json, _row(person)
    )


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


@app.command()
def role(
    email: Email,
    role: Annotated[str, typer.Argument(help="owner, admin or viewer.", show_default=False)],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What somebody may do in their account from now on; they sign in again, and their API keys follow."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Person:
        person = people.person_by_email(transaction, who, email)
        return people.change_role(transaction, who, now_wall, person.id, role)

    person = change(data, use_case)
    if as_json:
        print_json(_row(person))
    else:
        console().print(f"{person.email} is {person.role.value} now.")


@app.command()
def remove(email: Email, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Take somebody out of their account; the API keys they made open nothing any more."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Person:
        person = people.person_by_email(transaction, who, email)
        return people.remove_person(transaction, who, now_wall, person.id)

    person = change(data, use_case)
    if as_json:
        print_json(_row(person))
    else:
        console().print(f"{person.email} is removed.")


def _switch(data: Path, email: str, enabled: bool, as_json: bool) -> None:
    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Person:
        person = people.person_by_email(transaction, who, email)
        return people.set_person_enabled(transaction, who, now_wall, person.id, enabled=enabled)

    person = change(data, use_case)
    if as_json:
        print_json(_row(person))
    else:
        console().print(f"{person.email} is switched {'on' if enabled else 'off'}.")


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
