"""`sealtone changes`: the change log, and taking a change back."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.cli.output import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    actor,
    change,
    console,
    look,
    moment,
    print_json,
    printable,
)
from sealtone.store.changes import ChangeFilter, LoggedChange

app = typer.Typer(help="The change log: list, show, take back.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `sealtone changes list` shows it.")]
_COLOURS = {"done": "green", "failed": "red", "applying": "yellow", "pending": "dim"}


@app.command("list")
def list_changes(
    text: Annotated[str, typer.Option("--find", help="In what was changed, by whom, or where from.")] = "",
    state: Annotated[str, typer.Option(help="pending, applying, done or failed.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 30,
    before: Annotated[int | None, typer.Option(help="Older than this number.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The latest changes, with how far the server has taken them up."""
    wanted = ChangeFilter(state=state, text=text, limit=limit, before_id=before)
    page = look(data, lambda transaction: admin.page_of_changes(transaction, actor(), wanted))
    if as_json:
        print_json([_row(one) for one in page.changes])
        return
    table = Table("No.", "When", "Who", "What", "State")
    for one in page.changes:
        state_text = Text(one.state, _COLOURS[one.state])
        if one.failure:
            state_text.append(f" {printable(one.failure)}", "default")
        table.add_row(
            str(one.id),
            moment(one.at),
            printable(f"{one.actor} ({one.origin})"),
            printable(f"{one.action} {one.subject}{_fields(one)}"),
            state_text,
        )
    console().print(table if page.changes else "There is no such change.")
    if page.before_id is not None:
        console().print(f"Older ones: sealtone changes list --before {page.before_id}")


@app.command()
def show(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """One change, field by field, and what taking it back would do."""
    found, reversal = look(
        data,
        lambda transaction: (
            one := admin.change_of(transaction, actor(), number),
            admin.reversal_of(transaction, actor(), one),
        ),
    )
    if as_json:
        print_json(
            _row(found)
            | {
                "reverting_sets": reversal.fields,
                "reverting_deletes": reversal.deletes,
                "obstacles": list(map(str, reversal.obstacles)),
            }
        )
        return
    out = console()
    out.print(printable(f"{found.action} {found.subject}, by {found.actor} from {found.origin}, {moment(found.at)}"))
    out.print(Text(found.state, _COLOURS[found.state]).append(f" {printable(found.failure)}"))
    table = Table("Field", "Before", "After")
    for name in found.after or found.before:
        table.add_row(name, printable(found.before.get(name, "")), printable(found.after.get(name, "")))
    out.print(table)
    for name, value in reversal.fields.items():
        out.print(f"Taking it back would set {name} to “{printable(value)}”.")
    if reversal.deletes:
        out.print(f"Taking it back would delete {reversal.deletes}.")
    for obstacle in reversal.obstacles:
        out.print(Text(str(obstacle), "yellow"))


@app.command()
def revert(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Take a change back, as a new change, as far as its fields are still as it left them."""
    made = change(data, lambda t, who, now: admin.revert_change(t, who, now, number))
    if as_json:
        print_json({"change": made, "reverts": number})
    else:
        console().print(f"Change {number} was taken back by change {made}.")


def _fields(one: LoggedChange) -> str:
    if one.action != "change":
        return ""
    return ": " + ", ".join(f"{name} {one.before.get(name) or '–'} → {one.after[name] or '–'}" for name in one.after)


def _row(one: LoggedChange) -> dict[str, Any]:
    return one._asdict()
