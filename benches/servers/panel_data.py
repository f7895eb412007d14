"""Fills a data folder that has a domain: call records over the past year, and somebody who is signed in.

Standard output is one line of JSON: the session's token, and the id of a call.
"""

from __future__ import annotations

import argparse
import json
import secrets
import time
from pathlib import Path

from benches.servers.interface import DOMAIN
from benches.servers.multiplied import multiply, settle
from sealtone.config import configured_database
from sealtone.model import CallState, KeyExchange, LegSecurity, Protection, Role
from sealtone.model.record import CallRecord, LegRecord
from sealtone.srtp_keys import Suite
from sealtone.store import Database, Transaction
from sealtone.store.directory import find_domain
from sealtone.store.records import insert_calls
from sealtone.store.sessions import insert_session
from sealtone.store.tables import person
from sealtone.web.security import ABSOLUTE_S, token_hash

_YEAR_S = 364 * 86_400.0
_FIRST_USER = 100_000
_CLOSED = LegSecurity(
    "tls", "TLSv1.3", "TLS_AES_256_GCM_SHA384", Protection.SRTP, Suite.AES_CM_128_HMAC_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_80, KeyExchange.SDES,
)  # fmt: skip


def insert_calls_between(database: Database, count: int, users: int, account_id: int, now: float) -> None:
    """Calls between two users of the domain, the oldest first; a third encrypted, a tenth unanswered."""
    begins, step = now - _YEAR_S, _YEAR_S / count
    number = "substr('0000000' || n.n, length('0000000' || n.n) - 7)"
    caller = f"({_FIRST_USER} + (n.n % {users} * 7919) % {users}) || '@{DOMAIN}'"
    callee = f"({_FIRST_USER} + (n.n % {users} * 104729 + n.n / {users}) % {users}) || '@{DOMAIN}'"
    record = {
        "id": f"'bench-' || {number}",
        "caller": caller,
        "callee": callee,
        "dialled": callee,
        "started_at": f"{begins} + n.n * {step}",
        "answered_at": f"CASE WHEN n.n % 10 = 0 THEN NULL ELSE {begins} + n.n * {step} + 5 END",
        "ended_at": f"{begins} + n.n * {step} + 65",
        "status": "CASE WHEN n.n % 10 = 0 THEN 486 ELSE 200 END",
    }
    leg = {
        "call_id": record["id"],
        "aor": f"CASE WHEN t.number = 0 THEN ({caller}) ELSE ({callee}) END",
        "sip_call_id": "'leg-' || t.number || '-' || n.n",
    }
    for state, which in ((CallState.PROTECTED_TO_SERVER, "n.n % 3 = 0"), (CallState.OPEN, "n.n % 3 <> 0")):
        template = _template(state, account_id)
        with database.write() as transaction:
            insert_calls(transaction.connection, [template])
        multiply(database, record, leg, count, template.id, which)
    settle(database)


def _template(state: CallState, account_id: int) -> CallRecord:
    leg = LegRecord(
        "caller", "", _CLOSED, 200, True, "opus/48000", 3000, 3000, 240_000, 240_000, 2, 1.5, 20.0,
        "127.0.0.1:5060", "127.0.0.1:7078", "Phone/1.0", mos_rx=4.3, mos_tx=4.2,
    )  # fmt: skip
    security = _CLOSED if state is not CallState.OPEN else LegSecurity("udp")
    return CallRecord(
        f"template-{state.value}", account_id, "", "", "", 1.0, 66.0, "caller", 200, "The caller hung up.", state,
        (leg, leg._replace(role="callee", security=security)), answered_at=6.0,
    )  # fmt: skip


def sign_in(transaction: Transaction, account_id: int, now: float) -> str:
    """An owner who operates the service, signed in; gives the session's token."""
    token = secrets.token_urlsafe(32)
    made = transaction.connection.execute(
        person.insert().values(
            account_id=account_id,
            email="owner@bench.example",
            role=Role.OWNER.value,
            operator=1,
            webauthn_handle=secrets.token_bytes(32),
            created_at=now,
        )
    )
    insert_session(
        transaction,
        token_hash=token_hash(token),
        number=secrets.token_hex(8),
        person_id=int(made.inserted_primary_key[0]),
        signed_in_by="password",
        now_wall=now,
        expires_at=now + ABSOLUTE_S,
        address="127.0.0.1",
        user_agent="benchmark",
    )
    return token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    arguments = parser.parse_args()
    database, now = Database(arguments.data, configured_database(arguments.data)), time.time()
    with database.write() as transaction:
        domain = find_domain(transaction, DOMAIN)
        if domain is None:
            raise SystemExit(f"there is no domain {DOMAIN} in {arguments.data}")
        token = sign_in(transaction, domain.account_id, now)
    insert_calls_between(database, arguments.calls, arguments.users, domain.account_id, now)
    database.close()
    print(json.dumps({"token": token, "call": f"bench-{arguments.calls // 2:08d}"}))


if __name__ == "__main__":
    main()
