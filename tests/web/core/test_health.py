"""What watches over the service gets answers, and nobody else gets its figures."""

from __future__ import annotations

import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sealtone.admin import Actor
from sealtone.admin.api_keys import create_api_key
from web.conftest import HOST, Panel, WholePanel


def local(panel: Panel, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=panel.transport.app, client=("127.0.0.1", 40000))
    return httpx.AsyncClient(transport=transport, base_url=f"https://{HOST}", headers=headers)


def values(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_alive_and_ready_are_told_apart(panel: Panel) -> None:
    client = panel.visitor()
    assert (await client.get("/healthz")).text == "ok\n"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["sip_server"], answer.json()["database"]) == (
        503,
        "does not answer",
        "ok",
    )


async def test_with_its_server_it_is_ready(whole_panel: WholePanel) -> None:
    answer = await whole_panel.visitor().get("/readyz")
    assert (answer.status_code, set(answer.json().values())) == (200, {"ok"})


async def test_figures_are_for_this_machine_or_an_operators_key(panel: Panel) -> None:
    async with local(panel) as client:
        assert values((await client.get("/metrics")).text)["sealtone_up"] == 0
    async with local(panel, **{"X-Forwarded-For": "192.0.2.1"}) as client:
        assert (await client.get("/metrics")).status_code == 401
    assert (await panel.visitor().get("/metrics")).status_code == 401
    assert (await panel.signed_in(operator=True).get("/metrics")).status_code == 401
    operator = Actor("root", "command line")
    tenant = panel.person()
    with panel.database.write() as transaction:
        account_id = panel.account()
        right = create_api_key(transaction, operator, time.time(), "watch", ["metrics"], None, account_id).token
        wrong = create_api_key(transaction, operator, time.time(), "read", ["read"], None, account_id).token
        theirs = panel.actor()._replace(person_id=tenant)
        foreign = create_api_key(transaction, theirs, time.time(), "theirs", ["metrics"]).token
    for token, status in ((right, 200), (wrong, 401), (foreign, 401), ("stk_unknown", 401)):
        answer = await panel.visitor(Authorization=f"Bearer {token}").get("/metrics")
        assert answer.status_code == status


async def test_figures_tell_of_calls_phones_and_their_quality(whole_panel: WholePanel) -> None:
    whole = whole_panel.whole
    async with whole.phone("1000") as phone:
        assert await phone.register()
        call = await phone.call("*43")
        async with local(whole_panel) as client:
            found = values((await client.get("/metrics")).text)
            assert sum(found[name] for name in found if name.startswith("sealtone_calls_live{")) == 1
            await call.hang_up()
            await whole.records()
            text = (await client.get("/metrics")).text
    found = values(text)
    assert (found["sealtone_up"], found["sealtone_phones_online"], found["sealtone_sip_users"]) == (1, 1, 4)
    assert found["sealtone_calls_ended_total{outcome=answered,state=open}"] == 1
    assert found["sealtone_call_duration_seconds_bucket{le=+Inf}"] == 1
    assert found["sealtone_sip_messages_received_total"] > 3
    assert found["sealtone_passwords_total{outcome=verified}"] >= 2
    assert found["sealtone_panel_request_seconds_count{method=GET,route=/metrics,status=2xx}"] == 1
    assert "office.example" in text
    for secret in whole.secrets.values():
        assert secret not in text


@pytest.mark.parametrize("path", ["/nowhere-1", "/nowhere-2"])
async def test_requests_are_counted_by_route_and_never_by_address(panel: Panel, path: str) -> None:
    await panel.visitor().get(path)
    async with local(panel) as client:
        text = (await client.get("/metrics")).text
    assert 'route="other"' in text
    assert path not in text
