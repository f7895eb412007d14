"""Live calls of a whole server: what is told of them, what may be done to them and by whom, and their SIP messages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sealtone.admin import Actor, SipUserChange, update_sip_user
from sealtone.model.ladder import Ladder
from sealtone.net.control import ask
from sealtone.net.errors import ControlError
from sealtone.phone import Call, CallFailed, Encryption, Wish
from sealtone.phone.negotiation import KeyExchange
from sealtone.store.ladders import read_ladder
from server.whole import Whole, config_in, running

OPERATOR = Actor("root", "command line")
ZRTP = Wish(Encryption.REQUIRE, KeyExchange.ZRTP)
SDES = Wish(Encryption.REQUIRE)


async def asked(whole: Whole, do: str, **arguments: Any) -> Any:
    return await asyncio.to_thread(ask, whole.config.data, do, **arguments)


async def set_up(whole: Whole, change: SipUserChange, *users: str) -> None:
    for user in users:
        await whole.server._store.submit(
            lambda transaction, user=user: update_sip_user(transaction, OPERATOR, 1.0, f"{user}@office.example", change)
        )
    await whole.server.reload()


async def ladder_of(whole: Whole, call_id: str) -> Ladder | None:
    for _ in range(60):
        await whole.server._store.flush()
        found = await whole.server._store.read(lambda transaction: read_ladder(transaction.connection, call_id))
        if found is not None:
            return found
        await asyncio.sleep(0.1)
    return None


@asynccontextmanager
async def in_call(whole: Whole, wish: Wish, line: str) -> AsyncIterator[tuple[Call, Call]]:
    async with whole.phone("1000", line, wish=wish) as a, whole.phone("1001", line, wish=wish) as b:
        await a.register()
        await b.register()
        call = await a.call("1001")
        await call.answered(15)
        yield call, await b.next_call(15)


async def test_a_call_and_its_phones_are_told_from_start_to_end(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        place = (await asked(whole, "events.wait", after=0))["next"]
        async with in_call(whole, SDES, "tls") as (call, _):
            (live,) = await asked(whole, "calls.live", account_id=1)
            assert live["state"] == "protected-to-server"
            assert [leg["own"] for leg in live["legs"]] == [True, True]
            await call.hang_up()
        await whole.records()
        heard = (await asked(whole, "events.wait", after=place))["events"]
        told = [event["kind"] for event in heard if event["kind"].startswith("call.") and event["call"] == live["id"]]
        assert told[0] == "call.started"
        assert told[-1] == "call.ended"
        assert "call.answered" in told
        assert {event["aor"] for event in heard if event["kind"] == "registration.added"} == {
            "1000@office.example",
            "1001@office.example",
        }
        assert {event["account_id"] for event in heard} == {1}
        ended = heard[[event["kind"] for event in heard].index("call.ended")]
        assert (ended["callee"], ended["answered"], ended["state"]) == (
            "1001@office.example", True, "protected-to-server",
        )  # fmt: skip


async def test_a_wrong_password_is_told_to_whose_domain_it_is(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        place = (await asked(whole, "events.wait", after=0))["next"]
        whole.secrets["1002"] = "wrong-secret"
        async with whole.phone("1002") as phone:
            with pytest.raises(Exception, match=r"^40[13]"):
                await phone.register()
        heard = (await asked(whole, "events.wait", after=place))["events"]
        assert next((one["kind"], one["aor"], one["account_id"]) for one in heard) == (
            "registration.failed", "1002@office.example", 1,
        )  # fmt: skip


async def test_another_accounts_calls_are_neither_seen_nor_touched(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        async with in_call(whole, SDES, "tls") as (call, _):
            (live,) = await asked(whole, "calls.live", account_id=1)
            assert await asked(whole, "calls.live", account_id=2) == []
            for do, more in (
                ("calls.hang_up", {}),
                ("calls.record", {"start": True, "by": "somebody"}),
                ("calls.verify", {"user": "", "matches": True}),
            ):
                said = []
                for name in (live["id"], "no-such-call"):
                    with pytest.raises(ControlError) as refused:
                        await asked(whole, do, call=name, account_id=2, **more)
                    said.append(str(refused.value).replace(name, "X"))
                assert said[0] == said[1], "word for word like a call that does not exist"
            assert len(whole.server.node.exchange.calls) == 1
            assert await asked(whole, "calls.hang_up", call=live["id"], account_id=1, by="owner@office.example")
            await call.ended(15)


async def test_the_sas_of_the_server_is_the_phones_and_matching_checks_the_call(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        await set_up(whole, SipUserChange(protection="zrtp", strictness="require", path="server"), "1000", "1001")
        place = (await asked(whole, "events.wait", after=0))["next"]
        async with in_call(whole, ZRTP, "tls") as (call, far):
            shown = {
                "1000@office.example": (await call.secured()).sas,
                "1001@office.example": (await far.secured()).sas,
            }
            (live,) = await asked(whole, "calls.live", account_id=1)
            assert {leg["aor"]: leg["zrtp"]["sas"] for leg in live["legs"]} == shown
            for aor in shown:
                done = await asked(
                    whole, "calls.verify", call=live["id"], user=aor, matches=True, by="ann", account_id=1
                )
                assert done == {"call": live["id"], "aor": aor, "sas": shown[aor], "matches": True, "account_id": 1}
            (live,) = await asked(whole, "calls.live", account_id=1)
            assert live["state"] == "protected-to-server-checked"
            await call.hang_up()
        heard = (await asked(whole, "events.wait", after=place))["events"]
        assert [(one["aor"], one["by"]) for one in heard if one["kind"] == "sas.verified"] == [
            (aor, "ann") for aor in shown
        ]


async def test_a_sas_that_differs_warns_and_ends_the_call_only_if_asked(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        await set_up(whole, SipUserChange(protection="zrtp", strictness="require", path="server"), "1000", "1001")
        async with in_call(whole, ZRTP, "tls") as (call, far):
            await call.secured()
            await far.secured()
            (live,) = await asked(whole, "calls.live", account_id=1)
            await asked(whole, "calls.verify", call=live["id"], user="1000", matches=False, hang_up=False, account_id=1)
            (live,) = await asked(whole, "calls.live", account_id=1)
            caller = next(leg for leg in live["legs"] if leg["role"] == "caller")
            assert any("SAS differs" in warning for warning in caller["zrtp"]["warnings"])
            assert live["state"] == "protected-to-server"
            await asked(whole, "calls.verify", call=live["id"], user="1001", matches=False, account_id=1)
            await call.ended(15)
        (record,) = await whole.records()
        assert all(any("SAS differs" in one for one in leg.security.zrtp.warnings) for leg in record.legs)


async def test_the_messages_of_both_legs_are_kept_without_their_secrets(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        async with in_call(whole, SDES, "tls") as (call, far):
            await call.hang_up()
            await far.ended(15)
        (record,) = await whole.records()
        ladder = await ladder_of(whole, record.id)
        assert ladder is not None
        assert ladder.left_out == 0
        starts = [message.text.split("\n")[0] for message in ladder.messages]
        legs = [leg.sip_call_id for leg in record.legs]
        assert {message.leg for message in ladder.messages} == set(legs)
        assert sum(start.startswith("INVITE") for start in starts) == 3, "two of the caller's, one of ours"
        assert sum(start.startswith("BYE") for start in starts) == 2
        assert starts[-1].startswith("SIP/2.0 200"), "the last answer is waited for"
        text = "\n".join(message.text for message in ladder.messages)
        assert "inline:***" in text
        assert "response=***" in text
        assert set(re.findall(r"inline:(\S{3})", text)) == {"***"}
        assert not any(secret in text for secret in whole.secrets.values())


async def test_only_failed_calls_are_kept_where_the_account_says_so(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        store = whole.server._store
        await store.submit(
            lambda transaction: transaction.connection.exec_driver_sql("UPDATE account SET keep_ladders = 'failed'")
        )
        await whole.server.reload()
        async with in_call(whole, SDES, "tls") as (call, _):
            await call.hang_up()
        async with whole.phone("1000", "udp") as phone:
            failed = await phone.call("nobody")
            with pytest.raises(CallFailed):
                await failed.answered(15)
        refused, answered = await whole.records()
        assert await ladder_of(whole, refused.id) is not None
        assert await store.read(lambda transaction: read_ladder(transaction.connection, answered.id)) is None
