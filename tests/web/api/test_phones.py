"""Links that set up a phone, and calls to one, by the API."""

from __future__ import annotations

from urllib.parse import urlsplit

from sealtone.admin import Actor, create_domain
from sealtone.admin.onboarding import Step, dismiss_checklist
from sealtone.provisioning import read_own_phone_settings
from sealtone.provisioning.own_phone import MEDIA_TYPE
from sealtone.store.milestones import read_milestones
from web.api.conftest import Api

USER = "/sip-users/1000@alpha.example"


async def test_a_link_of_the_api_sets_up_a_phone_once_and_is_listed_until_then(api: Api) -> None:
    api.tenant("alpha")  # with one link already
    async with api.program("users") as client:
        made = await client.post(f"{USER}/phone-links")
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        listed = (await client.get(f"{USER}/phone-links")).json()["items"]
        assert listed[0] == {name: value for name, value in made.json().items() if name != "url"}
        async with api.panel.visitor() as phone:
            path = urlsplit(made.json()["url"]).path
            settings = read_own_phone_settings((await phone.get(path, headers={"accept": MEDIA_TYPE})).content)
            assert settings.aor == "1000@alpha.example"
            assert (await phone.get(path, headers={"accept": MEDIA_TYPE})).status_code == 404
        left = (await client.get(f"{USER}/phone-links")).json()["items"]
        assert left == listed[1:]
        assert (await client.delete(f"{USER}/phone-links/{left[0]['number']}")).status_code == 204
        assert (await client.delete(f"{USER}/phone-links/{left[0]['number']}")).status_code == 404
        assert (await client.get(f"{USER}/phone-links")).json()["items"] == []


async def test_a_test_call_needs_a_service_that_there_is_and_a_server_that_runs(api: Api) -> None:
    api.tenant("alpha")
    async with api.program("users") as client:
        wrong = await client.post(f"{USER}/test-call", json={"service": "music"})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "service")
        assert (await client.post(f"{USER}/test-call", json={})).status_code == 503


async def test_a_phone_is_set_up_by_hand_with_what_the_panel_shows(api: Api) -> None:
    api.tenant("alpha")
    async with api.program("users") as client:
        change = {"protection": "zrtp", "strictness": "require", "codecs": ["opus", "g722"]}
        tag = (await client.get(USER)).headers["etag"]
        assert (await client.patch(USER, json=change, headers={"if-match": tag})).status_code == 200
    async with api.program("read", role="viewer") as client:
        found = (await client.get(f"{USER}/phone-settings")).json()
    page = (await api.panel.signed_in(account="alpha").get("/sip-users/1000@alpha.example/connect?phone=manual")).text
    for name in ("username", "domain", "outbound_proxy", "address"):
        assert f">{found[name]}<" in page, name
    assert found["outbound_proxy"] == f"sip:{found['host']}:{found['port']};transport=tls"
    assert {name: found[name] for name in change} == change
    assert "secret" not in found


async def test_the_checklist_tells_what_has_happened_and_what_comes_next(api: Api) -> None:
    tenant = api.tenant("alpha")
    async with api.program("read", role="viewer") as client:
        found = (await client.get("/account/checklist")).json()
    assert [one["step"] for one in found["steps"]] == list(Step)
    assert (found["domain"], found["aor"]) == ("alpha.example", "1000@alpha.example")
    with api.panel.database.read() as transaction:
        noted = read_milestones(transaction, tenant.account_id)
    assert {one["step"] for one in found["steps"] if one["reached_at"]} == set(noted) >= {"domain", "sip-user"}
    async with api.program(account="beta") as client:
        empty = (await client.get("/account/checklist")).json()
        assert (empty["next_step"], empty["domain"], empty["aor"]) == ("domain", None, None)
        operator = Actor("root", "command line")
        with api.panel.database.write() as transaction:
            dismiss_checklist(transaction, operator, 900.0, api.panel.account("beta"))  # what is put away goes on
            create_domain(transaction, operator, 1000.0, "beta.example", api.panel.account("beta"))
        begun = (await client.get("/account/checklist")).json()
    assert (begun["next_step"], begun["domain"], begun["aor"]) == ("sip-user", "beta.example", None)
    assert begun["steps"][0] == {"step": "domain", "reached_at": "1970-01-01T00:16:40.000Z"}
