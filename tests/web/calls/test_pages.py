"""Pages of calls over a real database: what is shown to whom, filters, paging, CSV, settings."""

from __future__ import annotations

import csv
import io
import re

import pytest

from sealtone.model import KeyExchange, LegSecurity, MediaPath, Protection, ZrtpFacts, ZrtpStage
from sealtone.model.ladder import KeepLadders, Ladder, LadderMessage
from sealtone.model.record import CallRecord
from sealtone.store.directory import find_account
from sealtone.store.ladders import write_ladder
from sealtone.store.records import insert_calls
from store.records import call
from web.conftest import Panel


def keep(panel: Panel, *records: CallRecord) -> None:
    with panel.database.write() as transaction:
        insert_calls(transaction.connection, records)


@pytest.fixture
def office(panel: Panel) -> Panel:
    panel.domain("office.example")
    panel.domain("other.example", "Second")
    return panel


async def test_without_calls_it_says_what_to_do(office: Panel) -> None:
    answer = await office.signed_in().get("/calls")
    assert answer.status_code == 200
    assert "No calls yet" in answer.text
    assert "*43" in answer.text
    assert "The SIP server does not answer" in answer.text


async def test_calls_are_listed_with_their_weakest_leg(office: Panel) -> None:
    keep(office, call(1), call(2, answered=False))
    text = (await office.signed_in("viewer").get("/calls")).text
    assert 'href="/calls/call-000001"' in text
    assert "state-open" in text
    assert "486" in text


@pytest.mark.parametrize("agreed", [True, False])
async def test_of_a_sealed_call_no_more_is_said_than_was_seen_to_pass_through(office: Panel, agreed: bool) -> None:
    seen = LegSecurity(
        protection=Protection.ZRTP,
        key_exchange=KeyExchange.ZRTP,
        media_path=MediaPath.SEALED,
        zrtp=ZrtpFacts(stage=ZrtpStage.SEEN),
    )
    unseen = LegSecurity(media_path=MediaPath.SEALED, zrtp=ZrtpFacts(stage=ZrtpStage.ABSENT))
    record = call(1)
    keep(office, record._replace(legs=tuple(leg._replace(security=seen if agreed else unseen) for leg in record.legs)))
    text = (await office.signed_in().get("/calls/call-000001")).text
    assert ("ZRTP seen passing through" in text) is agreed
    assert ("no agreement on keys was seen passing through" in text) is not agreed


async def test_another_accounts_calls_do_not_exist(office: Panel) -> None:
    keep(office, call(1))
    other = office.signed_in(account="Second")
    assert "call-000001" not in (await other.get("/calls")).text
    said = []
    for name in ("call-000001", "call-000002"):
        for path in ("", "/ladder"):
            answer = await other.get(f"/calls/{name}{path}")
            assert answer.status_code == 404
            said.append(re.sub(r'value="[^"]*"|content="[^"]*"', "", answer.text.replace(name, "X").replace(path, "")))
    assert said[0] == said[2]
    assert said[1] == said[3]


async def test_of_another_accounts_phone_only_what_matters_is_shown(office: Panel) -> None:
    record = call(1)
    foreign = record.legs[1]._replace(aor="7@other.example", remote_signalling="198.51.100.7:5061", user_agent="Theirs")
    keep(office, record._replace(legs=(record.legs[0], foreign), callee="7@other.example"))
    text = (await office.signed_in().get("/calls/call-000001")).text
    assert "7@other.example" in text
    assert "198.51.100.7" not in text
    assert "Theirs" not in text
    assert "127.0.0.1:40000" in text
    assert "belongs to another account" in text


async def test_a_filter_finds_what_it_says_and_a_wrong_one_is_told_at_its_field(office: Panel) -> None:
    keep(office, call(1, started_at=1_700_000_000.0), call(2, started_at=1_700_200_000.0, answered=False))
    client = office.signed_in()

    async def found(query: str) -> set[str]:
        return set(re.findall(r'href="/calls/(call-\d+)"', (await client.get(f"/calls?{query}")).text))

    assert await found("party=1000") == {"call-000001", "call-000002"}
    assert await found("party=1000@office.example&outcome=answered") == {"call-000001"}
    assert await found("outcome=failed") == {"call-000002"}
    assert await found("since=2023-11-16") == {"call-000002"}
    assert await found("until=2023-11-15") == {"call-000001"}
    assert await found("state=protected") == set()
    assert await found("domain=office.example") == {"call-000001", "call-000002"}
    assert await found("domain=elsewhere.example") == set()
    wrong = await client.get("/calls?since=yesterday")
    assert wrong.status_code == 422
    assert 'id="since-error"' in wrong.text
    assert 'value="yesterday"' in wrong.text
    assert (await client.get("/calls?after=nonsense")).status_code == 404


