"""`sealtone config`: what the service is set up as, as YAML."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sealtone import admin
from sealtone.admin.configuration import ConfigurationError, Taken, preview_import
from sealtone.cli.output import DEFAULT_DATA, DataOption, actor, console, look, opened, printable
from sealtone.net import ControlError
from sealtone.net.control import ask

app = typer.Typer(help="Accounts, domains and SIP users as YAML: export, import.", no_args_is_help=True)


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; without it, standard output.")] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With what phones prove their secrets by: keep the file like them.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Writes accounts, domains and SIP users as YAML."""
    text = look(data, lambda found: admin.export_configuration(found, actor(), with_secrets=with_secrets))
    if file is None:
        sys.stdout.write(text)
        return
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise ConfigurationError("{file} was not written: {why}.", file=file, why=error.strerror) from error


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="As `sealtone config export` writes it; - is standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Makes what is missing and changes what differs, all or nothing. Nothing is deleted.

    New users that come without secrets get one, which is shown once.
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("{file} cannot be read: {why}.", file=file, why=error) from error
    take = preview_import if dry_run else admin.import_configuration
    with opened(data) as database, database.write() as transaction:
        taken = take(transaction, actor(), time.time(), text)
    if taken.changes and not dry_run:
        with suppress(ControlError):  # none is running, or it looks for itself a moment later
            ask(data, "reload")
    _show(taken, dry_run=dry_run)


def _show(taken: Taken, *, dry_run: bool) -> None:
    out = console()
    if not taken.changes:
        out.print("Nothing differs from the file.")
        return
    table = Table("What", "", "Before", "After", title="Would change" if dry_run else "Changed", title_justify="left")
    for change in taken.changes:
        named = [name for name in (*change.before, *change.after) if name]
        for number, name in enumerate(dict.fromkeys(named)):
            head = (change.action, change.subject) if number == 0 else ("", "")
            before, after = change.before.get(name, ""), change.after.get(name, "")
            table.add_row(printable(" ".join(head)), name, printable(before), printable(after))
    out.print(table)
    if taken.secrets and not dry_run:
        secrets = Table("SIP user", "Secret", title="Secrets, shown only now", title_justify="left")
        for made in taken.secrets:
            secrets.add_row(made.user.aor, made.secret)
        out.print(secrets)
    elif taken.secrets:
        out.print(f"{len(taken.secrets)} new users would get secrets of their own.")
