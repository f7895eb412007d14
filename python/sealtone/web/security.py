"""What keeps strangers out of somebody's panel: sessions, tokens of forms, where a request comes from, headers, limits.

Sessions: a token of 256 bits in a ``__Host-`` cookie, of which the server keeps the SHA-256. One that was not used for
12 hours is over, and any after 30 days; the token changes at sign-in and whenever rights change.

Forms: each page holds a token that belongs to the session (or, for those who are not signed in, to a cookie of their
own), masked anew on every page, so that compression tells nothing of it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealtone.store import StoreError, Transaction
from sealtone.store.sessions import (
    Session,
    delete_expired_sessions,
    delete_session,
    find_session,
    insert_session,
    replace_token,
    touch_session,
)

if TYPE_CHECKING:
    from sealtone.web.parts import Parts

Result = TypeVar("Result")

SESSION_COOKIE = "__Host-session"
VISITOR_COOKIE = "__Host-visitor"
IDLE_S = 12 * 3600.0
ABSOLUTE_S = 30 * 86_400.0
LARGEST_BODY = 2 * 1024 * 1024
_SEEN_EVERY_S = 60.0
_TOKEN = 32
_MASK = 8
_SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_AGENT = 300

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "font-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Forged(Exception):
    """A change was asked for by something other than a page of ours."""


# Cookies


def set_cookie(response: Response, name: str, value: str, max_age: int | None = None) -> None:
    """A cookie that only this very host gets, only over TLS, and that no script sees."""
    response.set_cookie(name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response, name: str) -> None:
    """Has the browser forget one."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


# Sessions


def token_hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


async def session_of(request: Request) -> Session | None:
    """The session that a request belongs to, if any; that it was used is written down soon, at most once a minute."""
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    shared, now_wall = _parts(request), time.time()
    hashed = token_hash(token)
    found = await _on(shared, False, lambda transaction: find_session(transaction, hashed, now_wall, now_wall - IDLE_S))
    if found is not None and now_wall - found.seen_at >= _SEEN_EVERY_S:
        shared.soon(_touch(shared, hashed, now_wall))
    return found


async def begin_session(request: Request, response: Response, person_id: int, signed_in_by: str) -> None:
    """Signs somebody in: a new token, whatever the browser had before; a session it had is over.

    `signed_in_by`: ``password``, ``passkey``, ``link``. Raises `StoreError`.
    """
    token, now_wall = secrets.token_urlsafe(_TOKEN), time.time()
    before = request.cookies.get(SESSION_COOKIE)
    agent = request.headers.get("user-agent", "")[:_LONGEST_AGENT]
    address = request.client.host if request.client is not None else ""

    def begin(transaction: Transaction) -> None:
        if before:
            delete_session(transaction, token_hash(before))
        insert_session(
            transaction,
            token_hash=token_hash(token),
            number=secrets.token_hex(8),
            person_id=person_id,
            signed_in_by=signed_in_by,
            now_wall=now_wall,
            expires_at=now_wall + ABSOLUTE_S,
            address=address,
            user_agent=agent,
        )

    await _on(_parts(request), True, begin)
    set_cookie(response, SESSION_COOKIE, token, max_age=int(ABSOLUTE_S))
    drop_cookie(response, VISITOR_COOKIE)


