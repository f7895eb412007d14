"""Idempotency-Key: a POST that is sent twice, because its answer got lost, is done once and answered alike.

An answer is kept sealed for 24 hours, by API key: nobody is given the answer to somebody else's request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.responses import Response

from sealtone.admin.api_keys import KeyUser
from sealtone.store import Transaction
from sealtone.store import api_keys as rows
from sealtone.web.api import work
from sealtone.web.api.problems import Refused

HEADER = "Idempotency-Key"
KEPT_S = 86_400.0
_LONGEST = 200
_MOST_KEPT = 10_000
_REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("content-type", "location", "etag", "content-disposition")


async def once(request: Request, user: KeyUser, work_on: Callable[[], Awaitable[Response]]) -> Response:
    """Works on a request unless that was done already. Raises `Refused`."""
    header = request.headers.get(HEADER)
    if header is None:
        return await work_on()
    if not 1 <= len(header) <= _LONGEST or not header.isascii() or not header.isprintable():
        message = f"An idempotency key has 1 to {_LONGEST} printable ASCII characters, such as a UUID."
        raise Refused("invalid", message, errors=[{"field": HEADER, "message": message}])
    account, key = user.key.account_id, f"{user.key.id}:{header}"
    request_hash = await _hash_of(request)
    kept = await work.write(request, lambda transaction: _begin(transaction, account, key, request_hash))
    if kept is not None:
        return _again(kept, request_hash)
    response = await work_on()
    if 200 <= response.status_code < 300:
        headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
        body = bytes(response.body)
        await work.write(request, lambda t: rows.keep_answer(t, account, key, response.status_code, headers, body))
    else:
        await work.write(request, lambda transaction: rows.forget_answer(transaction, account, key))
    return response


def _begin(transaction: Transaction, account: int, key: str, request_hash: bytes) -> rows.KeptAnswer | None:
    now = work.now()
    rows.forget_old_answers(transaction, now - KEPT_S)
    kept = rows.find_answer(transaction, account, key)
    if kept is None:
        if rows.count_answers(transaction, account) >= _MOST_KEPT:
            detail = f"The answers to {_MOST_KEPT} requests with idempotency keys are kept already, for a day each."
            raise Refused("too-many", detail, headers={"Retry-After": "3600"})
        rows.begin_answer(transaction, account, key, request_hash, now)
    return kept


def _again(kept: rows.KeptAnswer, request_hash: bytes) -> Response:
    if kept.request_hash != request_hash:
        raise Refused("idempotency-key", "This idempotency key was used with another request. Use a new one.")
    if kept.status is None:
        raise Refused(
            "in-progress",
            "The first request with this idempotency key has not been answered yet. If it broke off, look whether it "
            "was done, then use a new key.",
            headers={"Retry-After": "5"},
        )
    return Response(kept.body, kept.status, kept.headers | {_REPLAYED: "true", "Cache-Control": "no-store"})


async def _hash_of(request: Request) -> bytes:
    whole = hashlib.sha256()
    for part in (request.method.encode(), request.url.path.encode(), request.url.query.encode(), await request.body()):
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.digest()
