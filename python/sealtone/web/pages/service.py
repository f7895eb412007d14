"""The service itself, for whoever operates it: its name, where it listens, how it is; and settings of other areas."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor, InvalidInput, read_reach
from sealtone.admin.service import ServiceChange, service_settings, update_service
from sealtone.net.relay import PANEL_SOCKET
from sealtone.web.asking import Pages, change, flash, go, now, page, parts, read, server_or_none, signed_in
from sealtone.web.sections import sections
from sealtone.web.tabs import add_service_tab, service_tabs

router = Pages(prefix="/service", area="core")


def _(text: str) -> str:
    """Marks a text for translation."""
    return text


add_service_tab(10, "/service", _("Status"))


async def operating(actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """Whoever operates the service. Raises `Forbidden`."""
    actor.authorise_operating()
    return actor


@router.get("")
async def show(request: Request, actor: Annotated[Actor, Depends(operating)]) -> Response:
    """How the service is, and its settings."""
    return await _page(request)


@router.post("/name")
async def rename(
    request: Request, actor: Annotated[Actor, Depends(operating)], public_name: Annotated[str, Form()] = ""
) -> Response:
    """Sets the name by which people and phones reach the service."""
    at = now()
    form = ServiceChange(public_name=public_name)
    try:
        await change(request, lambda transaction: update_service(transaction, actor, at, form))
    except InvalidInput as error:
        return await _page(request, 422, {"public_name": public_name}, error)
    response = go(request, "/service")
    flash(response, "good", request.state.translate("Saved."))
    return response


@router.post("/zone")
async def set_zone(
    request: Request, actor: Annotated[Actor, Depends(operating)], zone: Annotated[str, Form()] = ""
) -> Response:
    """Sets the domain under which accounts get subdomains of their own."""
    at = now()
    try:
        await change(request, lambda transaction: update_service(transaction, actor, at, ServiceChange(zone=zone)))
    except InvalidInput as error:
        return await _page(request, 422, {"zone": zone}, error)
    response = go(request, "/service")
    flash(response, "good", request.state.translate("Saved."))
    return response


async def _page(
    request: Request, status: int = 200, form: dict[str, str] | None = None, error: InvalidInput | None = None
) -> Response:
    settings, reach = await read(request, lambda transaction: (service_settings(transaction), read_reach(transaction)))
    return await page(
        request,
        "core/service.html",
        status,
        state=await server_or_none(request, "status"),
        settings=settings,
        form={"public_name": settings.public_name, "zone": settings.zone} | (form or {}),
        reach=reach,
        error=error,
        folder=parts(request).folder,
        socket=PANEL_SOCKET,
        tabs=service_tabs(request),
        sections=await sections(request, "service_section"),
    )
