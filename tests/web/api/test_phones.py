"""Links that set up a phone, and calls to one, by the API."""

from __future__ import annotations

from urllib.parse import urlsplit

from sealtone.provisioning import read_own_phone_settings
from sealtone.provisioning.own_phone import MEDIA_TYPE
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
