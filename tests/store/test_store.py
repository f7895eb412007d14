"""The store on real SQLite files and a real PostgreSQL server."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from postgres import Place
from sealtone.model import Announcements, Language, SipUser
from sealtone.registrar import Binding
from sealtone.store import CallFilter, KeyFileError, Store, StoreClosed, StoreError, StoreUnavailable, Transaction
from sealtone.store.bindings import BindingChange, read_bindings, write_bindings
from sealtone.store.database import DATABASE_FILE, KEY_FILE, SCHEMA, Database
from sealtone.store.directory import (
    Change,
    append_change,
    delete_user,
    insert_account,
    insert_domain,
    insert_user,
    read_accounts,
    read_changes,
    read_setting,
    read_users,
    update_account,
    update_announcements,
    update_user,
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


# What SQLAlchemy cannot read back of an SQLite file is compared as SQLite wrote it down.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_lead_to_the_tables_as_they_are_declared(new_place: Place) -> None:
    database = new_place.database()
    if new_place.is_file:
        declared = sqlalchemy.create_engine("sqlite://")
        metadata.create_all(declared)
        indexes = "SELECT name, replace(sql, '\"', '') FROM sqlite_master WHERE type = 'index' AND sql <> '' ORDER BY 1"
        with declared.connect() as wanted, database.engine.connect() as found:
            assert found.exec_driver_sql(indexes).all() == wanted.exec_driver_sql(indexes).all()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA
    database.close()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
@pytest.mark.parametrize("revision", [f"{number:04}" for number in range(1, int(SCHEMA))])
def test_every_older_schema_is_migrated_with_what_was_in_it(place: Place, revision: str) -> None:
    record = call(7)
    with written_by(place, revision) as transaction:
        account_id = insert_account(transaction, "Old", 1.0)
        domain_id = insert_domain(transaction, account_id, "office.example", 2.0)
        insert_user(transaction, SipUser(0, account_id, domain_id, "1000", "office.example", "a" * 32, "b" * 64), 3.0)
        insert_calls(transaction.connection, [record])
        write_bindings(transaction.connection, [BindingChange([contact()])])
    database = place.database()
    with database.read() as transaction:
        assert compare_metadata(MigrationContext.configure(transaction.connection), metadata) == []
        (user,) = read_users(transaction)
        kept = read_call(transaction.connection, record.id)
        bindings = read_bindings(transaction.connection, 0.0)
    with database.write() as transaction:
        assert insert_account(transaction, "New", 1.0) > account_id
    database.close()
    assert (user.aor, user.ha1_md5) == ("1000@office.example", "a" * 32)
    assert kept is not None
    assert kept.legs[0].octets_rx == record.legs[0].octets_rx
    assert bindings == (contact(),)


def test_legs_from_before_codecs_were_chosen_keep_the_one_they_had(place: Place) -> None:
    record = call(7)
    with written_by(place, "0003") as transaction:
        insert_calls(transaction.connection, [record])
    database = place.database()
    with database.read() as transaction:
        kept = read_call(transaction.connection, record.id)
    database.close()
    assert kept is not None
    assert [(leg.codec, leg.codec_tx, leg.transcoded, leg.mos_tx) for leg in kept.legs] == [
        (leg.codec, leg.codec, False, None) for leg in record.legs
    ]


def test_accounts_of_the_first_schema_keep_their_calls_for_a_year_and_have_a_zid(place: Place) -> None:
    with written_by(place, "0001") as transaction:
        insert_account(transaction, "Old", 1.0)
    database = place.database()
    with database.read() as transaction:
        (account,) = read_accounts(transaction)
        assert account.keep_calls_days == 365
        assert len(account.zid) == 12
    database.close()


def test_changes_of_before_the_panel_were_taken_up_and_domains_are_the_operators(place: Place) -> None:
    with written_by(place, "0006") as transaction:
        account_id = insert_account(transaction, "Old", 1.0)
        insert_domain(transaction, account_id, "office.example", 2.0)
        append_change(
            transaction, Change(2.0, account_id, "root", "command line", "create", "domain office.example", {}, {})
        )
    database = place.database()
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


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(place: Place) -> None:
    place.database().close()
    database = place.database()
    with database.write() as transaction:
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match="newer Sealtone"):
        place.database()


def test_a_lost_key_file_is_not_silently_replaced(place: Place) -> None:
    place.database().close()
    (place.folder / KEY_FILE).unlink()
    with pytest.raises(KeyFileError, match="backup"):
        place.database()


def test_a_key_file_that_others_can_read_is_refused(place: Place) -> None:
    place.database().close()
    (place.folder / KEY_FILE).chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        place.database()


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


async def test_bindings_come_back_as_they_were_without_their_flow(place: Place) -> None:
    store = place.store()
    first, second = contact(), contact("1001", 5062, reg_id=None, path=(), instance="")
    await store.save_bindings([first, second])
    await store.save_bindings([first._replace(cseq=8, expires_at=6000.0)])
    assert set(await store.load_bindings(1500.0)) == {first._replace(cseq=8, expires_at=6000.0), second}
    await store.save_bindings([], [first])
    assert await store.load_bindings(1500.0) == (second,)
    assert await store.delete_expired(5000.0) == 1
    assert await store.load_bindings(1500.0) == ()
    await store.close()


async def test_an_operation_that_fails_undoes_only_itself(place: Place) -> None:
    store = place.store()

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


async def test_what_was_handed_in_before_the_close_is_written(place: Place) -> None:
    store = place.store()
    for number in range(40):
        store.write_call_record(call(number))
    await store.close()
    with pytest.raises(StoreClosed):
        store.submit(lambda transaction: None)
    database = place.database()
    with database.read() as transaction:
        assert transaction.connection.execute(sqlalchemy.text("SELECT count(*) FROM call_record")).scalar() == 40
        assert transaction.connection.execute(sqlalchemy.text("SELECT count(*) FROM call_leg")).scalar() == 80
    database.close()


async def test_a_call_record_is_read_as_it_was_written(place: Place) -> None:
    store = place.store()
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


async def test_records_are_deleted_with_their_legs_once_their_account_keeps_them_no_longer(place: Place) -> None:
    store = place.store()
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


async def test_outdated_records_are_deleted_few_at_once(place: Place) -> None:
    store = place.store()
    await store.submit(lambda t: insert_account(t, "x", 1.0))
    for number in range(450):
        store.write_call_record(call(number))
    await store.flush()
    assert [await store.delete_outdated_calls(1e9) for _ in range(4)] == [200, 200, 50, 0]
    await store.close()


async def test_a_record_that_cannot_be_stored_does_not_hold_up_the_others(place: Place) -> None:
    store = place.store()
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
    for _ in range(600):
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
from sealtone.store import PostgresLocation, Store
from store.records import call
from store.test_store import contact
async def main():
    url = os.environ['SEALTONE_DATABASE']
    store = Store(Path(sys.argv[1]), PostgresLocation.parse(url) if url else None)
    await asyncio.gather(*(store.save_bindings([contact(str(n))]) for n in range(300)))
    store.write_call_record(call(1))
    await store.flush()
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_what_was_reported_as_committed_survives_a_kill(place: Place) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "SEALTONE_DATABASE": place.url}
    child = subprocess.run([sys.executable, "-c", _CHILD, str(place.folder)], env=environment, check=False, timeout=60)
    assert child.returncode == -9

    async def look() -> tuple[int, int]:
        store = place.store()
        found = len(await store.load_bindings(0.0)), len((await store.calls(CallFilter())).records)
        await store.close()
        return found

    assert asyncio.run(look()) == (300, 1)


def test_two_processes_may_write_in_turn(place: Place) -> None:
    one, other = place.database(), place.database()
    with one.write() as transaction:
        write_setting(transaction, "a", "1")
    with other.write() as transaction:
        write_setting(transaction, "b", "2")
    with one.read() as transaction:
        assert (read_setting(transaction, "a"), read_setting(transaction, "b")) == ("1", "2")
    one.close()
    other.close()


def test_a_failed_transaction_leaves_neither_the_change_nor_its_log_row(place: Place) -> None:
    database = place.database()
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


def test_text_is_in_the_order_of_its_octets(place: Place) -> None:
    names = ["a-b.example", "a.example", "ab.example", "b.example"]
    database = place.database()
    with database.write() as transaction:
        account_id = insert_account(transaction, "A", 1.0)
        for name in reversed(names):
            domain_id = insert_domain(transaction, account_id, name, 1.0)
            for username in ("a", "B", "ä", "A"):
                insert_user(transaction, SipUser(0, account_id, domain_id, username, name), 1.0)
    with database.read() as transaction:
        aors = [user.aor for user in read_users(transaction)]
    database.close()
    assert aors == [f"{username}@{name}" for name in names for username in ("A", "B", "a", "ä")]


def test_a_reader_sees_one_moment(place: Place) -> None:
    database = place.database()
    with database.read() as reading:
        assert read_accounts(reading) == ()
        with database.write() as transaction:
            insert_account(transaction, "A", 1.0)
        assert read_accounts(reading) == ()
    with database.read() as reading:
        assert len(read_accounts(reading)) == 1
    database.close()


def test_what_a_writer_has_read_stays_so_until_it_commits(place: Place) -> None:
    """Twenty transactions in two processes' stead each read a number and write the next."""
    one, other = place.database(), place.database()

    def count(database: Database) -> None:
        for _ in range(10):
            with database.write() as transaction:
                number = int(read_setting(transaction, "number") or 0)
                time.sleep(0.002)
                write_setting(transaction, "number", str(number + 1))

    threads = [threading.Thread(target=count, args=(database,)) for database in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with one.read() as transaction:
        assert read_setting(transaction, "number") == "20"
    one.close()
    other.close()


def test_a_new_file_may_be_opened_while_another_program_holds_it_for_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "sealtone.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ("COMMIT",))
    release.start()
    # It is about to write: SQLite then refuses the change to write-ahead logging at once, and waits for nothing.
    database = Database(tmp_path)
    release.join()
    other.close()
    with database.read() as transaction:
        mode = transaction.connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    database.close()
    assert mode == "wal"


def test_several_may_open_a_new_database_at_once(new_place: Place) -> None:
    opened: list[Database] = []
    failures: list[Exception] = []

    def open_it() -> None:
        try:
            opened.append(new_place.database())
        except Exception as error:  # every fault counts here
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in opened:
        database.close()
    assert failures == []
    assert len(opened) == 4


async def test_what_phones_write_into_their_names_is_stored_whatever_it_is(place: Place) -> None:
    store = place.store()
    odd = "A\0n'n\"a; %s ? :x ½ \U0001f600 --"
    written = call(1)._replace(caller_name=odd)
    store.write_call_record(written)
    await store.save_bindings([contact(user_agent=odd)])
    await store.flush()
    (read,) = (await store.calls(CallFilter())).records
    (binding,) = await store.load_bindings(0.0)
    for found in (read.caller_name, binding.user_agent):
        assert found.replace("\N{REPLACEMENT CHARACTER}", "\0") == odd
    assert store.records_lost == 0
    await store.close()


async def test_what_phones_write_in_another_encoding_costs_neither_a_record_nor_a_registration(place: Place) -> None:
    store = place.store()
    name = b"M\xfcller".decode("utf-8", "surrogateescape")
    odd = call(1)._replace(caller_name=name, legs=tuple(leg._replace(user_agent=name) for leg in call(1).legs))
    store.write_call_record(odd)
    store.write_call_record(call(2))
    await store.save_bindings([contact(user_agent=name)])
    await store.flush()
    read = {record.id: record for record in (await store.calls(CallFilter())).records}
    (binding,) = await store.load_bindings(0.0)
    found = [read[odd.id].caller_name, *[leg.user_agent for leg in read[odd.id].legs], binding.user_agent]
    assert found == ["M\N{REPLACEMENT CHARACTER}ller"] * 4
    assert len(read) == 2
    assert store.records_lost == 0
    await store.close()


async def test_long_calls_have_more_octets_than_32_bits_count(place: Place) -> None:
    store = place.store()
    record = call(1)
    long = record._replace(legs=tuple(leg._replace(octets_rx=1 << 40, octets_tx=1 << 41) for leg in record.legs))
    store.write_call_record(long)
    await store.flush()
    assert (await store.calls(CallFilter())).records == (long,)
    await store.close()


async def test_a_reload_makes_anew_only_the_users_that_have_changed(place: Place) -> None:
    store = place.store()

    def fill(transaction: Transaction) -> list[SipUser]:
        account_id = insert_account(transaction, "A", 1.0)
        domain_id = insert_domain(transaction, account_id, "a.example", 1.0)
        for number in range(250):
            insert_user(transaction, SipUser(0, account_id, domain_id, str(1000 + number), "a.example", "a" * 32), 1.0)
        return list(read_users(transaction))

    users = await store.submit(fill)
    first = await store.load_snapshot()
    assert {user.aor: user for user in first.users()} == {user.aor: user for user in users}
    again = await store.load_snapshot()
    assert all(again.user(user.aor) is first.user(user.aor) for user in users)
    changed = replace(users[7], ha1_md5="c" * 32)
    await store.submit(lambda transaction: update_user(transaction, changed))
    await store.submit(lambda transaction: delete_user(transaction, users[8].id))
    last = await store.load_snapshot()
    assert last.user(changed.aor) == changed
    assert last.user(users[8].aor) is None
    assert last.user(users[9].aor) is first.user(users[9].aor)
    await store.submit(
        lambda transaction: update_announcements(transaction, changed.domain_id, Announcements(Language.RUSSIAN))
    )
    of_the_domain = (await store.load_snapshot()).user(changed.aor)
    assert of_the_domain is not None
    assert of_the_domain.language is Language.RUSSIAN
    await store.close()
