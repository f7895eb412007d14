"""The API as an application of its own, to be mounted at /api/v1."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sealtone import __version__
from sealtone.web.api import (
    account,
    api_keys,
    calls,
    domains,
    live_calls,
    recordings,
    registrations,
    service,
    sip_users,
    webhooks,
)
from sealtone.web.api.openapi import DESCRIPTION, TAGS, document
from sealtone.web.api.operation import Limits, usual_limits
from sealtone.web.api.problems import refusal_by_status, response_of
from sealtone.web.parts import Parts

PREFIX = "/api/v1"
_AREAS = (
    domains,
    sip_users,
    registrations,
    live_calls,
    calls,
    recordings,
    account,
    api_keys,
    webhooks,
    service,
)


def make_api(parts: Parts, limits: Limits | None = None) -> FastAPI:
    """The API over the parts of the web process."""
    api = FastAPI(
        title="Sealtone",
        version=__version__,
        summary="Telephony that can say, for every call, who could have listened.",
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=TAGS,
    )
    api.state.parts = parts
    api.state.limits = limits if limits is not None else usual_limits()
    for area in _AREAS:
        api.include_router(area.router)
    described = document(api, PREFIX)

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(described.text, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    @api.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return response_of(refusal_by_status(error.status_code, error.headers))

    @api.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return response_of(refusal_by_status(500))

    return api
