"""Whatever a phone writes into SIP messages is text on every page of the panel, and never a script or an element.

Each payload goes into twelve fields of real messages; then a browser opens every page that the panel links to. The policy
of the pages would stop most scripts: so that nothing is *inserted* is looked at too, not only that nothing runs.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

from browser.conftest import Service
from hostile.wire import SDP, Line, Person, fresh
from interop.processes import LOOPBACK
from sealtone.sip.message import Request
from sealtone.store import Database
from sealtone.store.sessions import insert_session
from sealtone.store.tables import person
from sealtone.web.security import ABSOLUTE_S, SESSION_COOKIE, token_hash

DOMAIN = "sealtone.local"
MARK = "pwned"
PAYLOADS = (
    "<script>alert('pwned')</script>",
    "\"><script>alert('pwned')</script>",
    "<img src=x onerror=alert('pwned')>",
    "'\"><svg onload=alert('pwned')>",
    "javascript:alert('pwned')",
    "<a href=javascript:alert('pwned') autofocus onfocus=alert('pwned')>pwned</a>",
    "{{7*7}}{{''.constructor.constructor('alert(1)')()}}pwned",
    "</title></textarea></style><script>alert('pwned')</script>",
    "<iframe srcdoc=\"<script>parent.alert('pwned')</script>\"></iframe>",
    "<details open ontoggle=alert('pwned') hx-get=/pwned hx-trigger=load hx-on:load=alert(1)>pwned",
)
INSERTED = """() => document.querySelectorAll(
  "script:not([src]), iframe, [onerror], [onload], [onfocus], [ontoggle], [hx-get='/pwned'], a[href^='javascript:']"
).length"""
MOST_PAGES = 170


def in_quotes(text: str) -> str:
    """As a quoted string of SIP holds it (RFC 3261 25.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def attack(service: Service, secret: dict[str, str]) -> int:
    """Sends everything; gives how many messages the server took for well-formed."""
    taken = 0
    async with await Line.to(service, "udp", LOOPBACK) as line, await Line.to(service, "udp", LOOPBACK) as far:  # type: ignore[arg-type]
        caller = Person(line, "1000", secret["1000"], DOMAIN)
        callee = Person(far, "1001", secret["1001"], DOMAIN)
        for payload in PAYLOADS:
            escaped, unquoted = quote(payload, safe=""), payload.replace('"', "")
            registration = (
                ("User-Agent", payload),
                (
                    "Contact",
                    f"{in_quotes(payload)} {callee.contact};+sip.instance={in_quotes(unquoted)}",
                ),
            )
            answer = await callee.ask("REGISTER", headers=(*registration, ("Expires", "300")))
            taken += answer.status == 200
            await callee.register()
            session = f"v=0\r\no={fresh()} 1 1 IN IP4 {LOOPBACK}\r\ns={payload}\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n"
            media = f"m=audio 4000 RTP/AVP 0 99\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:99 {payload.replace(' ', '').replace('/', '|')}/8000\r\n"
            headers = (
                ("Contact", f"{in_quotes(payload)} {caller.contact}"),
                ("User-Agent", payload),
                ("Subject", payload),
                ("Organization", payload),
                ("P-Asserted-Identity", f"{in_quotes(payload)} <sip:1000@{DOMAIN}>"),
                SDP,
            )
            refusing = asyncio.create_task(refuse(far, payload))
            answer = await caller.ask(
                "INVITE",
                f"sip:1001@{DOMAIN}",
                from_=f"{in_quotes(payload)} <{caller.aor}>",
                to=f"{in_quotes(payload)} <sip:1001@{DOMAIN}>",
                headers=headers,
                body=(session + media).encode(),
                timeout_s=10,
            )
            taken += answer.status == 486
            refusing.cancel()
            plain = (("Contact", caller.contact),)
            for uri in (f"sip:{escaped}@{DOMAIN}", f"sip:{payload}@{DOMAIN}", f"sip:1002@{DOMAIN};x={escaped}"):
                answer = await caller.ask("INVITE", uri, to=f"<sip:1002@{DOMAIN}>", headers=plain, timeout_s=10)
                taken += answer.status in (404, 480)
            call_id = f"{payload.replace(' ', '/')}{fresh()}"
            answer = await caller.ask("INVITE", f"sip:1002@{DOMAIN}", headers=plain, call_id=call_id, timeout_s=10)
            taken += answer.status == 480
        await callee.ask("REGISTER", headers=(*registration, ("Expires", "300")))
    return taken


async def refuse(line: Line, payload: str) -> None:
    """The called phone refuses, in words of its own."""
    known = {request.call_id for request in line.requests}

    def coming() -> list[Request]:
        return [each for each in line.requests if each.method == "INVITE" and each.call_id not in known]

    async with asyncio.timeout(10):
        while not coming():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    invite = coming()[0]
    kept = "".join(f"{name}: {invite.headers.get(name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
    to = f"To: {invite.headers.get('To')};tag={fresh()}\r\n"
    more = f"Server: {payload}\r\nReason: SIP;cause=486;text={in_quotes(payload)}\r\nContent-Length: 0\r\n\r\n"
    line.send(f"SIP/2.0 486 {payload}\r\n{kept}{to}{more}".encode())


def owner_of(service: Service) -> str:
    """The token of an owner's session."""
    token, at = secrets.token_urlsafe(32), time.time()
    database = Database(service.data)
    with database.write() as transaction:
        made = transaction.connection.execute(
            person.insert().values(
                account_id=1,
                email="ann@office.example",
                role="owner",
                operator=1,
                webauthn_handle=b"x" * 32,
                created_at=at,
            )
        )
        insert_session(
            transaction,
            token_hash=token_hash(token),
            number="1",
            person_id=int(made.inserted_primary_key[0]),
            signed_in_by="password",
            now_wall=at,
            expires_at=at + ABSOLUTE_S,
            address=LOOPBACK,
            user_agent="test",
        )
    database.close()
    return token


def kind_of(path: str) -> str:
    """Pages of one kind show different things; one of most kinds is enough, every one of the calls is not too many."""
    return path if path.startswith("/calls") else re.sub(r"[^/]*[@.\d][^/]*", "*", path)


def test_what_phones_write_is_text_on_every_page(service: Service, browser_page: Callable[..., Any]) -> None:
    shown = dict(re.findall(rf"(100\d)@{re.escape(DOMAIN)}\W+([a-z2-9-]{{19}})", service.output()))
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(asyncio.run, attack(service, shown)).result()
    assert taken >= 4 * len(PAYLOADS), "most of it was refused, so that this proves little"

    page = browser_page(service.url)
    page.context.add_cookies(
        [{"name": SESSION_COOKIE, "value": owner_of(service), "url": service.url, "secure": True, "httpOnly": True}]
    )
    ran: list[str] = []
    asked: list[str] = []

    def dismiss(dialog: Any) -> None:
        ran.append(f"{page.url}: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda request: asked.append(request.url))
    # The oracle sees what it is meant to see, where a page lets it.
    page.set_content("<img src=x onerror=alert('pwned')>")
    for _ in range(100):
        page.wait_for_timeout(100)
        if ran:
            break
    assert len(ran) == 1
    assert page.evaluate(INSERTED) == 1
    ran.clear()
    asked.clear()

    waiting, seen, told = ["/", "/sip-users/1001@sealtone.local/connect", "/calls"], set[str](), 0
    kinds: set[str] = set()
    while waiting and len(seen) < MOST_PAGES:
        path = waiting.pop(0)
        if path in seen or kind_of(path) in kinds:
            continue
        seen.add(path)
        kinds.add(kind_of(path))
        answer = page.goto(path)
        assert answer is not None
        assert answer.status < 500, path
        assert page.evaluate(INSERTED) == 0, path
        told += MARK in page.locator("body").inner_text()
        links = page.evaluate(
            "() => [...document.querySelectorAll('a[href]:not([download])')].map((link) => link.href)"
        )
        for link in links:
            parts = urlsplit(link)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            is_file = parts.path.endswith((".csv", ".pem", ".json", "zone-file"))
            if link.startswith(service.url) and not is_file and target not in seen:
                waiting.append(target)
    assert ran == []
    assert not [url for url in asked if "pwned" in urlsplit(url).path]
    assert told >= 2 * len(PAYLOADS), f"payloads were on {told} of {len(seen)} pages only"
