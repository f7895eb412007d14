"""What only a database server can do to its users."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy

from postgres import Place, PostgresServer, running_server
from sealtone.store import CallFilter, Database, KeyFileError, StoreError, StoreUnavailable
from sealtone.store.database import KEY_FILE
from sealtone.store.directory import read_setting, write_setting
from store.records import call
from store.test_store import contact


async def test_what_was_not_written_when_the_server_went_is_written_when_it_is_back(tmp_path: Path) -> None:
    with running_server() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed")
        store = Place(tmp_path, server.new_database()).store()
        await store.save_bindings([contact()])
        store.write_call_record(call(0))
        await store.flush()
        server.stop()
        for number in range(1, 200):
            store.write_call_record(call(number))
        with pytest.raises(StoreUnavailable, match="See that the database server runs and can be reached"):
            await store.save_bindings([contact("1001")])
        with pytest.raises(StoreUnavailable):
            await store.load_bindings(0.0)
        for _ in range(600):
            if store.last_error:
                break
            await asyncio.sleep(0.05)
        assert "cannot be used" in store.last_error
        server.start()
        await store.save_bindings([contact("1002")])
        await store.flush()
        assert {binding.aor[:4] for binding in await store.load_bindings(0.0)} == {"1000", "1002"}
        for _ in range(600):
            if len((await store.calls(CallFilter(limit=1000))).records) == 200:
                break
            await asyncio.sleep(0.05)
        assert len((await store.calls(CallFilter(limit=1000))).records) == 200
        assert store.records_lost == 0
        assert store.last_error == ""
        await store.close()


async def test_a_connection_that_ends_within_a_group_loses_no_record(postgres: PostgresServer, tmp_path: Path) -> None:
    store = Place(tmp_path, postgres.new_database()).store()
    await store.flush()

    def lose(transaction: object) -> None:
        """As when the server is restarted between two statements."""
        connection = transaction.connection  # type: ignore[attr-defined]
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postgres.run(f"SELECT pg_terminate_backend({number}, 5000)")
        write_setting(transaction, "lost", "1")  # type: ignore[arg-type]

    losing = store.submit(lose)
    for number in range(3):
        store.write_call_record(call(number))
    store._hand_over()
    with pytest.raises(StoreUnavailable):
        await losing
    await store.flush()
    await store.flush()
    assert len((await store.calls(CallFilter())).records) == 3
    assert store.records_lost == 0
    assert await store.read(lambda transaction: read_setting(transaction, "lost")) is None
    await store.close()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"password": "s3cret-wrong"}, "Check user and password"),
        ({"user": "nobody-of-that-name", "password": "s3cret-wrong"}, "Check user and password"),
        ({"password": ""}, "Check user and password"),
        ({"name": "missing"}, "createdb"),
    ],
)
def test_a_server_that_refuses_is_told_of_in_plain_words_without_the_password(
    postgres: PostgresServer, tmp_path: Path, changes: dict[str, str], advice: str
) -> None:
    with pytest.raises(StoreUnavailable, match=advice) as caught:
        Database(tmp_path, postgres.location(**changes))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_of(tmp_path: Path, postgres: PostgresServer) -> None:
    location = postgres.location()
    with pytest.raises(StoreUnavailable, match="See that the database server runs"):
        Database(tmp_path, type(location)("127.0.0.1", 1, location.name, location.user))


def test_a_database_that_takes_not_every_letter_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    postgres.run("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    location = postgres.location("latin")
    with pytest.raises(StoreError, match="encoded in LATIN1, not in UTF-8"):
        Database(tmp_path, location)
    assert not (tmp_path / KEY_FILE).exists()
    postgres.drop(location)


def test_a_second_folder_without_the_key_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    location = postgres.new_database()
    Database(tmp_path / "one", location).close()
    with pytest.raises(KeyFileError, match=KEY_FILE):
        Database(tmp_path / "other", location)
    (tmp_path / "other" / KEY_FILE).write_bytes((tmp_path / "one" / KEY_FILE).read_bytes())
    (tmp_path / "other" / KEY_FILE).chmod(0o600)
    Database(tmp_path / "other", location).close()
    postgres.drop(location)


def test_a_writer_that_waits_too_long_for_another_says_so(tmp_path: Path, postgres: PostgresServer) -> None:
    location = postgres.new_database()
    one, other = Database(tmp_path, location), Database(tmp_path, location)
    with one.write(), pytest.raises(StoreUnavailable, match="holds the database for long"), other.write():
        pass
    one.close()
    other.close()
    postgres.drop(location)


def test_no_error_shows_what_was_to_be_stored(tmp_path: Path, postgres: PostgresServer) -> None:
    location = postgres.new_database()
    database = Database(tmp_path, location)
    with database.engine.connect() as connection, pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        connection.execute(sqlalchemy.text("SELECT :value::integer"), {"value": "s3cret"})
    assert "s3cret" not in str(caught.value).replace(str(caught.value.orig), "")
    database.close()
    postgres.drop(location)
