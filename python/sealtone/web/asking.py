"""What routes use: who asks, the database, the running server, pages, and messages for the next page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sealtone.admin import Actor
from sealtone.net.errors import ControlError, NotRunning
from sealtone.store import Transaction
from sealtone.store.sessions import Session
from sealtone.web import security
from sealtone.web.i18n import LANGUAGES
from sealtone.web.navigation import navigation
from sealtone.web.parts import Parts
from sealtone.web.rendering import Rendering, render

Result = TypeVar("Result")

FLASH_COOKIE = "__Host-flash"
THEME_COOKIE = "__Host-theme"
SECOND_FACTOR_URL = "/account/second-factor"
_WITHOUT_SECOND_FACTOR = (SECOND_FACTOR_URL, "/sign-out", "/confirm", "/preferences")
_FLASH_S = 60
_LONGEST_FLASH = 2000
_SETTLES_S = 0.3  # a change is mostly taken up by then, so that the next page says so already


class SignInNeeded(Exception):
    """Nobody is signed in; `back` is where they were going."""

    def __init__(self, back: str) -> None:
        super().__init__(back)
        self.back = back


class Detour(Exception):
    """Something has to be done first, at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class ServerAway(Exception):
    """The SIP server does not answer."""


def parts(request: Request) -> Parts:
    """What all requests share."""
    return cast("Parts", request.app.state.parts)


def now() -> float:
    """The wall clock, Unix seconds."""
    return time.time()


def is_htmx(request: Request) -> bool:
    """Whether a part of a page is asked for, by htmx."""
    return request.headers.get("hx-request") == "true"


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client is not None else ""


# Who asks


async def visited(request: Request) -> None:
    """Finds out who asks, if anybody is signed in, and in which language they read."""
    if hasattr(request.state, "session"):
        return
    request.state.session = request.state.person = session = await security.session_of(request)
    request.state.language = parts(request).translations.chosen(request, session.language if session else "")
    request.state.translate = request.state.language


async def signed_in(request: Request, _: Annotated[None, Depends(visited)]) -> Actor:
    """Whoever is signed in. Raises `SignInNeeded`; `Detour` where their account wants a second factor of them first."""
    session: Session | None = request.state.session
    if session is None:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise SignInNeeded(back if request.method in ("GET", "HEAD") and not is_htmx(request) else "")
    if session.lacks_second_factor and not request.url.path.startswith(_WITHOUT_SECOND_FACTOR):
        raise Detour(SECOND_FACTOR_URL)
    return actor_of(session, address_of(request))


def actor_of(session: Session, address: str) -> Actor:
    """The actor that somebody signed in is to the use cases."""
    return Actor(session.email, address, session.account_id, session.role, session.person_id, session.operator)


async def genuine(request: Request, _: Annotated[None, Depends(visited)]) -> None:
    """What changes something comes from a page of ours. Raises `security.Forged`."""
    await security.check_token(request)


class Pages(APIRouter):
    """Routes of an area's pages. Somebody has to be signed in, unless they are `public`."""

    def __init__(self, prefix: str = "", *, area: str, public: bool = False) -> None:
        needed: Sequence[Dependency] = [Depends(visited), Depends(genuine)]
        if not public:
            needed = [*needed, Depends(signed_in)]
        super().__init__(
            prefix=prefix, dependencies=needed, default_response_class=HTMLResponse, include_in_schema=False
        )
        self.area = area


# The database and the server


async def read(request: Request, query: Callable[[Transaction], Result]) -> Result:
    """Runs `query` in a reading transaction on a thread. Raises what it raises, and `StoreError`."""
    shared = parts(request)
    return await asyncio.get_running_loop().run_in_executor(shared.readers, _reading, shared, query)


async def change(request: Request, operation: Callable[[Transaction], Result], *, reload: bool = True) -> Result:
    """Runs `operation` in a writing transaction on a thread, then has the server take it up.

    `reload`: False for what is no business of the SIP server, such as a session. Nothing slow belongs in `operation`.
    Raises what it raises (then nothing is saved), and `StoreError`.
    """
    shared = parts(request)
    result = await asyncio.get_running_loop().run_in_executor(shared.writers, _writing, shared, operation)
    if reload:
        await asyncio.wait([shared.reload_soon()], timeout=_SETTLES_S)
    return result


def _reading(shared: Parts, query: Callable[[Transaction], Result]) -> Result:
    with shared.database.read() as transaction:
        return query(transaction)


def _writing(shared: Parts, operation: Callable[[Transaction], Result]) -> Result:
    with shared.database.write() as transaction:
        return operation(transaction)


async def server(request: Request, action: str, **arguments: Any) -> Any:
    """What the running server answers. Raises `ServerAway`, or `ControlError` with the server's own words."""
    try:
        return await parts(request).control.ask(action, **arguments)
    except NotRunning as error:
        raise ServerAway from error


async def server_or_none(request: Request, action: str, **arguments: Any) -> Any:
    """The same for what a page can do without: None when the server does not answer."""
    try:
        return await parts(request).control.ask(action, **arguments)
    except ControlError:
        return None


# Answers


async def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A template as an answer, in the language and theme of whoever asks."""
    await visited(request)
    session: Session | None = request.state.session
    secret, is_new = security.form_secret(request)
    token = security.masked_token(secret)
    theme = (session.theme if session else "") or request.cookies.get(THEME_COOKIE, "")
    everything = {
        "request": request,
        "path": request.url.path,
        "language": request.state.language.code,
        "languages": LANGUAGES,
        "theme": theme if theme in ("light", "dark") else "",
        "person": session,
        "csrf_token": token,
        "nav": navigation(session, request.url.path),
        "flashes": _flashes(request),
        "error": None,
        "form": {},
        **context,
    }
    text = render(parts(request).templates, template, Rendering(request.state.language, token), everything)
    response = HTMLResponse(text, status)
    if is_new:
        security.set_cookie(response, security.VISITOR_COOKIE, secret)
    if FLASH_COOKIE in request.cookies and not is_htmx(request):
        security.drop_cookie(response, FLASH_COOKIE)
    return response


def go(request: Request, url: str) -> Response:
    """On to another page of ours, after something was done."""
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)


def flash(response: Response, kind: str, text: str) -> None:
    """One message for the next page. `kind`: "good", "note", "warn" or "bad"; `text` in the reader's language."""
    packed = base64.urlsafe_b64encode(json.dumps([kind, text[:_LONGEST_FLASH]]).encode()).decode()
    security.set_cookie(response, FLASH_COOKIE, packed, max_age=_FLASH_S)


def _flashes(request: Request) -> list[tuple[str, str]]:
    packed = request.cookies.get(FLASH_COOKIE)
    if not packed or is_htmx(request):
        return []
    try:
        kind, text = json.loads(base64.urlsafe_b64decode(packed))
    except (ValueError, binascii.Error):
        return []
    return [(kind, str(text))] if kind in ("good", "note", "warn", "bad") else []
