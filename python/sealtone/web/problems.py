"""What went wrong, as an answer: a page for people, a sentence for htmx, problem+json (RFC 9457) for programs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sealtone.admin.errors import AdminError, Conflict, Forbidden, InvalidInput, NotFound
from sealtone.net.errors import ControlError
from sealtone.store import StoreBusy, StoreError
from sealtone.web.asking import Detour, ServerAway, SignInNeeded, go, is_htmx, page, parts, visited
from sealtone.web.i18n import Language
from sealtone.web.reasons import reason_said
from sealtone.web.rendering import said
from sealtone.web.security import Forged

API = "/api/"


def _(text: str) -> str:
    """Marks a text for translation, which `answer` does."""
    return text


class Problem(NamedTuple):
    """A failure in words."""

    status: int
    title: str
    detail: str
    field: str = ""


_BY_STATUS: Mapping[int, tuple[str, str]] = {
    400: (_("That was not understood"), _("The request is not complete or not well-formed.")),
    401: (_("Sign in first"), _("This needs somebody who is signed in.")),
    403: (_("You may not do this"), _("Your role in this account does not permit it.")),
    404: (_("There is no such page"), _("The address may be wrong, or what was here has been deleted.")),
    405: (_("That cannot be done here"), _("This address does not take requests of this kind.")),
    409: (_("That does not go together"), _("Something else is in the way.")),
    413: (_("That is too large"), _("At most 2 MB can be sent at a time.")),
    422: (_("Something is not right"), _("A field is missing or cannot have this value.")),
    429: (_("Too many attempts"), _("Wait a little, then try again.")),
    500: (_("Something went wrong"), _("This is our fault. It has been written to the log of the server.")),
    503: (_("Not available at the moment"), _("Try again in a few seconds.")),
}
_FORGED = (
    _("This form is out of date"),
    _("Go back, reload the page, and send it again. Nothing has been changed."),
)
_AWAY = (
    _("The SIP server is not running"),
    _("The panel works, but what needs the server does not. Try again in a few seconds."),
)


def problem_of(error: Exception, language: Language) -> Problem:
    """An exception in words of the reader's language."""
    if isinstance(error, AdminError):
        status = {InvalidInput: 422, NotFound: 404, Conflict: 409, Forbidden: 403}.get(type(error), 400)
        field = error.field if isinstance(error, InvalidInput) else ""
        title = language(_("There is no such thing")) if status == 404 else language(_BY_STATUS[status][0])
        return Problem(status, title, said(language, error), field)
    if isinstance(error, Forged):
        return Problem(403, *map(language, _FORGED))
    if isinstance(error, ServerAway):
        return Problem(503, *map(language, _AWAY))
    if isinstance(error, ControlError):
        return Problem(409, language(_BY_STATUS[409][0]), reason_said(language, str(error)))
    if isinstance(error, StoreError):
        busy = isinstance(error, StoreBusy)
        return Problem(503, language(_BY_STATUS[503][0]), language(_BY_STATUS[503][1]) if busy else str(error))
    status = error.status_code if isinstance(error, HTTPException) else 500
    if isinstance(error, RequestValidationError):
        status = 422
    title, detail = _BY_STATUS.get(status, _BY_STATUS[400 if status < 500 else 500])
    return Problem(status, language(title), language(detail))


async def answer(request: Request, error: Exception) -> Response:
    """The answer to a request that ended in `error`."""
    if request.url.path.startswith(API):
        return problem_json(problem_of(error, parts(request).translations.language("en")))
    headers = dict(getattr(error, "headers", None) or {})
    try:
        await visited(request)
        problem = problem_of(error, request.state.language)
        if is_htmx(request):
            return Response(
                problem.detail, problem.status, {"X-Message": quote(problem.detail), **headers}, "text/plain"
            )
        response: Response = await page(request, "core/problem.html", problem.status, problem=problem)
    except StoreError:
        # Not even who asks can be found out: a page that needs nothing.
        problem = problem_of(error, parts(request).translations.chosen(request))
        text = parts(request).templates.get_template("core/bare.html").render(problem=problem)
        response = HTMLResponse(text, problem.status)
    response.headers.update(headers)
    return response


def problem_json(problem: Problem, **more: object) -> JSONResponse:
    """The same for programs."""
    body = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail, **more}
    if problem.field:
        body["field"] = problem.field
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
    return JSONResponse(body, problem.status, headers, "application/problem+json")


async def _sign_in(request: Request, error: Exception) -> Response:
    back = error.back if isinstance(error, SignInNeeded) else ""
    url = f"/sign-in?next={quote(back, safe='/')}" if back not in ("", "/") else "/sign-in"
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)


async def _detour(request: Request, error: Exception) -> Response:
    return go(request, error.url if isinstance(error, Detour) else "/")


async def _unexpected(request: Request, error: Exception) -> Response:
    parts(request).log(f"error panel {request.method} {request.url.path}: " + _where(error))
    return await answer(request, error)


def _where(error: Exception) -> str:
    """Which exception, and where from; not what it says, since that could hold what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} at " + " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


def install(app: FastAPI) -> None:
    """Has the application answer this way."""
    for kind in (AdminError, StoreError, ControlError, ServerAway, Forged, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(Detour, _detour)
    app.add_exception_handler(Exception, _unexpected)