async def test_every_call_is_on_exactly_one_page(office: Panel) -> None:
    keep(office, *(call(number, started_at=1000.0 + number // 3) for number in range(120)))
    client, seen, url = office.signed_in(), [], "/calls?party=1000"
    while url:
        text = (await client.get(url)).text
        seen += re.findall(r'href="/calls/(call-\d+)"', text)
        following = re.search(r'href="([^"]*)" rel="next"', text)
        url = following[1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == [f"call-{number:06d}" for number in range(120)]


async def test_csv_holds_every_call_and_no_formula(office: Panel) -> None:
    keep(office, *(call(number, started_at=1000.0 + number) for number in range(700)))
    keep(office, call(900, started_at=5000.0)._replace(caller_name='=HYPERLINK("http://x")'))
    answer = await office.signed_in("viewer").get("/calls.csv?party=1000")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == 701
    assert rows[0]["caller name"] == '\'=HYPERLINK("http://x")'
    assert rows[1]["id"] == "call-000699"


async def test_what_a_phone_sent_is_never_markup(office: Panel) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    record = call(1)
    legs = tuple(leg._replace(user_agent=evil, aor=f"{evil}@office.example") for leg in record.legs)
    keep(office, record._replace(caller_name=evil, dialled=evil, callee=evil, reason=evil, legs=legs))
    message = LadderMessage(1.0, "leg-a-1", True, "udp", "127.0.0.1:5060", f"INVITE {evil} SIP/2.0\n\n{evil}")
    with office.database.write() as transaction:
        write_ladder(transaction.connection, "call-000001", Ladder((message,)))
    client = office.signed_in()
    for url in ("/calls", "/calls/call-000001", "/calls/call-000001/ladder"):
        answer = await client.get(url)
        assert answer.status_code == 200
        assert "<img src=x" not in answer.text
        assert "&lt;img src=x" in answer.text


async def test_the_ladder_tells_the_verdict_first_and_who_sent_what(office: Panel) -> None:
    keep(office, call(1, answered=False))
    texts = ["INVITE sip:1001@office.example SIP/2.0", "SIP/2.0 486 Busy Here"]
    messages = (
        LadderMessage(10.0, "leg-a-1", True, "tls", "127.0.0.1:40000", texts[0]),
        LadderMessage(10.5, "leg-b-1", True, "udp", "127.0.0.1:5062", texts[1]),
        LadderMessage(10.6, "leg-of-somebody-else", False, "udp", "198.51.100.1:5062", "INVITE not-ours SIP/2.0"),
    )
    with office.database.write() as transaction:
        write_ladder(transaction.connection, "call-000001", Ladder(messages, 3))
    text = (await office.signed_in().get("/calls/call-000001/ladder")).text
    assert "1001 was busy: the phone refused with 486." in text
    assert text.index("1001 was busy") < text.index("INVITE sip:1001")
    assert "+0.500" in text
    assert "not-ours" not in text
    assert "3 more messages are not kept." in text


async def test_where_messages_are_not_kept_it_says_why(office: Panel) -> None:
    keep(office, call(1))
    owner = office.signed_in()
    saved = await owner.send_form("/calls/settings", {"keep_days": "30", "keep_ladders": "failed"})
    assert saved.status_code == 303
    assert "only the messages of calls that failed" in (await owner.get("/calls/call-000001/ladder")).text
    with office.database.read() as transaction:
        account = find_account(transaction, office.account())
    assert account is not None
    assert (account.keep_calls_days, account.keep_ladders) == (30, KeepLadders.FAILED)


async def test_settings_that_are_wrong_change_nothing_and_a_viewer_changes_none(office: Panel) -> None:
    owner, viewer = office.signed_in(), office.signed_in("viewer")
    wrong = await owner.send_form("/calls/settings", {"keep_days": "-3", "keep_ladders": "none"})
    assert wrong.status_code == 422
    assert 'id="keep_days-error"' in wrong.text
    assert 'value="-3"' in wrong.text
    assert (await viewer.send_form("/calls/settings", {"keep_days": "3", "keep_ladders": "none"})).status_code == 403
    page = (await viewer.get("/calls/settings")).text
    assert "Only an admin or owner of the account can change this." in page
    assert "data-savebar" not in page
    with office.database.read() as transaction:
        account = find_account(transaction, office.account())
    assert account is not None
    assert (account.keep_calls_days, account.keep_ladders) == (365, KeepLadders.ALL)


async def test_what_needs_the_server_says_that_it_is_away(office: Panel) -> None:
    client = office.signed_in()
    answer = await client.send_form("/calls/none/hang-up")
    assert answer.status_code == 503
    assert (await office.signed_in("viewer").send_form("/calls/none/hang-up")).status_code == 403


async def test_the_overviews_figures_are_of_the_account(office: Panel) -> None:
    import time

    keep(office, call(1, started_at=time.time() - 60), call(2, started_at=time.time() - 50, answered=False))
    text = (await office.signed_in().get("/calls/figures")).text
    assert "<b>2</b>" in text
    assert "1 answered" in text
    assert "4.2" in text
    assert "<b>0</b>" in (await office.signed_in(account="Second").get("/calls/figures")).text
    assert 'id="call-figures"' in (await office.signed_in().get("/")).text


async def test_calls_are_shown_in_russian_with_their_verdict(office: Panel) -> None:
    keep(office, call(1, answered=False))
    client = office.signed_in(**{"accept-language": "ru"})
    assert "Прошлые звонки" in (await client.get("/calls")).text
    page = (await client.get("/calls/call-000001")).text
    assert "Абонент 1001 занят: телефон отказал с кодом 486." in page
    assert "What happened" not in page
