"""Databases as older versions left them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

import sealtone.store
from sealtone.store.database import DATABASE_FILE, Database, Transaction

MIGRATIONS = Path(sealtone.store.__file__).with_name("migrations")


@contextmanager
def written_by(folder: Path, revision: str) -> Iterator[tuple[Path, Transaction]]:
    """What is written in the block is there in a database of that revision, as far as it had columns for it."""
    present, old = folder / "present", folder / "old"
    database = Database(present)
    with database.write() as transaction:
        yield old, transaction
    database.close()
    old.mkdir(mode=0o700)
    for file in present.iterdir():
        if not file.name.startswith(DATABASE_FILE):
            shutil.copy2(file, old)
    upgrade(old / DATABASE_FILE, revision)
    _copy(present / DATABASE_FILE, old / DATABASE_FILE)


def upgrade(file: Path, revision: str) -> None:
    """Runs the migrations up to a revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _copy(source: Path, destination: Path) -> None:
    connection = sqlite3.connect(source)
    connection.execute("ATTACH DATABASE ? AS old", (str(destination),))
    tables = connection.execute("SELECT name FROM old.sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        if table != "alembic_version":
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA old.table_info({table})"))
            connection.execute(f"INSERT INTO old.{table} ({columns}) SELECT {columns} FROM main.{table}")
    connection.commit()
    connection.close()
