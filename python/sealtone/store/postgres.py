"""What PostgreSQL wants otherwise than SQLite: connections, one writer at a time, and the order of text.

Rules:

1. Writers take one lock, as those of SQLite do: what a use case has read within its transaction is still so when it
   commits, also beside the command line and other nodes. Readers wait for nobody; a transaction that reads sees one
   moment.
2. Text is compared octet by octet (collation "C"), so that order and ranges are those of SQLite, and an index serves
   them.
3. A committed transaction is on the disk.
4. A connection to a server that is gone is noticed within seconds, and the next one is made when it is needed.
"""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import event

from sealtone.store.errors import StoreError
from sealtone.store.location import PostgresLocation
from sealtone.store.tables import metadata

OLDEST = 13
"""The major version that is needed at least."""
_WAIT_MS = 5000
_LOCK = 0x5EA170E
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf8",
    "application_name": "sealtone",
}
_SETTINGS = {
    "lock_timeout": str(_WAIT_MS),
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
_VARCHAR = "varchar"


class _Text(StrDumperUnknown):
    """Text that came from a phone may have a NUL in it (RFC 3261, quoted-pair), which PostgreSQL takes none of."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in obj else obj)


def connect(place: PostgresLocation) -> sqlalchemy.Engine:
    """An engine whose connections are made when they are needed."""
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        place.user,
        place.password or None,
        place.host,
        place.port,
        place.name,
    )
    engine = sqlalchemy.create_engine(
        url,
        poolclass=sqlalchemy.pool.QueuePool,
        pool_pre_ping=True,
        connect_args={**_CONNECTION, **dict(place.options)},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def check(connection: sqlalchemy.Connection) -> None:
    """Raises `StoreError` where the server or the database is none that will do."""
    version = int(str(connection.exec_driver_sql("SHOW server_version_num").scalar())) // 10_000
    if version < OLDEST:
        raise StoreError(f"The database server is PostgreSQL {version}; {OLDEST} or newer is needed.")
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(
            f"The database is encoded in {encoding}, not in UTF-8. "
            f"Make another: createdb --encoding=UTF8 --template=template0 NAME"
        )


def collate(connection: sqlalchemy.Connection) -> None:
    """Has the text of every table of ours compared octet by octet; migrations need not think of it."""
    columns = connection.execute(
        sqlalchemy.text(
            "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT a.attisdropped "
            "AND a.attnum > 0 AND a.atttypid = 'varchar'::regtype "
            "AND a.attcollation <> (SELECT oid FROM pg_collation WHERE collname = 'C') ORDER BY 1, a.attnum"
        )
    )
    changes: dict[str, list[str]] = {}
    for table, column in columns:
        if table in metadata.tables:
            changes.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE {_VARCHAR} COLLATE "C"')
    for table, some in changes.items():
        connection.exec_driver_sql(f'ALTER TABLE "{table}" {", ".join(some)}')


def _prepare(connection: psycopg.Connection[Any], record: Any) -> None:
    connection.adapters.register_dumper(str, _Text)
    with connection.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def _begin(connection: sqlalchemy.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("sealtone_reads"):
        return
    if options.get("sealtone_migrates"):
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
