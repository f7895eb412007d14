"""What is about a whole account or the whole service: closing, configuration, backups, what can be seen from here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from sealtone.admin.backup import read_backup
from sealtone.model.people import Role
from sealtone.store.directory import find_account, find_domain, read_users
from sealtone.store.tables import change_log
from web.api.conftest import Api
from web.api.test_requests import problem

PASSPHRASE = "correct horse battery"


async def test_an_owner_renames_the_account_and_closes_it_with_its_name_and_the_key_opens_nothing_then(
    api: Api,
) -> None:
    tenant = api.tenant("alpha")
    api.panel.person(Role.OWNER, "keeper", operator=True)
    async with api.program("all") as client:
        shown = await client.get("/account")
        assert shown.json()["name"] == "alpha"
        renamed = await client.patch(
            "/account", json={"name": " New  name "}, headers={"If-Match": shown.headers["etag"]}
        )
        assert renamed.json()["name"] == "New name"
        wrong = await client.post("/account/close", json={"name": "alpha"})
        assert problem(wrong, 422, "invalid")["field"] == "name"
        closed = await client.post("/account/close", json={"name": "New name"}, headers={"Idempotency-Key": "once"})
        assert closed.status_code == 204
        problem(await client.get("/account"), 401, "unauthenticated")
    with api.panel.database.read() as transaction:
        gone = find_account(transaction, tenant.account_id)
        assert gone is None or not gone.name
        assert find_domain(transaction, "alpha.example") is None


async def test_an_admin_neither_renames_nor_closes_the_account(api: Api) -> None:
    api.tenant("alpha")
    async with api.program("all", role=Role.ADMIN) as client:
        for body in ({"name": "Mine"}, {"second_factor_needed": True}):
            problem(await client.patch("/account", json=body, headers={"If-Match": "*"}), 403, "forbidden")
        problem(await client.post("/account/close", json={"name": "alpha"}), 403, "forbidden")


async def test_a_configuration_that_was_exported_changes_nothing_and_a_dry_run_tells_what_a_changed_one_would(
    api: Api,
) -> None:
    tenant = api.tenant("alpha")
    async with api.program("all") as client:
        exported = await client.get("/configuration")
        assert exported.headers["content-type"].startswith("application/yaml")
        assert "ha1" not in exported.text
        same = await client.post("/configuration/import", json={"yaml": exported.text})
        assert same.json() == {"dry_run": False, "changes": [], "secrets": []}
        wanted = exported.text.replace("Anna of alpha", "Boris") + "    - username: '1001'\n"
        plan = (await client.post("/configuration/import", json={"yaml": wanted, "dry_run": True})).json()
        subjects = [change["subject"] for change in plan["changes"]]
        assert subjects == ["SIP user 1000@alpha.example", "SIP user 1001@alpha.example"]
        assert plan["changes"][0]["after"] == {"display_name": "Boris"}
        assert plan["secrets"] == []
        assert _names(api, tenant.domain_id) == ["Anna of alpha"]
        taken = (await client.post("/configuration/import", json={"yaml": wanted})).json()
        assert [one["aor"] for one in taken["secrets"]] == ["1001@alpha.example"]
        assert _names(api, tenant.domain_id) == ["Boris", ""]
        with_secrets = await client.get("/configuration/with-secrets")
        assert with_secrets.text.count("ha1_sha256") == 2


async def test_a_file_names_its_wrong_line_and_does_not_tell_whether_a_domain_is_somebody_elses(api: Api) -> None:
    api.tenant("bravo")
    api.tenant("alpha")
    async with api.program("all") as client:
        told = []
        for domain in ("bravo.example", "nobody.example"):
            text = f"sealtone: 1\naccounts:\n- name: alpha\n  domains:\n  - name: {domain}\n"
            refused = await client.post("/configuration/import", json={"yaml": text})
            assert problem(refused, 422, "invalid")["field"] == "yaml"
            told.append(refused.text.replace(domain, "DOMAIN"))
        assert told[0] == told[1]
        assert "Line 5" in told[0]


async def test_a_key_that_may_only_look_gets_no_digests_of_secrets_and_takes_nothing_up(api: Api) -> None:
    api.tenant("alpha")
    async with api.program("read", "account", "users") as client:
        assert (await client.get("/configuration")).status_code == 200
        problem(await client.get("/configuration/with-secrets"), 403, "scope")
        problem(await client.post("/configuration/import", json={"yaml": "sealtone: 1"}), 403, "scope")


async def test_a_backup_is_made_sealed_downloaded_whole_logged_and_deleted(api: Api, tmp_path: Path) -> None:
    api.panel.domain(account="alpha")
    async with api.program("all", operator=True) as client:
        begun = await client.post("/service/backups", json={"passphrase": PASSPHRASE})
        assert begun.status_code == 202
        name = begun.json()["name"]
        second = await client.post("/service/backups", json={"passphrase": PASSPHRASE})
        problem(second, 409, "conflict")
        listed = await _finished(client)
        assert [(one["name"], one["state"]) for one in listed] == [(name, "ready")]
        fetched = await client.get(f"/service/backups/{name}/file")
        kept = tmp_path / "fetched.zip"
        kept.write_bytes(fetched.content)
        contents = await asyncio.to_thread(read_backup, kept, list, lambda: PASSPHRASE)
        assert contents.rows["domain"] == 1
        assert contents.octets == listed[0]["octets"]
        assert PASSPHRASE.encode() not in fetched.content
        assert (await client.delete(f"/service/backups/{name}")).status_code == 204
        problem(await client.get(f"/service/backups/{name}/file"), 404, "not-found")
    with api.panel.database.read() as transaction:
        subjects = transaction.connection.execute(change_log.select()).mappings()
        assert f"backup {name}" in [row["subject"] for row in subjects]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "passphrase"),
        ({"passphrase": "short"}, "passphrase"),
        ({"recipient": "age1nonsense"}, "recipient"),
        ({"passphrase": PASSPHRASE, "recipient": "age1nonsense"}, "recipient"),
    ],
)
async def test_a_backup_that_would_not_be_sealed_well_is_not_made(api: Api, body: dict[str, str], field: str) -> None:
    async with api.program("all", operator=True) as client:
        assert problem(await client.post("/service/backups", json=body), 422, "invalid")["field"] == field
        assert (await client.get("/service/backups")).json() == {"items": []}


async def test_a_key_for_the_service_alone_does_not_get_a_backup_which_holds_every_key(api: Api) -> None:
    async with api.program("service", operator=True) as client:
        problem(await client.post("/service/backups", json={"passphrase": PASSPHRASE}), 403, "scope")


async def test_a_name_that_leads_elsewhere_is_no_backup(api: Api) -> None:
    (api.panel.folder / "key").write_bytes(b"secret")
    async with api.program("all", operator=True) as client:
        for name in ("..%2Fkey", "%2e%2e%2fkey", "key", "sealtone-20261126T093000Z.zip%00"):
            assert (await client.get(f"/service/backups/{name}/file")).status_code == 404


async def test_the_operator_switches_another_account_off_and_its_keys_open_nothing(api: Api) -> None:
    tenant = api.tenant("bravo")
    foreign = api.key("read", account="bravo")
    async with api.program("service", operator=True) as client, api.program_with(foreign) as theirs:
        url = f"/service/accounts/{tenant.account_id}"
        shown = await client.get(url)
        assert shown.json()["sip_users"] == 1
        off = await client.patch(url, json={"enabled": False}, headers={"If-Match": shown.headers["etag"]})
        assert off.json()["enabled"] is False
        problem(await theirs.get("/account"), 401, "unauthenticated")
        stale = await client.patch(url, json={"enabled": True}, headers={"If-Match": shown.headers["etag"]})
        problem(stale, 412, "changed")


async def test_several_users_are_changed_and_deleted_together_or_not_at_all(api: Api) -> None:
    tenant = api.tenant("alpha")
    api.panel.sip_user("1001@alpha.example", "alpha")
    both = ["1000@alpha.example", "1001@alpha.example"]
    async with api.program("users") as client:
        wanted = {"aors": [*both, "1002@alpha.example"], "change": {"display_name": "Same"}}
        problem(await client.post("/sip-users/bulk-change", json=wanted), 404, "not-found")
        assert _names(api, tenant.domain_id) == ["Anna of alpha", ""]
        done = await client.post("/sip-users/bulk-change", json=wanted | {"aors": both})
        assert [one["display_name"] for one in done.json()["items"]] == ["Same", "Same"]
        problem(await client.post("/sip-users/bulk-delete", json={"aors": [*both, "nobody"]}), 404, "not-found")
        assert (await client.post("/sip-users/bulk-delete", json={"aors": both})).status_code == 204
    assert _names(api, tenant.domain_id) == []


async def test_a_desk_phones_file_has_the_users_new_secret(api: Api) -> None:
    api.tenant("alpha")
    before = _digests(api)
    async with api.program("users") as client:
        made = await client.post("/sip-users/1000@alpha.example/desk-phone-file")
    assert made.headers["content-type"].startswith("text/plain")
    assert "account.1.password" in made.text
    assert _digests(api) != before


async def test_calls_are_exported_as_the_list_would_find_them(api: Api) -> None:
    api.tenant("alpha")
    api.tenant("bravo")
    async with api.program("read") as client:
        whole = await client.get("/calls/export")
        assert len(whole.text.strip().splitlines()) == 2
        assert "bravo" not in whole.text
        none = await client.get("/calls/export", params={"party": "nobody@alpha.example"})
        assert len(none.text.strip().splitlines()) == 1
        problem(await client.get("/calls/export", params={"partei": "x"}), 422, "invalid")


async def test_the_checks_show_the_accounts_domains_and_the_disk_to_the_operator_alone(api: Api) -> None:
    api.tenant("alpha")
    api.tenant("bravo")
    async with api.program("read") as client:
        seen = (await client.get("/checks")).json()
        assert {one["name"]: one["status"] for one in seen["domains"]} == {
            "alpha.example": "verified",
            "parked-alpha.example": "pending",
        }
        assert seen["running"] is False
        assert seen["disk"] is None
    async with api.program("all", operator=True) as client:
        assert (await client.get("/checks")).json()["disk"]["free"] > 0


async def _finished(client: httpx.AsyncClient) -> list[dict[str, object]]:
    async with asyncio.timeout(60):
        while True:
            listed: list[dict[str, object]] = (await client.get("/service/backups")).json()["items"]
            if all(one["state"] != "making" for one in listed):
                return listed
            await asyncio.sleep(0.05)


def _names(api: Api, domain_id: int) -> list[str]:
    with api.panel.database.read() as transaction:
        return [user.display_name for user in read_users(transaction) if user.domain_id == domain_id]


def _digests(api: Api) -> list[str]:
    with api.panel.database.read() as transaction:
        return [user.ha1_sha256 for user in read_users(transaction)]
