"""Pages of domains: made, proven by real DNS answers, changed, deleted; seen by viewers, hidden from strangers."""

from __future__ import annotations

import html
import re
import time

import pytest

from net.dns_server import DnsServer, dns_server
from sealtone.admin import Actor, list_domains, list_standings, park_domain, set_dns_resolvers, standing_of
from sealtone.admin.service import ServiceChange, update_service
from sealtone.model import Role
from web.conftest import Panel

OPERATOR = Actor("root", "command line")


def park(panel: Panel, name: str = "office.example", account: str = "First") -> str:
    actor, account_id = panel.actor(account), panel.account(account)
    with panel.database.write() as transaction:
        return park_domain(transaction, actor, time.time(), name, account_id).ownership_token


def ask_dns_of(panel: Panel, server: DnsServer) -> None:
    with panel.database.write() as transaction:
        set_dns_resolvers(transaction, OPERATOR, 1.0, "{}:{}".format(*server.address))


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


async def test_a_list_without_domains_says_what_comes_first(panel: Panel) -> None:
    async with panel.signed_in() as owner:
        shown = await owner.get("/domains")
    assert shown.status_code == 200
    assert "No domain yet" in shown.text
    assert 'href="/domains/new"' in shown.text


async def test_a_subdomain_is_made_and_can_be_used_at_once(panel: Panel) -> None:
    with panel.database.write() as transaction:
        update_service(transaction, OPERATOR, 1.0, ServiceChange(zone="service.example"))
    async with panel.signed_in() as owner:
        made = await owner.send_form("/domains/new", {"kind": "subdomain", "label": "anna"})
        assert made.headers["location"] == "/domains/anna.service.example"
        assert "Works" in (await owner.get("/domains")).text
        again = await owner.send_form("/domains/new", {"kind": "subdomain", "label": "anna"})
    assert again.status_code == 422
    assert "“anna” is taken" in text_of(again.text)
    assert 'value="anna"' in again.text


async def test_an_own_domain_is_proven_by_the_record_that_its_page_shows(panel: Panel) -> None:
    async with panel.signed_in() as owner, dns_server() as zone:
        ask_dns_of(panel, zone)
        await owner.send_form("/domains/new", {"kind": "parked", "domain": "Office.Example"})
        shown = text_of((await owner.get("/domains/office.example")).text)
        assert "Waiting for proof" in shown
        value = re.search(r"sealtone-domain=[0-9a-f]{32}", shown)
        assert value
        await owner.send_form("/domains/office.example/check")
        shown = await owner.get("/domains/office.example")
        assert "is not there yet" in text_of(shown.text)
        zone.set("TXT", "_sealtone.office.example", f'"{value[0]}"')
        zone.set("SRV", "_sips._tcp.office.example", "10 10 5099 office.example.")
        await owner.send_form("/domains/office.example/check")
        shown = text_of((await owner.get("/domains/office.example")).text)
        assert "The domain is yours" in shown
        assert "10 10 5099 office.example" in shown
    with panel.database.read() as transaction:
        assert [domain.name for domain in list_domains(transaction, panel.actor())] == ["office.example"]


async def test_a_name_without_proof_may_be_made_by_the_operator_alone(panel: Panel) -> None:
    async with panel.signed_in() as owner, panel.signed_in(operator=True) as operator:
        assert "without proof" not in (await owner.get("/domains/new")).text
        assert "without proof" in (await operator.get("/domains/new")).text
        form = {"kind": "operator", "domain": "home.lan"}
        assert (await owner.send_form("/domains/new", form)).status_code == 403
        assert (await operator.send_form("/domains/new", form)).status_code == 303


@pytest.mark.parametrize("tab", ["", "/certificate", "/sounds", "/recording", "/delete", "/zone-file"])
async def test_another_accounts_domain_is_not_there(panel: Panel, tab: str) -> None:
    panel.domain("office.example")
    park(panel, "claimed.example")
    async with panel.signed_in(account="Other") as stranger, panel.signed_in() as owner:
        assert (await owner.get(f"/domains/office.example{tab}")).status_code == 200
        there = await stranger.get(f"/domains/office.example{tab}")
        claimed = await stranger.get(f"/domains/claimed.example{tab}")
        nowhere = await stranger.get(f"/domains/nowhere.example{tab}")
    assert there.status_code == claimed.status_code == nowhere.status_code == 404
    assert "office.example" not in text_of(there.text).replace("There is no domain office.example", "")


