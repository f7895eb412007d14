"""Text that came from phones, as a database takes it.

What phones write need not be UTF-8: older ones name themselves in Latin-1. Such octets pass through as surrogates (PEP
383), which neither SQLite nor PostgreSQL stores. A call must not go without its record for that, nor a phone be kept
from registering, so that they are replaced here, on the way of every statement.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy
from sqlalchemy import event

_SURROGATE = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    """The text, with a replacement character for each octet that was not UTF-8."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def make_storable(engine: sqlalchemy.Engine) -> None:
    """Has every parameter of every statement of an engine made storable."""
    event.listen(engine, "before_cursor_execute", _before_execute, retval=True)


def _before_execute(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    if executemany:
        return statement, [_row(row) for row in parameters]
    return statement, _row(parameters)


def _row(values: Any) -> Any:
    """The values of a row, the same object where nothing had to change."""
    each = values.values() if isinstance(values, dict) else values
    for value in each:
        if type(value) is str and not value.isascii():
            break
    else:
        return values
    if isinstance(values, dict):
        return {name: storable(value) if type(value) is str else value for name, value in values.items()}
    return tuple([storable(value) if type(value) is str else value for value in values])
