"""The overview, and choices of language and theme."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin import Actor
from sealtone.admin.overview import totals
from sealtone.store import StoreError
from sealtone.store.sessions import set_preferences
from sealtone.web.asking import THEME_COOKIE, Pages, change, go, now, page, read, server_or_none, signed_in
from sealtone.web.i18n import LANGUAGE_COOKIE, LANGUAGES
from sealtone.web.parts import Parts
from sealtone.web.sections import sections
from sealtone.web.security import purge_sessions, set_cookie

router = Pages(area="core")
_public = Pages(area="core", public=True)
routers = [router, _public]

_YEAR_S = 365 * 86_400
_DAY_S = 86_400.0
_PURGE_S = 3600.0


@router.get("/")
async def overview(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Response:
    """What is going on now, and what is to be done next."""
    context = await _figures(request, actor)
    return await page(request, "core/overview.html", sections=await sections(request, "overview_section"), **context)


@router.get("/overview/figures")
async def figures(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Response:
    """The figures alone, for the page that refreshes them."""
    return await page(request, "core/figures.html", **await _figures(request, actor))


async def _figures(request: Request, actor: Actor) -> dict[str, Any]:
    live, counted = await asyncio.gather(
        server_or_none(request, "overview", account_id=actor.account_id),
        read(request, lambda transaction: totals(transaction, actor)),
    )
    certificate = live["certificate"] if live is not None else None
    days = int((certificate["expires_at"] - now()) // _DAY_S) if certificate is not None else None
    return {"live": live, "totals": counted, "certificate": certificate, "certificate_days": days}


@_public.post("/preferences")
async def preferences(
    request: Request,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Sets the language or theme of this browser, and of whoever is signed in. An unknown one changes nothing."""
    where = urlsplit(back)
    response = go(request, back if back.startswith("/") and not where.netloc and "\\" not in back else "/")
    session = request.state.session
    wanted: dict[str, str] = {}
    if language in LANGUAGES:
        wanted["language"] = language
        set_cookie(response, LANGUAGE_COOKIE, language, max_age=_YEAR_S)
    if theme in ("light", "dark", "auto"):
        wanted["theme"] = "" if theme == "auto" else theme
        set_cookie(response, THEME_COOKIE, wanted["theme"], max_age=_YEAR_S)
    if session is not None and wanted:
        await change(
            request, lambda transaction: set_preferences(transaction, session.person_id, **wanted), reload=False
        )
    return response


async def run(parts: Parts) -> None:
    """Deletes old sessions now and then."""
    while True:
        try:
            await purge_sessions(parts)
        except StoreError as error:
            parts.log(f"error panel old sessions were not deleted: {error}")
        await asyncio.sleep(_PURGE_S)