async def test_a_stranger_changes_nothing(panel: Panel) -> None:
    panel.domain("office.example")
    async with panel.signed_in(account="Other") as stranger:
        for url, form in (
            ("check", {}),
            ("sounds", {"language": "ru", "open_notice": "off", "open_notice_to": "caller"}),
            ("recording", {"recording": "never", "notice": "tone", "format": "opus", "days": "1"}),
            ("enabled", {"enabled": "no"}),
            ("delete", {"typed": "office.example"}),
        ):
            assert (await stranger.send_form(f"/domains/office.example/{url}", form)).status_code == 404
    with panel.database.read() as transaction:
        (domain,) = list_domains(transaction, OPERATOR)
    assert (domain.enabled, domain.announcements.language.value, domain.recording.keep_days) == (True, "en", 90)


async def test_a_viewer_sees_everything_and_changes_nothing(panel: Panel) -> None:
    panel.domain("office.example")
    async with panel.signed_in(Role.VIEWER) as viewer:
        for tab in ("", "/sounds", "/recording", "/delete"):
            shown = await viewer.get(f"/domains/office.example{tab}")
            assert shown.status_code == 200
            assert 'action="/domains/office.example/delete"' not in shown.text
            assert "Your role only looks" in shown.text
        assert (await viewer.get("/domains/new")).status_code == 403
        for url in ("check", "sounds", "recording", "enabled"):
            form = {"language": "en", "open_notice": "off", "open_notice_to": "caller", "enabled": "no"}
            assert (await viewer.send_form(f"/domains/office.example/{url}", form)).status_code == 403


async def test_what_the_domain_says_and_plays_is_saved(panel: Panel) -> None:
    panel.domain("office.example")
    form = {"language": "ru", "open_notice": "notice", "open_notice_to": "both"}
    async with panel.signed_in() as owner:
        assert (await owner.send_form("/domains/office.example/sounds", form)).status_code == 303
        wrong = await owner.send_form("/domains/office.example/sounds", form | {"language": "de"})
    assert wrong.status_code == 422
    with panel.database.read() as transaction:
        (domain,) = list_domains(transaction, OPERATOR)
    wishes = domain.announcements
    assert (wishes.language.value, wishes.music_on_hold, wishes.open_notice.value) == ("ru", False, "notice")


async def test_recording_always_needs_a_key_and_says_so_at_the_field(panel: Panel) -> None:
    panel.domain("office.example")
    form = {"recording": "always", "notice": "tone", "format": "flac", "days": "30"}
    async with panel.signed_in() as owner:
        refused = await owner.send_form("/domains/office.example/recording", form)
        assert refused.status_code == 422
        assert "field-error" in refused.text
        await owner.send_form("/domains/office.example/recording", form | {"recording": "on-demand"})
        wrong = await owner.send_form("/domains/office.example/recording", form | {"recording": "never", "days": "x"})
    assert 'id="days-error"' in wrong.text
    with panel.database.read() as transaction:
        (domain,) = list_domains(transaction, OPERATOR)
    assert (domain.recording.format.value, domain.recording.keep_days) == ("flac", 30)


async def test_deleting_needs_the_typed_name_and_takes_the_users_along(panel: Panel) -> None:
    panel.domain("office.example")
    panel.sip_user("1000@office.example")
    async with panel.signed_in() as owner:
        assert "One SIP user" in text_of((await owner.get("/domains/office.example/delete")).text)
        wrong = await owner.send_form("/domains/office.example/delete", {"typed": "office"})
        assert wrong.status_code == 422
        assert "Type office.example to confirm" in text_of(wrong.text)
        assert (await owner.send_form("/domains/office.example/delete", {"typed": "Office.example"})).status_code == 303
        assert (await owner.get("/domains/office.example")).status_code == 404


async def test_a_claim_is_given_up_in_the_same_way(panel: Panel) -> None:
    park(panel)
    async with panel.signed_in() as owner:
        await owner.send_form("/domains/office.example/delete", {"typed": "office.example"})
    with panel.database.read() as transaction:
        assert list_standings(transaction, OPERATOR) == ()


async def test_a_domain_is_switched_off_and_on(panel: Panel) -> None:
    panel.domain("office.example")
    async with panel.signed_in() as owner:
        await owner.send_form("/domains/office.example/enabled", {"enabled": "no"})
        assert "Switched off" in (await owner.get("/domains")).text
        await owner.send_form("/domains/office.example/enabled", {"enabled": "yes"})
        assert "Switched off" not in (await owner.get("/domains")).text


async def test_the_records_come_as_a_zone_file(panel: Panel) -> None:
    token = park(panel)
    async with panel.signed_in() as owner:
        file = await owner.get("/domains/office.example/zone-file")
    assert f'_sealtone.office.example. 3600 IN TXT "sealtone-domain={token}"\n' in file.text
    with panel.database.read() as transaction:
        assert len(file.text.splitlines()) == len(standing_of(transaction, OPERATOR, "office.example").findings)
