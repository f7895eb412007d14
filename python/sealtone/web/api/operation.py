"""What every operation has in common, in the order in which it happens: who calls, how often, whether they may, what
they send; then the operation itself; then how its outcome is told.

Only API keys let somebody in, never the panel's cookie: so no page of another site can make a browser call the API.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any, NamedTuple, cast

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sealtone.admin import AdminError
from sealtone.admin.api_keys import KeyUser, Scope, Unauthenticated, authenticate, needs_touch, note_use
from sealtone.net import ControlError
from sealtone.store import StoreError, Transaction
from sealtone.web.api import conditional, work
from sealtone.web.api.buckets import Buckets, Level
from sealtone.web.api.idempotency import once
from sealtone.web.api.problems import (
    Refused,
    refusal_by_status,
    refusal_of,
    refusal_of_fields,
    response_of,
)

LARGEST_BODY = 1_048_576
_REALM = 'Bearer realm="Sealtone API"'
_MOST_QUERY = 4096
_V6_SITE = 64


class Limits(NamedTuple):
    """How often may be asked: by key, and by addresses that send wrong keys."""

    keys: Buckets
    failures: Buckets


def usual_limits() -> Limits:
    """A key: 300 requests at once and 20 a second for good. An address: 20 wrong keys, then one every five seconds."""
    return Limits(Buckets(300, 20.0), Buckets(20, 0.2))


def details(*scopes: Scope, versioned: bool = False, body: str = "application/json") -> dict[str, Any]:
    """What the OpenAPI document and `Operation` need to know of an operation: `openapi_extra=details(Scope.USERS)`.

    One of the scopes is enough. `versioned`: If-Match is needed. `body`: the type that is read, where one is.
    """
    return {"x-scopes": [scope.value for scope in scopes], "x-versioned": versioned, "x-body": body}


class Operation(APIRoute):
    """A route of the API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                user = await _authenticated(request)
                level = _limited(request, user)
            except (Refused, StoreError) as error:
                return response_of(error if isinstance(error, Refused) else refusal_of(error))
            response = await _told(lambda: self._answer(request, user, inner))
            _describe(response, request, level)
            return response

        return handle

    async def _answer(
        self, request: Request, user: KeyUser, inner: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        extra = self.openapi_extra or {}
        _check_scope(user, [Scope(scope) for scope in extra["x-scopes"]])
        self._check_query(request)
        if self.body_field is not None:
            await _check_body(request, extra["x-body"])
        if extra["x-versioned"]:
            conditional.require_version(request)
        request.state.user = user
        if request.method == "POST":
            return await once(request, user, lambda: _told(lambda: inner(request)))
        return conditional.not_modified(request, await inner(request))

    def _check_query(self, request: Request) -> None:
        """A misspelt filter must not show everything."""
        known = set(_query_names(self.dependant))
        unknown = sorted(set(request.query_params) - known)
        errors = [{"field": name[:100], "message": "There is no such parameter."} for name in unknown[:20]]
        for name, value in request.query_params.multi_items():
            if "\0" in value:
                errors.append({"field": name[:100], "message": "A value cannot hold a NUL character."})
        if errors:
            raise Refused("invalid", "The address holds parameters that are not known here.", errors=errors)
        if any("\0" in str(value) for value in request.path_params.values()):
            raise refusal_by_status(404)


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for part in dependant.dependencies:
        yield from _query_names(part)


async def _told(answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, or the problem that came in its place."""
    try:
        return await answer()
    except Refused as refused:
        return response_of(refused)
    except (AdminError, ControlError, StoreError) as error:
        return response_of(refusal_of(error))
    except RequestValidationError as error:
        return response_of(refusal_of_fields(error.errors()))
    except HTTPException as error:
        return response_of(refusal_by_status(error.status_code, error.headers))


async def _authenticated(request: Request) -> KeyUser:
    limits: Limits = request.app.state.limits
    address = request.client.host if request.client is not None else ""
    source, clock = _source_of(address), asyncio.get_running_loop().time()
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        detail = "Send an API key: Authorization: Bearer stk_…"
        raise Refused("unauthenticated", detail, headers={"WWW-Authenticate": _REALM})
    level = limits.failures.take(source, clock, cost=0.0)
    if not level.allowed:
        detail = "Too many wrong API keys came from this address."
        raise Refused("too-many", detail, headers={"Retry-After": str(int(level.wait_s) + 1)})
    now = work.now()
    try:
        user = await work.read(request, lambda transaction: authenticate(transaction, token.strip(), address, now))
    except Unauthenticated as error:
        limits.failures.take(source, clock)
        challenge = f'{_REALM}, error="invalid_token"'
        raise Refused("unauthenticated", str(error), headers={"WWW-Authenticate": challenge}) from error
    if needs_touch(user.key, now):
        await work.write(request, lambda transaction: _touch(transaction, user, now))
    return user


def _touch(transaction: Transaction, user: KeyUser, now: float) -> None:
    note_use(transaction, user.key, now)


def _source_of(address: str) -> str:
    """Whom failures are counted against: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, _V6_SITE), strict=False)) if found.version == 6 else address


def _limited(request: Request, user: KeyUser) -> Level:
    limits: Limits = request.app.state.limits
    level = limits.keys.take(str(user.key.id), asyncio.get_running_loop().time())
    if not level.allowed:
        headers = _limit_headers(request, level) | {"Retry-After": str(int(level.wait_s) + 1)}
        raise Refused("too-many", "This API key is used too often. Slow down, and try again.", headers=headers)
    return level


def _limit_headers(request: Request, level: Level) -> dict[str, str]:
    limits: Limits = request.app.state.limits
    return {
        "RateLimit-Limit": str(limits.keys.size),
        "RateLimit-Remaining": str(level.left),
        "RateLimit-Reset": str(int(level.full_s) + 1),
    }


def _describe(response: Response, request: Request, level: Level) -> None:
    response.headers.update(_limit_headers(request, level))
    response.headers.setdefault("Cache-Control", "private, no-cache" if request.method == "GET" else "no-store")
    response.headers["Vary"] = "Authorization"


def _check_scope(user: KeyUser, wanted: Sequence[Scope]) -> None:
    if not user.may(wanted):
        named = " or ".join(scope.value for scope in wanted)
        challenge = f'{_REALM}, error="insufficient_scope", scope="{wanted[0].value}"'
        raise Refused("scope", f"The API key needs the scope {named}.", headers={"WWW-Authenticate": challenge})


async def _check_body(request: Request, wanted: str) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    length = request.headers.get("content-length", "0")
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 12 else LARGEST_BODY + 1
    if size > LARGEST_BODY:
        raise Refused("too-large", f"A body has at most {LARGEST_BODY} octets.")
    if kind != wanted and (kind or size):
        raise Refused("media-type", f"Send the body as {wanted}.", headers={"Accept": wanted})
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > LARGEST_BODY:
            raise Refused("too-large", f"A body has at most {LARGEST_BODY} octets.")
    cast("Any", request)._body = bytes(read)
