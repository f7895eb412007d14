"""Calls as CSV, sent while they are read: a page of the database at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from starlette.requests import Request

from sealtone import admin
from sealtone.admin import Actor
from sealtone.admin.calls_csv import csv_head, csv_lines
from sealtone.store import CallFilter
from sealtone.web.asking import read

MOST_LINES = 200_000
_PAGE = 500


async def call_lines(request: Request, actor: Actor, wanted: CallFilter) -> AsyncIterator[str]:
    """The head, then all that `wanted` finds, newest first, up to `MOST_LINES`. Raises `StoreError`."""
    yield csv_head()
    criterion, written = wanted._replace(limit=_PAGE), 0
    while written < MOST_LINES:
        found = await read(request, partial(admin.list_calls, actor=actor, wanted=criterion))
        yield csv_lines(found.records)
        written += len(found.records)
        if found.next_page is None:
            return
        criterion = criterion._replace(before_id=found.next_page)
