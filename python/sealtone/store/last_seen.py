"""When a SIP user's phone was heard of last, for users that have none registered now.

Written when a registration ends, not when it is refreshed: that would double what a REGISTER costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy
from sqlalchemy import select

from sealtone.registrar import Binding
from sealtone.store.tables import last_seen

_NOTE = sqlalchemy.text(
    "INSERT INTO last_seen (aor, at, transport, received_host, user_agent)"
    " VALUES (:aor, :at, :transport, :received_host, :user_agent)"
    " ON CONFLICT (aor) DO UPDATE SET at = excluded.at, transport = excluded.transport,"
    " received_host = excluded.received_host, user_agent = excluded.user_agent"
)


class LastSeen(NamedTuple):
    """A phone's last REGISTER before its registration ended."""

    at: float
    transport: str
    host: str
    user_agent: str


def note_last_seen(connection: sqlalchemy.Connection, ended: Iterable[Binding]) -> None:
    """The registrations of these have ended; of several of one user, the last given counts."""
    for old in ended:
        connection.execute(
            _NOTE,
            {
                "aor": old.aor,
                "at": old.registered_at,
                "transport": old.transport,
                "received_host": old.received[0],
                "user_agent": old.user_agent,
            },
        )


def read_last_seen(connection: sqlalchemy.Connection, aors: Iterable[str]) -> dict[str, LastSeen]:
    """Of those of these users whose phones have been registered, and are no more."""
    rows = connection.execute(select(last_seen).where(last_seen.c.aor.in_(list(aors))))
    return {row.aor: LastSeen(row.at, row.transport, row.received_host, row.user_agent) for row in rows}


def forget_last_seen(connection: sqlalchemy.Connection, aors: Iterable[str]) -> None:
    """These users are gone."""
    connection.execute(last_seen.delete().where(last_seen.c.aor.in_(list(aors))))
