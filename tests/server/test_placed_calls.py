"""`calls.test` over the control socket: the running server calls a phone of our own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sealtone.model import CallState
from sealtone.net.control import ask
from sealtone.net.errors import ControlError
from sealtone.phone import Encryption, Wish
from server.whole import config_in, running


async def test_a_registered_phone_is_called_and_hears_the_server(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole:
        async with whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE)) as phone:
            await phone.register()
            placed = await asyncio.to_thread(
                ask, tmp_path, "calls.test", user="1000@office.example", service="who-can-hear"
            )
            call = await phone.next_call(15)
            await call.answered(15)
            async with asyncio.timeout(5):
                while call.stats().received <= 20:  # noqa: ASYNC110 - packets come fifty times a second
                    await asyncio.sleep(0.05)
            (live,) = await asyncio.to_thread(ask, tmp_path, "calls.live")
            assert (live["id"], live["caller"]) == (placed["call"], "who-can-hear")
            assert live["callee"] == "1000@office.example"
            await call.hang_up()
        (record,) = await whole.records()
        assert (record.caller, record.callee, record.ended_by) == ("who-can-hear", "1000@office.example", "callee")  # type: ignore[attr-defined]
        assert record.state is CallState.PROTECTED_TO_SERVER  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("user", "service", "said"),
    [
        ("1000@office.example", "who-can-hear", "No phone of 1000@office.example is registered"),
        ("nobody@office.example", "echo", "There is no SIP user nobody@office.example"),
        ("1000@office.example", "music", "There is no test music"),
    ],
)
async def test_why_a_phone_cannot_be_called_is_said(tmp_path: Path, user: str, service: str, said: str) -> None:
    async with running(config_in(tmp_path)):
        with pytest.raises(ControlError, match=said):
            await asyncio.to_thread(ask, tmp_path, "calls.test", user=user, service=service)
