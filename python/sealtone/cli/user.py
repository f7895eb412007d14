"""`sealtone user`: SIP users."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.model import Protection as ProtectionKind
from sealtone.model import SipUser
from sealtone.model import Strictness as StrictnessKind

app = typer.Typer(help="SIP users: list, add, change, new secret, delete.", no_args_is_help=True)
Aor = Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Such as 1000@office.example.", show_default=False)]
DisplayName = Annotated[str | None, typer.Option("--name", help="Shown to the phone that is called.")]
Protection = Annotated[str | None, typer.Option(help="Of the media: none, srtp or zrtp.")]
Strictness = Annotated[str | None, typer.Option(help="prefer, or require: no call without it.")]
Path = Annotated[
    str | None,
    typer.Option(
        help="Between two ZRTP phones: sealed (the server relays what it cannot decrypt), direct (each phone is shown "
        "the other's IP address), or server (which can listen). Transcoding and transfers need server."
    ),
]
Codecs = Annotated[str | None, typer.Option(help="In order, such as opus,PCMU; empty for all.")]
Contacts = Annotated[int | None, typer.Option("--phones", help="How many phones may be registered at once.")]
Language = Annotated[
    str | None, typer.Option(help="Of what the server says to this user: en, ru, or domain (as there).")
]
OwnSecret = Annotated[str | None, typer.Option("--secret", help="Instead of a generated one; 12 characters or more.")]

_STRICTNESS_WORDS = {StrictnessKind.PREFER: "preferred", StrictnessKind.REQUIRE: "required"}


@app.command("list")
def list_users(
    domain: Annotated[str | None, typer.Option(help="Of this domain only.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """All SIP users with their protection."""
    users = look(data, lambda transaction: admin.list_sip_users(transaction, actor(), domain))
    if as_json:
        print_json([_row(user) for user in users])
        return
    table = Table("SIP user", "Name", "Protection", "Codecs", "State")
    for user in users:
        table.add_row(user.aor, user.display_name, wish(user), ", ".join(user.codecs) or "all", _state(user))
    console().print(table if users else "There is no SIP user yet. Add one with: sealtone user add 1000@office.example")


@app.command()
def add(
    aor: Aor,
    name: DisplayName = None,
    protection: Protection = None,
    strictness: Strictness = None,
    path: Path = None,
    codecs: Codecs = None,
    phones: Contacts = None,
    language: Language = None,
    secret: OwnSecret = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add a SIP user; prints its secret, once."""
    form = admin.SipUserChange(name, protection, strictness, path, codecs, phones, language=language)
    _show_secret(
        change(data, lambda t, who, now: admin.create_sip_user(t, who, now, aor, form, secret)), "added", as_json
    )


@app.command("set")
def set_fields(
    aor: Aor,
    name: DisplayName = None,
    protection: Protection = None,
    strictness: Strictness = None,
    path: Path = None,
    codecs: Codecs = None,
    phones: Contacts = None,
    language: Language = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="May register and call.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change a SIP user; what is not named stays."""
    form = admin.SipUserChange(name, protection, strictness, path, codecs, phones, enabled, language)
    user = change(data, lambda t, who, now: admin.update_sip_user(t, who, now, aor, form))
    if as_json:
        print_json(_row(user))
    else:
        console().print(f"SIP user {user.aor}: {wish(user)}, {_state(user)}.")


@app.command("secret")
def new_secret(
    aor: Aor, secret: OwnSecret = None, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Give a SIP user a new secret; prints it, once."""
    made = change(data, lambda t, who, now: admin.set_secret(t, who, now, aor, secret))
    _show_secret(made, "has a new secret", as_json)


@app.command()
def delete(aor: Aor, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Delete a SIP user with its registrations."""
    user = change(data, lambda t, who, now: admin.delete_sip_user(t, who, now, aor))
    if as_json:
        print_json(_row(user))
    else:
        console().print(f"SIP user {user.aor} deleted.")


def wish(user: SipUser) -> str:
    """A user's protection in words."""
    if user.policy.protection is ProtectionKind.NONE:
        return "none"
    path = f", {user.policy.path.value}" if user.policy.wants_zrtp else ""
    return f"{user.policy.protection.value.upper()} {_STRICTNESS_WORDS[user.policy.strictness]}{path}"


def _state(user: SipUser) -> str:
    return "on" if user.enabled else "off"


def _show_secret(made: admin.NewSecret, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_row(made.user) | {"secret": made.secret})
        return
    out = console()
    out.print(f"SIP user {made.user.aor} {done}.")
    out.print(Text("Secret: ").append(made.secret, "bold").append("   (shown only now)", "dim"))


def _row(user: SipUser) -> dict[str, Any]:
    return {
        "user": user.aor,
        "name": user.display_name,
        "protection": user.policy.protection.value,
        "strictness": user.policy.strictness.value,
        "path": user.policy.path.value,
        "codecs": list(user.codecs),
        "phones": user.max_contacts,
        "language": user.language.value,
        "enabled": user.enabled,
    }
