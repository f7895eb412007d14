"""Events arrive signed, are tried again until they have arrived, and who takes nothing for a week is switched off."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sealtone.admin import Actor, Conflict
from sealtone.admin.webhook_targets import TargetRules, set_target_rules
from sealtone.admin.webhooks import (
    NewWebhook,
    WebhookChange,
    create_webhook,
    list_deliveries,
    redeliver,
    rotate_webhook_secret,
    send_test,
    update_webhook,
    webhook_of,
)
from sealtone.model.people import Role
from sealtone.store import Database
from sealtone.store import webhooks as rows
from sealtone.store.directory import insert_account
from sealtone.store.webhooks import Delivery, Webhook
from sealtone.web.webhooks import Courier, Sender
from sealtone.web.webhooks.courier import wait_before
from web.webhooks.receiver import Received, Receiver, receiving

OPERATOR = Actor("root", "command line")
OWNER = Actor("owner@office.test", "192.0.2.9", 1, Role.OWNER)
ALLOWED = TargetRules((ipaddress.ip_network("127.0.0.0/8"),), (), http=True)


class Clock:
    """The wall clock, which a test puts forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    with database.write() as transaction:
        insert_account(transaction, "office", 1.0)
        insert_account(transaction, "other", 1.0)
        set_target_rules(transaction, OPERATOR, 1.0, ALLOWED)
    yield database
    database.close()


def hook_to(database: Database, receiver: Receiver, *events: str) -> NewWebhook:
    url = f"http://127.0.0.1:{receiver.port}/events"
    with database.write() as transaction:
        return create_webhook(transaction, OWNER, time.time(), 1, url, events or ["call.ended"])


def deliveries(database: Database, hook: Webhook) -> tuple[Delivery, ...]:
    with database.read() as transaction:
        return list_deliveries(transaction, OWNER, hook.id)


def event(kind: str = "call.ended", account_id: int | None = 1, **more: object) -> dict[str, object]:
    return {"seq": 7, "at": time.time(), "kind": kind, "account_id": account_id, "call": "c1", **more}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (of the database)
            await asyncio.sleep(0.01)


def is_signed(request: Received, secret: str) -> bool:
    """As docs/api.md tells a receiver to check."""
    parts = [part.partition("=") for part in request.headers["webhook-signature"].split(",")]
    at = next(value for name, _, value in parts if name == "t")
    wanted = hmac.new(secret.encode(), f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(at)) < 300
    return fresh and any(name == "v1" and hmac.compare_digest(value, wanted) for name, _, value in parts)


async def test_an_event_arrives_signed_and_only_where_its_kind_is_wanted(database: Database) -> None:
    async with receiving() as receiver, receiving() as other:
        made = hook_to(database, receiver)
        hook_to(database, other, "registration.added")
        courier = Courier(database, Sender(), pause=0.05)
        courier.start(None)
        courier.tell(event())
        courier.tell(event(account_id=2))
        courier.tell(event(account_id=None))
        courier.tell(event("no.such.kind"))
        courier.tell({"kind": "lost", "account_id": None})
        await until(lambda: bool(receiver.received))
        await until(lambda: deliveries(database, made.webhook)[0].status == 200)
        await asyncio.sleep(0.1)
        await courier.close()
        assert len(receiver.received) == 1
        assert not other.received
    request = receiver.received[0]
    assert is_signed(request, made.secret)
    assert not is_signed(request, "whsec_other")
    body = json.loads(request.body)
    assert body["type"] == request.headers["webhook-event"] == "call.ended"
    assert body["id"] == request.headers["webhook-id"]
    assert body["data"] == {"call": "c1"}
    assert request.headers["content-type"] == "application/json"


