"""Where phones reach this server, as the person who sets one up reaches the panel: the same name, the same port.

Panel and SIP over TLS share a port, so that whatever got a browser here gets a phone here too.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from sealtone.admin.phone_links import phone_host
from sealtone.admin.reach import read_reach
from sealtone.pki.in_use import own_authority_for
from sealtone.provisioning import ServerPlace
from sealtone.web.asking import parts, read

_HTTPS = 443


async def phone_place(request: Request, domain: str) -> ServerPlace:
    """For the phones of a domain. Raises `StoreError`."""
    asked = request.url.hostname or ""
    reach, host = await read(
        request, lambda transaction: (read_reach(transaction), phone_host(transaction, domain, asked) or domain)
    )
    authority = await asyncio.to_thread(own_authority_for, parts(request).folder, (host, domain))
    return ServerPlace(host, request.url.port or _HTTPS, reach.sip_port, authority)
