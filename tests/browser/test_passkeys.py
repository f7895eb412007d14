"""Passkeys in a real browser with a virtual authenticator, on a real server's panel under the name ``localhost``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealtone.admin import people
from sealtone.store import Database, credentials
from sealtone.store import people as rows
from server.whole import config_in, running

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs chromium")
PASSWORD = "seven green trams"


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[tuple[playwright.Page, Database, list[str]]]:
    """A browser with a passkey of its own at the panel, and what went wrong in its scripts."""
    async with running(config_in(folder, panel=True)) as whole, playwright.async_playwright() as driver:
        database, faults = Database(folder), []
        port = whole.ready.panel.rstrip("/").rpartition(":")[2]
        browser = await driver.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--ignore-certificate-errors"]
        )
        context = await browser.new_context(
            ignore_https_errors=True, base_url=f"https://localhost:{port}", locale="en", accept_downloads=True
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        devtools = await context.new_cdp_session(page)
        await devtools.send("WebAuthn.enable")
        await devtools.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        for _ in range(200):  # its process may still be starting
            answer = await page.goto("/sign-in")
            if answer is not None and answer.status != 503:
                break
            await asyncio.sleep(0.2)
        try:
            yield page, database, faults
        finally:
            await browser.close()
            database.close()


def owner_link(database: Database) -> str:
    with database.write() as transaction:
        made = people.owner_link(transaction, time.time())
    assert made is not None
    return f"/welcome/{made.token}"


async def test_the_owner_comes_in_by_a_passkey_alone_and_signs_in_with_it_again(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (page, database, faults):
        await page.goto(owner_link(database))
        await page.get_by_label("Your name").fill("Ann")
        await page.get_by_label("E-mail address").fill("ann@example.org")
        await page.get_by_label("Name of the account").fill("Ann's office")
        await page.get_by_role("button", name="Continue with a passkey instead").click()
        await page.wait_for_url("**/")
        await page.get_by_role("button", name="Sign out").first.click()
        await page.wait_for_url("**/sign-in")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await page.wait_for_url("**/")
        await page.goto("/account/security")
        assert "You have none, and sign in by passkey." in await page.content()
        with database.read() as transaction:
            ann = rows.find_person_by_email(transaction, "ann@example.org")
            assert ann is not None
            (passkey,) = credentials.read_passkeys(transaction, ann.id)
        assert passkey.used_at is not None
        assert not ann.has_password
        assert faults == []


async def test_a_passkey_is_added_beside_a_password_and_confirms_who_one_is(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (page, database, faults):
        await page.goto(owner_link(database))
        await page.get_by_label("Your name").fill("Ann")
        await page.get_by_label("E-mail address").fill("ann@example.org")
        await page.get_by_label("Name of the account").fill("Ann's office")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Show what is typed").click()
        assert await page.get_by_label("Password", exact=True).get_attribute("type") == "text"
        await page.get_by_role("button", name="Continue with this password").click()
        await page.wait_for_url("**/")
        await page.goto("/account/security")
        await page.get_by_label("Name of the new passkey").fill("This computer")
        await page.get_by_role("button", name="Add a passkey").click()
        await page.get_by_role("link", name="I have kept them").wait_for()
        assert await page.locator("#codes li").count() == 10
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download").click()
        await (await download.value).save_as(tmp_path / "codes.txt")
        assert len((tmp_path / "codes.txt").read_text().split("\n\n")[1].split()) == 10
        await page.get_by_role("link", name="I have kept them").click()
        assert "This computer" in await page.content()
        with database.write() as transaction:
            ann = rows.find_person_by_email(transaction, "ann@example.org")
            assert ann is not None
            for session in credentials.read_sessions(transaction, ann.id, time.time(), 0.0):
                credentials.confirm_session(transaction, session.token_hash, time.time() - 1000)
        await page.goto("/account/close")
        assert "/confirm" in page.url
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_label("Type the name of the account").wait_for()
        # The same device makes no second one.
        await page.goto("/account/security")
        await page.get_by_label("Name of the new passkey").fill("Again")
        await page.get_by_role("button", name="Add a passkey").click()
        await page.locator("[data-passkey-problem]").wait_for()
        assert faults == []
