"""Registered contacts, so that phones need not register again after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import select

from sealtone.registrar import Binding
from sealtone.store.last_seen import forget_last_seen, note_last_seen
from sealtone.store.statements import run
from sealtone.store.tables import binding

_PATH_SEPARATOR = "\n"  # cannot stand in a header value

_COLUMNS = tuple(column.name for column in binding.columns)
_REMOVE = "DELETE FROM binding WHERE aor = ? AND key = ?"
_ROWS_A_STATEMENT = 32


class BindingChange(NamedTuple):
    """What one registration changes; those removed go before those saved."""

    saved: Sequence[Binding] = ()
    removed: Sequence[Binding] = ()


def write_bindings(connection: sqlalchemy.Connection, changes: Iterable[BindingChange]) -> None:
    """Writes what a sequence of changes comes to, each contact once."""
    final: dict[tuple[str, str], Binding | None] = {}
    ended: dict[str, Binding] = {}
    for change in changes:
        for old in change.removed:
            final[old.aor, old.key] = None
            ended[old.aor] = old
        for new in change.saved:
            final[new.aor, new.key] = new
    gone = [place for place, new in final.items() if new is None]
    if gone:
        run(connection, _REMOVE, gone)
        note_last_seen(connection, ended.values())
    rows = [_row(new) for new in final.values() if new is not None]
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        run(connection, _save_statement(len(some)), tuple(value for row in some for value in row))


@lru_cache(maxsize=_ROWS_A_STATEMENT)
def _save_statement(rows: int) -> str:
    row = f"({', '.join('?' * len(_COLUMNS))})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in ("aor", "key"))
    # Only names of our own columns stand in the text; every value is a parameter.
    return (
        f"INSERT INTO binding ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)} "  # noqa: S608
        f"ON CONFLICT (aor, key) DO UPDATE SET {changed}"
    )


def read_bindings(connection: sqlalchemy.Connection, now_wall: float) -> tuple[Binding, ...]:
    """Every binding that has not expired. Their flows are gone."""
    rows = connection.execute(select(binding).where(binding.c.expires_at > now_wall))
    return tuple(_binding_of(row) for row in rows)


def read_bindings_of(connection: sqlalchemy.Connection, aors: Iterable[str], now_wall: float) -> tuple[Binding, ...]:
    """The bindings of some users that have not expired, the latest refreshed first. Their flows are not known here."""
    query = select(binding).where(binding.c.aor.in_(list(aors)), binding.c.expires_at > now_wall)
    return tuple(_binding_of(row) for row in connection.execute(query.order_by(binding.c.registered_at.desc())))


def delete_expired(connection: sqlalchemy.Connection, now_wall: float) -> int:
    """Deletes what has expired; gives how many."""
    rows = connection.execute(select(binding).where(binding.c.expires_at <= now_wall).order_by(binding.c.registered_at))
    note_last_seen(connection, [_binding_of(row) for row in rows])
    return connection.execute(binding.delete().where(binding.c.expires_at <= now_wall)).rowcount


def delete_bindings_of(connection: sqlalchemy.Connection, aors: Iterable[str]) -> None:
    """Deletes the bindings of SIP users that are gone, and when their phones were seen."""
    gone = list(aors)
    connection.execute(binding.delete().where(binding.c.aor.in_(gone)))
    forget_last_seen(connection, gone)


def _row(new: Binding) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    return (
        new.aor,
        new.key,
        new.contact,
        new.call_id,
        new.cseq,
        new.expires_at,
        new.registered_at,
        new.transport,
        new.received[0],
        new.received[1],
        new.q,
        _PATH_SEPARATOR.join(new.path),
        new.instance,
        new.reg_id,
        new.user_agent,
    )


def _binding_of(row: Any) -> Binding:
    return Binding(
        aor=row.aor,
        contact=row.contact,
        call_id=row.call_id,
        cseq=row.cseq,
        expires_at=row.expires_at,
        registered_at=row.registered_at,
        transport=row.transport,
        received=(row.received_host, row.received_port),
        flow=None,
        q=row.q,
        path=tuple(row.path.split(_PATH_SEPARATOR)) if row.path else (),
        instance=row.instance,
        reg_id=row.reg_id,
        user_agent=row.user_agent,
    )
