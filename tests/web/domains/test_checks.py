"""The check page: true of what it sees, honest about what it does not, and of one's own things alone."""

from __future__ import annotations

import html
import re

from sealtone.admin import Actor, Reach, save_reach
from sealtone.model import Role
from web.conftest import Panel
from web.domains.test_certificates import certificates_in

OPERATOR = Actor("root", "command line")


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


async def test_domains_and_certificates_are_summed_up(panel: Panel) -> None:
    panel.domain()
    certificates_in(panel.folder)
    async with panel.signed_in(Role.VIEWER) as viewer:
        shown = text_of((await viewer.get("/checks")).text)
    assert "office.example" in shown
    assert "Its DNS records were not looked at yet" in shown
    assert "this server's own, valid for 395 more days" in shown
    assert "The SIP server does not answer" in shown
    assert "cannot be seen from here" in shown


async def test_a_port_that_nothing_listens_on_is_told(panel: Panel) -> None:
    with panel.database.write() as transaction:
        save_reach(transaction, Reach("", ("127.0.0.1",), 1, 2, 0))
    async with panel.signed_in() as owner:
        assert "Nothing listens there" not in (await owner.get("/checks")).text
        shown = text_of((await owner.get("/checks?ports=now")).text)
    assert "127.0.0.1 : 2 — Nothing listens there" in shown


async def test_the_codecs_of_two_users_are_compared_and_a_wrong_name_is_told_at_its_field(panel: Panel) -> None:
    panel.domain()
    panel.sip_user("1000@office.example")
    panel.sip_user("1001@office.example")
    panel.domain("other.example", "Other")
    panel.sip_user("1000@other.example", "Other")
    async with panel.signed_in() as owner:
        both = await owner.get("/checks?first=1000@office.example&second=1001@office.example")
        assert "They share:" in both.text
        foreign = await owner.get("/checks?first=1000@office.example&second=1000@other.example")
        wrong = await owner.get("/checks?first=x&second=1000@nowhere.example")
    assert foreign.status_code == wrong.status_code == 422
    assert 'id="second-error"' in foreign.text
    assert 'id="first-error"' not in foreign.text
    assert 'id="first-error"' in wrong.text
    assert "There is no domain other.example" in text_of(foreign.text)


async def test_the_disk_is_the_operators_to_look_at(panel: Panel) -> None:
    async with panel.signed_in() as owner, panel.signed_in(operator=True) as operator:
        assert "Free on the disk" not in (await owner.get("/checks")).text
        assert "Free on the disk" in (await operator.get("/checks")).text


async def test_another_accounts_domains_are_not_on_it(panel: Panel) -> None:
    panel.domain()
    async with panel.signed_in(account="Other") as stranger:
        shown = text_of((await stranger.get("/checks")).text)
    assert "There is no domain yet" in shown
    assert "No phone is registered" in shown
