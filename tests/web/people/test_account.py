"""The Account pages over HTTP: one's own ways in, other people, and what roles see."""

from __future__ import annotations

import re
import time

import pytest

from admin.authenticator import Authenticator
from sealtone.admin import second_factors
from sealtone.model import Role
from sealtone.store import credentials
from sealtone.store import people as rows
from sealtone.store.directory import find_account
from web.conftest import Client, Panel
from web.people.somebody import PASSWORD, Somebody, somebody, visit

PAGES = ("/account", "/account/security", "/account/people", "/account/data")


def signed_in(panel: Panel, who: Somebody) -> Client:
    return panel.signed_in_as(who.person.id)


def unconfirm(panel: Panel, who: Somebody) -> None:
    """As a quarter of an hour later."""
    with panel.database.write() as transaction:
        for session in credentials.read_sessions(transaction, who.person.id, time.time(), 0.0):
            credentials.confirm_session(transaction, session.token_hash, time.time() - 901)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("language", ["en", "ru"])
async def test_every_page_opens_for_every_role(panel: Panel, role: Role, language: str) -> None:
    client = signed_in(panel, somebody(panel, role=role))
    client.headers["Accept-Language"] = language
    for url in PAGES:
        page = await client.get(url)
        assert page.status_code == 200, url
        for tab in PAGES:
            assert f'href="{tab}"' in page.text


async def test_who_only_looks_sees_why_they_cannot_change_and_cannot(panel: Panel) -> None:
    owner = somebody(panel)
    viewer = somebody(panel, "viewer@example.org", Role.VIEWER)
    client = signed_in(panel, viewer)
    page = await client.get("/account/data")
    assert page.text.count("Only an owner may change this.") >= 2
    assert "Only an admin or owner may change this." in page.text
    assert "Invite somebody" not in (await client.get("/account/people")).text
    for url, form in (
        ("/account/name", {"account_name": "Mine"}),
        ("/account/retention", {"days": "1"}),
        ("/account/second-factor-needed", {"needed": "yes"}),
        ("/account/people/invite", {"email": "x@example.org", "role": "owner"}),
        (f"/account/people/{owner.person.id}/role", {"role": "viewer"}),
        (f"/account/people/{viewer.person.id}/role", {"role": "owner"}),
        (f"/account/people/{owner.person.id}/remove", {}),
        (f"/account/people/{owner.person.id}/enabled", {"enabled": "no"}),
        (f"/account/people/{owner.person.id}/password-link", {}),
        ("/account/close", {"typed_name": "First"}),
    ):
        assert (await client.send_form(url, form)).status_code == 403, url
    with panel.database.read() as transaction:
        account = find_account(transaction, owner.person.account_id)
        assert account is not None
        assert (account.name, account.keep_calls_days) == ("First", 365)
        assert len(rows.read_people(transaction)) == 2


async def test_somebody_of_another_account_is_not_there(panel: Panel) -> None:
    owner = somebody(panel)
    stranger = signed_in(panel, somebody(panel, "bob@example.net", account="Second"))
    for what in ("role", "enabled", "remove", "password-link", "operator"):
        status = set()
        for person_id in (owner.person.id, 987_654):
            answer = await stranger.send_form(f"/account/people/{person_id}/{what}", {"role": "viewer"})
            status.add((answer.status_code, answer.text.split("<section", 1)[-1].split("</section>")[0]))
        if what != "operator":
            assert {code for code, _ in status} == {404}, what
        assert len(status) == 1, what
    assert owner.person.email not in (await stranger.get("/account/people")).text


async def test_a_form_without_its_token_changes_nothing(panel: Panel) -> None:
    owner = somebody(panel)
    client = signed_in(panel, owner)
    for url in (
        "/account", "/account/email", "/account/password", "/account/password/remove", "/account/totp",
        "/account/totp/remove", "/account/recovery-codes", "/account/passkeys", "/account/passkeys/options",
        "/account/sessions/end", "/account/name", "/account/retention", "/account/second-factor-needed",
        "/account/close", "/account/people/invite", f"/account/people/{owner.person.id}/remove", "/confirm",
        "/sign-out", "/service/mail", "/service/sign-up",
    ):  # fmt: skip
        assert (await client.post(url, data={"name": "Eve"})).status_code == 403, url
    assert (await client.get("/account")).status_code == 200


