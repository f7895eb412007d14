"""The API as an application of its own, to be mounted at /api/v1."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount

from sealtone import __version__
from sealtone.web.api import (
    account,
    api_keys,
    authority,
    backups,
    calls,
    certificates,
    changes,
    checks,
    configuration,
    domains,
    events,
    live_calls,
    people,
    phones,
    recordings,
    registrations,
    service,
    service_accounts,
    sip_user_batches,
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
    certificates,
    sip_user_batches,
    sip_users,
    registrations,
    phones,
    live_calls,
    calls,
    recordings,
    changes,
    events,
    account,
    people,
    api_keys,
    webhooks,
    checks,
    configuration,
    service,
    service_accounts,
    authority,
    backups,
)


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the API that is mounted in `app`. Raises `LookupError` where none is."""
    for route in app.routes:
        if isinstance(route, Mount) and route.path == PREFIX:
            mounted = cast("FastAPI", route.app)
            return cast("dict[str, Any]", mounted.state.document.spec)
    raise LookupError(PREFIX)


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
    api.state.streams = Counter()
    for area in _AREAS:
        api.include_router(area.router)
    api.state.document = document(api, PREFIX)

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(
            api.state.document.text, media_type="application/json", headers={"Cache-Control": "public, max-age=300"}
        )

    @api.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return response_of(refusal_by_status(error.status_code, error.headers))

    @api.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return response_of(refusal_by_status(500))

    return api
