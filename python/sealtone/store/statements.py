"""SQL where the two back ends differ in their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, String, Table, and_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

LAST = "\U0010ffff"
"""Sorts after any text that does not begin with it."""


class lowered(GenericFunction[str]):
    """Text in lower case, of any script; `str.lower` makes what to compare it with."""

    type = String()
    inherit_cache = True
    name = "lower"


@compiles(lowered, "postgresql")
def _lowered_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    # By the database's own collation: that of the columns knows of English letters alone.
    return f'lower(({compiler.process(element.clauses, **options)}) COLLATE "default")'


def upsert(connection: sqlalchemy.Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what happens to a row that is there already."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def run(connection: sqlalchemy.Connection, statement: str, values: Sequence[Any]) -> None:
    """Runs a statement written with ``?`` as the driver wants it: for hot paths, where building one costs too much.

    `values` are those of one row, or a list of rows. No other question mark may stand in the statement.
    """
    if connection.dialect.paramstyle != "qmark":
        statement = statement.replace("?", "%s")
    connection.exec_driver_sql(statement, values)


def begins_with(column: ColumnElement[str], beginning: str) -> ColumnElement[bool]:
    """Text that begins so, upper and lower case apart. An index on the column serves it, as it would not serve LIKE."""
    return and_(column >= beginning, column < beginning + LAST)
