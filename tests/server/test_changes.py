"""A change is taken up by the running server: it says how far, and the next call is decided by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sealtone.admin import Actor, SipUserChange, change_of, create_domain, update_sip_user
from sealtone.model import CallState, Role
from sealtone.phone import CallFailed, Encryption, Wish
from sealtone.store import StoreUnavailable, Transaction
from sealtone.store.changes import LoggedChange
from sealtone.store.directory import last_change
from server.whole import Whole, config_in, running

OPERATOR = Actor("root", "command line")
A, B = "1000@office.example", "1001@office.example"
PREFER = Wish(Encryption.PREFER)


async def saved(whole: Whole, aor: str, form: SipUserChange) -> int:
    """A change as another process makes it; gives its number."""

    def operation(transaction: Transaction) -> int:
        update_sip_user(transaction, OPERATOR, time.time(), aor, form)
        return last_change(transaction)

    return await whole.server._store.submit(operation)


async def logged(whole: Whole, number: int) -> LoggedChange:
    return await whole.server._store.read(lambda transaction: change_of(transaction, OPERATOR, number, Role.VIEWER))


async def until(
    whole: Whole, number: int, fits: Callable[[LoggedChange], bool], patience_s: float = 8.0
) -> LoggedChange:
    end = time.monotonic() + patience_s
    while True:
        found = await logged(whole, number)
        if fits(found):
            return found
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


async def test_a_change_is_done_once_the_server_has_loaded_it_and_whoever_waits_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealtone.app._POLL_S", 3600.0)  # its own look would come between
    async with running(config_in(tmp_path)) as whole:
        assert (await logged(whole, 1)).state == "done", "what the first use made is in force"
        feed = whole.server.node.feed
        since = (await feed.wait(0, 0.0))["next"]
        number = await saved(whole, A, SipUserChange("Anna"))
        assert (await logged(whole, number)).state == "pending"
        await whole.server.reload()
        found = await logged(whole, number)
        assert (found.state, found.failure) == ("done", "")
        assert found.settled_at is not None
        assert found.at <= found.settled_at <= time.time()
        (event,) = (await feed.wait(since, 1.0))["events"]
        assert (event["kind"], event["account_id"], event["change"], event["state"]) == (
            "change.settled",
            1,
            number,
            "done",
        )
        user = whole.server.node.snapshot.user(A)
        assert user is not None
        assert user.display_name == "Anna"


async def test_a_change_that_cannot_be_taken_up_fails_with_the_reason_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(config_in(tmp_path)) as whole:

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(whole.server._certificates, "refresh", full)
            number = await saved(whole, A, SipUserChange("Anna"))
            with pytest.raises(OSError, match="No space"):
                await whole.server.reload()
            found = await logged(whole, number)
            assert found.state == "failed"
            assert "No space left on device" in found.failure
        found = await until(whole, number, lambda change: change.state == "done")
        assert found.failure == ""


async def test_what_cannot_be_loaded_leaves_the_server_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(config_in(tmp_path)) as whole:
        before = whole.server.node.snapshot

        async def broken(*_: object) -> None:
            raise StoreUnavailable("The database cannot be used: the file is damaged.")

        monkeypatch.setattr(whole.server._store, "load_snapshot", broken)
        number = await saved(whole, A, SipUserChange("Anna"))
        found = await until(whole, number, lambda change: change.state == "failed")
        assert found.failure == "The database cannot be used: the file is damaged."
        assert whole.server.node.snapshot is before


async def test_a_change_made_while_no_server_ran_is_done_when_one_starts(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with running(config) as whole:
        secrets = whole.secrets
        await whole.server._store.submit(
            lambda transaction: create_domain(transaction, OPERATOR, time.time(), "late.example", 1)
        )
    async with running(config, secrets) as whole:
        number = await whole.server._store.read(last_change)
        assert (await logged(whole, number)).state == "done"


async def test_a_saved_change_decides_the_next_call_and_no_running_one_without_a_restart(tmp_path: Path) -> None:
    async with (
        running(config_in(tmp_path)) as whole,
        whole.phone("1000", "tls", wish=PREFER) as a,
        whole.phone("1001", "udp") as b,
    ):
        await a.register()
        await b.register()
        call = await a.call("1001")
        await call.answered(15)
        far = await b.next_call(15)
        number = await saved(whole, B, SipUserChange(strictness="require"))
        await until(whole, number, lambda change: change.state == "done")
        before = call.stats().received
        async with asyncio.timeout(10):  # the running call goes on as it was decided
            while call.stats().received < before + 5:  # noqa: ASYNC110 - packets come fifty times a second
                await asyncio.sleep(0.02)
        with pytest.raises(CallFailed) as refused:
            await (await a.call("1001")).answered(15)
        assert refused.value.status == 488
        await call.hang_up()
        await far.ended(15)
        number = await saved(whole, B, SipUserChange(strictness="prefer"))
        await until(whole, number, lambda change: change.state == "done")
        again = await a.call("1001")
        await again.answered(15)
        await b.next_call(15)
        await again.hang_up()
        records = await whole.records()
        assert [record.status for record in records] == [200, 488, 200]  # type: ignore[attr-defined]
        assert records[0].state is CallState.OPEN  # type: ignore[attr-defined]