async def end_session(request: Request, response: Response) -> None:
    """Signs out. Raises `StoreError`."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        await _on(_parts(request), True, lambda transaction: delete_session(transaction, token_hash(token)))
    drop_cookie(response, SESSION_COOKIE)


async def rotate_session(request: Request, response: Response) -> None:
    """The same session under a new token: when rights have changed. Raises `StoreError`."""
    before, token = request.cookies.get(SESSION_COOKIE, ""), secrets.token_urlsafe(_TOKEN)
    hashes = token_hash(before), token_hash(token)
    if await _on(_parts(request), True, lambda transaction: replace_token(transaction, *hashes)):
        set_cookie(response, SESSION_COOKIE, token, max_age=int(ABSOLUTE_S))


async def purge_sessions(shared: Parts) -> None:
    """Deletes sessions that are over."""
    now_wall = time.time()
    await _on(shared, True, lambda transaction: delete_expired_sessions(transaction, now_wall, now_wall - IDLE_S))


async def _touch(shared: Parts, hashed: bytes, now_wall: float) -> None:
    try:
        await _on(shared, True, lambda transaction: touch_session(transaction, hashed, now_wall))
    except StoreError:
        return  # the next request will


# Tokens of forms


def form_secret(request: Request) -> tuple[str, bool]:
    """What this browser's forms are bound to, and whether it was made just now and has to be set as a cookie."""
    kept = request.cookies.get(SESSION_COOKIE) if request.state.session is not None else None
    kept = kept or request.cookies.get(VISITOR_COOKIE)
    if kept:
        return kept, False
    made: str | None = getattr(request.state, "visitor", None)
    if made is None:
        made = request.state.visitor = secrets.token_urlsafe(_TOKEN)
    return made, True


def masked_token(secret: str) -> str:
    """A token for one page."""
    mask = secrets.token_bytes(_MASK)
    return base64.urlsafe_b64encode(mask + _mac(secret, mask)).decode()


def token_fits(secret: str, token: str) -> bool:
    """Whether a token was made for this secret."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(raw[_MASK:], _mac(secret, raw[:_MASK]))


def _mac(secret: str, mask: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"form " + mask, "sha256")


async def check_token(request: Request) -> None:
    """Raises `Forged` for a request that changes something and has no right token, in its header or its form."""
    if request.method in _SAFE:
        return
    secret, is_new = form_secret(request)
    if is_new:
        raise Forged
    token = request.headers.get("x-csrf-token")
    if token is None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            raise Forged
        given = (await request.form(max_files=4, max_fields=4000, max_part_size=LARGEST_BODY)).get("csrf")
        token = given if isinstance(given, str) else ""
    if not token_fits(secret, token):
        raise Forged


def is_of_this_origin(headers: Headers) -> bool:
    """Whether the browser says, where it says anything, that a page of this very origin asks."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    asked = urlsplit(origin)
    return asked.scheme == "https" and asked.netloc.lower() == headers.get("host", "").lower()


# Every request


class Guard:
    """Around everything: who may ask for a change at all, how large a body may be, and headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), headers, scope["path"])
            await send(message)

        refused = self._refusal(scope, headers)
        if refused is not None:
            from sealtone.web.problems import answer

            response = await answer(Request(scope, receive), refused)
            await response(scope, receive, send_guarded)
            return
        await self._app(scope, _bounded(receive), send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> HTTPException | Forged | None:
        if scope["method"] in _SAFE:
            return None
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY:
            return HTTPException(413)
        # Programs carry a key in a header, which no other site's page can make a browser send.
        if not scope["path"].startswith("/api/") and not is_of_this_origin(headers):
            return Forged()
        return None


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                raise HTTPException(413)
        return message

    return receive_bounded


def _add_headers(answer: MutableHeaders, asked: Headers, path: str) -> None:
    for name, value in _HEADERS.items():
        answer.setdefault(name, value)
    if not path.startswith("/static/"):
        answer.setdefault("Cache-Control", "no-store")
    host = asked.get("host", "").rpartition(":")[0] or asked.get("host", "")
    if _is_public_name(host):
        answer.setdefault("Strict-Transport-Security", "max-age=31536000")


def _is_public_name(host: str) -> bool:
    """Not ``localhost`` and the like, where other programs may speak plain HTTP on other ports of the same name."""
    top = host.rpartition(".")[2].lower()
    return (
        "." in host and ":" not in host and not top.isdigit() and top not in ("local", "localhost", "test", "example")
    )


def _parts(request: Request) -> Parts:
    return cast("Parts", request.app.state.parts)


async def _on(shared: Parts, writes: bool, operation: Callable[[Transaction], Result]) -> Result:
    def run() -> Result:
        with shared.database.write() if writes else shared.database.read() as transaction:
            return operation(transaction)

    return await asyncio.get_running_loop().run_in_executor(shared.writers if writes else shared.readers, run)
