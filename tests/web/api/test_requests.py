"""What holds for every request: who may ask, how often, in what form, and how a refusal looks."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from sealtone.admin import Actor
from sealtone.admin.api_keys import authenticate, revoke_api_key
from sealtone.model.people import Role
from sealtone.store.tables import api_key, person
from web.api.conftest import Api
from web.conftest import Panel

PROBLEM = "application/problem+json"


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, object] = response.json()
    assert body["type"] == f"/api/docs#problem-{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def test_without_a_key_nothing_is_answered_but_how_to_get_in(api: Api) -> None:
    async with api.panel.visitor() as client:
        for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
            response = await client.get("/api/v1/domains", headers=headers)
            problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"].startswith("Bearer realm=")


async def test_a_wrong_key_an_expired_one_and_a_revoked_one_are_answered_alike(api: Api) -> None:
    expired = api.key("read", expires_at=time.time() + 3600)
    revoked = api.key("read")
    with api.panel.database.write() as transaction:
        ends = authenticate(transaction, expired, "", time.time()).key
        transaction.connection.execute(
            api_key.update().where(api_key.c.id == ends.id).values(expires_at=time.time() - 1)
        )
        found = authenticate(transaction, revoked, "", time.time()).key
        revoke_api_key(transaction, Actor("root", "command line"), time.time(), found.id)
    answers = set()
    for token in ("stk_nonsense", expired, revoked, "x" * 5000):
        async with api.program_with(token) as client:
            response = await client.get("/domains")
            problem(response, 401, "unauthenticated")
            answers.add(response.text)
    assert len(answers) == 1


async def test_the_panels_cookie_lets_nobody_into_the_api(api: Api) -> None:
    async with api.panel.signed_in(Role.OWNER) as client:
        problem(await client.get("/api/v1/domains"), 401, "unauthenticated")


async def test_a_key_follows_the_person_who_made_it(api: Api) -> None:
    token = api.key("all", role=Role.OWNER)
    async with api.program_with(token) as client:
        made = await client.post("/api-keys", json={"name": "one", "scopes": ["read"]})
        assert made.status_code == 201
        with api.panel.database.write() as transaction:
            transaction.connection.execute(person.update().values(role="viewer"))
        problem(await client.post("/api-keys", json={"name": "two", "scopes": ["read"]}), 403, "forbidden")
        assert (await client.get("/api-keys")).status_code == 200
        with api.panel.database.write() as transaction:
            transaction.connection.execute(person.update().values(enabled=0))
        problem(await client.get("/api-keys"), 401, "unauthenticated")
        with api.panel.database.write() as transaction:
            transaction.connection.execute(person.update().values(enabled=1, role="owner"))
            transaction.connection.execute(person.delete())
        problem(await client.get("/api-keys"), 401, "unauthenticated")


async def test_a_key_passes_on_no_scope_that_it_lacks_and_no_longer_life(api: Api) -> None:
    until = time.time() + 3600
    async with api.program("account", "read", expires_at=until) as client:
        problem(await client.post("/api-keys", json={"name": "x", "scopes": ["all"]}), 403, "forbidden")
        problem(await client.post("/api-keys", json={"name": "x", "scopes": ["read", "users"]}), 403, "forbidden")
        later = "2999-01-01T00:00:00Z"
        answer = await client.post("/api-keys", json={"name": "x", "scopes": ["read"], "expires_at": later})
        assert problem(answer, 422, "invalid")["field"] == "expires_at"
        made = await client.post("/api-keys", json={"name": "x", "scopes": ["read"]})
        assert made.status_code == 201
        assert made.json()["expires_at"] is not None


async def test_an_operators_key_without_the_service_scope_operates_nothing(api: Api) -> None:
    wanted = {"kind": "operator", "name": "new.example"}
    async with api.program("domains", operator=True) as client:
        problem(await client.post("/domains", json=wanted), 403, "forbidden")
    async with api.program("domains", "service", operator=True) as client:
        assert (await client.post("/domains", json=wanted)).status_code == 201


async def test_a_missing_scope_is_named(api: Api) -> None:
    async with api.program("read") as client:
        response = await client.post("/sip-users", json={})
        assert "users" in str(problem(response, 403, "scope")["detail"])
        assert 'scope="users"' in response.headers["www-authenticate"]


async def test_of_a_key_only_its_hash_is_kept_and_its_last_use_is_written_once_a_minute(api: Api) -> None:
    token = api.key("read")
    async with api.program_with(token) as client:
        for _ in range(3):
            await client.get("/domains")
    with api.panel.database.read() as transaction:
        row = transaction.connection.execute(api_key.select()).one()
    assert row.used_at is not None
    assert token.encode() not in repr(tuple(row)).encode()
    first = row.used_at
    async with api.program_with(token) as client:
        await client.get("/domains")
        with api.panel.database.read() as transaction:
            assert transaction.connection.execute(api_key.select()).one().used_at == first
        with api.panel.database.write() as transaction:
            transaction.connection.execute(api_key.update().values(used_at=first - 61))
        await client.get("/domains")
    with api.panel.database.read() as transaction:
        assert transaction.connection.execute(api_key.select()).one().used_at > first


async def test_a_key_that_is_used_too_often_is_told_when_to_come_again(api: Api) -> None:
    begun = time.monotonic()
    async with api.program("read") as client:
        answers = await asyncio.gather(*(client.get("/api-keys/current") for _ in range(340)))
        # A slow machine takes so long for these that some more are allowed meanwhile.
        while all(answer.status_code == 200 for answer in answers) and len(answers) < 2000:
            answers += await asyncio.gather(*(client.get("/api-keys/current") for _ in range(100)))
    took_s = time.monotonic() - begun
    allowed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 300 <= len(allowed) <= 301 + 20 * took_s
    assert refused
    assert len(allowed) + len(refused) == len(answers)
    problem(refused[0], 429, "too-many")
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit-remaining"] == "0"
    assert all("ratelimit-limit" in answer.headers for answer in answers)


async def test_whoever_tries_keys_is_slowed_down_and_others_are_not(api: Api, panel: Panel) -> None:
    begun, answers = time.monotonic(), []
    async with api.program_with("stk_guess") as guesser:
        # A slow machine takes so long for these that some more are looked at meanwhile.
        while answers.count(429) < 5 and len(answers) < 200:
            answers.append((await guesser.get("/domains")).status_code)
    assert answers[:20] == [401] * 20
    assert set(answers) == {401, 429}
    assert answers.count(401) <= 21 + 0.2 * (time.monotonic() - begun)
    transport = httpx.ASGITransport(app=panel.transport.app, client=("192.0.2.77", 1))
    headers = {"Authorization": f"Bearer {api.key('read')}"}
    async with httpx.AsyncClient(transport=transport, base_url="https://panel.test", headers=headers) as client:
        assert (await client.get("/api/v1/domains")).status_code == 200


async def test_what_is_not_known_is_refused_and_saves_nothing(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        before = (await client.get("/sip-users/1000@alpha.example")).json()
        wrong = {"display_name": "Anna", "protecton": "none"}
        answer = await client.patch("/sip-users/1000@alpha.example", json=wrong, headers={"If-Match": "*"})
        assert problem(answer, 422, "invalid")["field"] == "protecton"
        answer = await client.get("/sip-users", params={"domian": "alpha.example"})
        assert problem(answer, 422, "invalid")["field"] == "domian"
        assert (await client.get("/sip-users/1000@alpha.example")).json() == before


@pytest.mark.parametrize(
    ("body", "kind", "status", "named"),
    [
        (b"{", "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b'{"aor": 5}', "application/json", 422, "invalid"),
        (b'{"aor": "1@a.example", "display_name": "\\u0000"}', "application/json", 422, "invalid"),
        (b'{"aor": "1@a.example", "display_name": "\\ud800"}', "application/json", 422, "invalid"),
        (b"\xff\xfe", "application/json", 422, "invalid"),
        (b"aor=1", "application/x-www-form-urlencoded", 415, "media-type"),
        (b"{}", "text/plain", 415, "media-type"),
        (b"x" * 1_100_000, "application/json", 413, "too-large"),
        (b"[" * 200_000, "application/json", 400, "malformed"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused_in_words(
    api: Api, body: bytes, kind: str, status: int, named: str
) -> None:
    async with api.program() as client:
        problem(await client.post("/sip-users", content=body, headers={"Content-Type": kind}), status, named)


async def test_a_body_of_unknown_length_is_not_read_beyond_its_limit(api: Api) -> None:
    async def endless() -> object:
        for _ in range(100):
            yield b" " * 65_536

    async with api.program() as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/sip-users", content=endless(), headers=headers)  # type: ignore[arg-type]
        problem(answer, 413, "too-large")


async def test_an_unknown_address_and_method_are_problems_too(api: Api) -> None:
    async with api.program() as client:
        problem(await client.get("/no-such-thing"), 404, "not-found")
        response = await client.put("/domains", json={})
        problem(response, 405, "method")
        assert response.headers["allow"]


async def test_a_change_needs_the_version_that_was_read(api: Api) -> None:
    api.tenant("alpha")
    path = "/sip-users/1000@alpha.example"
    async with api.program() as client:
        tag = (await client.get(path)).headers["etag"]
        problem(await client.patch(path, json={"display_name": "A"}), 428, "version-needed")
        problem(await client.delete(path), 428, "version-needed")
        first = await client.patch(path, json={"display_name": "A"}, headers={"If-Match": tag})
        assert first.status_code == 200
        problem(await client.patch(path, json={"display_name": "B"}, headers={"If-Match": tag}), 412, "changed")
        problem(await client.delete(path, headers={"If-Match": tag}), 412, "changed")
        again = await client.patch(path, json={"display_name": "B"}, headers={"If-Match": first.headers["etag"]})
        assert again.json()["display_name"] == "B"
        assert (await client.delete(path, headers={"If-Match": "*"})).status_code == 204
        problem(await client.delete(path, headers={"If-Match": "*"}), 404, "not-found")


async def test_of_two_who_change_the_same_version_at_once_one_is_refused(api: Api) -> None:
    api.tenant("alpha")
    path = "/sip-users/1000@alpha.example"
    async with api.program() as client:
        tag = (await client.get(path)).headers["etag"]
        answers = await asyncio.gather(
            *(client.patch(path, json={"display_name": f"N{n}"}, headers={"If-Match": tag}) for n in range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_what_is_known_already_is_not_sent_again(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        for path in ("/sip-users", "/domains/alpha.example", "/calls"):
            first = await client.get(path)
            second = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (second.status_code, second.content) == (304, b"")
            assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_lists_come_in_pages_that_miss_nothing_and_repeat_nothing(api: Api) -> None:
    api.tenant("alpha")
    async with api.program() as client:
        for number in range(2000, 2012):
            assert (await client.post("/sip-users", json={"aor": f"{number}@alpha.example"})).status_code == 201
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": 5} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/sip-users", params=params)).json()
            assert len(page["items"]) <= 5
            seen += [item["aor"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == ["1000@alpha.example", *(f"{number}@alpha.example" for number in range(2000, 2012))]
        for wrong in ("x", "WzFd", "W10", "bnVsbA", "é", "W1tbW1tb" * 90):
            problem(await client.get("/sip-users", params={"cursor": wrong}), 422, "invalid")
        problem(await client.get("/sip-users", params={"limit": 201}), 422, "invalid")


async def test_what_needs_the_sip_server_says_so_when_it_is_away(api: Api) -> None:
    async with api.program() as client:
        for path in ("/live-calls", "/registrations"):
            response = await client.get(path)
            problem(response, 503, "server-away")
            assert response.headers["retry-after"]
