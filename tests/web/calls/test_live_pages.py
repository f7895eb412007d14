"""Live calls on the panel of a whole server: the SAS, hanging up, and the stream of events that pages listen to."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from starlette.types import Message

from sealtone.admin import SipUserChange
from sealtone.store.directory import read_changes
from sealtone.web.pages import events
from server.test_live_calls import SDES, ZRTP, in_call, set_up
from server.whole import config_in, running
from web.calls.whole_panel import panel_of
from web.conftest import Client, Panel


class Stream:
    """A page's event stream, as a browser reads it; httpx's transport waits for an answer's end, which has none."""

    def __init__(self, panel: Panel, client: Client) -> None:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        self._app: Any = panel.transport.app
        self._headers = [(b"host", b"panel.test"), (b"cookie", cookie.encode())]
        self._left = asyncio.Event()
        self.status = 0
        self.text = ""

    async def __aenter__(self) -> Stream:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
            "path": "/events", "raw_path": b"/events", "query_string": b"", "root_path": "", "headers": self._headers,
            "client": ("192.0.2.9", 40000), "server": ("panel.test", 443), "state": {}, "extensions": {},
        }  # fmt: skip
        self._task = asyncio.create_task(self._app(scope, self._receive, self._send))
        for _ in range(600):
            if self.status:
                break
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left.set()
        await asyncio.wait([self._task], timeout=3)
        self._task.cancel()

    async def _receive(self) -> Message:
        if not self._left.is_set() and not getattr(self, "_asked", False):
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message.get("body", b"").decode()

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in re.findall(r"^data: (.*)$", self.text, re.MULTILINE)]

    async def hears(self, kind: str) -> dict[str, Any]:
        for _ in range(300):
            for event in self.heard():
                if event["kind"] == kind:
                    return event
            await asyncio.sleep(0.02)
        raise AssertionError(f"{kind} was not told: {self.text}")


async def test_a_page_hears_of_its_accounts_calls_and_of_no_others(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        async with (
            Stream(panel, panel.signed_in("viewer")) as ours,
            Stream(panel, panel.signed_in(account="X")) as theirs,
        ):
            assert ours.status == 200
            await ours.hears("lost")
            await theirs.hears("lost")
            async with in_call(whole, SDES, "tls") as (call, _):
                started = await ours.hears("call.answered")
                assert started["caller"] == "1000@office.example"
                await call.hang_up()
            await ours.hears("call.ended")
            assert {event["kind"] for event in theirs.heard()} == {"lost"}


async def test_one_person_has_only_so_many_streams_and_leaving_frees_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 1)
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        client = panel.signed_in()
        async with Stream(panel, client) as first:
            await first.hears("lost")
            async with Stream(panel, client) as second:
                assert second.status == 429
        async with Stream(panel, client) as third:
            assert third.status == 200
            await third.hears("lost")
        assert (await panel.visitor().get("/events")).status_code == 303


async def test_a_quiet_stream_is_kept_alive(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.1)
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        async with Stream(panel, panel.signed_in()) as stream:
            async with asyncio.timeout(6):
                while stream.text.count(": still here") < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)


async def test_the_sas_is_compared_and_the_call_hung_up_from_the_panel(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, panel_of(whole) as panel:
        await set_up(whole, SipUserChange(protection="zrtp", strictness="require", path="server"), "1000", "1001")
        owner, viewer, other = panel.signed_in(), panel.signed_in("viewer"), panel.signed_in(account="X")
        async with in_call(whole, ZRTP, "tls") as (call, far):
            shown = {
                "1000@office.example": (await call.secured()).sas,
                "1001@office.example": (await far.secured()).sas,
            }
            (name,) = re.findall(r'id="live-([0-9a-f]{16})"', (await owner.get("/calls/live")).text)
            page = (await owner.get(f"/calls/{name}")).text
            assert re.findall(r'class="sas-code"[^>]*>(\w+)<', page) == list(shown.values())
            assert "Compare the codes" in page
            # Who may only look, and who is somebody else
            assert "It matches" not in (await viewer.get(f"/calls/{name}")).text
            form = {"aor": "1000@office.example", "found": "matches"}
            assert (await viewer.send_form(f"/calls/{name}/sas", form)).status_code == 403
            for path, data in (("sas", form), ("hang-up", {}), ("recording", {"start": "yes"})):
                refused = await other.send_form(f"/calls/{name}/{path}", data)
                assert refused.status_code == 404
            assert (await owner.send_form(f"/calls/{name}/sas", form)).status_code == 303
            assert "state-checked" not in (await owner.get(f"/calls/{name}")).text, "the other one is not compared yet"
            differs = {"aor": "1001@office.example", "found": "differs"}
            assert (await owner.send_form(f"/calls/{name}/sas", differs)).status_code == 303
            page = (await owner.get(f"/calls/{name}")).text
            assert "Somebody may be listening between that phone and the server" in page
            assert 'id="warned-hang-up"' in page
            assert "Recording is not possible:" in page
            assert (await owner.send_form(f"/calls/{name}/recording", {"start": "yes"})).status_code == 409
            assert (await owner.send_form(f"/calls/{name}/hang-up")).status_code == 303
            await call.ended(15)
            await far.ended(15)
        past = (await owner.get(f"/calls/{name}")).text
        assert "What happened" in past
        assert "differed when it was compared" in past
        log = await whole.server._store.read(read_changes)
        assert [(change.subject, change.after.get("sas")) for change in log if change.after.get("sas")] == [
            ("SAS of 1001@office.example", "differs"), ("SAS of 1000@office.example", "matches"),
        ]  # fmt: skip
        assert any(change.subject == f"call {name}" and change.after["ended"] == "yes" for change in log)
        # What was found stays known in later calls
        async with in_call(whole, ZRTP, "tls") as (call, far):
            await call.secured()
            await far.secured()
            (name,) = re.findall(r'id="live-([0-9a-f]{16})"', (await owner.get("/calls/live")).text)
            assert "was last compared, it differed" in (await owner.get(f"/calls/{name}")).text
            await call.hang_up()
