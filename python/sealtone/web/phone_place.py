"""Where phones reach this server, as the person who sets one up reaches the panel: the same name, the same port.

Panel and SIP over TLS share a port, so that whatever got a browser here gets a phone here too.
"""

from __future__ import annotations

import asyncio
import ipaddress

from starlette.requests import Request

from sealtone.admin.reach import read_reach
from sealtone.pki.in_use import own_authority_for
from sealtone.provisioning import ServerPlace
from sealtone.web.asking import parts, read

_HTTPS = 443


async def phone_place(request: Request, domain: str) -> ServerPlace:
    """For the phones of a domain. Raises `StoreError`."""
    reach = await read(request, read_reach)
    host = reach.name or request.url.hostname or domain
    authority = await asyncio.to_thread(own_authority_for, parts(request).folder, (host, domain))
    return ServerPlace(host, request.url.port or _HTTPS, reach.sip_port, authority)


def is_address(host: str) -> bool:
    """Whether it is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def panel_url(place: ServerPlace, path: str) -> str:
    """An address of the panel that a phone can open."""
    port = "" if place.tls_port == _HTTPS else f":{place.tls_port}"
    return f"https://{place.host_in_uri}{port}{path}"
