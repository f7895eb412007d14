"""What a stranger, another site's page or a stolen token can do to somebody's panel: nothing."""

from __future__ import annotations

import time

import pytest
from starlette.requests import Request
from starlette.responses import Response

from sealtone.store.sessions import find_session
from sealtone.store.tables import account, panel_session, person
from sealtone.web import security
from sealtone.web.security import IDLE_S, LARGEST_BODY, SESSION_COOKIE, VISITOR_COOKIE, token_hash
from web.conftest import HOST, Client, Panel

FORM = {"theme": "dark", "back": "/"}


def request_of(panel: Panel, client: Client) -> Request:
    """A request as a route would have it, with the client's cookies."""
    cookies = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
    headers = [(b"host", HOST.encode()), (b"cookie", cookies.encode())]
    app = panel.transport.app
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "app": app, "state": {}}
    return Request({**scope, "client": ("192.0.2.9", 1), "query_string": b""})


async def test_every_answer_has_the_headers_that_bind_the_browser(panel: Panel) -> None:
    client = panel.signed_in()
    for url in ("/", "/nowhere", panel.parts.assets.url("app.js"), "/healthz"):
        headers = (await client.get(url)).headers
        assert headers["content-security-policy"] == security.POLICY
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers
    assert (await client.get("/")).headers["cache-control"] == "no-store"


async def test_a_public_name_is_pinned_to_https_and_localhost_is_not(panel: Panel) -> None:
    for host, pinned in (("voice.office.com:8443", True), ("localhost", False), ("192.0.2.1", False), ("[::1]", False)):
        answer = await panel.visitor(Host=host).get("/healthz")
        assert ("strict-transport-security" in answer.headers) is pinned, host


async def test_pages_have_no_script_style_or_handler_within_them(panel: Panel) -> None:
    text = (await panel.signed_in(operator=True).get("/service")).text
    assert "<style" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert text.count("<script") == text.count("<script src=")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": f"https://{HOST}"}, 303),
        ({"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": f"http://{HOST}"}, 403),
        ({"Origin": f"https://{HOST}.evil.test"}, 403),
        ({"Origin": f"https://{HOST}:8443"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_a_form_counts_only_from_this_very_origin(panel: Panel, headers: dict[str, str], status: int) -> None:
    client = panel.signed_in()
    assert (await client.send_form("/preferences", FORM, headers=headers)).status_code == status


async def test_a_form_without_its_token_or_with_another_ones_changes_nothing(panel: Panel) -> None:
    client, other = panel.signed_in(), panel.signed_in()
    for token in ("", "x", "AAAA", other.token(), panel.visitor().token(), client.token()[:-4] + "AAA="):
        answer = await client.post("/preferences", data={**FORM, "csrf": token})
        assert answer.status_code == 403
        assert "This form is out of date" in answer.text
    assert (await client.post("/preferences", data=FORM)).status_code == 403
    assert (await client.post("/preferences", json=FORM)).status_code == 403
    assert 'data-theme="dark"' not in (await client.get("/")).text
    assert (await client.post("/preferences", data=FORM, headers={"X-CSRF-Token": client.token()})).status_code == 303


async def test_whoever_is_not_signed_in_has_tokens_too_bound_to_their_own_cookie(panel: Panel) -> None:
    visitor = panel.visitor()
    answer = await visitor.get("/nowhere")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{VISITOR_COOKIE}=")
    assert (await visitor.send_form("/preferences", FORM)).status_code == 303
    stranger = panel.visitor()
    assert (await stranger.post("/preferences", data={**FORM, "csrf": visitor.token()})).status_code == 403


async def test_a_token_looks_different_on_every_page(panel: Panel) -> None:
    client = panel.signed_in()
    assert client.token() != client.token()
    assert (await client.get("/")).text != (await client.get("/")).text


async def test_a_session_begins_anew_whatever_the_browser_had_before(panel: Panel) -> None:
    client, person_id = panel.signed_in(), panel.person()
    fixed = client.cookies[SESSION_COOKIE]
    response = Response()
    await security.begin_session(request_of(panel, client), response, person_id, "password")
    cookie = response.headers["set-cookie"]
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    assert token != fixed
    assert (await client.get("/")).status_code == 303  # what was there before is over
    now = panel.visitor()
    now.cookies.set(SESSION_COOKIE, token, domain=HOST, path="/")
    assert (await now.get("/")).status_code == 200
    with panel.database.read() as transaction:
        kept = transaction.connection.execute(panel_session.select()).all()
    assert token not in repr(kept)


async def test_a_token_that_was_changed_opens_nothing_any_more(panel: Panel) -> None:
    client, response = panel.signed_in(), Response()
    await security.rotate_session(request_of(panel, client), response)
    assert (await client.get("/")).status_code == 303
    client.cookies.set(
        SESSION_COOKIE, response.headers["set-cookie"].partition("=")[2].partition(";")[0], domain=HOST, path="/"
    )
    assert (await client.get("/")).status_code == 200


async def test_signing_out_ends_the_session_on_the_server(panel: Panel) -> None:
    client, response = panel.signed_in(), Response()
    await security.end_session(request_of(panel, client), response)
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (await client.get("/")).status_code == 303


@pytest.mark.parametrize("column", ["expires_at", "seen_at"])
async def test_a_session_ends_by_itself_when_it_is_old_or_was_not_used(panel: Panel, column: str) -> None:
    client, at = panel.signed_in(), time.time()
    ended = at - 1 if column == "expires_at" else at - IDLE_S - 1
    with panel.database.write() as transaction:
        transaction.connection.execute(panel_session.update().values({column: ended}))
    assert (await client.get("/")).status_code == 303
    await security.purge_sessions(panel.parts)
    with panel.database.read() as transaction:
        assert transaction.connection.execute(panel_session.select()).all() == []


@pytest.mark.parametrize("table", [person, account])
async def test_a_person_or_account_that_is_disabled_is_out_at_once(panel: Panel, table: object) -> None:
    client = panel.signed_in()
    with panel.database.write() as transaction:
        transaction.connection.execute(table.update().values(enabled=0))  # type: ignore[attr-defined]
    assert (await client.get("/")).status_code == 303


async def test_that_a_session_was_used_is_written_at_most_once_a_minute(panel: Panel) -> None:
    client, at = panel.signed_in(), time.time()
    hashed = token_hash(client.cookies[SESSION_COOKIE])

    async def seen() -> float:
        while panel.parts._tasks:
            await next(iter(panel.parts._tasks))
        with panel.database.read() as transaction:
            found = find_session(transaction, hashed, at, 0.0)
        assert found is not None
        return found.seen_at

    before = await seen()
    await client.get("/")
    assert await seen() == before
    with panel.database.write() as transaction:
        transaction.connection.execute(panel_session.update().values(seen_at=at - 61))
    await client.get("/")
    assert await seen() >= at


async def test_a_body_beyond_the_limit_is_refused_announced_or_not(panel: Panel) -> None:
    client, size = panel.signed_in(), LARGEST_BODY + 1
    answer = await client.send_form("/preferences", {"back": "x" * size})
    assert answer.status_code == 413

    async def poured() -> object:
        for _ in range(40):
            yield b"field=" + b"x" * 100_000 + b"&"

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/preferences", content=poured(), headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert (await client.get("/")).status_code == 200
