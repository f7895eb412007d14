"""The database of one data folder, used synchronously: one transaction after the other, each whole or not at all.

It is a file in that folder (SQLite), or on a server (PostgreSQL, `postgres`); the key to its encrypted columns is in
the folder either way.

Durability: SQLite in WAL mode with synchronous=FULL, so that what was committed survives not only a crash of the
process but also a loss of power. The price is one fsync a commit, which the writer thread pays once for a whole group
(see `writer`); docs/durability.md has the measurements.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import event

from sealtone.store.errors import StoreError, StoreUnavailable
from sealtone.store.location import PostgresLocation
from sealtone.store.text import make_storable
from sealtone.store.vault import Vault

DATABASE_FILE = "sealtone.db"
KEY_FILE = "secrets.key"
SCHEMA = "0009"
"""The latest of the migrations beside this file."""
_BUSY_MS = 5000
_MIGRATIONS = Path(__file__).with_name("migrations")
_FAULTS = (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError)
# What a driver's words mean for a person; the first that is found in them counts.
_ADVICE = (
    (("full", "No space left"), "Free some space on that disk."),
    (("locked", "lock timeout"), "Another program holds the database for long; close it."),
    (("malformed", "not a database"), "The file is damaged: restore it from a backup."),
    (("readonly", "unable to open"), "Check the owner and the permissions of the data folder."),
    (("password authentication", "no password", "pg_hba.conf", "role "), "Check user and password in the setting."),
    (("does not exist",), "Make the database first: createdb --owner=USER --encoding=UTF8 --template=template0 NAME"),
    (("permission denied",), "Make the user the owner of its database."),
    (("read-only transaction",), "That server only repeats another one: name the first in the setting."),
    (("too many", "remaining connection slots"), "Raise max_connections of the database server."),
    (("SSL", "certificate verify"), "See docs/database.md for sslmode and sslrootcert."),
    (("connection", "server closed", "terminating"), "See that the database server runs and can be reached."),
)


class Transaction(NamedTuple):
    """What an operation works with: a connection within a transaction, and the key to the encrypted columns."""

    connection: sqlalchemy.Connection
    vault: Vault


def is_in(folder: Path, place: PostgresLocation | None = None) -> bool:
    """Whether the data folder has been used by a server."""
    return (folder / (DATABASE_FILE if place is None else KEY_FILE)).exists()


class Database:
    """An opened database, migrated to the present tables. Safe to use beside a running server's."""

    def __init__(self, folder: Path, place: PostgresLocation | None = None) -> None:
        """Opens or creates the database in `folder`, or the one at `place` with its key in `folder`.

        Raises `StoreError`.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = str(place or folder / DATABASE_FILE)
        if place is None:
            self.engine = _open_file(folder / DATABASE_FILE)
        else:
            from sealtone.store import postgres  # its driver is needed by few

            self.engine = postgres.connect(place)
        make_storable(self.engine)
        try:
            self.vault = self._open(folder / KEY_FILE)
        except StoreError:
            self.close()
            raise
        except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise unavailable(error) from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed at the end of the block, and rolled back by an exception.

        There is one at a time: what is read in it stays as it is until it ends.
        """
        try:
            with self.engine.begin() as connection:
                yield Transaction(connection, self.vault)
        except _FAULTS as error:
            raise unavailable(error) from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads, all of it at one moment; it neither waits for writers nor holds them up."""
        try:
            with self.engine.connect() as connection:
                yield Transaction(_reading(connection), self.vault)
        except _FAULTS as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    def _open(self, key_file: Path) -> Vault:
        """Migrates, and gives the key, which only the first to come may make."""
        with self.engine.connect() as connection:
            present = _revision(_reading(connection))
        if present == SCHEMA:
            return Vault.open(key_file, may_create=False)
        # Whoever else opens it meanwhile waits here, and then finds it done.
        with self.engine.connect().execution_options(sealtone_migrates=True) as connection, connection.begin():
            is_new = _revision(connection) is None
            if connection.dialect.name == "postgresql":
                from sealtone.store import postgres

                postgres.check(connection)
                _upgrade(connection, self.name)
                postgres.collate(connection)
            else:
                _upgrade(connection, self.name)
            return Vault.open(key_file, may_create=is_new)


def create_at(folder: Path, schema: str, place: PostgresLocation | None = None) -> sqlalchemy.Engine:
    """A new, empty database in `folder` or at `place`, with the tables of an older schema.

    Raises `StoreError` for a schema that is unknown, and where there are tables already.
    """
    name = str(place or folder / DATABASE_FILE)
    if place is None:
        engine = _open_file(folder / DATABASE_FILE)
    else:
        from sealtone.store import postgres

        engine = postgres.connect(place)
    try:
        with engine.connect().execution_options(sealtone_migrates=True) as connection, connection.begin():
            if _revision(connection) is not None:
                raise StoreError(f"The database {name} holds something already. Name an empty one.")
            _upgrade(connection, name, schema)
    except StoreError:
        engine.dispose()
        raise
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        raise unavailable(error) from error
    return engine


def _open_file(file: Path) -> sqlalchemy.Engine:
    if not file.exists():
        file.touch(mode=0o600)
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=sqlalchemy.pool.QueuePool)
    event.listen(engine, "connect", _prepare)
    # The driver's own idea of when to begin is switched off in `_prepare`; writers begin as writers, so that two
    # of them wait for each other instead of failing at the first write.
    event.listen(engine, "begin", _begin)
    return engine


def _reading(connection: sqlalchemy.Connection) -> sqlalchemy.Connection:
    if connection.dialect.name == "postgresql":
        return connection.execution_options(
            sealtone_reads=True, isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    return connection.execution_options(sealtone_reads=True)


def _upgrade(connection: sqlalchemy.Connection, name: str, schema: str = "head") -> None:
    from alembic import command  # takes a quarter of a second to import, and is needed once a version
    from alembic.config import Config as AlembicConfig
    from alembic.util.exc import CommandError

    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, schema)
    except CommandError as error:
        newer = _revision(connection) if schema == "head" else schema
        raise StoreError(
            f"{name} was written by a newer Sealtone (schema {newer}). Install that version or newer, "
            f"or restore an older backup."
        ) from error


def unavailable(error: Exception) -> StoreUnavailable:
    """A driver's error in plain words."""
    original = getattr(error, "orig", None) or error
    # What a server adds in further lines may be what was to be stored.
    said = getattr(getattr(original, "diag", None), "message_primary", None) or original
    cause = " ".join(str(said).split()).rstrip(".")
    advice = next((advice for words, advice in _ADVICE if any(word in cause for word in words)), "")
    return StoreUnavailable(f"The database cannot be used: {cause}. {advice}".rstrip())


def _revision(connection: sqlalchemy.Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=ON",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _log_ahead(connection)
    # SQLite's own knows of English letters alone.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turns write-ahead logging on, which a new file needs once.

    SQLite refuses that at once while another is about to write to the same file, instead of waiting `busy_timeout`.
    """
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin(connection: sqlalchemy.Connection) -> None:
    reads = connection.get_execution_options().get("sealtone_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
