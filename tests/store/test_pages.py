"""What pages ask of call records and SIP users."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event

from postgres import Place
from sealtone.model import CallState, SipUser
from sealtone.store import CallFilter
from sealtone.store.directory import insert_account, insert_domain, insert_user
from sealtone.store.records import read_calls
from sealtone.store.sip_users import UserFilter, read_user_page
from store.records import call


async def test_calls_are_read_page_by_page_newest_first(place: Place) -> None:
    store = place.store()
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


async def test_a_record_is_told_of_once_it_can_be_read(place: Place) -> None:
    store = place.store()
    told: asyncio.Queue[str] = asyncio.Queue()
    store.on_written = lambda record: told.put_nowait(record.id)
    for number in (1, 2):
        store.write_call_record(call(number))
        assert await asyncio.wait_for(told.get(), 10) == call(number).id
        assert len((await store.calls(CallFilter())).records) == number
    await store.close()
    assert told.empty()


async def test_calls_are_filtered_by_party_time_state_account_and_answer(place: Place) -> None:
    store = place.store()
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


async def test_parties_are_found_on_either_side_and_by_what_was_dialled_in_their_account_alone(place: Place) -> None:
    store = place.store()
    plain = call(1, started_at=1000.0)
    dialled = call(2, started_at=2000.0)._replace(dialled="200@office.example")
    other = call(3, started_at=3000.0, account_id=2)
    longer = call(4, started_at=4000.0)._replace(caller="10001@office.example", callee="1001@branch.example")
    bare = call(5, started_at=5000.0)._replace(dialled="112", state=CallState.END_TO_END)
    records = (plain, dialled, other, longer, bare)
    for record in records:
        store.write_call_record(record)
    await store.flush()

    async def ids(**wanted: object) -> str:
        page = await store.calls(CallFilter(account_id=1)._replace(**wanted))
        return "".join(record.id[-1] for record in page.records)

    assert await ids(party="1000@office.example") == "521"
    assert await ids(party="1000") == "521"
    assert await ids(party="1001") == "5421"
    assert await ids(party="1001@branch.example") == "4"
    assert await ids(party="200") == "2"
    assert await ids(party="112") == "5"
    assert await ids(party="100") == ""
    assert await ids(party="1000", state=CallState.END_TO_END) == "5"
    assert await ids(party="1000", limit=1) == "5"
    assert await ids(party="1000", before_id=(5000.0, plain.id), limit=1) == "2"
    assert await ids(encrypted=True) == "5"
    assert await ids(encrypted=False) == "421"
    assert await ids(encrypted=False, state=CallState.END_TO_END) == ""
    assert await ids(account_id=None, party="1000") == "5321"
    assert await ids(account_id=None, encrypted=True) == "5"
    await store.close()


async def test_calls_of_a_domain_are_those_that_it_made_or_got_in_their_account_alone(place: Place) -> None:
    store = place.store()
    inside = call(1, started_at=1000.0)
    out = call(2, started_at=2000.0)._replace(callee="200@branch.example", state=CallState.END_TO_END)
    odd = call(3, started_at=3000.0)._replace(caller='"a@b"@branch.example', callee="112")
    other = call(4, started_at=4000.0, account_id=2)._replace(callee="200@branch.example")
    for record in (inside, out, odd, other):
        store.write_call_record(record)
    await store.flush()

    async def ids(**wanted: object) -> str:
        page = await store.calls(CallFilter(account_id=1)._replace(**wanted))
        return "".join(record.id[-1] for record in page.records)

    assert await ids(domain="office.example") == "21"
    assert await ids(domain="branch.example") == "32"
    assert await ids(domain="ranch.example") == await ids(domain="%") == await ids(domain="b") == ""
    assert await ids(domain="branch.example", state=CallState.END_TO_END) == "2"
    assert await ids(domain="branch.example", party="1000") == "2"
    assert await ids(domain="office.example", before_id=(2000.0, out.id)) == "1"
    assert await ids(domain="branch.example", account_id=None) == "432"
    await store.close()


@pytest.mark.parametrize("state", [None, CallState.OPEN])
def test_calls_of_a_domain_are_looked_up_and_not_looked_for(place: Place, state: CallState | None) -> None:
    database = place.database()
    asked: list[tuple[str, Any]] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if statement.startswith("SELECT") and "call_record" in statement:
            asked.append((statement, parameters))

    with database.read() as transaction:
        read_calls(transaction.connection, CallFilter(account_id=1, domain="office.example", state=state))
        statement, parameters = asked[0]
        explain = "EXPLAIN QUERY PLAN"
        if not place.is_file:
            # With few rows a scan is cheaper: what counts is whether the indexes can serve the question.
            for way in ("seqscan", "bitmapscan"):
                transaction.connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
            explain = "EXPLAIN"
        plan = str(transaction.connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
    database.close()
    assert "ix_call_record_caller_domain" in plan
    assert "ix_call_record_callee_domain" in plan


async def test_a_user_part_in_very_many_domains_is_found_in_all(place: Place) -> None:
    store = place.store()
    for number in range(30):
        store.write_call_record(call(number, started_at=1000.0 + number)._replace(caller=f"7@d{number}.example"))
    await store.flush()
    page = await store.calls(CallFilter(account_id=1, party="7"))
    assert len(page.records) == 30
    await store.close()


def test_searches_find_letters_of_any_script_in_any_case(place: Place) -> None:
    database = place.database()
    with database.write() as transaction:
        account_id = insert_account(transaction, "A", 1.0)
        domain_id = insert_domain(transaction, account_id, "a.example", 1.0)
        for name, display in (("1000", "Анна Ёлкина"), ("1001", "Éric"), ("1002", "100%")):
            insert_user(transaction, SipUser(0, account_id, domain_id, name, "a.example", display_name=display), 1.0)

        def found(text: str) -> list[str]:
            page = read_user_page(transaction, UserFilter(account_id, text=text), 1.0)
            return [user.username for user in page.users]

        assert found("анна ё") == found("АННА") == ["1000"]
        assert found("éR") == ["1001"]
        assert found("0%") == ["1002"]
        assert found("1002@A") == ["1002"]
    database.close()
