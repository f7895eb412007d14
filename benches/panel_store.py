"""What the questions of the panel's pages cost the store, with many users and records, on SQLite and on PostgreSQL.

Half of the records belong to one account of twenty, and a fifth of those to one user; half of all users are that
account's too. Records are made by the database itself from one that was written as a server writes it. A row shows the
median, and in brackets the least and the 95th percentile.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benches.report import Outcome, Row, Spread, at_most, spread
from benches.servers.multiplied import multiply, settle
from benches.servers.postgres import running_postgres
from sealtone.model import CallState, KeyExchange, LegSecurity, Protection, SipUser
from sealtone.model.record import CallRecord, LegRecord
from sealtone.srtp_keys import Suite
from sealtone.store import Database, Transaction
from sealtone.store.calls_overview import read_figures
from sealtone.store.directory import insert_account, insert_domain, insert_user, load_snapshot
from sealtone.store.records import CallFilter, find_call, insert_calls, read_calls
from sealtone.store.sip_users import UserFilter, count_users, read_user_page

ACCOUNTS = 20
BUSY = "1000@d1.example"
_DAY_S = 86_400.0
_BEGIN = 1.7e9
_STEP_S = 30.0  # a record every so often: a million are eleven months
_BOUND_MS = 20.0


class StorePlan(NamedTuple):
    """How much to fill in, and how often to ask."""

    work: Path
    users: int = 10_000
    records: int = 1_000_000
    rounds: int = 60


def run_panel_store(plan: StorePlan, say: Callable[[str], None]) -> Outcome:
    rows: list[Row] = []
    with running_postgres() as location:
        for name, database in (
            ("SQLite", Database(plan.work / "sqlite")),
            ("PostgreSQL", Database(plan.work / "postgres", location)),
        ):
            say(f"panel-store: {name}: {plan.users:,} users, {plan.records:,} records")
            fill(database, plan)
            say(f"panel-store: {name}: questions")
            rows += [_row(name, case, ask, database, plan) for case, ask in questions(plan).items()]
            rows += [_reload(name, database)]
            rows += [_writing(name, database, plan)]
            database.close()
    return Outcome(rows, [], {"users": plan.users, "records": plan.records})


def fill(database: Database, plan: StorePlan) -> None:
    """Everything but what a question asks for is as a server writes it."""
    with database.write() as transaction:
        _fill_users(transaction, plan.users)
        insert_calls(transaction.connection, [_record()])
    multiply(database, _RECORD, _LEG, plan.records, "template")
    settle(database)


def questions(plan: StorePlan) -> dict[str, Callable[[Transaction], object]]:
    end = _BEGIN + plan.records * _STEP_S

    def calls(**wanted: Any) -> Callable[[Transaction], object]:
        some = CallFilter(account_id=1)._replace(**wanted)
        return lambda transaction: read_calls(transaction.connection, some).records

    def users(**wanted: Any) -> Callable[[Transaction], object]:
        return lambda transaction: read_user_page(transaction, UserFilter(account_id=1)._replace(**wanted), end).users

    middle = _BEGIN + plan.records * _STEP_S / 2
    return {
        "calls, first page": calls(),
        "calls, a page in the middle": calls(before_id=(middle, "x")),
        "calls of every account": calls(account_id=None),
        "calls of a month": calls(since=middle, until=middle + 30 * _DAY_S),
        "calls of a busy user": calls(party=BUSY),
        "calls of a quiet user": calls(party="1999@d1.example"),
        "calls of a user part": calls(party="1000"),
        "calls of nobody": calls(party="nobody"),
        "calls of a busy user in a rare state": calls(party=BUSY, state=CallState.END_TO_END),
        "calls in a common state": calls(state=CallState.OPEN),
        "calls in a rare state": calls(state=CallState.END_TO_END),
        "encrypted calls": calls(encrypted=True),
        "missed calls": calls(answered=False),
        "missed calls in a rare state": calls(answered=False, state=CallState.END_TO_END),
        "calls of a domain": calls(domain="d1.example"),
        "calls of a domain without any": calls(domain="d2.example"),
        "calls of a domain in a rare state": calls(domain="d1.example", state=CallState.END_TO_END),
        "one call": lambda transaction: find_call(transaction.connection, "call-0000777"),
        "figures of a day": lambda transaction: read_figures(transaction.connection, 1, end - _DAY_S),
        "users, first page": users(),
        "users, a page in the middle": users(after=("d1.example", "3500")),
        "users by part of a name": users(text="anna 42"),
        "users by what nobody has": users(text="nobody"),
        "users online": users(state="online"),
        "users, count": lambda transaction: count_users(transaction, 1),
    }


def _row(name: str, case: str, ask: Callable[[Transaction], object], database: Database, plan: StorePlan) -> Row:
    times = []
    for turn in range(plan.rounds + 3):
        started = time.perf_counter()
        with database.read() as transaction:
            ask(transaction)
        if turn >= 3:
            times.append((time.perf_counter() - started) * 1000)
    times.sort()
    p95 = times[int(len(times) * 0.95)]
    return Row(
        f"{name}: {case}",
        "ms",
        Spread(statistics.median(times), times[0], p95),
        None,
        None,
        None,
        at_most(_BOUND_MS),
    )


def _reload(name: str, database: Database) -> Row:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        with database.read() as transaction:
            load_snapshot(transaction)
        times.append((time.perf_counter() - started) * 1000)
    return Row(f"{name}: all users into a snapshot", "ms", spread(times), None, None, None, None)


def _writing(name: str, database: Database, plan: StorePlan) -> Row:
    """Groups of 128 records of users spread over all, as a server with 500 calls a second commits them."""
    times = []
    for turn in range(10):
        records = []
        for place in range(128):
            number = plan.records + turn * 128 + place + 10
            user = (number * 7919) % 5000
            caller = f"{1000 + user}@d1.example"
            started = _BEGIN + number * _STEP_S
            records.append(_record()._replace(id=f"new-{number}", caller=caller, started_at=started, account_id=1))
        started = time.perf_counter()
        with database.write() as transaction:
            insert_calls(transaction.connection, records)
        times.append((time.perf_counter() - started) * 1e6 / 128)
    return Row(f"{name}: a record written, 128 a commit", "µs", spread(times), None, None, None, None)


def _fill_users(transaction: Transaction, count: int) -> None:
    half = count // 2
    for account in range(1, ACCOUNTS + 1):
        number = insert_account(transaction, f"Account {account}", 1.0)
        domain_id = insert_domain(transaction, number, f"d{account}.example", 1.0)
        users = half if account == 1 else half // (ACCOUNTS - 1)
        for user in range(users):
            name = str(1000 + user)
            made = SipUser(0, number, domain_id, name, f"d{account}.example", "a" * 32, "b" * 64, f"Anna {user}")
            insert_user(transaction, made, 1.0)


def _record() -> CallRecord:
    security = LegSecurity(
        "tls", "TLSv1.3", "TLS_AES_256_GCM_SHA384", Protection.SRTP, Suite.AES_CM_128_HMAC_SHA1_80,
        Suite.AES_CM_128_HMAC_SHA1_80, KeyExchange.SDES,
    )  # fmt: skip
    leg = LegRecord(
        "caller", BUSY, security, status=200, codec="opus/48000/2", packets_rx=3000, packets_tx=3000, octets_rx=480_000,
        octets_tx=480_000, lost=2, jitter_ms=1.5, rtt_ms=20.0, remote_signalling="192.0.2.7:50222",
        remote_media="192.0.2.7:7078", user_agent="Linphone-Desktop/5.2.0", sip_call_id="template",
        codec_tx="opus/48000/2", ptime_ms=20, mos_rx=4.3, mos_tx=4.2,
    )  # fmt: skip
    return CallRecord(
        id="template", account_id=None, caller=BUSY, dialled=BUSY, callee=BUSY, started_at=1.0, ended_at=61.0,
        ended_by="caller", status=200, reason="The caller hung up.", state=CallState.OPEN,
        legs=(leg, leg._replace(role="callee")), caller_name="Anna", answered_at=3.0,
    )  # fmt: skip


# Columns of the n-th record; the others are the template's. Even ones are the first account's, and a fifth of these the
# busy user's. `account` is known by its number n too: legs have none.
_ACCOUNT = f"(CASE WHEN n.n % 2 = 0 THEN 1 ELSE 2 + (n.n / 2) % {ACCOUNTS - 1} END)"
_SPREAD = "1000 + (n.n % 5000 * 7919) % 5000"
_USER = f"(CASE WHEN n.n % 10 = 0 THEN 1000 WHEN n.n % 2 = 0 THEN {_SPREAD} ELSE 1000 + n.n % 263 END)"
_CALLED = "1000 + (n.n % 2000 * 104729) % 2000"
_AT = f" || '@d' || {_ACCOUNT} || '.example'"
_ID = "'call-' || substr('0000000' || n.n, length('0000000' || n.n) - 6)"
_RECORD = {
    "id": _ID,
    "account_id": _ACCOUNT,
    "caller": f"{_USER}{_AT}",
    "callee": f"({_CALLED}){_AT}",
    "dialled": f"({_CALLED} + CASE WHEN n.n % 50 = 0 THEN 1 ELSE 0 END){_AT}",
    "started_at": f"{_BEGIN} + n.n * {_STEP_S}",
    "answered_at": f"CASE WHEN n.n % 13 = 0 THEN NULL ELSE {_BEGIN} + n.n * {_STEP_S} + 2 END",
    "ended_at": f"{_BEGIN} + n.n * {_STEP_S} + 60",
    "state": "CASE WHEN n.n % 20000 = 0 THEN 'end-to-end' WHEN n.n % 7 < 3 THEN 'open' ELSE 'protected-to-server' END",
}
_LEG = {"call_id": _ID, "aor": _RECORD["caller"], "sip_call_id": "'leg-' || n.n"}
