"""A POST that is sent twice is done once."""

from __future__ import annotations

import asyncio
import time

import pytest

from sealtone.store import api_keys as rows
from sealtone.store.tables import idempotency
from sealtone.web.api import idempotency as kept
from web.api.conftest import Api

HEADERS = {"Idempotency-Key": "3d0c7a52-5c0e-4b5e-9a0a-2f6b8f1f7f11"}


async def test_sent_again_it_is_answered_alike_and_done_once(api: Api) -> None:
    api.tenant("alpha")
    wanted = {"aor": "2000@alpha.example"}
    async with api.program() as client:
        first = await client.post("/sip-users", json=wanted, headers=HEADERS)
        second = await client.post("/sip-users", json=wanted, headers=HEADERS)
        assert first.status_code == second.status_code == 201
        assert first.json() == second.json()
        assert second.headers["idempotency-replayed"] == "true"
        assert second.headers["location"] == first.headers["location"]
        assert second.headers["etag"] == first.headers["etag"]
        other = await client.post("/sip-users", json={"aor": "2001@alpha.example"}, headers=HEADERS)
        assert other.status_code == 422
        assert other.json()["type"].endswith("idempotency-key")


async def test_two_at_once_are_done_once(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        answers = await asyncio.gather(
            *(client.post("/sip-users", json={"aor": "2000@alpha.example"}, headers=HEADERS) for _ in range(6))
        )
        states = sorted(answer.status_code for answer in answers)
        assert states.count(201) >= 1
        assert set(states) <= {201, 409}
        assert all(answer.json()["type"].endswith("in-progress") for answer in answers if answer.status_code == 409)
        assert len((await client.get("/sip-users")).json()["items"]) == 2


async def test_what_was_refused_may_be_mended_and_sent_with_the_same_key(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        assert (await client.post("/sip-users", json={"aor": "x y@z"}, headers=HEADERS)).status_code == 422
        made = await client.post("/sip-users", json={"aor": "2000@alpha.example"}, headers=HEADERS)
        assert made.status_code == 201


async def test_another_key_is_not_given_the_answer(api: Api) -> None:
    api.tenant("alpha")
    wanted = {"aor": "2000@alpha.example"}
    async with api.program() as client, api.program("users") as other:
        first = await client.post("/sip-users", json=wanted, headers=HEADERS)
        second = await other.post("/sip-users", json=wanted, headers=HEADERS)
    assert first.status_code == 201
    assert second.status_code == 409
    assert first.json()["secret"] not in second.text


async def test_kept_answers_are_sealed_and_forgotten_after_a_day(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        first = await client.post("/sip-users", json={"aor": "2000@alpha.example"}, headers=HEADERS)
        with api.panel.database.write() as transaction:
            row = transaction.connection.execute(idempotency.select()).one()
            assert first.json()["secret"].encode() not in row.answer
            transaction.connection.execute(idempotency.update().values(created_at=time.time() - 86_401))
        again = await client.post("/sip-users", json={"aor": "2000@alpha.example"}, headers=HEADERS)
        assert again.status_code == 409  # it is done anew, and the user exists
        assert again.json()["type"].endswith("conflict")


async def test_no_more_answers_are_kept_than_there_is_room_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.tenant("alpha")
    monkeypatch.setattr(kept, "_MOST_KEPT", 3)
    async with api.program() as client:
        for number in range(5):
            headers = {"Idempotency-Key": f"key-{number}"}
            answer = await client.post("/sip-users", json={"aor": f"200{number}@alpha.example"}, headers=headers)
            assert answer.status_code == (201 if number < 3 else 429)
        with api.panel.database.read() as transaction:
            assert rows.count_answers(transaction, api.panel.account("alpha")) == 3


async def test_a_key_that_is_none_is_refused(api: Api) -> None:
    async with api.program() as client:
        for wrong in ("", "x" * 201):
            answer = await client.post("/sip-users", json={"aor": "2@x.example"}, headers={"Idempotency-Key": wrong})
            assert answer.status_code == 422
