"""Connecting a phone in the panel, and what a link for a phone opens."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from sealtone.admin import SipUserChange, update_sip_user
from sealtone.admin.phone_links import LIFETIME_S, make_phone_link
from sealtone.model.people import Role
from sealtone.provisioning import read_own_phone_settings
from sealtone.provisioning.own_phone import MEDIA_TYPE
from web.conftest import Client, Panel

AOR = "1000@office.example"
PHONE = {"accept": "*/*"}
TABS = ("linphone", "csipsimple", "zoiper", "desk", "manual")


@pytest.fixture
def user(panel: Panel) -> str:
    panel.domain()
    panel.sip_user(AOR)
    return AOR


def protect(panel: Panel, **fields: str) -> None:
    with panel.database.write() as transaction:
        update_sip_user(transaction, panel.actor(), time.time(), AOR, SipUserChange(**fields))  # type: ignore[arg-type]


async def a_link(client: Client) -> str:
    """The path of a new link, as the page shows it."""
    page = await client.send_form(f"/sip-users/{AOR}/connect/link")
    assert page.status_code == 200
    found = re.search(r'id="link-url">https://panel\.test(/p/[\w-]{43})<', page.text)
    assert found is not None
    assert 'src="data:image/svg+xml' in page.text
    return found[1]


@pytest.mark.parametrize("phone", TABS)
@pytest.mark.parametrize(
    ("protection", "strictness"), [("none", "prefer"), ("srtp", "require"), ("zrtp", "prefer"), ("zrtp", "require")]
)
async def test_each_kind_of_phone_has_its_values(
    panel: Panel, user: str, phone: str, protection: str, strictness: str
) -> None:
    protect(panel, protection=protection, strictness=strictness, codecs="g729,silk/16000", display_name="Ann")
    page = await panel.signed_in().get(f"/sip-users/{user}/connect", params={"phone": phone})
    assert page.status_code == 200
    for text in ("1000", "office.example", "panel.test", "g729, silk/16000"):
        assert text in page.text
    assert ("ZRTP on, SRTP off" in page.text) is (protection == "zrtp")
    assert ("It is required" in page.text) is (strictness == "require")


async def test_a_link_gives_linphone_its_settings_once_and_then_nothing(panel: Panel, user: str) -> None:
    path = await a_link(panel.signed_in())
    phone = panel.visitor()
    first = await phone.get(path, headers=PHONE)
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("application/xml")
    assert first.headers["cache-control"] == "no-store"
    assert "<sip:panel.test:443;transport=tls>" in first.text.replace("&lt;", "<").replace("&gt;", ">")
    assert (await phone.get(path, headers=PHONE)).status_code == 404


async def test_our_own_phone_asks_for_its_own_form(panel: Panel, user: str) -> None:
    path = await a_link(panel.signed_in())
    answer = await panel.visitor().get(path, headers={"accept": MEDIA_TYPE})
    settings = read_own_phone_settings(answer.content)
    assert (settings.aor, settings.server.host, settings.server.tls_port) == (AOR, "panel.test", 443)


def comparable(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, dict(answer.headers)


async def test_every_token_that_does_not_work_gets_the_very_same_answer(panel: Panel, user: str) -> None:
    client, phone = panel.signed_in(), panel.visitor()
    used, revoked = await a_link(client), await a_link(client)
    assert (await phone.get(used, headers=PHONE)).status_code == 200
    listed = await client.get(f"/sip-users/{user}/connect")
    number = re.search(r"/connect/links/([\w-]+)/revoke", listed.text)
    assert number is not None
    done = await client.send_form(f"/sip-users/{user}/connect/links/{number[1]}/revoke")
    assert done.status_code == 303
    with panel.database.write() as transaction:
        long_ago = time.time() - LIFETIME_S - 1
        expired = make_phone_link(transaction, panel.actor(), long_ago, AOR).token
        other = make_phone_link(transaction, panel.actor(), time.time(), AOR).token
    tokens = [
        used,
        revoked,
        f"/p/{expired}",
        "/p/x",
        f"/p/{'A' * 43}",
        f"/p/{'%00' * 9}",
        f"/p/{other[:-1]}",
        f"/p/{other}x",
    ]
    answers = [comparable(await phone.get(path, headers=PHONE)) for path in tokens]
    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)


async def test_a_browser_is_told_what_the_link_is_for_and_uses_nothing_up(panel: Panel, user: str) -> None:
    path = await a_link(panel.signed_in())
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = await panel.visitor().get(path, headers=browser)
    assert page.status_code == 200
    assert "This link is for a phone" in page.text
    wrong = await panel.visitor().get("/p/nothing", headers=browser)
    assert wrong.status_code == 200
    assert (await panel.visitor().get(path, headers=PHONE)).status_code == 200


async def test_guessing_is_slowed_down(panel: Panel, user: str) -> None:
    phone = panel.visitor()
    answers = [(await phone.get(f"/p/{number}", headers=PHONE)) for number in range(30)]
    assert {answer.status_code for answer in answers} == {404, 429}
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_viewer_sees_the_page_and_its_reasons_and_changes_nothing(panel: Panel, user: str) -> None:
    viewer = panel.signed_in(Role.VIEWER)
    page = await viewer.get(f"/sip-users/{user}/connect")
    assert page.status_code == 200
    assert "Viewers can look, not change." in page.text
    assert "connect/link" not in page.text
    for path in ("connect/link", "connect/secret", "connect/yealink", "test-call", "connect/links/x/revoke"):
        assert (await viewer.send_form(f"/sip-users/{user}/{path}")).status_code == 403


async def test_another_accounts_user_is_not_there(panel: Panel, user: str) -> None:
    other = panel.signed_in(account="Other")
    for path in ("connect", "connect/state"):
        theirs = await other.get(f"/sip-users/{user}/{path}")
        nobody = await other.get(f"/sip-users/9999@office.example/{path}")
        assert theirs.status_code == nobody.status_code == 404
    for path in ("connect/link", "connect/secret", "connect/yealink", "test-call"):
        assert (await other.send_form(f"/sip-users/{user}/{path}")).status_code == 404


async def test_nobody_who_is_not_signed_in_gets_past_the_sign_in(panel: Panel, user: str) -> None:
    for path in (f"/sip-users/{user}/connect", "/getting-started", "/authority.pem"):
        answer = await panel.visitor().get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")


async def test_a_form_without_its_token_makes_no_link(panel: Panel, user: str) -> None:
    answer = await panel.signed_in().post(f"/sip-users/{user}/connect/link")
    assert answer.status_code == 403


async def test_a_new_secret_is_shown_once_and_the_link_carries_its_digest(panel: Panel, user: str) -> None:
    client = panel.signed_in()
    page = await client.send_form(f"/sip-users/{user}/connect/secret", {"phone": "manual"})
    shown = re.search(r'id="mn-secret">([\w-]{19})<', page.text)
    assert shown is not None
    assert shown[1] not in (await client.get(f"/sip-users/{user}/connect?phone=manual")).text


async def test_a_desk_phones_file_holds_a_new_secret(panel: Panel, user: str) -> None:
    client = panel.signed_in()
    first = await client.send_form(f"/sip-users/{user}/connect/yealink")
    second = await client.send_form(f"/sip-users/{user}/connect/yealink")
    secrets = [re.search(r"account\.1\.password = ([\w-]{19})", file.text) for file in (first, second)]
    assert first.headers["content-disposition"] == 'attachment; filename="1000.cfg"'
    assert all(secrets)
    assert secrets[0][1] != secrets[1][1]  # type: ignore[index]


async def test_calling_a_phone_without_a_server_says_so(panel: Panel, user: str) -> None:
    answer = await panel.signed_in().send_form(f"/sip-users/{user}/test-call")
    assert answer.status_code == 503
    assert "The SIP server is not running" in answer.text


async def test_the_checklist_leads_from_step_to_step(panel: Panel) -> None:
    client = panel.signed_in()
    assert "Add a domain" in (await client.get("/getting-started")).text
    panel.domain()
    assert "Add a SIP user" in (await client.get("/getting-started")).text
    panel.sip_user(AOR)
    page = await client.get("/getting-started")
    assert f'href="/sip-users/{AOR}/connect"' in page.text
    assert "2 of 5 done" in page.text
    assert "Add a domain" not in page.text
    assert "step-actions" not in (await panel.signed_in(Role.VIEWER).get("/getting-started")).text


async def test_the_checklist_can_be_put_away_and_is_found_again(panel: Panel) -> None:
    client = panel.signed_in()
    assert (await client.send_form("/getting-started/dismiss")).status_code == 303
    assert "Show it on the overview again" in (await client.get("/getting-started")).text
    assert (await client.send_form("/getting-started/restore")).status_code == 303
    assert "Put away" in (await client.get("/getting-started")).text
    viewer = panel.signed_in(Role.VIEWER)
    assert (await viewer.send_form("/getting-started/dismiss")).status_code == 403
