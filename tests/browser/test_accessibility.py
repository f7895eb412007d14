"""Every page for everybody: axe-core (WCAG 2.2 AA) in both themes, 360 px wide in Russian, by keyboard alone.

With SEALTONE_SCREENSHOTS=FOLDER a picture of each page is left there (`make screenshots`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from browser.conftest import Service
from browser.test_stored_scripts import owner_of
from sealtone.store import Database
from sealtone.store.records import insert_calls
from sealtone.web.security import SESSION_COOKIE
from store.records import call

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """async () => (await axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"]
    })).violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
FEWEST_PAGES, MOST_PAGES = 35, 80
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
PICTURES = os.environ.get("SEALTONE_SCREENSHOTS", "")
pytestmark = pytest.mark.interop


def with_calls(service: Service) -> None:
    """Calls of every kind, so that no page is empty."""
    database = Database(service.data)
    with database.write() as transaction:
        insert_calls(
            transaction.connection,
            [call(number, started_at=time.time() - 3600 * number, answered=number % 2 == 0) for number in range(1, 6)],
        )
    database.close()


def signed_in(page: Any, service: Service, token: str) -> Any:
    cookie = {"name": SESSION_COOKIE, "value": token, "url": service.url, "secure": True, "httpOnly": True}
    page.context.add_cookies([cookie])
    return page


def kind_of(path: str) -> str:
    """Pages that differ in what they show only are of one kind."""
    return re.sub(r"[^/=&?]*[@.\d%][^/=&?]*", "*", path.partition("?")[0])


def linked_pages(page: Any, service: Service) -> list[str]:
    """One page of each kind that can be reached by links, and those of somebody who is not signed in."""
    waiting, found, kinds = ["/"], [], set[str]()
    while waiting and len(found) < MOST_PAGES:
        path = waiting.pop(0)
        if kind_of(path) in kinds:
            continue
        kinds.add(kind_of(path))
        answer = page.goto(path)
        assert answer.status == 200, f"{path}: {answer.status}"
        found.append(path)
        for link in page.evaluate("() => [...document.querySelectorAll('a[href]')].map((link) => link.href)"):
            parts = urlsplit(link)
            is_file = parts.path.endswith((".csv", ".pem", ".json", ".yaml", "zone-file", "/sealed", "/tail", "/file"))
            if link.startswith(service.url) and not is_file and not parts.path.startswith("/api/v1"):
                waiting.append(parts.path)
    return found


def keep_picture(page: Any, name: str, path: str) -> None:
    if PICTURES:
        folder = Path(PICTURES) / name
        folder.mkdir(parents=True, exist_ok=True)
        named = kind_of(path).strip("/").replace("/", "-").replace("*", "one") or "overview"
        page.screenshot(path=str(folder / f"{named}.png"), full_page=True)


def test_every_page_is_fit_for_everybody_in_both_themes_and_on_a_phone(
    service: Service, browser_page: Callable[..., Any]
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm ci in frontend)")
    with_calls(service)
    token = owner_of(service)
    light = signed_in(browser_page(service.url, viewport=WIDE, color_scheme="light", locale="en-GB"), service, token)
    paths = linked_pages(light, service)
    assert len(paths) >= FEWEST_PAGES, paths
    dark = signed_in(browser_page(service.url, viewport=WIDE, color_scheme="dark", locale="en-GB"), service, token)
    small = signed_in(browser_page(service.url, viewport=NARROW, color_scheme="light", locale="ru"), service, token)
    strangers = browser_page(service.url, viewport=NARROW, color_scheme="dark", locale="ru")
    faults: list[str] = []

    def look(page: Any, name: str, path: str) -> None:
        answer = page.goto(path)
        assert answer.status == 200, f"{path}: {answer.status}"
        keep_picture(page, name, path)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        faults.extend(f"{path} ({name}): {fault}" for fault in page.evaluate(RUN_AXE))
        if (width := page.evaluate(TOO_WIDE)) > 0:
            faults.append(f"{path} ({name}) is {width} px too wide")

    for path in paths:
        look(light, "light", path)
        look(dark, "dark", path)
        look(small, "small", path)
    for path in ("/sign-in", "/forgotten"):
        look(strangers, "stranger", path)
    assert not faults, "\n".join(faults)


def test_a_sip_user_is_made_and_changed_by_keyboard_alone(service: Service, browser_page: Callable[..., Any]) -> None:
    page = signed_in(browser_page(service.url, viewport=WIDE, locale="en-GB"), service, owner_of(service))

    def tab_to(what: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("(what) => document.activeElement.matches(what)", what):
                outline = page.evaluate(
                    "() => { const style = getComputedStyle(document.activeElement);"
                    " return style.outlineStyle !== 'none' || style.boxShadow !== 'none'; }"
                )
                assert outline, f"the focus on {what} is not seen"
                return
        raise AssertionError(f"{what} is not reached by the tabulator")

    page.goto("/sip-users/new")
    tab_to("input[name=username]")
    page.keyboard.type("2000")
    page.keyboard.press("Enter")
    page.get_by_text("2000@sealtone.local").first.wait_for()
    page.goto("/sip-users/2000@sealtone.local")
    tab_to("input[name=display_name]")
    page.keyboard.type("Reception")
    tab_to("button.savebar-save, .savebar button[type=submit], form button[type=submit]")
    page.keyboard.press("Enter")
    page.locator(".notice-good").first.wait_for()
    page.reload()
    assert page.locator("input[name=display_name]").input_value() == "Reception"
