"""What happens, as it happens: server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from sealtone.admin.api_keys import KeyUser, Scope, Unauthenticated, authenticate
from sealtone.admin.webhooks import EventKind
from sealtone.net import NotRunning
from sealtone.store import StoreError
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.problems import Refused
from sealtone.web.api.schemas.base import moment
from sealtone.web.api.work import Caller, now, parts_of, read

router = APIRouter(route_class=Operation, tags=["Events"])
_HEARTBEAT_S = 15.0
_MOST_STREAMS = 10
_LONGEST_S = 86_400
_NOT_DATA = ("kind", "account_id", "at", "seq")
_KINDS = frozenset(kind.value for kind in EventKind)
_EXAMPLE = """id: 1795673484134853
event: call.ended
data: {"type": "call.ended", "at": "2026-11-26T09:30:46.500Z", "data": {"call": "01jdkq8v3hq2"}}

"""


@router.get(
    "/events",
    operation_id="streamEvents",
    summary="Follow what happens",
    response_class=Response,
    responses={
        200: {
            "description": "Events, until either side ends the stream. `event: lost` means that some were missed: "
            "read anew what you follow. A comment comes every 15 seconds.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
    openapi_extra=details(Scope.READ, Scope.CALLS),
)
async def stream(
    request: Request,
    user: Caller,
    kind: Annotated[list[EventKind] | None, Query(max_length=50, description="Only these kinds; repeatable.")] = None,
    seconds: Annotated[int, Query(ge=0, le=_LONGEST_S, description="End after so long.")] = _LONGEST_S,
) -> Response:
    """The events of the account from now on, each of the kinds that webhooks know. The stream ends when the key is
    revoked."""
    live = parts_of(request).live
    if live is None:
        raise NotRunning("The SIP server is not running.")
    streams: Counter[int] = request.app.state.streams
    if streams[user.key.id] >= _MOST_STREAMS:
        raise Refused("too-many", f"An API key follows {_MOST_STREAMS} streams at once.", headers={"Retry-After": "15"})
    wanted = frozenset(one.value for one in kind) if kind else _KINDS
    subscription: Any = live.subscribe(user.key.account_id)
    streams[user.key.id] += 1

    async def told() -> AsyncIterator[str]:
        try:
            async for text in _told(request, user, subscription, wanted, seconds):
                yield text
        finally:
            streams[user.key.id] -= 1
            if not streams[user.key.id]:
                del streams[user.key.id]
            subscription.close()

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(told(), media_type="text/event-stream", headers=headers)


async def _told(
    request: Request, user: KeyUser, subscription: Any, wanted: frozenset[str], seconds: int
) -> AsyncIterator[str]:
    """The events as text; a comment now and then, so that nobody in between takes the stream for dead."""
    clock = asyncio.get_running_loop().time
    end, beat = clock() + seconds, clock() + _HEARTBEAT_S
    yield ": here\n\n"
    coming = asyncio.ensure_future(anext(subscription))
    try:
        while clock() < end:
            done, _ = await asyncio.wait([coming], timeout=max(0.0, min(end, beat) - clock()))
            if clock() >= beat:
                if not await _is_valid(request):
                    return
                beat = clock() + _HEARTBEAT_S
                yield ": still here\n\n"
            if done:
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                coming = asyncio.ensure_future(anext(subscription))
                if event["kind"] in wanted or event["kind"] == "lost":
                    yield written(event)
    finally:
        coming.cancel()


async def _is_valid(request: Request) -> bool:
    """Whether the key would still be let in."""
    token = request.headers["authorization"].partition(" ")[2].strip()
    try:
        await read(request, lambda transaction: authenticate(transaction, token, "", now()))
    except (Unauthenticated, StoreError):
        return False
    return True


def written(event: dict[str, Any]) -> str:
    """An event in the form of the stream."""
    if event["kind"] == "lost":
        return "event: lost\ndata: {}\n\n"
    data = {name: value for name, value in event.items() if name not in _NOT_DATA}
    at = moment(event["at"]).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"type": event["kind"], "at": at, "data": data}, ensure_ascii=False)
    return f"id: {event['seq']}\nevent: {event['kind']}\ndata: {body}\n\n"
