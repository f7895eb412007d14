"""`sealtone domain`: SIP domains."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from sealtone import admin
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.model import Domain
from sealtone.store import Transaction

app = typer.Typer(help="SIP domains: list, add, change, enable, disable, delete.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Such as office.example.", show_default=False)]


@app.command("list")
def list_domains(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All domains with the number of their SIP users."""

    def query(transaction: Transaction) -> list[dict[str, Any]]:
        users = admin.list_sip_users(transaction, actor())
        domains = admin.list_domains(transaction, actor())
        return [_row(domain) | {"users": sum(user.domain == domain.name for user in users)} for domain in domains]

    rows = look(data, query)
    if as_json:
        print_json(rows)
        return
    table = Table(Column("Domain", overflow="fold"), "SIP users", "Language", "Music on hold", "Open notice", "State")
    for row in rows:
        music, state = ("on" if row[name] else "off" for name in ("music_on_hold", "enabled"))
        table.add_row(row["name"], str(row["users"]), row["language"], music, _notice(row), state)
    console().print(table if rows else "There is no domain yet. Add one with: sealtone domain add office.example")


@app.command()
def add(
    name: Name, account: AccountOption = None, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Add a domain that you answer for: it counts at once. For a name to be proven by DNS: sealtone domain park."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> Domain:
        return admin.create_domain(transaction, who, now_wall, name, chosen_account(transaction, who, account).id)

    _say(change(data, use_case), "added", as_json)


@app.command("set")
def set_fields(
    name: Name,
    language: Annotated[str | None, typer.Option(help="Of what the server says to its phones: en or ru.")] = None,
    music_on_hold: Annotated[
        bool | None,
        typer.Option(
            "--music-on-hold/--no-music-on-hold",
            help="Whoever is put on hold by its users hears music. Never in sealed or direct calls.",
        ),
    ] = None,
    open_notice: Annotated[
        str | None,
        typer.Option(help="Before a call is connected whose other side is not encrypted: off, tone or notice."),
    ] = None,
    open_notice_to: Annotated[
        str | None, typer.Option(help="Who hears it: caller, or both (the called one too, of an open caller).")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change what the server says and plays to the domain's phones; what is not named stays."""
    form = admin.DomainChange(language, music_on_hold, open_notice, open_notice_to)
    domain = change(data, lambda t, who, now: admin.update_domain(t, who, now, name, form))
    if as_json:
        print_json(_row(domain))
        return
    row = _row(domain)
    music = "music" if row["music_on_hold"] else "no music"
    console().print(f"Domain {domain.name}: language {row['language']}, {music} on hold, open notice: {_notice(row)}.")


@app.command()
def enable(name: Name, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Let the domain's users register and call again."""
    _say(
        change(data, lambda t, who, now: admin.set_domain_enabled(t, who, now, name, enabled=True)),
        "switched on",
        as_json,
    )


@app.command()
def disable(name: Name, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Let nobody in the domain register or call."""
    _say(
        change(data, lambda t, who, now: admin.set_domain_enabled(t, who, now, name, enabled=False)),
        "switched off",
        as_json,
    )


@app.command()
def delete(
    name: Name,
    with_users: Annotated[bool, typer.Option("--with-users", help="Delete its SIP users too.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Delete a domain."""
    gone = change(data, lambda t, who, now: admin.delete_domain(t, who, now, name, with_users=with_users))
    _say(gone, "deleted", as_json)


def _say(domain: Domain, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_row(domain))
    else:
        console().print(f"Domain {domain.name} {done}.")


def _row(domain: Domain) -> dict[str, Any]:
    wishes = domain.announcements
    return {
        "name": domain.name,
        "enabled": domain.enabled,
        "language": wishes.language.value,
        "music_on_hold": wishes.music_on_hold,
        "open_notice": wishes.open_notice.value,
        "open_notice_to": wishes.open_notice_to.value,
    }


def _notice(row: dict[str, Any]) -> str:
    notice: str = row["open_notice"]
    return notice if notice == "off" else f"{notice} to {row['open_notice_to']}"
