"""`sealtone service` and `sealtone webhook`, and what is done to live calls, on a real data folder and server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run, command
from sealtone.admin import Reach, save_reach
from sealtone.net.control import ask
from sealtone.store import Database
from sealtone.store.directory import read_changes
from sealtone.web.app import make_app, open_parts
from server.test_live_calls import SDES, in_call
from server.whole import config_in, running
from web.webhooks.receiver import receiving


async def told(data: Path, *arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints; it has to end with `code`."""
    done = await asyncio.to_thread(command, data, *arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_settings_of_the_service_are_set_shown_and_refused_with_their_field(run: Run) -> None:
    set_ = json.loads(run("service", "set", "--sign-up", "open", "--zone", "sip.example.net", "--json").stdout)
    assert (set_["sign_up"], set_["zone"], set_["mail"]) == ("open", "sip.example.net", None)
    assert "sip.example.net" in run("service", "show").stdout
    refused = run("service", "set", "--sign-up", "anyone")
    assert (refused.returncode, "open, invited or closed" in refused.stderr) == (1, True)


def test_the_mail_servers_password_comes_from_the_environment_and_is_shown_nowhere(run: Run) -> None:
    mail = (
        "service",
        "mail",
        "--host",
        "localhost",
        "--port",
        "1",
        "--security",
        "none",
        "--sender",
        "pbx@office.example",
    )
    done = run(*mail, "--username", "pbx", "--json", SEALTONE_MAIL_PASSWORD="very-secret-indeed")
    assert json.loads(done.stdout)["username"] == "pbx"
    assert "very-secret" not in done.stdout + run("service", "show", "--json").stdout + run("changes", "list").stdout
    without = run(*mail, "--username", "other")
    assert (without.returncode, "nobody to ask" in without.stderr) == (1, True)
    tried = run("service", "mail", "--test", "ann@office.example")
    assert (tried.returncode, "localhost:1" in tried.stderr) == (1, True)
    run("service", "mail", "--remove")
    assert json.loads(run("service", "show", "--json").stdout)["mail"] is None


def test_an_account_is_renamed_closed_by_its_name_and_somebody_invited_to_make_one(run: Run) -> None:
    number = str(json.loads(run("account", "create", "Second", "--json").stdout)["account"])
    assert json.loads(run("account", "rename", number, "Branch", "--json").stdout)["name"] == "Branch"
    assert run("domain", "add", "branch.example").returncode == 1  # of which account?
    assert run("domain", "add", "branch.example", "--account", number).returncode == 0
    assert run("account", "close", number, "--name", "Second").returncode == 1
    invited = json.loads(run("account", "invite", "eve@branch.example", "--json").stdout)
    assert "/invitation/" in invited["link"]
    assert "eve@branch.example" in run("account", "invitations").stdout
    assert run("account", "revoke-invitation", invited["number"]).returncode == 0
    assert json.loads(run("account", "invitations", "--json").stdout) == []


def test_an_accounts_end_takes_its_domains_along(run: Run, data: Path) -> None:
    number = str(json.loads(run("account", "create", "Second", "--json").stdout)["account"])
    run("domain", "add", "branch.example", "--account", number)
    token = json.loads(run("owner-link", "--json").stdout)["link"].rpartition("/")[2]
    assert token
    run("person", "add", "ann@office.example", "--role", "owner", "--account", "1")
    run("person", "operator", "ann@office.example")
    closed = run("account", "close", number, "--name", "Second")
    assert closed.returncode == 0, closed.stderr
    assert "branch.example" not in run("domain", "list").stdout
    assert [one["account"] for one in json.loads(run("account", "list", "--json").stdout)] == [1]


def test_somebodys_role_is_changed_and_they_are_removed(run: Run) -> None:
    for name in ("ann", "bob"):
        run("person", "add", f"{name}@office.example", "--role", "owner")
    assert json.loads(run("person", "role", "bob@office.example", "viewer", "--json").stdout)["role"] == "viewer"
    assert run("person", "role", "ann@office.example", "viewer").returncode == 1
    assert run("person", "remove", "bob@office.example").returncode == 0
    assert [one["email"] for one in json.loads(run("person", "list", "--json").stdout)] == ["ann@office.example"]


def test_a_link_names_an_address_that_the_server_last_had(run: Run, data: Path) -> None:
    assert "https://127.0.0.1:5061/welcome/" in run("owner-link").stdout
    database = Database(data)
    with database.write() as transaction:
        save_reach(transaction, Reach("", ("2001:db8::7", "192.0.2.7"), 5060, 5061, 8443))
    database.close()
    assert "https://[2001:db8::7]:8443/welcome/" in run("owner-link").stdout
    run("service", "set", "--public-name", "sip.office.example")
    assert "https://sip.office.example:8443/welcome/" in run("owner-link").stdout


async def test_a_webhook_is_added_tested_listed_and_deleted(data: Path) -> None:
    app = make_app(open_parts(data))
    async with receiving() as receiver, app.router.lifespan_context(app):
        url = f"http://127.0.0.1:{receiver.port}/hook"
        refused = await asyncio.to_thread(command, data, "webhook", "add", url)
        assert refused.returncode == 1
        permitted = ("--network", "127.0.0.0/8", "--port", str(receiver.port), "--http")
        assert (await told(data, "service", "webhook-targets", *permitted))["http"] is True
        made = await told(data, "webhook", "add", url, "--event", "call.ended", "--event", "sas.differs")
        assert made["events"] == ["call.ended", "sas.differs"]
        assert made["secret"].startswith("whsec_")
        number = str(made["id"])
        sent = await told(data, "webhook", "test", number)
        assert (sent["status"], sent["failure"]) == (200, "")
        assert json.loads(receiver.received[0].body)["type"] == "webhook.test"
        again = await told(data, "webhook", "redeliver", number, str(sent["id"]))
        assert again["event_id"] == sent["event_id"]
        listed = await told(data, "webhook", "deliveries", number)
        assert [one["id"] for one in listed] == [again["id"], sent["id"]]
        off = await told(data, "webhook", "set", number, "--off")
        assert (off["enabled"], off["events"]) == (False, ["call.ended", "sas.differs"])
        assert (await told(data, "webhook", "secret", number))["secret"] != made["secret"]
        await told(data, "webhook", "delete", number)
        assert await told(data, "webhook", "list") == []


async def test_the_checks_say_what_can_be_seen_with_and_without_a_server(tmp_path: Path) -> None:
    async with running(config_in(tmp_path / "data")) as whole:
        seen = await told(whole.config.data, "checks")
        assert seen["running"] is True
        assert [one["name"] for one in seen["domains"]] == ["office.example"]
        assert seen["domains"][0]["certificate"]["trusted_by"] == "own"
        assert {port["state"] for port in seen["ports"]} == {"ok"}
        assert seen["disk"]["free"] > 0
    away = await asyncio.to_thread(command, whole.config.data, "checks", columns=160)
    assert "The server does not run." in away.stdout
    assert "by this server's own authority" in away.stdout
    assert "nothing listens there" in away.stdout


@pytest.mark.parametrize("what", ["hang-up", "record"])
async def test_who_ended_or_recorded_a_live_call_stands_in_the_change_log(tmp_path: Path, what: str) -> None:
    async with running(config_in(tmp_path / "data")) as whole:
        data = whole.config.data
        if what == "record":
            await told(data, "recordings", "create-key", "--to", str(tmp_path / "key"))
            await told(data, "recordings", "domain", "office.example", "--record", "on-demand")
        async with in_call(whole, SDES, "tls") as (call, _):
            (live,) = await asyncio.to_thread(ask, data, "calls.live")
            assert (await asyncio.to_thread(command, data, "calls", "nobody", "--hang-up")).returncode == 1
            if what == "hang-up":
                await told(data, "calls", live["id"], "--hang-up")
                await call.ended(15)
            else:
                await told(data, "calls", live["id"], "--record", "start")
                await call.hang_up()
        (newest, *_) = await whole.server._store.read(read_changes)
        assert (newest.subject, newest.origin) == (f"call {live['id']}", "command line")
        assert newest.after["caller"] == "1000@office.example"
        assert newest.after.get("ended" if what == "hang-up" else "recording") == (
            "yes" if what == "hang-up" else "started"
        )


def test_no_command_waits_for_the_panels_modules_to_load() -> None:
    code = "import sys, sealtone.cli.main; sys.exit('fastapi' in sys.modules or 'sealtone.web' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60).returncode == 0
