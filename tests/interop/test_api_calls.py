"""The API while real phones call: calls in progress, events as they happen, hanging up; over HTTPS, as programs use it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from interop.processes import eventually
from interop.server import DOMAIN
from interop.test_calls import A_HZ, B_HZ, place
from interop.test_provisioning import PanelServer
from sealtone.admin.actor import Actor
from sealtone.admin.api_keys import create_api_key
from sealtone.store import Database
from sealtone.store.directory import find_domain

ACTOR = Actor("tests", "loopback")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelServer]:
    with PanelServer(tmp_path_factory.mktemp("server"), media_ports=60) as running:
        running.wait_for_panel()
        yield running


@pytest.fixture
def program(server: PanelServer) -> Iterator[httpx.Client]:
    """A program with a key of the account, which trusts the server's own authority and nothing else."""
    database = Database(server.folder)
    with database.write() as transaction:
        domain = find_domain(transaction, DOMAIN)
        assert domain is not None
        key = create_api_key(transaction, ACTOR, time.time(), "tests", ["calls"], account_id=domain.account_id)
    database.close()
    trust = ssl.create_default_context(cafile=str(server.authority))
    with httpx.Client(
        base_url=f"https://localhost:{server.shared_port}/api/v1",
        headers={"Authorization": f"Bearer {key.token}"},
        verify=trust,
        timeout=30,
    ) as client:
        yield client


class Heard:
    """What the event stream tells, read by a thread."""

    def __init__(self, program: httpx.Client) -> None:
        self.events: list[dict[str, Any]] = []
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(program,), daemon=True)
        self._thread.start()
        assert self._listening.wait(10), "the stream does not open"

    def _read(self, program: httpx.Client) -> None:
        with program.stream("GET", "/events", params={"seconds": 60}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                self._listening.set()
                if line.startswith('data: {"type'):
                    self.events.append(json.loads(line.removeprefix("data: ")))
                if self.events and self.events[-1]["type"] == "call.ended":
                    return

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


def test_a_call_of_real_phones_is_followed_and_ended_by_a_program(
    server: PanelServer, program: httpx.Client, registered: Any
) -> None:
    assert program.get("/live-calls").json() == {"items": []}
    heard = Heard(program)
    caller = registered("linphone", A_HZ, transport="tls", encryption="required")
    callee = registered("linphone", B_HZ, transport="tls", encryption="required")
    place(caller, callee)
    assert heard.kinds().count("registration.added") == 2
    (live,) = program.get("/live-calls").json()["items"]
    assert live["stage"] == "answered"
    assert live["state"] == "protected-to-server"
    assert {leg["aor"] for leg in live["legs"]} == {f"{one.setup.user}@{DOMAIN}" for one in (caller, callee)}
    caller.wait_audio(B_HZ)
    shown = program.get(f"/live-calls/{live['id']}")
    assert shown.json()["id"] == live["id"]
    assert program.post(f"/live-calls/{live['id']}/recording", json={"record": True}).status_code == 409
    assert program.post(f"/live-calls/{live['id']}/hang-up").status_code == 204
    for phone in (caller, callee):
        phone.wait_for("closed")
    eventually(lambda: "call.ended" in heard.kinds(), 10, "the end is told", server.evidence)
    told = [event["type"] for event in heard.events if event["data"].get("call") == live["id"]]
    assert told[0] == "call.started"
    assert "call.answered" in told
    assert told[-1] == "call.ended"
    assert program.get(f"/live-calls/{live['id']}").status_code == 404
    eventually(lambda: program.get(f"/calls/{live['id']}").status_code == 200, 10, "it is written", server.evidence)
    past = program.get(f"/calls/{live['id']}").json()
    assert past["state"] == "protected-to-server"
