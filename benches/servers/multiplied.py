"""Many rows out of one: made by the database itself, as a server wrote the first."""

from __future__ import annotations

import sqlalchemy

from sealtone.store import Database
from sealtone.store.tables import call_leg, call_record


def multiply(
    database: Database, record: dict[str, str], leg: dict[str, str], count: int, template: str, which: str = "1 = 1"
) -> None:
    """Writes `count` call records with their legs, as far as they are of those numbers that `which` says.

    `record` and `leg` have columns of the n-th as SQL over ``n.n``, from 1; what they leave out is as in the record
    with the id `template`.
    """
    # A statement may take long here, as when a new version changes the tables.
    with database.engine.connect().execution_options(sealtone_migrates=True) as connection, connection.begin():
        for table, key, columns in ((call_record, "id", record), (call_leg, "call_id", leg)):
            names = ", ".join(column.name for column in table.columns)
            values = ", ".join(columns.get(column.name, f"t.{column.name}") for column in table.columns)
            numbers = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})"  # noqa: S608 - names of our own
            chosen = f"FROM n CROSS JOIN {table.name} t WHERE t.{key} = '{template}' AND {which}"
            filling = f"{numbers} INSERT INTO {table.name} ({names}) SELECT {values} {chosen}"
            connection.execute(sqlalchemy.text(filling))


def settle(database: Database) -> None:
    """What PostgreSQL's autovacuum does within minutes."""
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
