"""The server as a whole: real sockets, the real media core, a real database, phones of our own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealtone.admin import Actor, SipUserChange, first_use, update_sip_user
from sealtone.config import Config
from sealtone.model import CallState
from sealtone.net.control import ask
from sealtone.net.errors import ControlError, ListenError
from sealtone.phone import CallFailed, Encryption, Wish
from sealtone.phone.phone import RegistrationFailed
from sealtone.store import Database
from sealtone.store.records import insert_calls
from server.whole import Whole, config_in, free_ports, running
from store.records import call

SRTP = Wish(Encryption.REQUIRE)
PLAIN = Wish(Encryption.NONE)


@pytest.mark.parametrize("a_line", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("b_line", ["udp", "tls"])
async def test_two_phones_hear_each_other_whatever_their_transports(tmp_path: Path, a_line: str, b_line: str) -> None:
    async with running(config_in(tmp_path)) as whole:
        wish = {"udp": PLAIN, "tcp": PLAIN, "tls": SRTP}
        async with (
            whole.phone("1000", a_line, wish=wish[a_line]) as a,
            whole.phone("1001", b_line, wish=wish[b_line]) as b,
        ):
            await a.register()
            await b.register()
            call = await a.call("1001")
            await call.answered(15)
            far = await b.next_call(15)
            await until(lambda: min(call.stats().received, far.stats().received) > 25)
            await call.hang_up()
            await far.ended(15)
        (record,) = await whole.records()
        state = CallState.PROTECTED_TO_SERVER if (a_line, b_line) == ("tls", "tls") else CallState.OPEN
        assert record.state is state
        assert [leg.security.transport for leg in record.legs] == [a_line, b_line]
        assert all(leg.packets_rx > 20 for leg in record.legs)


async def test_registrations_survive_a_restart(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with running(config) as whole:
        secrets = whole.secrets
        b = whole.phone("1001")
        await b.connect()
        await b.register()
    async with running(config, secrets) as whole:
        assert whole.ready.first is None
        async with whole.phone("1000") as a:
            await a.register()
            call = await a.call("1001")
            await call.answered(15)
            await call.hang_up()
    await b.close()


async def test_a_phone_that_reconnects_over_tls_keeps_its_call(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        async with whole.phone("1000") as a, whole.phone("1001", "tls", wish=SRTP) as b:
            await a.register()
            await b.register()
            call = await a.call("1001")
            await call.answered(15)
            far = await b.next_call(15)
            (leg,) = whole.server.node.exchange.legs_of("1001@office.example")
            whole.server._transports.close_flow(leg.session.hop)
            await asyncio.sleep(0.3)
            await b.connect()
            await b.register()
            await call.hang_up()
            assert await far.ended(15)


async def test_a_phone_that_reconnects_from_another_address_keeps_its_call(tmp_path: Path) -> None:
    async with running(config_in(tmp_path, ("127.0.0.1", "::1"))) as whole:
        async with (
            whole.phone("1000") as a,
            whole.phone("1001", "tls") as b,
            whole.phone("1001", "tls", host="::1") as other,
        ):
            await a.register()
            await b.register()
            call = await a.call("1001")
            await call.answered(15)
            far = await b.next_call(15)
            await other.register()
            (leg,) = whole.server.node.exchange.legs_of("1001@office.example")
            lost = leg.session.hop
            whole.server._transports.close_flow(lost)
            await asyncio.sleep(0.3)
            await other.register()
            assert leg.session.hop == lost, "the user's other phone has not moved"
            b.config = replace(b.config, proxy=("::1", whole.config.tls_port))
            await b.connect()
            await b.register()
            assert leg.session.hop.remote[0] == "::1"
            await call.hang_up()
            assert await far.ended(15)


async def test_ipv6_and_ipv4_phones_call_each_other(tmp_path: Path) -> None:
    async with running(config_in(tmp_path, ("127.0.0.1", "::1"))) as whole:
        async with whole.phone("1000", host="::1") as a, whole.phone("1001") as b:
            await a.register()
            await b.register()
            call = await a.call("1001")
            await call.answered(15)
            await until(lambda: call.stats().received > 15)
            await call.hang_up()
        (record,) = await whole.records()
        for leg, host in zip(record.legs, ("[::1]", "127.0.0.1"), strict=True):
            assert leg.remote_signalling.rpartition(":")[0] == leg.remote_media.rpartition(":")[0] == host


async def test_a_message_reaches_the_other_phone_and_the_answer_comes_back(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a, whole.phone("1001", "tls") as b:
        await a.register()
        await b.register()
        assert await a.message("1001", "hello") == 200
        assert await a.message("4711", "hello") == 404
        assert await a.message("1002", "hello") == 480


async def test_a_wrong_secret_is_refused_beside_a_call_that_goes_on(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a:
        await a.register()
        call = await a.call("*43")
        await call.answered(15)
        whole.secrets["1002"] = "wrong"
        async with whole.phone("1002") as intruder:
            with pytest.raises(RegistrationFailed) as failure:
                await intruder.register()
        assert failure.value.status in (401, 403)
        before = call.stats().received
        await until(lambda: call.stats().received > before + 10)
        await call.hang_up()


async def test_a_changed_user_counts_from_the_next_call_without_a_restart(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1000") as a, whole.phone("1001") as b:
        await a.register()
        await b.register()
        running_call = await a.call("1001")
        await running_call.answered(15)
        require = SipUserChange(protection="srtp", strictness="require")
        actor = Actor("test", "here")
        await whole.server._store.submit(
            lambda transaction: update_sip_user(transaction, actor, time.time(), "1001@office.example", require)
        )
        await whole.server.reload()
        call = await a.call("1001")
        with pytest.raises(CallFailed) as failure:
            await call.answered(15)
        assert failure.value.status == 488
        assert "TLS" in failure.value.reason
        before = running_call.stats().received
        await until(lambda: running_call.stats().received > before)
        await running_call.hang_up()


async def until(happened: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def switch(whole: Whole, enabled: bool) -> None:
    """As the command line does that cannot tell the server."""
    change, actor = SipUserChange(enabled=enabled), Actor("test", "here")
    await whole.server._store.submit(
        lambda transaction: update_sip_user(transaction, actor, time.time(), "1001@office.example", change)
    )


def said(whole: Whole, words: str) -> int:
    """How often they are in the journal."""
    whole.server._journal.flush()
    return whole.log.getvalue().count(words)


def is_enabled(whole: Whole) -> bool:
    user = whole.server.node.snapshot.user("1001@office.example")
    assert user is not None
    return user.enabled


async def test_a_database_that_cannot_be_read_for_a_while_does_not_end_the_watch_for_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealtone.app._POLL_S", 0.1)
    async with running(config_in(tmp_path)) as whole:
        with contextlib.closing(sqlite3.connect(tmp_path / "sealtone.db", isolation_level=None)) as database:
            database.execute("ALTER TABLE change_log RENAME TO elsewhere")
            await until(lambda: said(whole, "a change was not taken up"))
            await asyncio.sleep(0.3)  # it is tried again, and not said again
            database.execute("ALTER TABLE elsewhere RENAME TO change_log")
        await switch(whole, enabled=False)
        await until(lambda: not is_enabled(whole))
        assert said(whole, "error a change was not taken up") == 1


async def test_a_certificate_that_cannot_be_read_holds_up_no_change_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealtone.app._POLL_S", 0.1)
    monkeypatch.setattr("sealtone.app._CERTIFICATES_S", 0.1)
    async with running(config_in(tmp_path)) as whole:
        file = tmp_path / "certificates" / "office.example.pem"
        good = file.read_bytes()
        file.write_bytes(b"no certificate")
        await switch(whole, enabled=False)
        await until(lambda: not is_enabled(whole) and said(whole, "error the certificates were not renewed"))
        with pytest.raises(ControlError, match="not taken all of this up yet"):
            await asyncio.to_thread(ask, tmp_path, "reload")
        seen = whole.server._change_seen
        await asyncio.sleep(0.3)
        assert whole.server._change_seen == seen, "the change is not done with yet"
        file.write_bytes(good)
        await until(lambda: whole.server._change_seen > seen)
        assert not any(task.done() for task in whole.server._tasks)
        assert said(whole, "error a change was not taken up") == 1


async def test_the_control_socket_tells_state_registrations_and_live_calls_and_hangs_up(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1000", "tls", wish=SRTP) as a:
        await a.register()
        call = await a.call("*43")
        await call.answered(15)
        status = await asyncio.to_thread(ask, tmp_path, "status")
        assert (status["calls"], status["registrations"]) == (1, 1)
        (binding,) = await asyncio.to_thread(ask, tmp_path, "registrations")
        assert (binding["aor"], binding["transport"]) == ("1000@office.example", "tls")
        (live,) = await asyncio.to_thread(ask, tmp_path, "calls.live")
        assert live["state"] == "protected-to-server"
        assert live["legs"][0]["suite_rx"]
        assert await asyncio.to_thread(ask, tmp_path, "calls.hang_up", call=live["id"])
        assert await call.ended(15)


async def test_a_taken_port_and_a_second_server_are_refused_in_words(tmp_path: Path) -> None:
    config = config_in(tmp_path / "a")
    async with running(config):
        with pytest.raises(ListenError, match="already uses this port"):
            async with running(config._replace(data=tmp_path / "b")):
                pass
        with pytest.raises(ListenError, match="Another Sealtone server is running"):
            async with running(config_in(tmp_path / "a")):
                pass


async def test_where_the_usual_ports_are_taken_each_moves_to_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine on which another telephone system runs."""
    config = config_in(tmp_path)
    first = free_ports(6)
    usual = {"sip_port": first, "tls_port": first + 1, "shared_tls_port": first + 2}
    for name, port in usual.items():
        monkeypatch.setitem(Config._field_defaults, name, port)
    with contextlib.ExitStack() as others:
        for port in usual.values():
            taken = others.enter_context(socket.socket())
            taken.bind(("127.0.0.1", port))
            taken.listen()
        async with running(config._replace(**usual)) as whole:
            assert sorted({one.port for one in whole.ready.listening}) == [first + 3, first + 4, first + 5]


