"""A running server with its panel in the test's own process, and a browser in which its owner is signed in."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import CHROMIUM
from sealtone.store import Database
from sealtone.store.sessions import insert_session
from sealtone.store.tables import person
from sealtone.web.security import ABSOLUTE_S, SESSION_COOKIE, token_hash
from server.whole import Whole, config_in, running

playwright = pytest.importorskip("playwright.async_api")


@dataclass
class SignedIn:
    """What a test works with."""

    whole: Whole
    database: Database
    context: Any
    """Playwright's."""

    async def open(self, page: Any, path: str) -> None:
        """Goes there; the panel's process may still be starting."""
        for _ in range(200):
            answer = await page.goto(path)
            if answer is not None and answer.status != 503:
                return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def signed_in_browser(folder: Path, **options: Any) -> AsyncIterator[SignedIn]:
    """`options`: of Playwright's `new_context`."""
    async with running(config_in(folder, panel=True)) as whole, playwright.async_playwright() as driver:
        database = Database(folder)
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            base = whole.ready.panel.rstrip("/")
            context = await browser.new_context(ignore_https_errors=True, base_url=base, **options)
            cookie = {"name": SESSION_COOKIE, "value": _owners_session(database), "url": base}
            await context.add_cookies([cookie | {"secure": True, "httpOnly": True}])
            yield SignedIn(whole, database, context)
        finally:
            await browser.close()
            database.close()


def _owners_session(database: Database) -> str:
    """The token of a session of the first account's new owner."""
    token, at = secrets.token_urlsafe(32), time.time()
    with database.write() as transaction:
        made = transaction.connection.execute(
            person.insert().values(
                account_id=1, email="ann@office.example", role="owner", webauthn_handle=b"x" * 32, created_at=at
            )
        )
        insert_session(
            transaction,
            token_hash=token_hash(token),
            number="1",
            person_id=int(made.inserted_primary_key[0]),
            signed_in_by="password",
            now_wall=at,
            expires_at=at + ABSOLUTE_S,
            address="127.0.0.1",
            user_agent="test",
        )
    return token
