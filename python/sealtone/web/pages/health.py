"""For whatever watches over the service: is it alive, is it ready, and its figures."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sealtone.admin.api_keys import Scope, Unauthenticated, authenticate
from sealtone.store import StoreError
from sealtone.store.directory import last_change
from sealtone.web.asking import ServerAway, address_of, now, parts, read, server, server_or_none
from sealtone.web.metrics import exposition
from sealtone.web.parts import Parts

router = APIRouter(include_in_schema=False)

_MAY_READ = (Scope.METRICS, Scope.SERVICE)


@router.get("/healthz")
async def healthz() -> Response:
    """The panel's process is alive."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 when the database can be read and the SIP server answers and can write; else 503, with what is not so."""
    found = {"database": "ok", "sip_server": "ok", "writing": "ok"}
    try:
        await read(request, last_change)
    except StoreError:
        found["database"] = "cannot be read"
    try:
        status = await server(request, "status")
        if status["store"]["last_error"]:
            found["writing"] = "fails"
    except ServerAway:
        found["sip_server"] = "does not answer"
    return JSONResponse(found, 200 if set(found.values()) == {"ok"} else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text format, for this machine itself, or for a key with the scope ``metrics`` of an operator."""
    if not await _may_read(request):
        return PlainTextResponse(
            "Figures are given to this machine itself, or for an operator's API key with the scope metrics.\n",
            401,
            {"WWW-Authenticate": "Bearer"},
        )
    return Response(
        exposition(parts(request).figures, await server_or_none(request, "metrics")),
        200,
        {
            "Content-Type": CONTENT_TYPE_LATEST,
        },
    )


async def _may_read(request: Request) -> bool:
    given = request.headers.get("authorization", "")
    if given.startswith("Bearer "):
        at, address = now(), address_of(request)
        try:
            user = await read(request, lambda transaction: authenticate(transaction, given[7:], address, at))
        except Unauthenticated:
            return False
        return user.is_operators and user.may(_MAY_READ)
    # What a proxy on this machine passes on is not from this machine.
    passed_on = {"forwarded", "x-forwarded-for", "x-real-ip", "via"} & set(request.headers.keys())
    return not passed_on and not given and _is_loopback(address_of(request))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def run(shared: Parts) -> None:
    """Measures how late the panel's event loop is."""
    await shared.figures.watch()
