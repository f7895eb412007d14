"""A recent proof of who is asking, for what must not be done by whoever finds a panel left open.

Give the page that has the form, and the route that it is sent to, ``Depends(confirmed)``.
"""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends
from starlette.requests import Request

from sealtone.admin import Actor
from sealtone.web.asking import Detour, signed_in

CONFIRMED_S = 15 * 60.0
CONFIRM_URL = "/confirm"


async def confirmed(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """Whoever is signed in and proved who they are within 15 minutes. Raises `Detour` to the page where they do."""
    if not is_confirmed(request):
        raise Detour(f"{CONFIRM_URL}?next={quote(_back(request), safe='/')}")
    return actor


def is_confirmed(request: Request) -> bool:
    """Whether that is so now, for somebody signed in."""
    return bool(time.time() - request.state.session.confirmed_at < CONFIRMED_S)


def _back(request: Request) -> str:
    """The page itself; for what was sent to a route, the page that it was sent from."""
    if request.method in ("GET", "HEAD"):
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return urlsplit(request.headers.get("referer", "")).path or "/"
