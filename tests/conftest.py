"""Databases to test on. Where the tests run against the compiled packages (`make test`, its second pass), what they cannot do is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import Place, PostgresServer, running_server
from sealtone.sip import timers

COMPILED = Path(timers.__file__ or "").suffix != ".py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if COMPILED and item.get_closest_marker("interpreted"):
            item.add_marker(pytest.mark.skip(reason="this part is compiled"))


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[PostgresServer | None]:
    with running_server() as server:
        yield server


@pytest.fixture
def postgres(_postgres_server: PostgresServer | None) -> PostgresServer:
    if _postgres_server is None:
        pytest.skip("PostgreSQL is not installed")
    return _postgres_server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a database is that nobody has opened yet, of each kind."""
    if request.param == "sqlite":
        yield Place(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    location = server.new_database()
    yield Place(tmp_path, location)
    server.drop(location)
