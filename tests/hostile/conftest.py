"""One server for all attacks: what one of them leaves behind must not harm the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile import beside
from hostile.server import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the server has written down is searched when all the rest has run."""
    here = Path(__file__).parent
    items.sort(key=lambda item: here in item.path.parents and item.path.stem == "test_written_down")


@pytest.fixture(scope="session")
def hostile_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("attacked")) as server:
        yield server


@pytest.fixture
def server(hostile_server: Server) -> Iterator[Server]:
    """Running before the test, and after it."""
    assert hostile_server.running, hostile_server.evidence()
    yield hostile_server
    assert hostile_server.running, hostile_server.evidence()
    text = hostile_server.news()
    assert "Traceback" not in text, text[text.index("Traceback") - 500 :][:3000]


@pytest.fixture(scope="module")
def call_beside(hostile_server: Server) -> Iterator[beside.CallBeside]:
    with beside.running(hostile_server) as call:
        yield call


@pytest.fixture
def unharmed(call_beside: beside.CallBeside, server: Server) -> Iterator[None]:
    """A call that the test must not harm, one for the whole module."""
    with call_beside.unharmed():
        yield
