"""`sealtone user import`, `export` and `bulk`: many SIP users at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import InvalidInput, SipUserChange
from sealtone.admin.sip_user_csv import MOST_OCTETS
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json

_STDIN = Path("-")
_SECRETS_MODE = 0o600

SecretsFile = Annotated[
    Path | None,
    typer.Option("--secrets", help="Write the new secrets into this CSV file (0600) in place of printing them."),
]


def export_users(
    domain: Annotated[str | None, typer.Option(help="Of this domain only.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Instead of standard output.")] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Write SIP users as CSV, without secrets."""
    text = look(data, lambda transaction: admin.export_csv(admin.list_sip_users(transaction, actor(), domain)))
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)
        console().print(f"Written: {output}")


def import_users(
    file: Annotated[Path, typer.Argument(help="A CSV file, or - for standard input.", allow_dash=True)],
    domain: Annotated[str, typer.Option(help="Of lines that name none.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
    secrets: SecretsFile = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add and change SIP users from CSV: all of it, or nothing."""
    text = _read(file)
    plan = look(data, lambda transaction: admin.plan_import(transaction, actor(), text, domain))
    if plan.errors:
        _print_errors(plan, as_json)
        raise typer.Exit(1)
    if check:
        _print_plan(plan, as_json)
        return
    with _secrets_file(secrets) as keep:
        done = change(data, lambda t, who, now: admin.import_users(t, who, now, text, domain))
        keep(done.secrets)
    if as_json:
        shown = [] if secrets is not None else [{"user": m.user.aor, "secret": m.secret} for m in done.secrets]
        print_json({"created": done.created, "changed": done.changed, "secrets": shown})
        return
    console().print(f"{done.created} SIP users added, {done.changed} changed.")
    _print_secrets(done.secrets, secrets)


def add_many(
    numbers: Annotated[list[str], typer.Argument(help="Ranges and names: 1000-1049 2000 anna.", show_default=False)],
    domain: Annotated[str, typer.Option(help="Of all of them.", show_default=False)],
    name: Annotated[str, typer.Option(help="Of each; {number} stands for its user name.")] = "",
    protection: Annotated[str, typer.Option(help="none, srtp or zrtp.")] = "srtp",
    strictness: Annotated[str, typer.Option(help="prefer or require.")] = "prefer",
    codecs: Annotated[str, typer.Option(help="Best first; empty for all.")] = "",
    secrets: SecretsFile = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add many SIP users of one domain, each with a secret of its own: all of them, or none."""
    form = SipUserChange(protection=protection, strictness=strictness, codecs=codecs)
    with _secrets_file(secrets) as keep:
        made = change(
            data, lambda t, who, now: admin.create_sip_users(t, who, now, domain, " ".join(numbers), form, name)
        )
        keep(made)
    if as_json:
        print_json([{"user": m.user.aor} | ({"secret": m.secret} if secrets is None else {}) for m in made])
        return
    console().print(f"{len(made)} SIP users added.")
    _print_secrets(made, secrets)


def _read(file: Path) -> str:
    try:
        octets = sys.stdin.buffer.read(MOST_OCTETS + 1) if file == _STDIN else file.read_bytes()
        return octets.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput("file", "{file} cannot be read: {why}.", file=file, why=error.strerror or error) from error
    except UnicodeDecodeError:
        raise InvalidInput("file", "The file is not UTF-8. Save it as “CSV UTF-8”.") from None


@contextmanager
def _secrets_file(path: Path | None) -> Iterator[Callable[[tuple[admin.NewSecret, ...]], None]]:
    """The file for secrets, made before anything is saved, so that no secret is lost for want of a place."""
    if path is None:
        yield lambda made: None
        return
    try:
        path.touch(mode=_SECRETS_MODE, exist_ok=False)
    except OSError as error:
        raise InvalidInput(
            "secrets", "{file} cannot be made: {why}.", file=path, why=error.strerror or error
        ) from error
    try:
        yield lambda made: _write(path, admin.secrets_csv(made))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def _print_secrets(made: tuple[admin.NewSecret, ...], file: Path | None) -> None:
    if not made:
        return
    if file is not None:
        console().print(f"Their secrets are in {file}. They are kept nowhere else.")
        return
    table = Table("SIP user", "Secret (shown only now)")
    for one in made:
        table.add_row(one.user.aor, Text(one.secret, "bold"))
    console().print(table)


def _print_errors(plan: admin.ImportPlan, as_json: bool) -> None:
    if as_json:
        print_json({"errors": [{"line": one.line, "error": str(one.error)} for one in plan.errors]})
        return
    table = Table("Line", "What is wrong")
    for one in plan.errors:
        table.add_row(str(one.line), str(one.error))
    console().print(table)
    console().print("Nothing was imported.")


def _print_plan(plan: admin.ImportPlan, as_json: bool) -> None:
    if as_json:
        print_json([line._asdict() for line in plan.lines])
        return
    table = Table("Line", "SIP user", "What")
    for line in plan.lines:
        fields = "; ".join(f"{name}: {line.before[name] or '–'} → {line.after[name] or '–'}" for name in line.before)
        secret = ["a secret from the file"] if line.sets_secret and line.action != "same" else []
        words = {"create": "added", "same": "stays as it is"}.get(line.action, fields)
        table.add_row(str(line.line), line.aor, "; ".join(filter(None, [words, *secret])))
    console().print(table)
    counts = {"create": "to be added", "change": "to be changed", "same": "as they are"}
    console().print(", ".join(f"{plan.count(action)} {words}" for action, words in counts.items()) + ".")
