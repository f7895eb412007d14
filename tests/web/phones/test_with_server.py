"""What the pages do with a running server and a phone of our own."""

from __future__ import annotations

import asyncio
import re

from sealtone.phone import Encryption, Wish
from web.conftest import WholePanel

AOR = "1000@office.example"


async def test_the_panel_has_a_phone_rung_and_the_checklist_ticks_itself(whole_panel: WholePanel) -> None:
    client = whole_panel.signed_in()
    page = await client.get("/")
    assert "2 of 5 done" in page.text
    refused = await client.send_form(f"/sip-users/{AOR}/test-call")
    assert refused.status_code == 303
    assert "No phone of 1000@office.example is registered" in (await client.get(f"/sip-users/{AOR}/connect")).text
    async with whole_panel.whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE)) as phone:
        await phone.register()
        state = await client.get(f"/sip-users/{AOR}/connect/state")
        assert re.search(r"Registered.*Sealtone-phone.*TLS", state.text, re.DOTALL)
        asked = await client.send_form(f"/sip-users/{AOR}/test-call", {"service": "who-can-hear", "back": "/"})
        assert (asked.status_code, asked.headers["location"]) == (303, "/")
        call = await phone.next_call(15)
        await call.answered(15)
        await asyncio.sleep(0.5)
        await call.hang_up()
    async with asyncio.timeout(20):  # nobody looks meanwhile: the events alone have to tick it
        while True:
            with whole_panel.database.read() as transaction:
                rows = transaction.connection.exec_driver_sql("SELECT name FROM milestone").scalars().all()
            if {"registered", "call", "protected-call"} <= set(rows):
                break
            await asyncio.sleep(0.2)
    assert "All set: your calls are encrypted" in (await client.get("/")).text
