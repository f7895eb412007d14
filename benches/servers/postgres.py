"""A PostgreSQL server with Debian's own settings but for the memory, in a folder of its own: that of the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.machine import BenchError
from sealtone.store import PostgresLocation

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from postgres import Place, running_server


@contextmanager
def running_postgres() -> Iterator[PostgresLocation]:
    """An empty database on a server that is there for the block."""
    with running_server(("shared_buffers=256MB", "max_wal_size=4GB")) as server:
        if server is None:
            raise BenchError("PostgreSQL is not installed: apt-get install postgresql")
        yield server.new_database()


def url_of(location: PostgresLocation) -> str:
    """For the setting `database`."""
    return Place(Path(), location).url
