"""The frame of every page: who gets in, in which language, what an error looks like; overview and service."""

from __future__ import annotations

import pytest

from sealtone.store import StoreUnavailable
from web.conftest import Panel, WholePanel


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back_afterwards(panel: Panel) -> None:
    answer = await panel.visitor().get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    answer = await panel.visitor().get("/service?x=1")
    assert answer.headers["location"] == "/sign-in?next=/service%3Fx%3D1"
    answer = await panel.visitor().get("/overview/figures", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/sign-in")


@pytest.mark.parametrize("role", ["owner", "admin", "viewer"])
async def test_the_overview_is_there_for_every_role_and_without_a_server_says_so(panel: Panel, role: str) -> None:
    answer = await panel.signed_in(role).get("/")
    assert answer.status_code == 200
    assert "<h1>Overview</h1>" in answer.text
    assert "The SIP server does not answer" in answer.text


async def test_the_overview_counts_what_is_the_accounts_own(whole_panel: WholePanel) -> None:
    whole_panel.domain("other.example", "Second")
    whole_panel.sip_user("2000@other.example", "Second")
    async with whole_panel.whole.phone("1000") as phone:
        assert await phone.register()
        mine = await whole_panel.signed_in().get("/overview/figures")
        theirs = await whole_panel.signed_in(account="Second").get("/overview/figures")
    assert '<b>1 <small class="quiet">/ 4</small></b>' in mine.text
    assert '<b>0 <small class="quiet">/ 1</small></b>' in theirs.text
    assert "Certificates valid for at least" in (await whole_panel.signed_in().get("/")).text


async def test_the_service_page_is_for_whoever_operates_the_service(whole_panel: WholePanel) -> None:
    for client in (whole_panel.signed_in("owner"), whole_panel.signed_in("admin", operator=True)):
        assert (await client.get("/service")).status_code == 403
        assert 'href="/service"' not in (await client.get("/")).text
    operator = whole_panel.signed_in(operator=True)
    answer = await operator.get("/service")
    assert f"UDP 127.0.0.1:{whole_panel.whole.config.sip_port}" in answer.text
    assert "Running" in answer.text


async def test_a_public_name_is_saved_and_one_that_is_none_is_said_at_its_field(panel: Panel) -> None:
    operator = panel.signed_in(operator=True)
    answer = await operator.send_form("/service/name", {"public_name": "voice.office.example"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/service")
    assert "Saved." in (await operator.get("/service")).text
    assert "Saved." not in (await operator.get("/service")).text
    answer = await operator.send_form("/service/name", {"public_name": "no name <b>"})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "no name &lt;b&gt;" in answer.text
    assert "voice.office.example" in (await operator.get("/service")).text


async def test_an_address_that_leads_nowhere_is_a_page_that_says_so(panel: Panel) -> None:
    answer = await panel.signed_in().get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert 'href="/domains"' in answer.text
    answer = await panel.visitor().get("/nowhere", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.headers["x-message"]


async def test_a_database_that_cannot_be_read_is_a_page_that_needs_nothing_of_it(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = panel.signed_in()

    def fails() -> None:
        raise StoreUnavailable("The database cannot be used: disk full.")

    monkeypatch.setattr(panel.database, "read", fails)
    answer = await client.get("/")
    assert answer.status_code == 503
    assert "disk full" in answer.text


async def test_the_language_is_the_persons_own_then_the_browsers(panel: Panel) -> None:
    client = panel.signed_in(**{"Accept-Language": "ru;q=0.9, en;q=0.5"})
    assert '<html lang="ru"' in (await client.get("/")).text
    answer = await client.send_form("/preferences", {"language": "en", "back": "/service"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/service")
    assert '<html lang="en"' in (await client.get("/")).text
    client.cookies.delete("__Host-language")
    assert '<html lang="en"' in (await client.get("/")).text


@pytest.mark.parametrize("back", ["https://evil.test/", "//evil.test/", "/\\evil.test", "javascript:1", ""])
async def test_a_choice_of_theme_leads_back_to_this_panel_only(panel: Panel, back: str) -> None:
    client = panel.signed_in()
    answer = await client.send_form("/preferences", {"theme": "dark", "back": back})
    assert answer.headers["location"] == "/"
    assert 'data-theme="dark"' in (await client.get("/")).text


async def test_static_files_are_kept_for_ever_compressed_and_known_by_their_content(panel: Panel) -> None:
    client, url = panel.visitor(), panel.parts.assets.url("app.css")
    plain = await client.get(url, headers={"Accept-Encoding": "identity"})
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"] == "text/css; charset=utf-8"
    packed = await client.get(url, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "br"
    zipped = await client.get(url, headers={"Accept-Encoding": "gzip"})
    assert zipped.text == plain.text
    same = await client.get(url, headers={"If-None-Match": plain.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    for name in ("manifest.json", "..%2Fapp.py", "app.css"):
        assert (await client.get(f"/static/{name}")).status_code == 404
