"""Recordings in a real browser: the key is made there, what is sealed to it opens there, and no key is ever sent."""

from __future__ import annotations

import asyncio
import io
import struct
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyrage
import pytest

from admin.sealed import CHUNK, facts_of, keep, write_broken_off
from browser.conftest import CHROMIUM
from browser.signed_in import signed_in_browser
from sealtone.admin.recording_files import folder_of
from sealtone.store import Database
from sealtone.store.directory import find_account
from sealtone.store.recordings import save_recording

playwright = pytest.importorskip("playwright.async_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs chromium")
PASSPHRASE = "correct horse battery"


def tone(seconds: float) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<hh", number % 100 * 50, 0) for number in range(int(8000 * seconds))))
    return out.getvalue()


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[tuple[playwright.Page, Database, list[str]]]:
    """A signed-in page of a running server's panel, the database, and what the browser sent."""
    async with signed_in_browser(folder, accept_downloads=True) as opened:
        page, sent = await opened.context.new_page(), []
        page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
        await opened.open(page, "/recordings")
        yield page, opened.database, sent


async def until(page: playwright.Page, expression: str, seconds: float = 30) -> None:
    """Waits until a script finds it true. The page's policy forbids what Playwright's own waiting is made of."""
    ends_at = time.monotonic() + seconds
    while not await page.evaluate(expression):
        assert time.monotonic() < ends_at, expression
        await asyncio.sleep(0.05)


async def plays(page: playwright.Page, recording_id: str) -> float:
    """Presses Play; gives how long the sound is."""
    await page.click(f"#play-{recording_id}")
    await until(page, "document.getElementById('player-audio').duration > 0")
    return float(await page.evaluate("document.getElementById('player-audio').duration"))


async def test_a_key_made_in_the_browser_opens_what_is_sealed_to_it(tmp_path: Path) -> None:
    async with browsing(tmp_path / "data") as (page, database, sent):
        await page.goto("/recordings/settings")
        await page.fill("#new-passphrase", "short")
        await page.click("#make-button")
        assert await page.is_visible("#new-passphrase-error")
        await page.fill("#new-passphrase", PASSPHRASE)
        await page.fill("#again-passphrase", PASSPHRASE)
        async with page.expect_download(timeout=60_000) as downloading:
            await page.click("#make-button")
        file = tmp_path / "key.age"
        await (await downloading.value).save_as(file)
        opened = pyrage.passphrase.decrypt(file.read_bytes(), PASSPHRASE).decode()
        identity = next(line for line in opened.splitlines() if line.startswith("AGE-SECRET-KEY-1"))
        key = pyrage.x25519.Identity.from_str(identity)
        assert await page.is_disabled("#made-use")
        await page.check("#made-saved")
        await page.click("#made-use")
        await page.wait_for_selector("#recipient-now")
        with database.write() as transaction:
            account = find_account(transaction, 1)
            assert account is not None
            assert account.recording_recipient == str(key.to_public())
            octets = tone(12)
            whole = keep(transaction, tmp_path / "data", facts_of(1), octets, key)
            broken = facts_of(2, recipient=str(key.to_public()), reason="The server ended before the recording did.")
            save_recording(transaction.connection, broken)
            write_broken_off(folder_of(tmp_path / "data") / broken.path, octets, key)
            assert len(octets) > CHUNK
            damaged = keep(transaction, tmp_path / "data", facts_of(3), octets, key)
        path = folder_of(tmp_path / "data") / damaged.path
        sealed = bytearray(path.read_bytes())
        sealed[CHUNK] ^= 1
        path.write_bytes(sealed)
        await page.goto("/recordings")
        # A key that is not the one
        other = pyrage.x25519.Identity.generate()
        await page.click(f"#play-{whole.id}")
        await page.fill("#key-text", str(other))
        await page.click("#unlock-form [type=submit]")
        await page.wait_for_selector("#unlock-error:visible")
        assert str(key.to_public()) in await page.inner_text("#unlock-error")
        # The file, first without its passphrase
        await page.fill("#key-text", "")
        await page.set_input_files("#key-file", str(file))
        await page.click("#unlock-form [type=submit]")
        await until(page, "document.getElementById('unlock-error').textContent.includes('passphrase')")
        await page.fill("#key-passphrase", PASSPHRASE)
        await page.click("#unlock-form [type=submit]")
        await until(page, "document.getElementById('player-audio').duration > 0")
        assert abs(float(await page.evaluate("document.getElementById('player-audio').duration")) - 12) < 0.1
        # Once open, the others open without asking again
        assert abs(await plays(page, broken.id) - 12) < 0.1
        assert "not finished" in await page.inner_text("#player-said")
        await page.click(f"#play-{damaged.id}")
        await until(page, "document.getElementById('player-said').textContent.includes('damaged')")
        assert not any("AGE-SECRET-KEY" in one or PASSPHRASE in one for one in sent)
        kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert "AGE-SECRET" not in kept
