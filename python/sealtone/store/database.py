"""The database of one data folder, used synchronously: one transaction after the other, each whole or not at all.

Durability: SQLite in WAL mode with synchronous=FULL, so that what was committed survives not only a crash of the
process but also a loss of power. The price is one fsync a commit, which the writer thread pays once for a whole group
(see `writer`); docs/durability.md has the measurements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import event

from sealtone.store.errors import StoreError, StoreUnavailable
from sealtone.store.vault import Vault

DATABASE_FILE = "sealtone.db"
KEY_FILE = "secrets.key"
SCHEMA = "0007"
"""The latest of the migrations beside this file."""
_BUSY_MS = 5000
_MIGRATIONS = Path(__file__).with_name("migrations")


class Transaction(NamedTuple):
    """What an operation works with: a connection within a transaction, and the key to the encrypted columns."""

    connection: sqlalchemy.Connection
    vault: Vault


class Database:
    """An opened database, migrated to the present tables. Safe to use beside a running server's."""

    def __init__(self, folder: Path) -> None:
        """Opens or creates the database in `folder`. Raises `StoreError`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = folder / DATABASE_FILE
        is_new = not self.file.exists()
        self.vault = Vault.open(folder / KEY_FILE, may_create=is_new)
        if is_new:
            self.file.touch(mode=0o600)
        self.engine = sqlalchemy.create_engine(f"sqlite:///{self.file}", poolclass=sqlalchemy.pool.QueuePool)
        event.listen(self.engine, "connect", _prepare)
        # The driver's own idea of when to begin is switched off in `_prepare`; writers begin as writers, so that two
        # of them wait for each other instead of failing at the first write.
        event.listen(self.engine, "begin", _begin)
        try:
            self._migrate()
        except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise unavailable(error) from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed at the end of the block, and rolled back by an exception."""
        try:
            with self.engine.begin() as connection:
                yield Transaction(connection, self.vault)
        except sqlalchemy.exc.DBAPIError as error:
            raise unavailable(error) from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that only reads; it neither waits for writers nor holds them up."""
        try:
            with self.engine.connect().execution_options(sealtone_reads=True) as connection:
                yield Transaction(connection, self.vault)
        except sqlalchemy.exc.DBAPIError as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    def _migrate(self) -> None:
        with self.read() as transaction:
            present = _revision(transaction.connection)
        if present != SCHEMA:
            with self.engine.begin() as connection:
                _upgrade(connection, self.file)


def create_at(folder: Path, schema: str) -> sqlalchemy.Engine:
    """A new, empty database in `folder` with the tables of an older schema. Raises `StoreError` for an unknown one."""
    file = folder / DATABASE_FILE
    file.touch(mode=0o600, exist_ok=False)
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=sqlalchemy.pool.QueuePool)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _upgrade(connection, file, schema)
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        raise unavailable(error) from error
    return engine


def _upgrade(connection: sqlalchemy.Connection, file: Path, schema: str = "head") -> None:
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
            f"{file} was written by a newer Sealtone (schema {newer}). Install that version or newer, "
            f"or restore an older backup."
        ) from error


def unavailable(error: Exception) -> StoreUnavailable:
    """A driver's error in plain words."""
    cause = str(getattr(error, "orig", None) or error)
    advice = ""
    if "full" in cause:
        advice = " Free some space on that disk."
    elif "locked" in cause:
        advice = " Another program holds the database for long; close it."
    elif "malformed" in cause or "not a database" in cause:
        advice = " The file is damaged: restore it from a backup."
    elif "readonly" in cause or "unable to open" in cause:
        advice = " Check the owner and the permissions of the data folder."
    return StoreUnavailable(f"The database cannot be used: {cause}.{advice}")


def _revision(connection: sqlalchemy.Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=ON",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sqlalchemy.Connection) -> None:
    reads = connection.get_execution_options().get("sealtone_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
