"""`sealtone backup` and `sealtone restore`: the whole service in one file, and back."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.table import Table

from sealtone.admin import backup as backups
from sealtone.admin.backup_wishes import check_passphrase
from sealtone.admin.recording_seal import read_identities
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, console, opened, print_json
from sealtone.config import configured_database

_PASSPHRASE = "SEALTONE_BACKUP_PASSPHRASE"


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; there must be none of that name.")],
    recipient: Annotated[str, typer.Option(help="Seal it to this public key of age (age1…).")] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Do not seal it: whoever reads it has every key.")] = False,
    recordings: Annotated[bool, typer.Option("--recordings", help="With the recordings, sealed as they are.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Everything of a data folder in one file, while the server runs.

    It is sealed by a passphrase that is asked for, or taken from SEALTONE_BACKUP_PASSPHRASE.
    """
    if recipient and plain:
        raise typer.BadParameter("--recipient seals the backup and --plain does not: choose one.")
    passphrase = "" if recipient or plain else _new_passphrase()
    with opened(data) as database:
        made = backups.make_backup(
            data.absolute(),
            database,
            file.absolute(),
            recipient=recipient,
            passphrase=passphrase,
            recordings=recordings,
            now_wall=time.time(),
        )
    _show(made, f"Written to {file}", as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file of `sealtone backup`.")],
    identity: Annotated[Path | None, typer.Option(help="The key file, where it was sealed to a public key.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read it, every octet, and say what it holds.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Makes a new data folder of a backup, of this or an older version. It must not exist yet, or be empty."""

    def identities() -> list[backups.Identity]:
        if identity is None:
            raise backups.BackupError("This backup was sealed to a public key: name the key file with --identity.")
        return read_identities(identity, lambda: _asked("Passphrase of the key file"))

    def passphrase() -> str:
        return _asked("Passphrase of the backup")

    if check:
        _show(backups.read_backup(file, identities, passphrase), f"{file} is whole", as_json=as_json)
        return
    restored = backups.restore_backup(file, data.absolute(), identities, passphrase, configured_database)
    _show(restored, f"Restored to {data}", as_json=as_json)
    if not as_json:
        console().print(f"Start it with: sealtone serve --data {quote(str(data))}", soft_wrap=True)


def _new_passphrase() -> str:
    chosen = os.environ.get(_PASSPHRASE) or _asked("Passphrase for the backup", again=True)
    check_passphrase(chosen)
    return chosen


def _asked(what: str, *, again: bool = False) -> str:
    given = os.environ.get(_PASSPHRASE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise backups.BackupError(f"There is nobody to ask for the passphrase. Set {_PASSPHRASE}.")
    answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=again)
    return answer


def _show(contents: backups.Contents, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(contents._asdict())
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(done, "")
    table.add_row("Made", f"{contents.made_at} by Sealtone {contents.version}")
    rows = contents.rows
    counted = {"account": "accounts", "domain": "domains", "sip_user": "SIP users", "call_record": "call records"}
    table.add_row("Holds", ", ".join(f"{rows.get(name, 0):,} {words}" for name, words in counted.items()))
    kept = "with" if contents.recordings else "without"
    table.add_row("", f"{contents.files} files of keys, certificates and settings, {kept} recordings")
    table.add_row("Size", f"{contents.octets:,} octets")
    console().print(table)
