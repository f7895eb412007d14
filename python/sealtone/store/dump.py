"""The whole database as lines of text, and back: for backups, and for moving between SQLite and PostgreSQL.

A table is a line with its columns, then a line a row, in JSON; octets stand as ``{"b": base64}``. What was dumped by an
older version is loaded as that version had it and then migrated, as its own database would have been.
"""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Integer, MetaData, Table, func, select

from sealtone.store.database import Database, Transaction, create_at
from sealtone.store.errors import StoreError
from sealtone.store.location import PostgresLocation
from sealtone.store.tables import metadata

_NOT_DUMPED = frozenset({"panel_session", "one_time_link", "idempotency"})
"""Signs somebody in, or is over within the day."""
_ROWS_AT_ONCE = 500


def dumped_tables() -> tuple[str, ...]:
    """Their names, each after those that it refers to."""
    return tuple(table.name for table in metadata.sorted_tables if table.name not in _NOT_DUMPED)


def dump_table(transaction: Transaction, name: str) -> Iterator[bytes]:
    """The lines of a table, as it is at the transaction's beginning."""
    table = metadata.tables[name]
    yield _line([column.name for column in table.columns])
    rows = transaction.connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
    for row in rows:
        yield _line([_written(value) for value in row])


def load_database(
    folder: Path,
    schema: str,
    tables: Iterable[tuple[str, Iterable[bytes]]],
    place: PostgresLocation | None = None,
) -> None:
    """Fills a new database, in `folder` or at `place`, from a dump of that schema, then migrates it.

    `folder` has its key file already.

    Raises `StoreError` where the dump is of a newer version or does not fit; then nothing usable is left there.
    """
    engine = create_at(folder, schema, place)
    try:
        with engine.begin() as connection:
            present = MetaData()
            with warnings.catch_warnings():
                # Of an index over an expression; only columns matter here.
                warnings.simplefilter("ignore", sqlalchemy.exc.SAWarning)
                present.reflect(connection)
            for name, lines in tables:
                table = present.tables.get(name)
                if table is None:
                    raise StoreError(f"The backup has a table {name} that its schema {schema} does not know.")
                _load(connection, table, iter(lines))
    except (ValueError, KeyError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise StoreError(f"The backup's database cannot be read: {error}.") from error
    finally:
        engine.dispose()
    Database(folder, place).close()


def _load(connection: sqlalchemy.Connection, table: Table, lines: Iterator[bytes]) -> None:
    columns = json.loads(next(lines, b"[]"))
    while some := list(islice(lines, _ROWS_AT_ONCE)):
        rows = [dict(zip(columns, map(_read, json.loads(line)), strict=True)) for line in some]
        connection.execute(table.insert(), rows)
    if connection.dialect.name == "postgresql" and "id" in table.c and isinstance(table.c.id.type, Integer):
        # Rows came with their numbers; the next one made here has to be another.
        highest = connection.execute(select(func.max(table.c.id))).scalar()
        if highest is not None:
            connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), highest)))


def _written(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def _read(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
