"""The whole story, in a real browser and with real phones: from the owner's link to a verified encrypted call."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import Service
from interop.phones import Setup
from interop.processes import Program, eventually
from interop.test_provisioning import FreshLinphone

DOMAIN = "office.example"
PASSWORD = "seven red kites over the bay"
pytestmark = pytest.mark.interop


class OwnPhone:
    """`sealtone phone`, set up by a link, which answers and speaks a tone."""

    def __init__(self, folder: Path, link: str, authority: Path) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "sealtone.cli", "phone", "--provision", link, "--ca", str(authority)]
        command += ["--zrtp-folder", str(folder / "kept"), "--answer", "0", "--tone", "1000", "--json"]
        self.program = Program("phone", command, folder, PYTHONPATH=os.pathsep.join(sys.path))

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.program.output().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def phones(tmp_path: Path, service: Service) -> Iterator[Callable[[str, str], Any]]:
    """`phones("linphone", link)` or `phones("own", link)`: a fresh phone, set up by that link."""
    stop: list[Callable[[], None]] = []

    def start(kind: str, link: str) -> Any:
        if kind == "own":
            own = OwnPhone(tmp_path / "own", link, service.authority)
            stop.append(own.program.stop)
            eventually(lambda: own.told("registered"), 30, "our phone registers", own.program.output)
            return own
        setup = Setup("1000", tmp_path / "linphone", 440.0, domain=DOMAIN, authority=service.authority)
        phone = FreshLinphone(setup, link)
        stop.append(phone.stop)
        phone.__enter__()
        phone.wait_registered(30)
        return phone

    yield start
    for each in stop:
        each()


def protect_by_zrtp(page: Any, user: str, codecs: tuple[str, ...] = ()) -> None:
    """The gear of a user: codecs, ZRTP that ends in the server, Save, Done."""
    page.goto(f"/sip-users/{user}@{DOMAIN}")
    if codecs:
        page.locator('input[name=codecs_of][value="own"]').check(force=True)
        for box in page.locator("input[name=codec]").all():
            box.set_checked(box.get_attribute("value") in codecs, force=True)
    page.get_by_role("link", name="Protection", exact=True).click()
    for name, value in (("protection", "zrtp"), ("strictness", "require"), ("path", "server")):
        page.locator(f'input[name={name}][value="{value}"]').check(force=True)
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".notice-good .badge-good", has_text="Done").wait_for()


def link_for(page: Any, user: str) -> str:
    """What the QR code of "Connect a phone" holds."""
    page.goto(f"/sip-users/{user}@{DOMAIN}/connect")
    page.get_by_role("button", name="Make a QR code and link").click()
    link: str = page.locator("#link-url").inner_text()
    return link


def test_from_the_owners_link_to_a_call_whose_codes_were_compared(
    service: Service, browser_page: Callable[..., Any], phones: Callable[[str, str], Any]
) -> None:
    page = browser_page(service.url)

    page.goto(service.owner_link)
    for field, value in {
        "name": "Ann Owner",
        "email": "ann@office.example",
        "account_name": "The office",
        "password": PASSWORD,
    }.items():
        page.locator(f"#{field}").fill(value)
    page.get_by_role("button", name="Continue with this password").click()
    page.goto("/")
    page.get_by_text("To the first encrypted call").wait_for()

    page.goto("/domains/new")
    page.locator('input[name=kind][value="operator"]').check(force=True)
    page.locator("#domain").fill(DOMAIN)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("heading", name=DOMAIN).wait_for()

    page.goto("/sip-users/new-many")
    page.locator("#numbers").fill("1000-1003")
    page.locator("#domain").select_option(label=DOMAIN)
    page.get_by_role("button", name="Add all").click()
    page.get_by_text(f"1003@{DOMAIN}").first.wait_for(state="attached")

    protect_by_zrtp(page, "1000", ("g729", "silk/16000"))
    protect_by_zrtp(page, "1001")

    linphone = phones("linphone", link_for(page, "1000"))
    page.locator("#phone-state .badge-good", has_text="Registered").wait_for()
    page.get_by_text("The link was used").wait_for()
    own = phones("own", link_for(page, "1001"))

    linphone.call(f"sip:1001@{DOMAIN}")
    linphone.wait_for("established", 15)
    shown_by_linphone = eventually(
        linphone.short_authentication_string, 15, "linphonec shows a code", linphone.evidence
    )
    shown_by_own = eventually(lambda: own.told("secured"), 15, "our phone shows a code", own.program.output)[-1]

    page.goto("/calls")
    page.locator("#live-calls .live-name").first.click()
    page.locator("#sas").wait_for()
    codes = {
        block.locator("b").first.inner_text(): block.locator(".sas-code").inner_text()
        for block in page.locator("#sas .sas").all()
    }
    assert sorted(codes.values()) == sorted([shown_by_linphone, shown_by_own["zrtp"]["sas"]])
    of_linphone = next(who for who, code in codes.items() if code == shown_by_linphone)
    assert "1000" in of_linphone
    for number in range(len(codes)):
        page.locator("#sas .sas:not(.sas-checked)").first.get_by_role("button", name="It matches").click()
        page.locator("#sas .sas-checked").nth(number).wait_for()
    page.locator(".call-top .state-checked").wait_for()
    linphone.wait_audio(1000.0)

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#hang-up").click()
    linphone.wait_for("closed")
    page.goto("/calls")
    page.locator(".state-checked").first.wait_for()
    page.goto("/")
    page.get_by_text("All set: your calls are encrypted").wait_for()
    assert re.search(r"error (?!.*certificate)", service.output()) is None
