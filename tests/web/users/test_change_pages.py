"""The change log over the real application."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest

from sealtone.admin import SipUserChange, delete_sip_user, update_sip_user, user_of
from sealtone.store.changes import begin_applying, settle
from sealtone.store.directory import last_change
from web.conftest import Panel

AOR = "1000@office.example"


@pytest.fixture
def office(panel: Panel) -> Panel:
    panel.domain()
    panel.sip_user(AOR)
    panel.domain("other.example", "Second")
    return panel


def changed(panel: Panel, **form: object) -> int:
    with panel.database.write() as transaction:
        update_sip_user(transaction, panel.actor(), 1_700_000_000.0, AOR, SipUserChange(**form))  # type: ignore[arg-type]
        return last_change(transaction)


async def test_each_change_stands_there_with_who_where_and_before_and_after(office: Panel) -> None:
    number = changed(office, display_name="<script>alert(1)</script>", codecs="opus")
    client = office.signed_in("viewer")
    page = (await client.get("/changes")).text
    assert "other.example" not in page
    for what in (
        "test@panel.test",
        "192.0.2.9",
        "SIP user 1000@office.example",
        "Pending",
        'datetime="2023-11-14T22:13:20Z"',
    ):
        assert what in page
    assert "<script>alert(1)" not in page
    one = (await client.get(f"/changes/{number}")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in one
    assert "Only an admin or owner may do this." in one


async def test_a_change_is_followed_until_it_is_done(office: Panel) -> None:
    number = changed(office, display_name="Anna")
    client = office.signed_in()
    under_way = (await client.get(f"/changes/{number}/state")).text
    assert "Pending" in under_way
    assert f'hx-get="/changes/{number}/state"' in under_way
    with office.database.write() as transaction:
        settle(transaction, begin_applying(transaction), 5.0, "The disk <is> full.")
    failed = (await client.get(f"/changes/{number}/state")).text
    assert "Failed" in failed
    assert "The disk &lt;is&gt; full." in failed
    with office.database.write() as transaction:
        settle(transaction, begin_applying(transaction), 6.0)
    done = (await client.get(f"/changes/{number}/state")).text
    assert "Done" in done
    assert "hx-get" not in done


async def test_newer_changes_are_offered_while_the_log_is_looked_at(office: Panel) -> None:
    client = office.signed_in()
    page = (await client.get("/changes?q=1000")).text
    found = re.search(r'id="newer"[^>]*hx-get="([^"]+)"', page)
    assert found
    url = html.unescape(found[1])
    assert "newer change" not in (await client.get(url)).text
    changed(office, display_name="Anna")
    said = (await client.get(url)).text
    assert "1 newer change" in said
    again = re.search(r'hx-get="([^"]+)"', said)
    assert again
    assert "1 newer change" in (await client.get(html.unescape(again[1]))).text


async def test_a_change_is_taken_back_by_a_button(office: Panel) -> None:
    number = changed(office, display_name="Anna")
    client = office.signed_in()
    answer = await client.send_form(f"/changes/{number}/revert")
    assert answer.status_code == 303
    page = (await client.get(answer.headers["location"])).text
    assert f"Change {number} was taken back." in page
    with office.database.read() as transaction:
        assert user_of(transaction, office.actor(), AOR).display_name == ""
    again = await client.send_form(f"/changes/{number}/revert")
    assert again.headers["location"] == f"/changes/{number}"
    assert "It was taken back already" in (await client.get(f"/changes/{number}")).text


async def test_why_not_all_of_a_change_can_be_taken_back_is_said_in_the_words_of_the_pages(office: Panel) -> None:
    number = changed(office, display_name="Anna", codecs="opus", strictness="require")
    changed(office, codecs="", strictness="prefer")
    client = office.signed_in()
    page = html.unescape((await client.get(f"/changes/{number}")).text)
    assert "Not all of it can be taken back:" in page
    assert "The field “Codecs” is “all” again already." in page
    assert "The field “How strictly” is “preferred” again already." in page
    in_russian = html.unescape((await client.get(f"/changes/{number}", headers={"accept-language": "ru"})).text)
    assert "Поле “Кодеки” уже снова «все»." in in_russian


async def test_a_deleted_user_is_offered_to_be_made_anew_with_its_settings(office: Panel) -> None:
    changed(office, display_name="Anna", codecs="opus,g729", protection="zrtp")
    with office.database.write() as transaction:
        delete_sip_user(transaction, office.actor(), 5.0, AOR)
        number = last_change(transaction)
    client = office.signed_in()
    page = (await client.get(f"/changes/{number}")).text
    assert "its secret was not kept" in page
    assert f"/sip-users/new?like={number}" in page
    form = (await client.get(f"/sip-users/new?like={number}")).text
    for what in ('value="1000"', 'value="Anna"', 'name="codecs" value="opus,g729"', 'value="zrtp" selected'):
        assert what in form
    sent = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    }
    answer = await client.send_form(
        "/sip-users/new",
        sent
        | {
            "csrf": client.token(),
            "username": "1000",
            "domain": "office.example",
            "display_name": "Anna",
            "protection": "zrtp",
            "strictness": "prefer",
        },
    )
    assert answer.status_code == 200
    with office.database.read() as transaction:
        assert user_of(transaction, office.actor(), AOR).codecs == ("opus", "g729")


async def test_other_accounts_changes_are_not_there(office: Panel) -> None:
    number = changed(office, display_name="Anna")
    stranger = office.signed_in(account="Second")
    for url in (f"/changes/{number}", f"/changes/{number}/state", "/changes/999999", f"/changes/{2**70}"):
        assert (await stranger.get(url)).status_code == 404
    assert (await stranger.send_form(f"/changes/{number}/revert")).status_code == 404
    assert (await office.signed_in("viewer").send_form(f"/changes/{number}/revert")).status_code == 403
    assert "1000@office" not in (await stranger.get("/changes")).text


async def test_the_log_is_exported_as_it_is_filtered(office: Panel) -> None:
    number = changed(office, display_name="=1+1")
    client = office.signed_in()
    answer = await client.get("/changes/export.csv?action=change")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["number"] for row in rows] == [str(number)]
    for odd in ("since=x", "until=9999-99-99", "before=-1", "state=x", "q=%00", f"before={2**70}"):
        assert (await client.get(f"/changes?{odd}")).status_code in (200, 422)
