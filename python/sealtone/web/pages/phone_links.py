"""What a link for a phone opens: the phone's settings, once, in the form that the phone asks for.

Whatever is wrong with a token, the answer is the same to the octet. A browser is shown a page that says what the link
is for, without looking at the token: so neither a curious click nor a messenger's preview uses it up.
"""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin.phone_links import is_open_phone_link, redeem_phone_link
from sealtone.provisioning import PhoneSettings, linphone_settings, own_phone_settings
from sealtone.provisioning.own_phone import MEDIA_TYPE
from sealtone.web.asking import Pages, address_of, change, now, page, read
from sealtone.web.attempts import Buckets, Rate, network_of
from sealtone.web.phone_place import phone_place

router = Pages(area="phones", public=True)

_DEAD = b"This link does not work: it was used, it has expired, or it was revoked.\n"
_BURST, _EACH_S = 20, 3.0


@router.get("/p/{token}")
async def phone_settings(
    request: Request,
    token: str,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """The settings, to whatever does not ask for a page."""
    state = request.app.state
    if not hasattr(state, "phone_link_attempts"):
        state.phone_link_attempts = Buckets(Rate(_BURST, _EACH_S))
    source, clock = network_of(address_of(request)), time.monotonic()
    wait = state.phone_link_attempts.wait_s(source, clock)
    if wait:
        return Response("Too many attempts. Try again later.\n", 429, {"Retry-After": str(int(wait) + 1)}, "text/plain")
    state.phone_link_attempts.spend(source, clock)
    if "text/html" in accept.lower():
        return await page(request, "phones/link.html", url=str(request.url.replace(scheme="https")))
    at, address = now(), address_of(request)
    user = None
    if await read(request, lambda transaction: is_open_phone_link(transaction, at, token)):
        user = await change(
            request, lambda transaction: redeem_phone_link(transaction, at, token, address), reload=False
        )
    if user is None:
        return Response(_DEAD, 404, media_type="text/plain")
    settings = PhoneSettings.of(user, await phone_place(request, user.domain))
    if MEDIA_TYPE in accept.lower():
        return Response(own_phone_settings(settings), media_type=MEDIA_TYPE)
    return Response(linphone_settings(settings), media_type="application/xml")