async def test_what_is_dangerous_asks_who_one_is_and_goes_on_then(panel: Panel) -> None:
    ann = somebody(panel)
    client = signed_in(panel, ann)
    unconfirm(panel, ann)
    answer = await client.get("/account/close")
    assert answer.headers["location"] == "/confirm?next=/account/close"
    assert (await client.send_form("/account/close", {"typed_name": "First"})).status_code == 303
    assert (await client.get("/account")).status_code == 200
    page = await client.get("/confirm?next=/account/close")
    assert 'name="password"' in page.text
    wrong = await client.send_form("/confirm", {"password": "wrong wrong wrong", "next": "/account/close"})
    assert wrong.status_code == 422
    answer = await client.send_form("/confirm", {"password": PASSWORD, "next": "/account/close"})
    assert answer.headers["location"] == "/account/close"
    assert (await client.get("/account/close")).status_code == 200


async def test_with_an_app_a_password_alone_confirms_nothing(panel: Panel) -> None:
    ann = somebody(panel, totp=True)
    client = signed_in(panel, ann)
    unconfirm(panel, ann)
    assert (await client.send_form("/confirm", {"password": PASSWORD})).status_code == 422
    assert (await client.send_form("/confirm", {"password": PASSWORD, "code": ann.code()})).status_code == 303


async def test_a_new_password_needs_the_present_one_and_ends_the_other_sessions(panel: Panel) -> None:
    ann = somebody(panel)
    client, other = signed_in(panel, ann), signed_in(panel, ann)
    before = client.cookies["__Host-session"]
    form = {"present": "wrong wrong wrong", "password": "quite another one"}
    answer = await client.send_form("/account/password", form)
    assert answer.status_code == 422
    assert 'id="present-error"' in answer.text
    assert "quite another one" not in answer.text
    answer = await client.send_form("/account/password", {"present": PASSWORD, "password": "Ann 1234567"})
    assert 'id="password-error"' in answer.text
    answer = await client.send_form("/account/password", {"present": PASSWORD, "password": "quite another one"})
    assert answer.status_code == 303
    assert client.cookies["__Host-session"] != before
    assert (await client.get("/account")).status_code == 200
    assert (await other.get("/account")).headers["location"].startswith("/sign-in")


