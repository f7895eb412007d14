"""Checks: what can be seen from the server of domains, certificates, ports, routers and codecs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from sealtone.admin.api_keys import Scope
from sealtone.admin.codec_overlap import CodecOverlap, codec_overlap
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.checks import ChecksOut, OverlapIn, OverlapOut, checks_out, overlap_out
from sealtone.web.api.work import Caller, read
from sealtone.web.checked import checked

router = APIRouter(route_class=Operation)


@router.get(
    "/checks",
    operation_id="getChecks",
    summary="Check domains, certificates, ports and phones",
    response_model=ChecksOut,
    openapi_extra=details(Scope.READ),
    tags=["Checks"],
)
async def get_checks(
    request: Request,
    user: Caller,
    ports: Annotated[bool, Query(description="Ask the ports for TLS too, which takes a moment.")] = False,
) -> Response:
    """What can be seen from the server itself. A firewall or router before it cannot."""
    return answer(checks_out(await checked(request, user.actor, ports=ports)))


@router.post(
    "/codec-overlap",
    operation_id="compareCodecs",
    summary="Tell which codecs two SIP users share",
    response_model=OverlapOut,
    openapi_extra=details(Scope.READ, Scope.USERS),
    tags=["SIP users"],
)
async def compare_codecs(request: Request, user: Caller, form: OverlapIn) -> Response:
    """As they are saved. `/trial-calls` tells what a call between them would come to, in full."""

    def query(transaction: Transaction) -> CodecOverlap:
        return codec_overlap(transaction, user.actor, form.first, form.second)

    return answer(overlap_out(await read(request, query)))
