"""Databases to test on. Where the tests run against the compiled packages (`make test`, its second pass), what they cannot do is left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgres import Place, PostgresServer, running_server
from sealtone.sip import timers
from sealtone.store.database import KEY_FILE

# A property is no measure of speed, and a machine may be busy with other things.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

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


@pytest.fixture(scope="session")
def _file_template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("template"))
    place.database().close()
    return place


@pytest.fixture(scope="session")
def _postgres_template(_postgres_server: PostgresServer | None, tmp_path_factory: pytest.TempPathFactory) -> Place:
    assert _postgres_server is not None
    place = Place(tmp_path_factory.mktemp("template"), _postgres_server.new_database())
    place.database().close()
    return place


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a database may be made, of each kind."""
    if request.param == "sqlite":
        yield Place(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    location = server.new_database()
    yield Place(tmp_path, location)
    server.drop(location)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A database with nothing in it but its tables, of each kind."""
    if request.param == "sqlite":
        template: Place = request.getfixturevalue("_file_template")
        for file in template.folder.iterdir():
            shutil.copy2(file, tmp_path)
        yield Place(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    template = request.getfixturevalue("_postgres_template")
    assert template.location is not None
    location = server.new_database(template.location.name)
    shutil.copy2(template.folder / KEY_FILE, tmp_path)
    yield Place(tmp_path, location)
    server.drop(location)
