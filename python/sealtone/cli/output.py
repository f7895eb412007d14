"""What every command shares: its options, the data folder, and printing for people or as JSON."""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from sealtone.admin import Actor
from sealtone.config import configured_database, default_data_folder
from sealtone.net import ControlError
from sealtone.net.control import ask
from sealtone.store import Database, Transaction
from sealtone.store.database import is_in

Result = TypeVar("Result")

DataOption = Annotated[
    Path, typer.Option("--data", envvar="SEALTONE_DATA", help="The server's data folder.", show_default="data")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of words.")]
DEFAULT_DATA = default_data_folder()


class NoData(Exception):
    """The data folder holds no database."""


def console() -> Console:
    """For people, on standard output; without colours when that is no terminal.

    Text is printed as it stands: in ``[fd00::a:1]:5061``, and in what people call things, Rich would find mark-up.
    """
    return Console(highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def printable(text: str) -> str:
    """Text that came from the network, without what could steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


@contextmanager
def opened(data: Path) -> Iterator[Database]:
    """The database of a data folder that has one. Raises `NoData`, `StoreError`, `ConfigError`."""
    place = configured_database(data)
    if not is_in(data, place):
        raise NoData(
            f"{data.absolute()} holds no Sealtone data. Name the data folder with --data or SEALTONE_DATA, "
            f"or make one by starting the server: sealtone serve"
        )
    database = Database(data, place)
    try:
        yield database
    finally:
        database.close()


def change(data: Path, use_case: Callable[[Transaction, Actor, float], Result]) -> Result:
    """Runs a use case in one transaction and lets a running server know."""
    with opened(data) as database, database.write() as transaction:
        result = use_case(transaction, actor(), time.time())
    with suppress(ControlError):  # none is running, or it looks for itself a moment later
        ask(data, "reload")
    return result


def look(data: Path, query: Callable[[Transaction], Result]) -> Result:
    """Reads from the database."""
    with opened(data) as database, database.read() as transaction:
        return query(transaction)


def actor() -> Actor:
    """Whoever runs the command; behind sudo the person, not root."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except OSError:
        name = str(os.getuid())
    return Actor(name, "command line")


def duration(seconds: float) -> str:
    """``0:42``, ``1:02:03``; ``0:00`` where the clock was set back since."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(wall: float) -> str:
    """A time of today as ``14:05:09``, another with its date."""
    then = time.localtime(wall)
    form = "%H:%M:%S" if then[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M:%S"
    return time.strftime(form, then)
