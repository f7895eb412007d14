"""A panel beside a whole server: the same data, its control socket, phones that call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from sealtone.web.app import make_app, open_parts
from server.whole import Whole
from web.conftest import Panel


@asynccontextmanager
async def panel_of(whole: Whole) -> AsyncIterator[Panel]:
    """The panel of a running server; its account "First" is the server's first."""
    parts = open_parts(whole.config.data)
    parts.log = print
    app = make_app(parts)
    async with AsyncExitStack() as clients, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.9", 40000))
        yield Panel(whole.config.data, parts, transport, clients, {"First": 1})
