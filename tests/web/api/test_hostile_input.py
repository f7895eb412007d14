"""Texts that would be commands elsewhere are texts here; and what is secret is told once and written nowhere."""

from __future__ import annotations

import csv
import io
import re
from contextlib import closing

import pytest

from sealtone.store.tables import metadata
from web.api.conftest import Api

SQL = [
    "' OR '1'='1",
    "'; DROP TABLE sip_user; --",
    "1000' UNION SELECT ha1_md5 FROM sip_user--",
    "%' OR 1=1 /*",
    "\\'; DELETE FROM account; --",
    "%",
    "_",
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")']
TEMPLATES = ["{{ 7 * 7 }}", "${7*7}", "{% raw %}", "{0.__class__}", "%(name)s", "{number.__class__}"]
MARKUP = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"]


@pytest.mark.parametrize("text", SQL)
async def test_sql_in_a_filter_or_an_address_finds_nothing_and_changes_nothing(api: Api, text: str) -> None:
    api.tenant("alpha")
    api.tenant("bravo")
    async with api.program() as client:
        for path, name in (("/sip-users", "text"), ("/calls", "party"), ("/recordings", "party"), ("/changes", "text")):
            answer = await client.get(path, params={name: text})
            assert answer.status_code == 200, answer.text
            assert "bravo" not in answer.text
            assert answer.json()["items"] == []
        for path in ("/calls/", "/recordings/", "/sip-users/", "/domains/"):
            answer = await client.get(path + re.sub(r"[/%]", "", text))
            assert answer.status_code in (404, 405), answer.text
        assert len((await client.get("/sip-users")).json()["items"]) == 1


@pytest.mark.parametrize("text", [*SQL[:5], *TEMPLATES, *MARKUP])
async def test_a_name_stays_the_text_that_it_is(api: Api, text: str) -> None:
    api.tenant("alpha")
    path = "/sip-users/1000@alpha.example"
    async with api.program() as client:
        answer = await client.patch(path, json={"display_name": text}, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        assert (await client.get(path)).json()["display_name"] == text
        assert text in [one["after"].get("display_name") for one in (await client.get("/changes")).json()["items"]]
        made = await client.post("/api-keys", json={"name": text, "scopes": ["read"]})
        assert made.json()["name"] == text


@pytest.mark.parametrize("text", FORMULAS)
async def test_no_cell_of_an_export_is_a_formula_and_it_comes_back_as_it_was(api: Api, text: str) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        changed = await client.patch(
            "/sip-users/1000@alpha.example", json={"display_name": text}, headers={"If-Match": "*"}
        )
        assert changed.status_code == 200
        exported = (await client.get("/sip-users/export")).text
        for row in csv.reader(io.StringIO(exported)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
        back = await client.post("/sip-users/import", json={"csv": exported, "dry_run": True})
        assert [line["action"] for line in back.json()["lines"]] == ["same"]


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: x=1", "a\nerror forged line", "\x1b[2J", "a\x00b"])
async def test_what_could_forge_a_line_of_a_log_or_a_header_is_refused(api: Api, text: str) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        for path, body in (
            ("/api-keys", {"name": text, "scopes": ["read"]}),
            ("/webhooks", {"url": f"https://x.test/{text}", "events": ["call.ended"]}),
            ("/sip-users", {"aor": "2000@alpha.example", "display_name": text}),
        ):
            answer = await client.post(path, json=body)
            assert answer.status_code == 422, answer.text
            assert "set-cookie" not in answer.headers


async def test_what_is_secret_is_told_once_and_written_nowhere(api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    api.tenant("alpha")
    secrets: dict[str, str] = {"the key itself": api.key("all", operator=True)}
    headers = {"Idempotency-Key": "once"}
    seen = []
    async with api.program_with(secrets["the key itself"]) as client:
        for name, path, body, field in (
            ("SIP secret", "/sip-users", {"aor": "2000@alpha.example"}, "secret"),
            ("own SIP secret", "/sip-users/1000@alpha.example/secret", {"secret": "canary-canary-canary"}, "secret"),
            ("API key", "/api-keys", {"name": "x", "scopes": ["read"]}, "token"),
            ("webhook", "/webhooks", {"url": "https://x.test/", "events": ["call.ended"]}, "secret"),
            ("new webhook secret", "/webhooks/1/secret", None, "secret"),
            ("invitation", "/invitations", {"email": "new@alpha.test", "role": "viewer"}, "path"),
        ):
            answer = await client.post(path, json=body, headers={"Idempotency-Key": f"{headers}{name}"})
            assert answer.status_code in (200, 201), answer.text
            secrets[name] = answer.json()[field].rpartition("/")[2]
        mail = {"host": "mail.test", "sender": "a@b.test", "username": "u", "password": "canary-of-the-mail-server"}
        assert (await client.put("/service/mail", json=mail)).status_code == 200
        secrets["mail password"] = mail["password"]
        for path in ("/sip-users", "/api-keys", "/webhooks", "/invitations", "/changes", "/service/settings"):
            seen.append((await client.get(path)).text)
    for name, secret in secrets.items():
        assert not any(secret in text for text in seen), name
    with api.panel.database.read() as transaction:
        rows = [
            repr(tuple(row))
            for table in metadata.sorted_tables
            for row in transaction.connection.execute(table.select())
        ]
    with closing(api.panel.database.engine.raw_connection()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[attr-defined]
    files = [file for file in api.panel.folder.rglob("*") if file.is_file() and file.name != "secrets.key"]
    printed = "".join(capfd.readouterr())
    for name, secret in secrets.items():
        assert not any(secret in row for row in rows), name
        assert not any(secret.encode() in file.read_bytes() for file in files), name
        assert secret not in printed, name
