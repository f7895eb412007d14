"""`sealtone person`, `account` and `owner-link`, in a process of their own on a real data folder."""

from __future__ import annotations

import json
import time
from pathlib import Path

from cli.conftest import Run
from sealtone.admin import people
from sealtone.admin.people import Newcomer
from sealtone.store import Database


def test_people_and_accounts_are_made_changed_and_listed(run: Run, data: Path) -> None:
    made = json.loads(run("owner-link", "--json").stdout)
    token = made["link"].rpartition("/")[2]
    assert made["link"].endswith(f"/welcome/{token}")
    database = Database(data)
    with database.write() as transaction:
        newcomer = Newcomer("Ann", "ann@example.org", "Office", "hash")
        people.accept_owner(transaction, time.time(), token, newcomer, "192.0.2.1", "sip.example.org")
    database.close()
    refused = run("owner-link")
    assert refused.returncode == 1
    assert "There is an owner already" in refused.stderr
    added = run("person", "add", "eve@example.org", "--role", "owner", "--name", "Eve")
    assert "https://sip.example.org/new-password/" in added.stdout
    listed = json.loads(run("person", "list", "--json").stdout)
    assert [(row["email"], row["role"], row["operator"]) for row in listed] == [
        ("ann@example.org", "owner", True),
        ("eve@example.org", "owner", False),
    ]
    assert json.loads(run("person", "operator", "eve@example.org", "--json").stdout)["operator"]
    assert json.loads(run("person", "disable", "ann@example.org", "--json").stdout)["enabled"] is False
    last = run("person", "disable", "eve@example.org")
    assert last.returncode == 1
    assert "at least one owner" in last.stderr
    assert "/new-password/" in run("person", "reset-password", "ann@example.org", "--second-factor").stdout
    assert run("person", "reset-password", "nobody@example.org").returncode == 1
    assert json.loads(run("account", "create", "Second", "--json").stdout)["account"] == 2
    assert run("person", "add", "bob@example.net").returncode == 1  # of which account?
    assert run("person", "add", "bob@example.net", "--account", "2").returncode == 0
    assert json.loads(run("account", "disable", "2", "--json").stdout)["enabled"] is False
    assert run("account", "disable", "1").returncode == 1
    rows = json.loads(run("account", "list", "--json").stdout)
    assert [(row["name"], row["people"], row["enabled"]) for row in rows] == [("Office", 2, True), ("Second", 1, False)]
