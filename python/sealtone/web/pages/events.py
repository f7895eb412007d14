"""The stream that pages listen to (server-sent events): what happens in the account of whoever is signed in."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sealtone.admin import Actor
from sealtone.web.asking import Pages, parts, signed_in
from sealtone.web.live import Live
from sealtone.web.parts import Parts

router = Pages(area="calls")

HEARTBEAT_S = 15.0
LONGEST_S = 300.0
"""After so long a stream ends and the browser asks anew, by when it may not be signed in any more."""
MAX_STREAMS = 12
"""Of one person, who may have as many pages open."""
_RETRY_MS = 3000
_open: Counter[int | None] = Counter()


async def run(parts: Parts) -> None:
    """Reads the running server's feed."""
    parts.live = live = Live(parts.folder)
    await live.run()


@router.get("/events")
async def events(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Response:
    """Events as they come; each has its kind as the event's name, and what it concerns as JSON."""
    live = parts(request).live
    if live is None:
        raise HTTPException(503)
    if _open[actor.person_id] >= MAX_STREAMS:
        raise HTTPException(429, headers={"Retry-After": "30"})
    return StreamingResponse(
        _stream(live, actor.account_id, actor.person_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(live: Live, account_id: int | None, person_id: int | None) -> AsyncIterator[str]:
    ends_at = asyncio.get_running_loop().time() + LONGEST_S
    subscription = live.subscribe(account_id)
    _open[person_id] += 1
    try:
        yield f"retry: {_RETRY_MS}\n\n"
        while (left := ends_at - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(HEARTBEAT_S, left)):  # wait_for may lose a cancellation before 3.12
                    event = await anext(subscription)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            except StopAsyncIteration:
                return
            yield f"event: {event['kind']}\ndata: {json.dumps(event)}\n\n"
    finally:
        subscription.close()
        _open[person_id] -= 1
        if _open[person_id] <= 0:
            del _open[person_id]
