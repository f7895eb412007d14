"""The store on real SQLite files."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from sealtone.model import CallState
from sealtone.registrar import Binding
from sealtone.store import CallFilter, KeyFileError, Store, StoreClosed, StoreError, StoreUnavailable
from sealtone.store.database import DATABASE_FILE, KEY_FILE, SCHEMA, Database
from sealtone.store.directory import (
    Change,
    append_change,
    insert_account,
    insert_domain,
    read_accounts,
    read_changes,
    read_setting,
    update_account,
    write_setting,
)
from sealtone.store.records import insert_calls, read_call
from sealtone.store.tables import call_leg, call_record, change_log, domain, metadata
from sealtone.store.vault import Vault
from store.old_schema import written_by
from store.records import call


def contact(user: str = "1000", port: int = 5060, **changes: object) -> Binding:
    binding = Binding(
        aor=f"{user}@office.example",
        contact=f"sip:{user}@192.0.2.7:{port}",
        call_id="reg-1",
        cseq=7,
        expires_at=5000.0,
        registered_at=1400.0,
        transport="tls",
        received=("192.0.2.7", port),
        path=("<sip:edge.example;lr>", "<sip:core.example;lr>"),
        instance="<urn:uuid:1>",
        reg_id=1,
        user_agent="Phone",
    )
    return binding._replace(**changes)


def test_the_migrations_lead_to_the_tables_as_they_are_declared(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA
    database.close()


def test_legs_from_before_codecs_were_chosen_keep_the_one_they_had(tmp_path: Path) -> None:
    record = call(7)
    with written_by(tmp_path, "0003") as (old, transaction):
        insert_calls(transaction.connection, [record])
    database = Database(old)
    with database.read() as transaction:
        kept = read_call(transaction.connection, record.id)
    database.close()
    assert kept is not None
    assert [(leg.codec, leg.codec_tx, leg.transcoded, leg.mos_tx) for leg in kept.legs] == [
        (leg.codec, leg.codec, False, None) for leg in record.legs
    ]


def test_accounts_of_the_first_schema_keep_their_calls_for_a_year_and_have_a_zid(tmp_path: Path) -> None:
    with written_by(tmp_path, "0001") as (old, transaction):
        insert_account(transaction, "Old", 1.0)
    database = Database(old)
    with database.read() as transaction:
        (account,) = read_accounts(transaction)
        assert account.keep_calls_days == 365
        assert len(account.zid) == 12
    database.close()


def test_changes_of_before_the_panel_were_taken_up_and_domains_are_the_operators(tmp_path: Path) -> None:
    with written_by(tmp_path, "0006") as (old, transaction):
        account_id = insert_account(transaction, "Old", 1.0)
        insert_domain(transaction, account_id, "office.example", 2.0)
        append_change(
            transaction, Change(2.0, account_id, "root", "command line", "create", "domain office.example", {}, {})
        )
    database = Database(old)
    with database.read() as transaction:
        states = transaction.connection.execute(select(change_log.c.state, change_log.c.settled_at)).all()
        kinds = transaction.connection.execute(select(domain.c.kind)).scalars().all()
    database.close()
    assert states == [("done", 2.0)]
    assert kinds == ["operator"]


def test_the_data_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    Database(folder).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in (DATABASE_FILE, KEY_FILE):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Database(tmp_path).close()
    with sqlite3.connect(tmp_path / DATABASE_FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer Sealtone"):
        Database(tmp_path)


def test_a_lost_key_file_is_not_silently_replaced(tmp_path: Path) -> None:
    Database(tmp_path).close()
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(KeyFileError, match="backup"):
        Database(tmp_path)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Database(tmp_path).close()
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Database(tmp_path)


def test_a_sealed_value_opens_only_at_its_own_place_and_unchanged() -> None:
    vault = Vault(os.urandom(32))
    sealed = vault.seal("digest", "1000@a ha1_md5")
    assert vault.open_sealed(sealed, "1000@a ha1_md5") == "digest"
    with pytest.raises(KeyFileError):
        vault.open_sealed(sealed, "1001@a ha1_md5")
    for place in (0, 5, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(KeyFileError):
            vault.open_sealed(bytes(changed), "1000@a ha1_md5")


async def test_bindings_come_back_as_they_were_without_their_flow(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = contact(), contact("1001", 5062, reg_id=None, path=(), instance="")
    await store.save_bindings([first, second])
    await store.save_bindings([first._replace(cseq=8, expires_at=6000.0)])
    assert set(await store.load_bindings(1500.0)) == {first._replace(cseq=8, expires_at=6000.0), second}
    await store.save_bindings([], [first])
    assert await store.load_bindings(1500.0) == (second,)
    assert await store.delete_expired(5000.0) == 1
    assert await store.load_bindings(1500.0) == ()
    await store.close()


async def test_an_operation_that_fails_undoes_only_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def broken(transaction: object) -> None:
        write_setting(transaction, "half", "done")  # type: ignore[arg-type]
        raise ValueError("no")

    before = store.submit(lambda transaction: write_setting(transaction, "before", "1"))
    failing = store.submit(broken)
    after = store.submit(lambda transaction: write_setting(transaction, "after", "1"))
    await before
    await after
    with pytest.raises(ValueError, match="no"):
        await failing
    values = await store.read(
        lambda transaction: [read_setting(transaction, name) for name in ("before", "half", "after")]
    )
    assert values == ["1", None, "1"]
    await store.close()


async def test_what_was_handed_in_before_the_close_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(40):
        store.write_call_record(call(number))
    await store.close()
    with pytest.raises(StoreClosed):
        store.submit(lambda transaction: None)
    database = Database(tmp_path)
    with database.read() as transaction:
        assert transaction.connection.execute(sqlalchemy.text("SELECT count(*) FROM call_record")).scalar() == 40
        assert transaction.connection.execute(sqlalchemy.text("SELECT count(*) FROM call_leg")).scalar() == 80
    database.close()


async def test_a_call_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = call(1)
    store.write_call_record(written)
    store.write_call_record(written)
    await store.flush()
    page = await store.calls(CallFilter())
    assert page.records == (written,)
    assert page.next_page is None
    for key in ("call-000001", "call-0000", "leg-b-1"):
        assert await store.read(lambda transaction, key=key: read_call(transaction.connection, key)) == written
    assert await store.read(lambda transaction: read_call(transaction.connection, "other")) is None
    await store.close()


async def test_calls_are_read_page_by_page_newest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(25):
        store.write_call_record(call(number, started_at=1000.0 + number // 2))
    await store.flush()
    seen: list[str] = []
    wanted = CallFilter(limit=10)
    for _ in range(3):
        page = await store.calls(wanted)
        seen += [record.id for record in page.records]
        wanted = wanted._replace(before_id=page.next_page)
    assert page.next_page is None
    assert seen == [f"call-{number:06d}" for number in reversed(range(25))]
    await store.close()


async def test_calls_are_filtered_by_party_time_state_account_and_answer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    plain = call(1, started_at=1000.0)
    missed = call(2, started_at=2000.0, answered=False, account_id=2)
    safe = call(3, started_at=3000.0)._replace(caller="2000@other.example", state=CallState.PROTECTED_TO_SERVER)
    for record in (plain, missed, safe):
        store.write_call_record(record)
    await store.flush()

    async def ids(**wanted: object) -> list[str]:
        page = await store.calls(CallFilter()._replace(**wanted))
        return [record.id[-1] for record in page.records]

    assert await ids(party="2000") == ["3"]
    assert await ids(party="2000@other.example") == ["3"]
    assert await ids(party="200") == []
    assert await ids(party="%") == []
    assert await ids(since=2000.0) == ["3", "2"]
    assert await ids(until=2000.0) == ["1"]
    assert await ids(state=CallState.PROTECTED_TO_SERVER) == ["3"]
    assert await ids(account_id=2) == ["2"]
    assert await ids(answered=False) == ["2"]
    await store.close()


async def test_records_are_deleted_with_their_legs_once_their_account_keeps_them_no_longer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    day = 86_400.0
    accounts = [await store.submit(lambda t: insert_account(t, "x", 1.0)) for _ in range(3)]
    await store.submit(lambda t: update_account(t, accounts[1], keep_calls_days=10))
    await store.submit(lambda t: update_account(t, accounts[2], keep_calls_days=None))
    now = 1000 * day
    for number, (account_id, age_days) in enumerate(
        [(accounts[0], 364.0), (accounts[0], 366.0), (accounts[1], 9.9), (accounts[1], 10.1), (accounts[1], 366.0),
         (accounts[2], 999.0), (None, 364.0), (None, 366.0)]
    ):  # fmt: skip
        record = call(number, started_at=now - age_days * day)._replace(account_id=account_id)
        store.write_call_record(record)
    await store.flush()
    assert await store.delete_outdated_calls(now) == 4
    assert await store.delete_outdated_calls(now) == 0
    left = await store.read(
        lambda t: [
            set(t.connection.execute(select(column)).scalars()) for column in (call_record.c.id, call_leg.c.call_id)
        ]
    )
    assert left == [{f"call-{number:06d}" for number in (0, 2, 5, 6)}] * 2
    await store.close()


async def test_outdated_records_are_deleted_few_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.submit(lambda t: insert_account(t, "x", 1.0))
    for number in range(450):
        store.write_call_record(call(number))
    await store.flush()
    assert [await store.delete_outdated_calls(1e9) for _ in range(4)] == [200, 200, 50, 0]
    await store.close()


async def test_a_record_that_cannot_be_stored_does_not_hold_up_the_others(tmp_path: Path) -> None:
    store = Store(tmp_path)
    broken = call(2)._replace(status=1 << 70)
    for record in (call(1), broken, call(3)):
        store.write_call_record(record)
    await store.flush()
    await store.flush()
    assert [record.id for record in (await store.calls(CallFilter())).records] == ["call-000003", "call-000001"]
    assert store.records_lost == 1
    await store.close()


async def test_records_wait_while_the_database_cannot_be_written_and_are_written_then(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    for number in range(200):
        store.write_call_record(call(number))
    with pytest.raises(StoreUnavailable, match="Free some space"):
        await store.submit(lambda transaction: [write_setting(transaction, f"s{n}", "x" * 4000) for n in range(50)])
    for _ in range(100):
        if store.last_error:
            break
        await asyncio.sleep(0.05)
        store.submit(lambda transaction: None).add_done_callback(lambda future: future.exception())
    assert "full" in store.last_error
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await store.flush()
    assert len((await store.calls(CallFilter(limit=1000))).records) == 200
    assert store.records_lost == 0
    await store.close()


_CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from sealtone.store import Store
from store.old_schema import written_by
from store.records import call
from store.test_store import contact
async def main():
    store = Store(Path(sys.argv[1]))
    await asyncio.gather(*(store.save_bindings([contact(str(n))]) for n in range(300)))
    store.write_call_record(call(1))
    await store.flush()
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_what_was_reported_as_committed_survives_a_kill(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path)], env=environment, check=False, timeout=60)
    assert child.returncode == -9

    async def look() -> tuple[int, int]:
        store = Store(tmp_path)
        found = len(await store.load_bindings(0.0)), len((await store.calls(CallFilter())).records)
        await store.close()
        return found

    assert asyncio.run(look()) == (300, 1)


def test_two_processes_may_write_in_turn(tmp_path: Path) -> None:
    one, other = Database(tmp_path), Database(tmp_path)
    with one.write() as transaction:
        write_setting(transaction, "a", "1")
    with other.write() as transaction:
        write_setting(transaction, "b", "2")
    with one.read() as transaction:
        assert (read_setting(transaction, "a"), read_setting(transaction, "b")) == ("1", "2")
    one.close()
    other.close()


def test_a_failed_transaction_leaves_neither_the_change_nor_its_log_row(tmp_path: Path) -> None:
    database = Database(tmp_path)
    change = Change(1.0, None, "operator", "cli", "create", "domain a.example", {}, {"name": "a.example"})

    def add_twice() -> None:
        with database.write() as transaction:
            account = insert_account(transaction, "A", 1.0)
            append_change(transaction, change)
            for _ in range(2):
                insert_domain(transaction, account, "a.example", 1.0)

    with pytest.raises(StoreUnavailable):
        add_twice()
    with database.read() as transaction:
        assert read_changes(transaction) == ()
    with database.write() as transaction:
        append_change(transaction, change)
    with database.read() as transaction:
        assert read_changes(transaction, subject="domain a.example") == (change,)
    database.close()
