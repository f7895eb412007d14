"""Databases as older versions left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

import sealtone.store
from postgres import Place
from sealtone.store import Transaction
from sealtone.store.tables import metadata

MIGRATIONS = Path(sealtone.store.__file__).with_name("migrations")


@contextmanager
def written_by(place: Place, revision: str) -> Iterator[Transaction]:
    """What is written in the block is there in a database of that revision, as far as it had columns for it."""
    database = place.database()
    with database.write() as transaction:
        yield transaction
    with database.engine.begin() as connection:
        _turn_back(connection, revision)
    database.close()


def _turn_back(connection: sqlalchemy.Connection, revision: str) -> None:
    rows = {table.name: connection.execute(table.select()).mappings().all() for table in metadata.sorted_tables}
    metadata.drop_all(connection)
    connection.exec_driver_sql("DROP TABLE alembic_version")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    old = sqlalchemy.MetaData()
    old.reflect(connection)
    for table in old.sorted_tables:
        for row in rows.get(table.name, ()):
            connection.execute(
                table.insert().values({name: row[name] for name in [column.name for column in table.columns]})
            )
        if connection.dialect.name == "postgresql" and table.name in ("account", "domain", "sip_user", "change_log"):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"
            )
