"""A sealed call cannot be recorded: whoever asks, from wherever, is told why, and so is who reads the call's record."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pyrage

from sealtone import admin
from sealtone.admin import SipUserChange
from sealtone.admin.api_keys import create_api_key
from sealtone.model.recording import SEALED_PATH
from server.test_live_calls import OPERATOR, ZRTP, in_call, set_up
from server.whole import config_in, running
from web.calls.whole_panel import panel_of


async def test_who_asks_for_a_recording_of_a_sealed_call_is_told_why_not_wherever_he_asks(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        recipient = str(pyrage.x25519.Identity.generate().to_public())
        await whole.server._store.submit(
            lambda transaction: admin.set_recording_key(transaction, OPERATOR, 1.0, 1, recipient, rotate=False)
        )
        token = await whole.server._store.submit(
            lambda transaction: create_api_key(transaction, OPERATOR, 1.0, "tests", ["calls"], account_id=1).token
        )
        await set_up(whole, SipUserChange(protection="zrtp", strictness="require", path="sealed"), "1000", "1001")
        client = panel.signed_in()
        async with in_call(whole, ZRTP, "tls") as (call, _):
            await call.secured()
            (name,) = re.findall(r'id="live-([0-9a-f]{16})"', (await client.get("/calls/live")).text)
            page = (await client.get(f"/calls/{name}")).text
            assert f"{SEALED_PATH}." in page
            assert 'id="record-start"' not in page
            refused = await client.send_form(f"/calls/{name}/recording", {"start": "yes"})
            assert (refused.status_code, SEALED_PATH in refused.text) == (409, True)
            api = panel.visitor()
            api.headers["Authorization"] = f"Bearer {token}"
            live = (await api.get(f"/api/v1/live-calls/{name}")).json()
            assert live["recording_objection"] == SEALED_PATH
            answer = await api.post(f"/api/v1/live-calls/{name}/recording", json={"record": True})
            assert (answer.status_code, SEALED_PATH in answer.text) == (409, True)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sealtone.cli", "calls", name, "--record", "start", f"--data={tmp_path}"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "500"},
            )
            said, _ = await process.communicate()
            assert (process.returncode, SEALED_PATH in said.decode()) == (1, True)
            await call.hang_up()