def test_ctrl_c_ends_calls_with_bye_and_writes_their_records(tmp_path: Path) -> None:
    """The server as a process of its own, as a person runs it."""
    first = free_ports(32)
    options = [
        f"--listen=127.0.0.1 --sip-port={first} --tls-port={first + 1} --shared-tls-port=0",
        f"--media-ports={first + 4}-{first + 31} --domain=office.example --json",
    ]
    command = [
        sys.executable,
        "-m",
        "sealtone.cli",
        "serve",
        "--no-panel",
        f"--data={tmp_path}",
        *" ".join(options).split(),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        try:
            assert process.stdout is not None
            text = ""
            while not text.endswith("\n}\n"):
                line = process.stdout.readline()
                assert line, "the server ended"
                text += line
            users = {user["user"].partition("@")[0]: user["secret"] for user in json.loads(text)["users"]}
            asyncio.run(_call_and_interrupt(process, first, users))
            assert process.wait(10) == 0
        finally:
            process.kill()
    with sqlite3.connect(tmp_path / "sealtone.db") as database:
        rows = database.execute("select status, ended_by, reason from call_record").fetchall()
    assert rows == [(200, "server", "the server is shutting down")]


async def _call_and_interrupt(process: subprocess.Popen[str], port: int, secrets: dict[str, str]) -> None:
    from sealtone.phone import Phone, PhoneConfig

    async with Phone(PhoneConfig("1000", "office.example", secrets["1000"], proxy=("127.0.0.1", port))) as phone:
        await phone.register()
        call = await phone.call("*43")
        await call.answered(15)
        process.send_signal(signal.SIGINT)
        assert "hung up" in await call.ended(15)


async def test_outdated_call_records_go_while_calls_are_up(tmp_path: Path) -> None:
    now = time.time()
    database = Database(tmp_path)
    with database.write() as transaction:
        made = first_use(transaction, 1.0, "office.example")
        assert made is not None
        for number in range(500):
            insert_calls(transaction.connection, [call(number, started_at=now - 400 * 86_400)])
        insert_calls(transaction.connection, [call(500, started_at=now - 300 * 86_400)])
    database.close()
    secrets = {new.user.username: new.secret for new in made.users}
    async with running(config_in(tmp_path), secrets) as whole, whole.phone("1000") as a, whole.phone("1001") as b:
        await a.register()
        await b.register()
        talk = await a.call("1001")
        await talk.answered(15)
        far = await b.next_call(15)
        before = talk.stats().received
        async with asyncio.timeout(10):
            while len(await whole.records()) != 1:  # noqa: ASYNC110 - the database is another's
                await asyncio.sleep(0.1)
        await until(lambda: talk.stats().received > before)
        await talk.hang_up()
        await far.ended(15)
        assert [record.id for record in await whole.records()][1:] == ["call-000500"]
