"""Signing in over HTTP: who gets in, how often one may try, and what a stranger learns."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from sealtone.admin import passwords, people, second_factors
from sealtone.model import Role
from sealtone.store import credentials
from sealtone.store import people as rows
from sealtone.web.gate import gate_of
from sealtone.web.security import SESSION_COOKIE
from web.conftest import Panel
from web.people.somebody import PASSWORD, hashed, sign_in, somebody, visit


def without_what_differs(page: str) -> str:
    """A page without its token and the address that was typed."""
    page = re.sub(r'name="email" type="email" value="[^"]*"', "", page)
    return re.sub(r'(name="csrf" (value|content)|content)="[^"]*"', "", page)


async def test_who_gives_the_right_password_is_signed_in_and_goes_where_they_were_going(panel: Panel) -> None:
    somebody(panel)
    client = await visit(panel)
    answer = await client.send_form(
        "/sign-in", {"email": " Ann@Example.org", "password": PASSWORD, "next": "/calls?after=x"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls?after=x")
    assert (await client.get("/")).status_code == 200
    answer = await client.send_form("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    assert (await client.get("/")).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "evil", "/a\nb"]
)
async def test_sign_in_leads_to_no_other_site(panel: Panel, url: str) -> None:
    somebody(panel)
    client = await visit(panel)
    answer = await client.send_form("/sign-in", {"email": "ann@example.org", "password": PASSWORD, "next": url})
    assert answer.headers["location"] == "/"


async def test_an_unknown_address_is_answered_as_a_wrong_password_is_and_costs_as_much(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody(panel)
    no_password = somebody(panel, "bob@example.org")
    off = somebody(panel, "cat@example.org")
    with panel.database.write() as transaction:
        rows.set_password_hash(transaction, no_password.person.id, "")
        rows.update_person(transaction, replace(off.person, enabled=False))
    hashings = []
    real = passwords._HASHER
    monkeypatch.setattr(passwords, "_HASHER", _Counted(real, hashings))
    pages = set()
    for email in ("ann@example.org", "bob@example.org", "cat@example.org", "nobody@example.org", "no address", ""):
        client = await visit(panel)
        before = len(hashings)
        answer = await sign_in(client, email, "not the right one")
        assert answer.status_code == 422
        assert len(hashings) - before == 1, email
        assert SESSION_COOKIE not in client.cookies
        pages.add(without_what_differs(answer.text))
    assert len(pages) == 1


class _Counted:
    """Argon2 as it is, counted."""

    def __init__(self, hasher: object, done: list[str]) -> None:
        self._hasher, self._done = hasher, done

    def hash(self, *arguments: object) -> object:
        self._done.append("hash")
        return self._hasher.hash(*arguments)  # type: ignore[attr-defined]

    def verify(self, *arguments: object) -> object:
        self._done.append("verify")
        return self._hasher.verify(*arguments)  # type: ignore[attr-defined]

    def check_needs_rehash(self, *arguments: object) -> object:
        return self._hasher.check_needs_rehash(*arguments)  # type: ignore[attr-defined]


async def test_the_session_is_another_after_sign_in_and_the_one_before_is_over(panel: Panel) -> None:
    ann, eve = somebody(panel), somebody(panel, "eve@example.org")
    planted = panel.signed_in_as(eve.person.id)
    before = planted.cookies[SESSION_COOKIE]
    answer = await sign_in(planted)
    assert answer.status_code == 303
    assert planted.cookies[SESSION_COOKIE] != before
    left = panel.visitor()
    left.cookies.set(SESSION_COOKIE, before, domain="panel.test", path="/")
    assert (await left.get("/")).headers["location"] == "/sign-in"
    with panel.database.read() as transaction:
        assert len(credentials.read_sessions(transaction, ann.person.id, time.time(), 0.0)) == 1
    fixed = await visit(panel)
    fixed.cookies.set(SESSION_COOKIE, "chosen by somebody else", domain="panel.test", path="/")
    await fixed.send_form("/sign-in", {"csrf": fixed.token(), "email": "ann@example.org", "password": PASSWORD})
    assert fixed.cookies.get(SESSION_COOKIE) == "chosen by somebody else" or fixed.cookies[SESSION_COOKIE] != before


async def test_a_form_without_its_token_or_from_elsewhere_signs_nobody_in(panel: Panel) -> None:
    somebody(panel)
    form = {"email": "ann@example.org", "password": PASSWORD}
    client = await visit(panel)
    for attempt in (
        client.post("/sign-in", data=form),
        client.post("/sign-in", data=form | {"csrf": "x" * 40}),
        client.send_form("/sign-in", form, headers={"Origin": "https://evil.example"}),
        client.send_form("/sign-in", form, headers={"Sec-Fetch-Site": "cross-site"}),
        panel.visitor().post("/sign-in", data=form),
    ):
        assert (await attempt).status_code == 403
    assert SESSION_COOKIE not in client.cookies


async def test_too_many_wrong_passwords_from_an_address_have_to_wait_and_are_told_how_long(panel: Panel) -> None:
    somebody(panel)
    client = await visit(panel)
    for _ in range(8):
        assert (await sign_in(client, password="wrong wrong wrong")).status_code == 422
    answer = await sign_in(client)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 61
    assert "Too many attempts" in answer.text
    assert SESSION_COOKIE not in client.cookies


async def test_an_old_hash_is_renewed_when_its_password_is_right(panel: Panel) -> None:
    from argon2 import PasswordHasher

    ann = somebody(panel)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with panel.database.write() as transaction:
        rows.set_password_hash(transaction, ann.person.id, weak)
    client = await visit(panel)
    assert (await sign_in(client)).status_code == 303
    with panel.database.read() as transaction:
        renewed = rows.read_password_hash(transaction, ann.person.id)
    assert not passwords.is_outdated(renewed)
    assert passwords.password_matches(renewed, PASSWORD)


async def test_with_an_authenticator_app_the_password_alone_opens_nothing(panel: Panel) -> None:
    ann = somebody(panel, totp=True)
    client = await visit(panel)
    answer = await sign_in(client)
    assert answer.headers["location"] == "/sign-in/second"
    assert SESSION_COOKIE not in client.cookies
    assert (await client.get("/")).headers["location"] == "/sign-in"
    assert (await client.send_form("/sign-in/second", {"code": "000000"})).status_code == 422
    code = ann.code()
    answer = await client.send_form("/sign-in/second", {"code": code})
    assert answer.headers["location"] == "/"
    assert (await client.get("/")).status_code == 200
    again = await visit(panel)
    await sign_in(again)
    assert (await again.send_form("/sign-in/second", {"code": code})).status_code == 422  # it was used
    answer = await again.send_form("/sign-in/second", {"code": ann.recovery[0]})
    assert answer.headers["location"] == "/"
    third = await visit(panel)
    await sign_in(third)
    assert (await third.send_form("/sign-in/second", {"code": ann.recovery[0]})).status_code == 422


async def test_the_second_step_is_for_whom_gave_the_password_and_ends_when_that_is_changed(panel: Panel) -> None:
    ann = somebody(panel, totp=True)
    stranger = await visit(panel)
    assert (await stranger.get("/sign-in/second")).headers["location"] == "/sign-in"
    assert (await stranger.send_form("/sign-in/second", {"code": ann.code()})).headers["location"] == "/sign-in"
    client = await visit(panel)
    await sign_in(client)
    assert (await client.get("/sign-in/second")).status_code == 200
    with panel.database.write() as transaction:
        people.set_password(transaction, ann.actor, time.time(), ann.person.id, hashed("another one altogether"))
    assert (await client.send_form("/sign-in/second", {"code": ann.code()})).headers["location"] == "/sign-in"


async def test_guesses_at_codes_run_out(panel: Panel) -> None:
    ann = somebody(panel, totp=True)
    client = await visit(panel)
    await sign_in(client)
    for number in range(8):
        assert (await client.send_form("/sign-in/second", {"code": f"{number:06}"})).status_code == 422
    assert (await client.send_form("/sign-in/second", {"code": ann.code()})).status_code == 429


async def test_where_the_account_wants_a_second_factor_nothing_else_opens_before_one_is_set_up(panel: Panel) -> None:
    ann = somebody(panel)
    with panel.database.write() as transaction:
        rows.set_second_factor(transaction, ann.person.account_id, needed=True)
    client = await visit(panel)
    await sign_in(client)
    for url in ("/", "/account", "/account/people", "/account/security"):
        answer = await client.get(url)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/account/second-factor"), url
    assert (await client.send_form("/account/password", {})).headers["location"] == "/account/second-factor"


async def test_argon2_runs_twice_at_once_and_a_flood_is_told_to_come_back(panel: Panel) -> None:
    import asyncio
    import threading

    work, running, most, lock = gate_of(panel.parts).passwords, 0, 0, threading.Lock()

    def slow() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1

    results = await asyncio.gather(*(work.run(slow) for _ in range(60)), return_exceptions=True)
    refused = [result for result in results if result is not None]
    assert most == 2
    assert refused
    assert {getattr(error, "status_code", error) for error in refused} == {503}
    await work.run(slow)


async def test_a_person_of_another_account_is_signed_in_to_theirs(panel: Panel) -> None:
    somebody(panel)
    somebody(panel, "bob@example.net", Role.OWNER, "Second")
    client = await visit(panel)
    await sign_in(client, "bob@example.net")
    assert "Second" in (await client.get("/")).text


def test_recovery_codes_are_told_from_codes_of_the_app() -> None:
    assert not second_factors.is_recovery_code("123456")
    assert second_factors.is_recovery_code("ABCD-efgh jkmn-pqrs")
