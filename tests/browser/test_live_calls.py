"""The list of calls in a real browser follows what happens, also between its making and the beginning of its stream."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from browser.test_recordings import CHROMIUM, browsing
from sealtone.store.records import insert_calls
from store.records import call

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs chromium")


async def test_a_call_that_ends_while_the_page_is_still_loading_is_on_it(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (page, database, _):
        may_listen = asyncio.Event()

        async def late(route: Any) -> None:
            await may_listen.wait()
            await route.continue_()

        await page.route("**/events", late)
        await page.goto("/calls")
        assert await page.locator("#past-calls tbody tr").count() == 0
        with database.write() as transaction:
            insert_calls(transaction.connection, [call(1, started_at=time.time())])
        may_listen.set()
        await page.locator("#past-calls tbody tr").first.wait_for(timeout=30_000)


async def test_what_happens_while_the_list_is_on_its_way_is_not_missed(tmp_path: Path) -> None:
    async with browsing(tmp_path) as (page, database, _):
        is_made, streams, lists = asyncio.Event(), 0, 0

        async def stream(route: Any) -> None:
            nonlocal streams
            streams += 1
            if streams == 2:
                await is_made.wait()
                with database.write() as transaction:
                    insert_calls(transaction.connection, [call(1, started_at=time.time())])
            if streams < 3:
                body = 'retry: 100\nevent: record.written\ndata: {"kind": "record.written", "call": "x"}\n\n'
                await route.fulfill(content_type="text/event-stream", body=body)

        async def listing(route: Any) -> None:
            nonlocal lists
            if "hx-request" not in route.request.headers:
                await route.continue_()
                return
            lists += 1
            answer = await route.fetch()
            if lists == 1:
                is_made.set()
                await asyncio.sleep(2.0)  # it arrives when the second event has long been there
            await route.fulfill(response=answer)

        await page.route("**/events", stream)
        await page.route("**/calls", listing)
        await page.route("**/calls?*", listing)
        await page.goto("/calls")
        await page.locator("#past-calls tbody tr").first.wait_for(timeout=30_000)
