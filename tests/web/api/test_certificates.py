"""Certificates of domains over the API: shown, chosen, brought, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.x509 import DNSName

from pki.test_uploads import Chain, key_pem, pem
from web.api.conftest import Api

URL = "/domains/alpha.example/certificate"


async def test_a_certificate_is_brought_shown_and_given_up_again(api: Api) -> None:
    api.tenant("alpha")
    chain = Chain()
    own, key = chain.issue(DNSName("alpha.example"), start=datetime.now(UTC).replace(microsecond=0))
    form = {
        "source": "uploaded",
        "certificate": pem(own, chain.middle).decode(),
        "key": key_pem(key).decode(),
    }
    async with api.program("domains") as client:
        assert (await client.get(URL)).json()["certificate"] is None
        done = await client.put(URL, json=form)
        assert done.status_code == 200, done.text
        assert (done.json()["source"], done.json()["certificate"]["names"]) == ("uploaded", ["alpha.example"])
        assert "PRIVATE" not in done.text
        wrong = await client.put(URL, json=form | {"key": key_pem(chain.root_key).decode()})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "key")
        assert (await client.put(URL, json={"source": "own"})).json()["source"] == "own"
        refused = await client.put(URL, json={"source": "acme", "challenge": "http-01"})
        assert refused.status_code == 409
    async with api.program("read") as reader:
        assert (await reader.get(URL)).status_code == 200
        assert (await reader.put(URL, json={"source": "own"})).status_code == 403


async def test_the_certificate_of_another_tenants_domain_is_not_there(api: Api) -> None:
    api.tenant("alpha")
    api.tenant("bravo")
    async with api.program("all") as client:
        for url in (URL.replace("alpha", "bravo"), URL.replace("alpha", "nowhere")):
            assert (await client.get(url)).status_code == 404
            assert (await client.put(url, json={"source": "own"})).status_code == 404
