"""Fills a data folder that has a domain: call records over the past year, and somebody who is signed in.

Standard output is one line of JSON: the session's token, and the id of a call.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from benches.servers.interface import DOMAIN
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
_AT_ONCE = 5_000
_FIRST_USER = 100_000


def calls(count: int, users: int, account_id: int, now: float) -> Iterator[CallRecord]:
    """Calls between two users of the domain at random, the oldest first; a third encrypted, a tenth unanswered."""
    chance = random.Random(5)  # noqa: S311 - spreads records, guards nothing
    suite = Suite.AES_CM_128_HMAC_SHA1_80
    closed = LegSecurity("tls", "TLSv1.3", "TLS_AES_256_GCM_SHA384", Protection.SRTP, suite, suite, KeyExchange.SDES)
    leg = LegRecord(
        "caller", "", closed, 200, True, "opus/48000", 3000, 3000, 240_000, 240_000, 2, 1.5, 20.0,
        "127.0.0.1:5060", "127.0.0.1:7078", "Phone/1.0", mos_rx=4.3, mos_tx=4.2,
    )  # fmt: skip
    for number in range(count):
        caller, callee = (f"{_FIRST_USER + chance.randrange(users)}@{DOMAIN}" for _ in range(2))
        at, answered = now - _YEAR_S * (count - number) / count, chance.random() > 0.1
        is_closed = chance.random() < 0.33
        security = closed if is_closed else LegSecurity("udp")
        legs = (
            leg._replace(aor=caller, sip_call_id=f"a{number}"),
            leg._replace(role="callee", aor=callee, security=security, sip_call_id=f"b{number}"),
        )
        yield CallRecord(
            f"bench-{number:08d}", account_id, caller, callee, callee, at, at + 65, "caller", 200 if answered else 486,
            "The caller hung up.", CallState.PROTECTED_TO_SERVER if is_closed else CallState.OPEN, legs,
            answered_at=at + 5 if answered else None,
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
    database, now = Database(arguments.data), time.time()
    with database.write() as transaction:
        domain = find_domain(transaction, DOMAIN)
        if domain is None:
            raise SystemExit(f"there is no domain {DOMAIN} in {arguments.data}")
        token = sign_in(transaction, domain.account_id, now)
    records = calls(arguments.calls, arguments.users, domain.account_id, now)
    batch: list[CallRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == _AT_ONCE:
            with database.write() as transaction:
                insert_calls(transaction.connection, batch)
            batch.clear()
    with database.write() as transaction:
        insert_calls(transaction.connection, batch)
    database.close()
    print(json.dumps({"token": token, "call": f"bench-{arguments.calls // 2:08d}"}))


if __name__ == "__main__":
    main()
