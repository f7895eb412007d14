"""The checklist to the first encrypted call, as panel and API show it."""

from __future__ import annotations

from starlette.requests import Request

from sealtone.admin import Actor
from sealtone.admin.onboarding import Checklist, checklist, note_progress
from sealtone.web.asking import change, read


async def noted_checklist(request: Request, actor: Actor, account_id: int) -> Checklist:
    """How far the account is. What was found is noted, so that it stays. Raises `NotFound`, `StoreError`."""
    found = await read(request, lambda transaction: checklist(transaction, actor, account_id))
    if found.unnoted:
        await change(request, lambda transaction: note_progress(transaction, account_id), reload=False)
    return found