async def test_an_app_is_set_up_by_its_first_code_and_recovery_codes_are_shown_once(panel: Panel) -> None:
    ann = somebody(panel)
    client = signed_in(panel, ann)
    page = (await client.get("/account/totp")).text
    ann.secret = re.search(r'id="totp-secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")  # type: ignore[index]
    assert "data:image/svg+xml;base64," in page
    assert (await client.send_form("/account/totp", {"code": "000000"})).status_code == 422
    answer = await client.send_form("/account/totp", {"code": ann.code()})
    assert answer.status_code == 200
    codes = re.findall(r"<li>([a-z0-9-]{19})</li>", answer.text)
    assert len(set(codes)) == 10
    file = await client.send_form("/account/recovery-codes/file", {"codes": " ".join(codes) + " <script>"})
    assert file.headers["content-type"].startswith("text/plain")
    assert "attachment" in file.headers["content-disposition"]
    assert all(code in file.text for code in codes)
    assert "script" not in file.text
    assert codes[0] not in (await client.get("/account/security")).text
    with panel.database.read() as transaction:
        assert rows.read_totp(transaction, ann.person.id) == ann.secret


async def test_a_passkey_is_added_named_used_to_confirm_and_removed(panel: Panel) -> None:
    operator = somebody(panel, operator=True)
    client = signed_in(panel, operator)
    headers = {"X-CSRF-Token": client.token(), "HX-Request": "true"}
    refused = await client.post("/account/passkeys/options", data={}, headers=headers)
    assert refused.status_code == 409  # panel.test is no name of this service yet
    await client.send_form("/service/name", {"public_name": "panel.test"})
    device = Authenticator("https://panel.test")
    options = await client.post("/account/passkeys/options", data={}, headers=headers)
    assert options.status_code == 200
    form = {"passkey": device.create(options.text), "passkey_name": "Blue key"}
    answer = await client.send_form("/account/passkeys", form)
    assert len(re.findall(r"<li>[a-z0-9-]{19}</li>", answer.text)) == 10
    assert (await client.send_form("/account/passkeys", form)).status_code == 422  # the challenge was used
    page = (await client.get("/account/security")).text
    assert "Blue key" in page
    unconfirm(panel, operator)
    options = await client.post("/confirm/passkey/options", data={}, headers=headers)
    answer = await client.send_form("/confirm/passkey", {"passkey": device.get(options.text)})
    assert answer.status_code == 303
    assert (await client.get("/account/totp")).status_code == 200
    url = re.search(r'action="(/account/passkeys/[^"]+)/remove"', page)[1]  # type: ignore[index]
    await client.send_form(f"{url}/rename", {"passkey_name": "Red key"})
    assert "Red key" in (await client.get("/account/security")).text
    assert (await client.send_form(f"{url}/remove")).status_code == 303
    assert "Red key" not in (await client.get("/account/security")).text


async def test_somebody_elses_passkey_confirms_nothing(panel: Panel) -> None:
    eve = somebody(panel, "eve@example.org", operator=True)
    ann = somebody(panel)
    theirs = signed_in(panel, eve)
    await theirs.send_form("/service/name", {"public_name": "panel.test"})
    device = Authenticator("https://panel.test")
    options = await theirs.post("/account/passkeys/options", data={}, headers={"X-CSRF-Token": theirs.token()})
    await theirs.send_form("/account/passkeys", {"passkey": device.create(options.text), "passkey_name": "Key"})
    client = signed_in(panel, ann)
    unconfirm(panel, ann)
    options = await client.post("/confirm/passkey/options", data={}, headers={"X-CSRF-Token": client.token()})
    assert (await client.send_form("/confirm/passkey", {"passkey": device.get(options.text)})).status_code == 422
    assert (await client.get("/account/close")).status_code == 303


async def test_sessions_are_listed_and_ended_one_by_one_and_all(panel: Panel) -> None:
    ann, eve = somebody(panel), somebody(panel, "eve@example.org", Role.VIEWER)
    client, other, third = (signed_in(panel, ann) for _ in range(3))
    page = (await client.get("/account/security")).text
    numbers = re.findall(r"/account/sessions/([^/\"]+)/end", page)
    assert len(numbers) == 3
    assert page.count("this one") == 1
    strangers = signed_in(panel, eve)
    assert (await strangers.send_form(f"/account/sessions/{numbers[0]}/end")).status_code == 404
    with panel.database.read() as transaction:
        here = credentials.read_sessions(transaction, ann.person.id, time.time(), 0.0)
    assert len(here) == 3
    await client.send_form("/account/sessions/end")
    for ended in (other, third):
        assert (await ended.get("/account")).headers["location"].startswith("/sign-in")
    assert (await client.get("/account")).status_code == 200


async def test_an_invitation_is_shown_with_its_link_once_and_can_be_revoked(panel: Panel) -> None:
    client = signed_in(panel, somebody(panel))
    wrong = await client.send_form("/account/people/invite", {"email": "nonsense", "role": "admin"})
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text
    answer = await client.send_form("/account/people/invite", {"email": "eve@example.org", "role": "admin"})
    url = re.search(r">https://panel.test(/invitation/[^<]+)<", answer.text)[1]  # type: ignore[index]
    assert (await panel.visitor().get(url)).status_code == 200
    page = (await client.get("/account/people")).text
    assert url not in page
    revoke = re.search(r'action="(/account/people/invitations/[^"]+)"', page)[1]  # type: ignore[index]
    assert (await client.send_form(revoke)).status_code == 303
    assert (await panel.visitor().get(url)).status_code == 404


async def test_an_owner_changes_switches_off_and_removes_people(panel: Panel) -> None:
    owner, eve = somebody(panel), somebody(panel, "eve@example.org", Role.VIEWER)
    client, theirs = signed_in(panel, owner), signed_in(panel, eve)
    url = f"/account/people/{eve.person.id}"
    assert (await client.get(url)).status_code == 200
    await client.send_form(f"{url}/role", {"role": "admin"})
    assert (await theirs.get("/account")).headers["location"].startswith("/sign-in")
    theirs = signed_in(panel, eve)
    await client.send_form(f"{url}/enabled", {"enabled": "no"})
    assert (await theirs.get("/account")).headers["location"].startswith("/sign-in")
    answer = await client.send_form(f"{url}/password-link", {"without": "on"})
    assert "/new-password/" in answer.text
    assert (await client.send_form(f"{url}/remove")).headers["location"] == "/account/people"
    assert (await client.get(url)).status_code == 404
    mine = f"/account/people/{owner.person.id}/remove"
    assert (await client.send_form(mine)).status_code == 409


async def test_profile_and_account_are_changed_and_what_is_wrong_stands_at_its_field(panel: Panel) -> None:
    ann = somebody(panel)
    client = signed_in(panel, ann)
    answer = await client.send_form("/account", {"name": " ", "language": "ru", "theme": "dark"})
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    await client.send_form("/account", {"name": "Anna", "language": "ru", "theme": "dark"})
    page = (await client.get("/account")).text
    assert 'lang="ru"' in page
    assert 'data-theme="dark"' in page
    assert 'value="Anna"' in page
    answer = await client.send_form("/account/retention", {"days": "0"})
    assert 'id="days-error"' in answer.text
    await client.send_form("/account/retention", {"days": "30"})
    await client.send_form("/account/name", {"account_name": "Office"})
    await client.send_form("/account/email", {"email": "anna@example.org"})
    with panel.database.read() as transaction:
        account = find_account(transaction, ann.person.account_id)
        assert account is not None
        assert (account.name, account.keep_calls_days) == ("Office", 30)
        assert rows.find_person_by_email(transaction, "anna@example.org") is not None
    await client.send_form("/account/retention", {"days": "30", "forever": "on"})
    with panel.database.read() as transaction:
        account = find_account(transaction, ann.person.account_id)
        assert account is not None
        assert account.keep_calls_days is None


async def test_a_second_factor_that_the_account_wants_is_set_up_on_the_way_in(panel: Panel) -> None:
    ann = somebody(panel)
    client = signed_in(panel, ann)
    await client.send_form("/account/second-factor-needed", {"needed": "yes"})
    page = await client.get("/account/second-factor")
    assert page.status_code == 200
    text = (await client.get("/account/second-factor/totp")).text
    ann.secret = re.search(r'id="totp-secret">([A-Z2-7 ]+)<', text)[1].replace(" ", "")  # type: ignore[index]
    answer = await client.send_form("/account/second-factor/totp", {"code": ann.code()})
    assert answer.status_code == 200
    assert (await client.get("/")).status_code == 200
    assert (await client.get("/account/second-factor")).headers["location"] == "/"
    assert (await client.send_form("/account/totp/remove")).status_code == 409


async def test_closing_an_account_signs_out_and_leaves_no_way_in(panel: Panel) -> None:
    somebody(panel, "operator@example.org", account="Operators", operator=True)
    ann = somebody(panel)
    client = signed_in(panel, ann)
    answer = await client.send_form("/account/close", {"typed_name": "Firs"})
    assert answer.status_code == 422
    assert 'id="typed_name-error"' in answer.text
    answer = await client.send_form("/account/close", {"typed_name": "First"})
    assert answer.headers["location"] == "/sign-in"
    fresh = await visit(panel)
    assert (await fresh.send_form("/sign-in", {"email": "ann@example.org", "password": PASSWORD})).status_code == 422


def test_an_app_reads_whose_code_it_is() -> None:
    address = second_factors.totp_address("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "ann@example.org", "sip.example.org")
    assert address.startswith(
        "otpauth://totp/Sealtone%20sip.example.org:ann%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    )
