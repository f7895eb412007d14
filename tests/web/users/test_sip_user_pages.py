"""The pages of SIP users over the real application: what they show, save and refuse."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest

from sealtone.admin import SipUserChange, update_sip_user, user_of
from sealtone.model import SipUser
from sealtone.sip.digest import ha1
from sealtone.store.directory import read_changes
from web.conftest import Client, Panel

AOR = "1000@office.example"
URL = f"/sip-users/{AOR}"


@pytest.fixture
def office(panel: Panel) -> Panel:
    panel.domain()
    for number in ("1000", "1001"):
        panel.sip_user(f"{number}@office.example")
    panel.domain("other.example", "Second")
    panel.sip_user("1000@other.example", "Second")
    return panel


def saved(panel: Panel, aor: str = AOR) -> SipUser:
    with panel.database.read() as transaction:
        return user_of(transaction, panel.actor(), aor)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


async def form_of(client: Client, **changed: Any) -> dict[str, Any]:
    """What the gear page would send, with some fields filled in otherwise."""
    page = (await client.get(URL)).text
    return {
        "form": "gear",
        "version": hidden(page, "version"),
        "began": hidden(page, "began"),
        "display_name": "",
        "max_contacts": "10",
        "language": "domain",
        "enabled": "yes",
        "codecs_of": "all",
        "recording": "domain",
        "protection": "srtp",
        "strictness": "prefer",
        "path": "sealed",
        **changed,
    }


# The list


async def test_the_list_shows_the_accounts_users_and_no_others(office: Panel) -> None:
    answer = await office.signed_in().get("/sip-users")
    assert answer.status_code == 200
    assert f'value="{AOR}"' in answer.text
    assert "other.example" not in answer.text
    for what in ("never registered", "SRTP, preferred", "Add a SIP user"):
        assert what in answer.text


async def test_what_is_looked_for_is_found_or_said_not_to_be_there(office: Panel) -> None:
    client = office.signed_in()
    found = (await client.get("/sip-users?q=1001&state=offline&protection=srtp")).text
    assert "1001@office.example" in found
    assert f'value="{AOR}"' not in found
    assert "No SIP user fits" in (await client.get("/sip-users?q=nobody")).text
    for odd in ("domain=other.example", "after=x", "state=x", "protection=x", "after=%00@%00"):
        assert (await client.get(f"/sip-users?{odd}")).status_code == 200


async def test_users_of_several_domains_are_told_apart(office: Panel) -> None:
    office.domain("second.example")
    office.sip_user("1000@second.example")
    client = office.signed_in()
    page = (await client.get("/sip-users")).text
    assert '<option value="second.example">' in page
    page = (await client.get("/sip-users?domain=second.example")).text
    assert re.findall(r'name="aor" value="([^"]+)"', page) == ["1000@second.example"]
    export = await client.get("/sip-users/export.csv?domain=second.example")
    assert "office.example" not in export.text


async def test_an_account_without_domains_or_users_is_told_what_comes_first(panel: Panel) -> None:
    client = panel.signed_in()
    assert "First a domain, then its users" in (await client.get("/sip-users")).text
    assert "First a domain, then its users" in (await client.get("/sip-users/new")).text
    panel.domain()
    assert "No SIP users yet" in (await client.get("/sip-users")).text


async def test_a_viewer_sees_everything_and_is_offered_nothing_to_change(office: Panel) -> None:
    viewer = office.signed_in("viewer")
    listed = (await viewer.get("/sip-users")).text
    assert "1000" in listed
    assert "Add a SIP user" not in listed
    assert 'name="aor"' not in listed
    gear = (await viewer.get(URL)).text
    assert "only an admin or owner" in gear
    assert "data-savebar" not in gear
    for url in ("/sip-users/new", "/sip-users/new-many", "/sip-users/import", f"{URL}/delete"):
        assert (await viewer.get(url)).status_code == 403
    for url in (URL, f"{URL}/secret", "/sip-users/new"):
        answer = await viewer.send_form(url, {"username": "7", "domain": "office.example"})
        assert answer.status_code == 403
    assert len(await office_users(viewer)) == 2


async def office_users(client: Client) -> list[dict[str, str]]:
    answer = await client.get("/sip-users/export.csv")
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


async def test_another_accounts_user_is_as_one_that_does_not_exist(office: Panel) -> None:
    client = office.signed_in()
    for path in ("", "/delete"):
        theirs = await client.get(f"/sip-users/1000@other.example{path}")
        nobodys = await client.get(f"/sip-users/1000@nowhere.example{path}")
        assert theirs.status_code == nobodys.status_code == 404
    for path in ("", "/secret"):
        assert (await client.send_form(f"/sip-users/1000@other.example{path}", {})).status_code == 404
    several = {"action": "disable", "aor": [AOR, "1000@other.example"]}
    assert (await client.send_form("/sip-users/several", several)).status_code == 404
    assert saved(office).enabled
    assert 'id="live-' not in (await client.get("/sip-users/live?aor=1000@other.example")).text


# Adding


async def test_a_new_user_is_saved_and_its_secret_shown_once(office: Panel) -> None:
    client = office.signed_in()
    answer = await client.send_form(
        "/sip-users/new",
        {
            "username": "2000",
            "domain": "office.example",
            "display_name": "Anna <b>",
            "protection": "zrtp",
            "strictness": "require",
        },
    )
    assert answer.status_code == 200
    secret = re.search(r'<code id="secret">([^<]+)</code>', answer.text)
    assert secret
    made = saved(office, "2000@office.example")
    assert made.ha1_sha256 == ha1("2000", "office.example", secret[1], "SHA-256")
    assert made.policy.requires_zrtp
    assert "/sip-users/2000@office.example/connect" in html.unescape(answer.text).replace("%40", "@")
    again = await client.get("/sip-users/2000@office.example")
    assert secret[1] not in again.text
    assert "Anna &lt;b&gt;" in again.text


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({"username": ""}, "username", "Enter a number or a name"),
        ({"username": "a b"}, "username", "cannot be a user name"),
        ({"username": "1000"}, "username", "exists already"),
        ({"username": "7", "display_name": "x" * 99}, "display_name", "at most 64"),
        ({"username": "7", "protection": "rot13"}, "protection", "rot13"),
    ],
)
async def test_what_is_wrong_with_a_new_user_stands_at_its_field(
    office: Panel, form: dict[str, str], field: str, said: str
) -> None:
    client = office.signed_in()
    answer = await client.send_form("/sip-users/new", {"domain": "office.example", **form})
    assert answer.status_code == 422
    wrong = re.search(rf'id="{field}-error">.*?<span>(.*?)</span>', answer.text, re.S)
    assert wrong
    assert said in html.unescape(wrong[1])
    assert len(await office_users(client)) == 2


async def test_a_range_is_added_with_secrets_to_download(office: Panel) -> None:
    client = office.signed_in()
    answer = await client.send_form(
        "/sip-users/new-many", {"domain": "office.example", "numbers": "1100-1149", "name": "Room {number}"}
    )
    assert "50 SIP users were added" in answer.text
    text = hidden(answer.text, "csv")
    file = await client.send_form("/sip-users/secrets.csv", {"csv": text})
    assert file.headers["content-disposition"] == 'attachment; filename="sip-user-secrets.csv"'
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert len(rows) == 50
    first = saved(office, "1100@office.example")
    assert (rows[0]["user"], rows[0]["name"]) == (first.aor, "Room 1100")
    assert ha1("1100", "office.example", rows[0]["secret"], "MD5") == first.ha1_md5
    again = await client.send_form("/sip-users/new-many", {"domain": "office.example", "numbers": "1149-1160"})
    assert again.status_code == 422
    assert "1149" in again.text
    assert len(await office_users(client)) == 52


async def test_pages_of_a_long_list_lead_to_each_other(office: Panel) -> None:
    client = office.signed_in()
    await client.send_form("/sip-users/new-many", {"domain": "office.example", "numbers": "1100-1199"})
    seen: list[str] = []
    url = "/sip-users?state=offline"
    while url:
        page = (await client.get(url)).text
        seen += re.findall(r'name="aor" value="([^"]+)"', page)
        found = re.search(r'href="([^"]+)" rel="next"', page)
        url = html.unescape(found[1]) if found else ""
    assert len(seen) == len(set(seen)) == 102


# CSV


async def test_a_file_is_checked_first_and_then_taken_up_whole(office: Panel) -> None:
    client = office.signed_in()
    text = "user,name,secret\n3000,Анна,\n1000@office.example,Bert,\n"
    files = {"file": ("users.csv", text.encode(), "text/csv")}
    checked = await client.send_form("/sip-users/import", {"domain": "office.example"}, files=files)
    assert checked.status_code == 200
    assert "The file is sound" in checked.text
    assert len(await office_users(client)) == 2
    held = re.search(r'<textarea name="text" hidden>\n(.*?)</textarea>', checked.text, re.S)
    assert held
    done = await client.send_form(
        "/sip-users/import", {"step": "apply", "domain": "office.example", "text": html.unescape(held[1])}
    )
    assert "1 SIP user was added" in done.text
    assert "1 more was changed" in done.text
    assert saved(office, "3000@office.example").display_name == "Анна"
    assert saved(office).display_name == "Bert"


async def test_a_file_with_wrong_lines_changes_nothing_and_names_each(office: Panel) -> None:
    client = office.signed_in()
    text = "user,protection\n3000@office.example,srtp\n3001@office.example,rot13\n3002@other.example,\n"
    for data in ({}, {"step": "apply", "text": text}):
        files = None if data else {"file": ("users.csv", text.encode(), "text/csv")}
        answer = await client.send_form("/sip-users/import", data, files=files)
        assert answer.status_code == 422
        assert "2 lines cannot be imported" in answer.text
        assert "There is no domain other.example." in answer.text
    assert len(await office_users(client)) == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"name\nx\n", b'user\n"'])
async def test_what_is_no_list_of_users_is_refused_at_the_file(office: Panel, content: bytes) -> None:
    answer = await office.signed_in().send_form("/sip-users/import", {}, files={"file": ("x.csv", content, "text/csv")})
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text


# Several together


async def test_several_are_switched_protected_and_deleted_together(office: Panel) -> None:
    client = office.signed_in()
    both = [AOR, "1001@office.example"]
    await client.send_form("/sip-users/several", {"action": "disable", "aor": both})
    assert [saved(office, aor).enabled for aor in both] == [False, False]
    asked = await client.send_form("/sip-users/several", {"action": "protect", "aor": both})
    assert "Protection of 2 SIP users" in asked.text
    await client.send_form(
        "/sip-users/several", {"action": "protect", "aor": both, "protection": "zrtp", "strictness": "require"}
    )
    assert all(saved(office, aor).policy.requires_zrtp for aor in both)
    asked = await client.send_form("/sip-users/several", {"action": "delete", "aor": both})
    assert "Delete 2 SIP users?" in asked.text
    assert len(await office_users(client)) == 2
    answer = await client.send_form("/sip-users/several", {"action": "delete", "aor": both, "sure": "yes"})
    assert answer.status_code == 303
    assert await office_users(client) == []
    assert (await client.send_form("/sip-users/several", {"action": "delete"})).status_code == 303


# The gear


async def test_everything_behind_the_gear_is_saved_together(office: Panel) -> None:
    client = office.signed_in()
    form = await form_of(
        client,
        display_name="Anna",
        max_contacts="3",
        language="ru",
        codecs_of="own",
        codec=["g729", "silk/16000"],
        recording="never",
        protection="zrtp",
        strictness="require",
        path="server",
    )
    del form["enabled"]
    answer = await client.send_form(URL, form)
    assert answer.status_code == 303
    user = saved(office)
    assert (user.display_name, user.max_contacts, user.own_language, user.codecs, user.enabled) == (
        "Anna",
        3,
        "ru",
        ("g729", "silk/16000"),
        False,
    )
    assert tuple(user.policy) == ("zrtp", "require", "server")
    with office.database.read() as transaction:
        (change,) = read_changes(transaction, limit=1)
    assert change.before["protection"] == "srtp"
    assert change.origin == "192.0.2.9"
    shown = await client.get(answer.headers["location"])
    assert "Saved. It counts from the next call" in shown.text
    assert "Pending" in shown.text


async def test_what_is_wrong_stands_at_its_fields_what_was_typed_stays_and_nothing_is_saved(office: Panel) -> None:
    client = office.signed_in()
    before = saved(office)
    form = await form_of(client, display_name="x" * 65, max_contacts="0", codecs_of="own", protection="zrtp")
    answer = await client.send_form(URL, form)
    assert answer.status_code == 422
    for field in ("display_name", "max_contacts", "codecs"):
        assert f'id="{field}-error"' in answer.text
    assert "Tick at least one codec" in answer.text
    assert "x" * 65 in answer.text
    assert re.search(r'name="protection" value="zrtp" checked', answer.text)
    assert saved(office) == before


async def test_saving_what_is_there_already_says_so_and_logs_nothing(office: Panel) -> None:
    client = office.signed_in()
    with office.database.read() as transaction:
        before = len(read_changes(transaction))
    answer = await client.send_form(URL, await form_of(client))
    assert answer.headers["location"] == URL
    assert "Nothing was changed." in (await client.get(URL)).text
    with office.database.read() as transaction:
        assert len(read_changes(transaction)) == before


async def test_somebody_elses_change_is_not_saved_over_and_both_are_shown(office: Panel) -> None:
    client = office.signed_in()
    form = await form_of(client, display_name="Mine")
    with office.database.write() as transaction:
        update_sip_user(transaction, office.actor(), 5.0, AOR, SipUserChange("Theirs", codecs="opus"))
    answer = await client.send_form(URL, form)
    assert answer.status_code == 409
    assert saved(office).display_name == "Theirs"
    for what in (
        "Somebody else has changed this SIP user",
        "Mine",
        "Theirs",
        "test@panel.test",
        "the same, or nothing",
    ):
        assert what in answer.text
    assert re.findall(r'name="codec" value="([^"]+)" checked', answer.text) == ["opus"], "what was left alone is theirs"
    form |= {"version": hidden(answer.text, "version"), "codecs_of": "own", "codec": ["opus"]}
    assert (await client.send_form(URL, form)).status_code == 303
    user = saved(office)
    assert (user.display_name, user.codecs) == ("Mine", ("opus",))


async def test_codecs_move_without_scripts_and_nothing_is_saved_by_that(office: Panel) -> None:
    client = office.signed_in()
    form = await form_of(client, codecs_of="own", codec=["opus", "pcma", "g729"], display_name="Anna", move="g729 up")
    answer = await client.send_form(URL, form)
    assert answer.status_code == 200
    order = re.findall(r'name="codec" value="([^"]+)" checked', answer.text)
    assert order == ["opus", "g729", "pcma"]
    assert 'value="Anna"' in answer.text
    assert saved(office).display_name == ""


async def test_a_new_secret_is_shown_once(office: Panel) -> None:
    client = office.signed_in()
    answer = await client.send_form(f"{URL}/secret")
    secret = re.search(r'<code id="secret">([^<]+)</code>', answer.text)
    assert secret
    assert saved(office).ha1_md5 == ha1("1000", "office.example", secret[1], "MD5")
    for page in (URL, "/changes", "/sip-users"):
        assert secret[1] not in (await client.get(page)).text


async def test_the_page_says_who_could_listen_for_each_choice(office: Panel) -> None:
    page = (await office.signed_in().get(URL)).text
    for protection, path in (("none", "server"), ("srtp", "server"), ("zrtp", "sealed"), ("zrtp", "direct")):
        assert f'data-prospect="{protection}" data-path="{path}"' in page
    assert "Nobody but the two, once they have compared the SAS." in page
    assert html.escape("Each sees the other's IP address.", quote=True).replace("&#x27;", "&#39;") in page


# The route tester


async def test_the_tester_says_what_a_call_would_come_to(office: Panel) -> None:
    client = office.signed_in("viewer")
    assert (await client.get("/sip-users/test-call")).status_code == 200
    page = html.unescape((await client.get("/sip-users/test-call?caller=1000&dialled=1001")).text)
    assert "The call does not come about" in page
    assert "That user has no phone registered" in page
    assert "1000 —SRTP→ server —SRTP→ 1001" in page
    assert "The server could listen. Nobody on the network could." in page
    page = html.unescape((await client.get("/sip-users/test-call?caller=1000&dialled=1001&callee_transport=udp")).text)
    assert "1000@office.example reaches 1001@office.example" in page
    assert "anybody on the network between 1001 and the server" in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("caller=4711&dialled=1001", "caller"),
        ("caller=&dialled=1001", "caller"),
        ("caller=1000@other.example&dialled=1", "caller"),
        ("caller=1000&dialled=", "dialled"),
        ("caller=1000&dialled=1001&callee_codecs=mp3", "callee_codecs"),
        ("caller=1000&dialled=1001&caller_transport=x", "caller_transport"),
    ],
)
async def test_what_cannot_be_tried_is_said_at_its_field(office: Panel, query: str, field: str) -> None:
    answer = await office.signed_in().get(f"/sip-users/test-call?{query}")
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
