"""Becoming somebody over HTTP: the owner's link, invitations, sign-up, a forgotten password."""

from __future__ import annotations

import json
import time

import pytest

from admin.authenticator import Authenticator
from sealtone.admin import people
from sealtone.admin.service import ServiceChange, service_settings, update_service
from sealtone.model import Role
from sealtone.store import credentials
from sealtone.store import people as rows
from web.conftest import Panel
from web.people.somebody import PASSWORD, somebody, visit

FORM = {"name": "Ann", "email": "ann@example.org", "account_name": "Ann's office", "password": PASSWORD}


def owner_link(panel: Panel) -> str:
    panel.account()
    with panel.database.write() as transaction:
        made = people.owner_link(transaction, time.time())
    assert made is not None
    return f"/welcome/{made.token}"


def found(panel: Panel, email: str) -> object:
    with panel.database.read() as transaction:
        return rows.find_person_by_email(transaction, email)


async def test_the_owners_link_makes_the_owner_who_is_signed_in(panel: Panel) -> None:
    url = owner_link(panel)
    client = await visit(panel, url)
    page = await client.get(url)
    assert page.status_code == 200
    assert "Welcome to Sealtone" in page.text
    answer = await client.send_form(url, FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    home = await client.get("/")
    assert "Ann&#39;s office" in home.text
    assert (await panel.visitor().get(url)).status_code == 404
    with panel.database.read() as transaction:
        assert service_settings(transaction).public_name == "panel.test"


async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays_but_the_password(panel: Panel) -> None:
    url = owner_link(panel)
    client = await visit(panel, url)
    for field, value in (("password", "short"), ("email", "nonsense"), ("name", " "), ("account_name", "")):
        answer = await client.send_form(url, FORM | {field: value})
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
        assert PASSWORD not in answer.text
        if field != "name":
            assert 'value="Ann"' in answer.text
    assert (await client.send_form(url, FORM)).status_code == 303  # the link was not used up


async def test_the_owner_may_come_in_by_a_passkey_alone(panel: Panel) -> None:
    url = owner_link(panel)
    client = await visit(panel, url)
    device = Authenticator("https://panel.test")
    headers = {"X-CSRF-Token": client.token()}
    options = await client.post(f"{url}/passkey/options", data=FORM, headers=headers)
    assert options.status_code == 200
    answer = await client.send_form(url, FORM | {"password": "", "passkey": device.create(options.text)})
    assert answer.headers["location"] == "/"
    with panel.database.read() as transaction:
        owner = rows.find_person_by_email(transaction, "ann@example.org")
        assert owner is not None
        assert not owner.has_password
        assert len(credentials.read_passkeys(transaction, owner.id)) == 1
    await client.send_form("/sign-out")
    client = await visit(panel)
    headers = {"X-CSRF-Token": client.token()}
    options = await client.post("/passkey/options/sign-in", data={}, headers=headers)
    signed = device.get(options.text)
    assert (await client.send_form("/sign-in/passkey", {"passkey": signed})).headers["location"] == "/"
    assert (await client.get("/")).status_code == 200
    thief = await visit(panel)
    thief.cookies.update(client.cookies)
    thief.cookies.delete("__Host-session")
    assert (await thief.send_form("/sign-in/passkey", {"passkey": signed})).status_code == 422


async def test_a_challenge_is_good_for_its_own_purpose_alone(panel: Panel) -> None:
    url = owner_link(panel)
    client = await visit(panel, url)
    headers = {"X-CSRF-Token": client.token()}
    options = await client.post("/passkey/options/sign-in", data={}, headers=headers | {"Host": "localhost"})
    assert options.status_code == 200
    asked = json.loads(options.text)
    made = Authenticator("https://panel.test").create(
        json.dumps({"challenge": asked["challenge"], "rp": {"id": "panel.test"}, "user": {"id": "AAAA"}})
    )
    assert (await client.send_form(url, FORM | {"passkey": made})).status_code == 422


@pytest.mark.parametrize("path", ["welcome", "invitation", "new-password", "sign-up", "email"])
async def test_every_link_that_does_not_work_is_answered_alike(panel: Panel, path: str) -> None:
    client = panel.visitor()
    answers = [await client.get(f"/{path}/{token}") for token in ("x", "y" * 43, "z" * 4000, "%00", "ü")]
    assert {answer.status_code for answer in answers} == {404}
    texts = {answer.text.split("<section", 1)[1].split("</section>")[0] for answer in answers}
    assert len(texts) == 1


async def test_an_invitation_is_accepted_with_its_address_and_role(panel: Panel) -> None:
    owner = somebody(panel)
    with panel.database.write() as transaction:
        link = people.invite(
            transaction, owner.actor, time.time(), owner.person.account_id, "eve@example.org", "viewer"
        )
    url = f"/invitation/{link.token}"
    client = await visit(panel, url)
    page = await client.get(url)
    assert "eve@example.org" in page.text
    assert 'name="email"' not in page.text
    answer = await client.send_form(url, {"name": "Eve", "password": PASSWORD, "email": "other@example.org"})
    assert answer.headers["location"] == "/"
    eve = found(panel, "eve@example.org")
    assert eve is not None
    assert eve.role is Role.VIEWER  # type: ignore[attr-defined]
    assert found(panel, "other@example.org") is None
    assert (await client.get(url)).status_code == 404


async def test_sign_up_is_by_invitation_until_it_is_opened(panel: Panel) -> None:
    client = await visit(panel, "/sign-up")
    assert "by invitation only" in (await client.get("/sign-up")).text
    assert (await client.send_form("/sign-up", FORM)).status_code == 403
    assert found(panel, "ann@example.org") is None
    assert "/sign-up" not in (await client.get("/sign-in")).text


def open_sign_up(panel: Panel) -> None:
    operator = somebody(panel, "operator@example.org", operator=True)
    with panel.database.write() as transaction:
        update_service(transaction, operator.actor, time.time(), ServiceChange(sign_up="open"))


async def test_open_sign_up_makes_an_account_and_answers_alike_for_an_address_that_has_one(panel: Panel) -> None:
    open_sign_up(panel)
    answers = []
    for _ in range(2):
        client = await visit(panel, "/sign-up")
        answer = await client.send_form("/sign-up", FORM)
        assert answer.status_code == 200
        answers.append(answer.text.split("<section", 1)[1].split("</section>")[0])
    assert len(set(answers)) == 1
    client = await visit(panel)
    assert (await client.send_form("/sign-in", FORM)).status_code == 303
    ann = found(panel, "ann@example.org")
    assert ann is not None
    assert ann.role is Role.OWNER  # type: ignore[attr-defined]
    assert not ann.operator  # type: ignore[attr-defined]


async def test_sign_up_from_one_address_is_limited_honestly(panel: Panel) -> None:
    open_sign_up(panel)
    client = await visit(panel, "/sign-up")
    statuses = []
    for number in range(12):
        form = FORM | {"email": f"p{number}@example.org", "password": "short"}
        answer = await client.send_form("/sign-up", form)
        statuses.append(answer.status_code)
    assert statuses[:10] == [422] * 10
    assert statuses[10:] == [429] * 2
    assert int(answer.headers["retry-after"]) > 0


async def test_without_e_mail_a_forgotten_password_is_somebodys_business(panel: Panel) -> None:
    client = await visit(panel, "/forgotten")
    page = await client.get("/forgotten")
    assert "An owner of your account" in page.text
    assert (await client.send_form("/forgotten", {"email": "ann@example.org"})).status_code == 303


async def test_a_link_sets_a_new_password_and_ends_every_session(panel: Panel) -> None:
    owner = somebody(panel)
    eve = somebody(panel, "eve@example.org", Role.VIEWER)
    signed_in = panel.signed_in_as(eve.person.id)
    with panel.database.write() as transaction:
        link = people.password_link(transaction, owner.actor, time.time(), eve.person.id)
    url = f"/new-password/{link.token}"
    client = await visit(panel, url)
    assert (await client.send_form(url, {"password": "eve@example.org"})).status_code == 422
    assert (await client.send_form(url, {"password": "quite another one"})).headers["location"] == "/sign-in"
    assert (await signed_in.get("/")).headers["location"] == "/sign-in"
    assert (await client.get(url)).status_code == 404
    form = {"email": "eve@example.org", "password": "quite another one"}
    assert (await client.send_form("/sign-in", form)).status_code == 303
