"""SIP users in a real browser: nothing is saved before Save, nothing unsaved is lost unasked, and the page stays true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from browser.conftest import CHROMIUM
from browser.signed_in import SignedIn, signed_in_browser
from sealtone.admin import Actor, SipUserChange, update_sip_user, user_of
from sealtone.model import SipUser
from sealtone.phone import Encryption, Wish

playwright = pytest.importorskip("playwright.async_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs chromium")
ROOT = Actor("root", "command line")
AOR = "1001@office.example"
URL = f"/sip-users/{AOR}"


class Browsed:
    """A browser in which the owner is signed in, and what went wrong in its pages."""

    def __init__(self, opened: SignedIn) -> None:
        self.whole = opened.whole
        self.database = opened.database
        self._opened = opened
        self.faults: list[str] = []

    async def open(self, path: str) -> playwright.Page:
        page = await self._opened.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        await self._opened.open(page, path)
        self.faults.clear()
        return page

    def user(self, aor: str = AOR) -> SipUser:
        with self.database.read() as transaction:
            return user_of(transaction, ROOT, aor)


@asynccontextmanager
async def browsing(folder: Path, scripts: bool = True) -> AsyncIterator[Browsed]:
    async with signed_in_browser(folder, java_script_enabled=scripts, locale="en") as opened:
        with opened.database.write() as transaction:
            update_sip_user(transaction, ROOT, time.time(), AOR, SipUserChange(codecs="opus,pcma,g729"))
        browsed = Browsed(opened)
        yield browsed
        assert browsed.faults == []


async def until(found: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    ends_at = time.monotonic() + seconds
    while not await found():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.05)


async def test_unsaved_changes_are_seen_asked_about_discarded_and_saved_until_they_are_done(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browsed:
        page = await browsed.open(URL)
        bar = page.locator("[data-savebar]")
        assert not await bar.is_visible()
        await page.fill("#display_name", "Anna")
        assert await bar.is_visible()
        assert "Unsaved changes" in await bar.inner_text()
        await page.fill("#display_name", "")
        assert not await bar.is_visible(), "what was typed and taken back is no change"
        await page.fill("#display_name", "Anna")
        asked: list[str] = []

        async def stay(dialog: playwright.Dialog) -> None:
            asked.append(dialog.type)
            await dialog.dismiss()

        page.once("dialog", stay)
        await page.locator(".side a", has_text="Change log").click(no_wait_after=True)
        await until(lambda: _true(bool(asked)))
        assert asked == ["beforeunload"]
        assert await page.input_value("#display_name") == "Anna"
        await bar.get_by_text("Discard").click()
        await page.wait_for_load_state()
        assert await page.input_value("#display_name") == ""
        assert browsed.user().display_name == ""
        await page.fill("#display_name", "Anna")
        await bar.get_by_role("button", name="Save").click()
        await page.wait_for_url("**change=*")
        await until(lambda: page.locator(".notice-good .badge-good").is_visible())
        assert browsed.user().display_name == "Anna"
        snapshot = browsed.whole.server.node.snapshot.user(AOR)
        assert snapshot is not None
        assert snapshot.display_name == "Anna", "the running server works by it"


async def _true(value: bool) -> bool:
    return value


async def test_codecs_are_ordered_by_keyboard_and_what_does_not_go_together_is_disabled_with_the_reason(
    tmp_path: Path,
) -> None:
    async with browsing(tmp_path) as browsed:
        page = await browsed.open(URL)
        up = page.get_by_role("button", name="G.729: earlier")
        await up.focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        order = await page.locator("[data-list] input:checked").evaluate_all("all => all.map(one => one.value)")
        assert order == ["g729", "opus", "pcma"]
        assert await page.locator("[data-savebar]").is_visible()
        await page.locator("[data-tabs] a", has_text="Protection").click()
        assert not await page.locator("#basic").is_visible()
        sealed = page.locator("input[name=path][value=sealed]")
        assert await sealed.is_disabled()
        assert await page.get_by_text("Only between two ZRTP users.").first.is_visible()
        await page.locator("label.choice", has_text="The phones agree on keys").click()
        assert not await sealed.is_disabled()
        shown = page.locator("[data-prospect]:visible")
        assert await shown.count() == 1
        assert "Nobody but the two" in await shown.inner_text()
        await page.locator("label.choice", has_text="No encryption").first.click()
        assert await page.locator("input[name=strictness]").first.is_disabled()
        assert "Nobody but the two" not in await shown.inner_text()
        await page.locator("label.choice", has_text="The phones agree on keys").click()
        await page.locator("label.choice", has_text="Require it").click()
        await page.locator("[data-savebar]").get_by_role("button", name="Save").click()
        await page.wait_for_url("**change=*")
        user = browsed.user()
        assert user.codecs == ("g729", "opus", "pcma")
        assert tuple(user.policy) == ("zrtp", "require", "sealed")


async def test_a_mistake_is_shown_on_its_tab_with_what_was_typed_and_the_list_follows_phones(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browsed:
        page = await browsed.open(URL)
        await page.goto(f"{URL}#protection")
        assert await page.locator("#protection").is_visible()
        await page.locator("[data-tabs] a", has_text="Basic").click()
        await page.fill("#display_name", "x" * 65)
        await page.locator("[data-savebar]").get_by_role("button", name="Save").click()
        error = page.locator("#display_name-error")
        await until(error.is_visible)
        assert "at most 64" in await error.inner_text()
        assert await page.input_value("#display_name") == "x" * 65
        assert await page.locator("[data-savebar]").is_visible(), "it is still unsaved"
        browsed.faults.clear()  # Chromium notes the answer 422
        listing = await browsed.open("/sip-users")
        row = listing.locator("tr", has_text="1000")
        assert "never registered" in await row.inner_text()
        async with browsed.whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE)) as phone:
            await phone.register()
            await until(lambda: _says(row, "Online"))
            assert "TLSv1.3" in await row.inner_text()
        await until(lambda: _says(row, "last registered"))


async def _says(row: playwright.Locator, text: str) -> bool:
    return text in await row.inner_text()


async def test_all_of_it_works_without_scripts(tmp_path: Path) -> None:
    async with browsing(tmp_path, scripts=False) as browsed:
        page = await browsed.open(URL)
        assert await page.locator("[data-savebar]").is_visible()
        assert await page.locator("#basic").is_visible()
        assert await page.locator("#protection").is_visible()
        await page.fill("#display_name", "Anna")
        await page.get_by_role("button", name="G.729: earlier").click()
        await page.wait_for_load_state()
        assert await page.input_value("#display_name") == "Anna"
        assert browsed.user().display_name == ""
        await page.get_by_role("button", name="Save").click()
        await page.wait_for_url("**change=*")
        user = browsed.user()
        assert (user.display_name, user.codecs) == ("Anna", ("opus", "g729", "pcma"))
