"""`sealtone user`: SIP users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.cli import user_files
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.model import Protection as ProtectionKind
from sealtone.model import SipUser
from sealtone.model import Strictness as StrictnessKind
from sealtone.net import ControlError
from sealtone.net.control import ask
from sealtone.sdp.catalogue import CATALOGUE, DEFAULT_ORDER, listed

app = typer.Typer(
    help="SIP users: list, show, add one or many, change, new secret, delete, CSV files.", no_args_is_help=True
)
app.command("bulk")(user_files.add_many)
app.command("export")(user_files.export_users)
app.command("import")(user_files.import_users)
Aor = Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Such as 1000@office.example.", show_default=False)]
DisplayName = Annotated[str | None, typer.Option("--name", help="Shown to the phone that is called.")]
Protection = Annotated[str | None, typer.Option(help="Of the media: none, srtp or zrtp.")]
Strictness = Annotated[str | None, typer.Option(help="prefer, or require: no call without it.")]
MediaPath = Annotated[
    str | None,
    typer.Option(
        help="Between two ZRTP phones: sealed (the server relays what it cannot decrypt), direct (each phone is shown "
        "the other's IP address), or server (which can listen). Transcoding and transfers need server."
    ),
]
Codecs = Annotated[
    str | None,
    typer.Option(
        help=f"Best first, such as opus,g722,pcma; empty for all. There are {listed(CATALOGUE)}.", show_default=False
    ),
]
Contacts = Annotated[int | None, typer.Option("--phones", help="How many phones may be registered at once.")]
Recording = Annotated[
    str | None, typer.Option("--recording", help="Of its calls: never, always, on-demand (*1), or domain (as there).")
]
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
    path: MediaPath = None,
    codecs: Codecs = None,
    phones: Contacts = None,
    recording: Recording = None,
    language: Language = None,
    secret: OwnSecret = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add a SIP user; prints its secret, once."""
    form = admin.SipUserChange(
        name, protection, strictness, path, codecs, phones, recording=recording, language=language
    )
    made = change(data, lambda t, who, now: admin.create_sip_user(t, who, now, aor, form, secret))
    _show_secret(made, "added", as_json, _missing(data, made.user) if codecs else [])


@app.command("set")
def set_fields(
    aor: Aor,
    name: DisplayName = None,
    protection: Protection = None,
    strictness: Strictness = None,
    path: MediaPath = None,
    codecs: Codecs = None,
    phones: Contacts = None,
    recording: Recording = None,
    language: Language = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="May register and call.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change a SIP user; what is not named stays."""
    form = admin.SipUserChange(
        name, protection, strictness, path, codecs, phones, enabled, recording=recording, language=language
    )
    user = change(data, lambda t, who, now: admin.update_sip_user(t, who, now, aor, form))
    missing = _missing(data, user) if codecs else []
    if as_json:
        print_json(_row(user) | ({"warnings": missing} if missing else {}))
        return
    console().print(f"SIP user {user.aor}: {wish(user)}, {_state(user)}.")
    for warning in missing:
        console().print(Text(warning, "yellow"))


@app.command()
def show(aor: Aor, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """One SIP user with all its fields."""
    user = look(data, lambda transaction: admin.user_of(transaction, actor(), aor))
    missing = _missing(data, user)
    if as_json:
        print_json(_row(user) | ({"warnings": missing} if missing else {}))
        return
    table = Table.grid(padding=(0, 2))
    rows = (
        ("SIP user", user.aor),
        ("name", user.display_name),
        ("protection", wish(user)),
        ("codecs", ", ".join(user.codecs) or f"any; the server offers {', '.join(DEFAULT_ORDER)}"),
        ("language", _with_origin(user.language.value, user.own_language is None)),
        ("recording", _with_origin(user.recording.policy.value, user.recording.own is None)),
        ("phones", f"at most {user.max_contacts}"),
        ("state", _state(user)),
    )
    for name, value in rows:
        if value:
            table.add_row(Text(name, "dim"), Text(value))
    console().print(table)
    for warning in missing:
        console().print(Text(warning, "yellow"))


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


def _with_origin(value: str, of_domain: bool) -> str:
    return f"{value}, as in its domain" if of_domain else value


def _state(user: SipUser) -> str:
    return "on" if user.enabled else "off"


def _missing(data: Path, user: SipUser) -> list[str]:
    """Which of a user's codecs the running server cannot convert, and why; nothing where none runs to be asked."""
    try:
        here: dict[str, str] = ask(data, "status").get("codecs") or {}
    except ControlError:
        return []
    found: list[str] = []
    for name in user.codecs:
        why = here.get(name.partition("/")[0].lower(), "")
        if why:
            found.append(
                f"{name} cannot be converted on this machine ({why}). It still passes between two phones that have it."
            )
    return found


def _show_secret(made: admin.NewSecret, done: str, as_json: bool, warnings: Sequence[str] = ()) -> None:
    if as_json:
        print_json(_row(made.user) | {"secret": made.secret} | ({"warnings": warnings} if warnings else {}))
        return
    out = console()
    out.print(f"SIP user {made.user.aor} {done}.")
    for warning in warnings:
        out.print(Text(warning, "yellow"))
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
        "recording": user.recording.policy.value,
    }