async def test_what_is_not_taken_is_tried_again_later_with_the_same_event_id(database: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        made = hook_to(database, receiver)
        receiver.answer = lambda request: b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        courier = Courier(database, Sender(), clock, pause=0.05)
        courier.start(None)
        courier.tell(event())
        await until(
            lambda: deliveries(database, made.webhook)[:1] != () and deliveries(database, made.webhook)[0].tries == 1
        )
        first = deliveries(database, made.webhook)[0]
        assert first.status == 503
        assert first.failure == "The receiver answered 503."
        assert first.next_try_at is not None
        with database.read() as transaction:
            assert webhook_of(transaction, OWNER, made.webhook.id).failing_since is not None
        await asyncio.sleep(0.3)
        assert len(receiver.received) == 1
        receiver.answer = Receiver.answer
        clock.ahead = 20.0
        await until(lambda: deliveries(database, made.webhook)[0].next_try_at is None)
        await courier.close()
    assert [request.headers["webhook-id"] for request in receiver.received] == [first.event_id] * 2
    done = deliveries(database, made.webhook)[0]
    assert (done.status, done.failure, done.tries) == (200, "", 2)
    with database.read() as transaction:
        assert webhook_of(transaction, OWNER, made.webhook.id).failing_since is None


async def test_after_a_day_an_event_is_given_up_and_after_a_week_the_webhook(database: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        made = hook_to(database, receiver)
        receiver.answer = lambda request: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
        courier = Courier(database, Sender(), clock, pause=0.02)
        courier.start(None)
        courier.tell(event())
        tries = 0
        while True:
            tries += 1
            await until(lambda tries=tries: bool(d := deliveries(database, made.webhook)) and d[0].tries >= tries)
            if deliveries(database, made.webhook)[0].next_try_at is None:
                break
            clock.ahead += 5 * 3600.0
        assert 3 <= tries <= 8
        clock.ahead = 7.5 * 86_400.0
        courier.tell(event())
        await until(lambda: len(d := deliveries(database, made.webhook)) == 2 and d[0].tries == 1)
        await courier.close()
    with database.write() as transaction:
        hook = webhook_of(transaction, OWNER, made.webhook.id)
        assert not hook.enabled
        assert "week" in hook.note
        with pytest.raises(Conflict):
            send_test(transaction, OWNER, time.time(), hook.id)
        again = update_webhook(transaction, OWNER, time.time(), hook.id, WebhookChange(enabled=True))
        assert (again.enabled, again.note, again.failing_since) == (True, "", None)
    assert deliveries(database, made.webhook)[0].next_try_at is None


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(database: Database) -> None:
    clock = Clock()
    async with receiving() as receiver:
        made = hook_to(database, receiver)
        with database.write() as transaction:
            fresh = rotate_webhook_secret(transaction, OWNER, time.time(), made.webhook.id)
            send_test(transaction, OWNER, time.time(), made.webhook.id)
        courier = Courier(database, Sender(), clock, pause=0.05)
        courier.start(None)
        await until(lambda: len(receiver.received) == 1)
        assert is_signed(receiver.received[0], made.secret)
        assert is_signed(receiver.received[0], fresh.secret)
        await until(lambda: deliveries(database, made.webhook)[0].next_try_at is None)
        clock.ahead = 86_500.0
        with database.write() as transaction:
            send_test(transaction, OWNER, time.time(), made.webhook.id)
        await until(lambda: len(receiver.received) == 2)
        await courier.close()
    late = receiver.received[1].headers["webhook-signature"]
    assert late.count("v1=") == 1
    assert receiver.received[0].headers["webhook-signature"].count("v1=") == 2


async def test_one_that_is_slow_holds_up_no_other(database: Database) -> None:
    async with receiving() as slow, receiving() as quick:
        slow.delay_s = 8.0
        first = hook_to(database, slow)
        second = hook_to(database, quick)
        with database.write() as transaction:
            for _ in range(100):
                send_test(transaction, OWNER, time.time(), first.webhook.id)
            send_test(transaction, OWNER, time.time(), second.webhook.id)
        courier = Courier(database, Sender(), pause=0.05)
        courier.start(None)
        await until(lambda: len(quick.received) == 1, 6.0)
        assert slow.connections <= 2
        await courier.close()


async def test_what_is_taken_while_it_is_looked_for_what_is_due_is_not_sent_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier, read = Courier(database, Sender(), pause=60.0), rows.due_deliveries

    def slowly(*arguments: Any) -> tuple[Delivery, ...]:
        """As on a busy machine: what was being sent has ended before it is said what is due."""
        found, end = read(*arguments), time.monotonic() + 5.0
        while courier._running and time.monotonic() < end:
            time.sleep(0.005)
        return found

    monkeypatch.setattr(rows, "due_deliveries", slowly)
    async with receiving() as receiver:
        receiver.delay_s = 0.3
        made = hook_to(database, receiver)
        with database.write() as transaction:
            send_test(transaction, OWNER, time.time(), made.webhook.id)
        courier.start(None)
        await until(lambda: bool(receiver.received))
        courier.wake()
        await until(lambda: deliveries(database, made.webhook)[0].next_try_at is None)
        await asyncio.sleep(0.2)
        assert len(receiver.received) == 1
        await courier.close()


async def test_what_was_sent_is_sent_again_by_hand_and_after_a_restart(database: Database) -> None:
    async with receiving() as receiver:
        made = hook_to(database, receiver)
        with database.write() as transaction:
            sent = send_test(transaction, OWNER, time.time(), made.webhook.id)
        for count in (1, 2):
            courier = Courier(database, Sender(), pause=0.05)
            courier.start(None)
            await until(lambda count=count: len(receiver.received) == count)
            await until(lambda: deliveries(database, made.webhook)[0].next_try_at is None)
            await courier.close()
            with database.write() as transaction:
                again = redeliver(transaction, OWNER, time.time(), made.webhook.id, sent.id)
            assert again.id != sent.id
    assert receiver.received[0].headers["webhook-id"] == receiver.received[1].headers["webhook-id"]


async def test_nobody_who_answers_is_noted_as_such(database: Database) -> None:
    async with receiving() as receiver:
        made = hook_to(database, receiver)
    courier = Courier(database, Sender(), pause=0.05)
    courier.start(None)
    courier.tell(event())
    await until(lambda: bool(d := deliveries(database, made.webhook)) and d[0].tries == 1)
    await courier.close()
    one = deliveries(database, made.webhook)[0]
    assert one.status is None
    assert "connection" in one.failure.lower()


def test_no_more_waits_for_an_endpoint_than_there_is_room_for(database: Database) -> None:
    from sealtone.admin.webhooks import Happened, tell

    with database.write() as transaction:
        hook = create_webhook(transaction, OWNER, 1.0, 1, "http://127.0.0.1:9/", ["call.ended"]).webhook
        happenings = [Happened(1, "call.ended", 1.0, {"call": str(number)}) for number in range(1100)]
        assert tell(transaction, 1.0, happenings) == 1000
        assert "1000 events wait" in webhook_of(transaction, OWNER, hook.id).note


def test_waits_grow_to_four_hours_and_no_further() -> None:
    waits = [wait_before(tries) for tries in range(1, 60)]
    assert 8 <= waits[0] <= 12
    assert all(wait <= 4 * 3600 * 1.2 for wait in waits)
    assert waits[-1] >= 4 * 3600 * 0.8
