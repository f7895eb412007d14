"""What stands between a visitor and an account: attempts, argon2, e-mail, challenges of passkeys. One a process."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sealtone.admin.service import ServiceSettings, service_settings
from sealtone.net.mail import Mail, MailError, send_mail
from sealtone.store import StoreError
from sealtone.web.asking import address_of, parts, read
from sealtone.web.attempts import Attempts, Buckets, Rate, network_of, too_many
from sealtone.web.parts import Parts
from sealtone.web.password_work import PasswordWork
from sealtone.web.sealed_cookie import drop_sealed, sealed_values, set_sealed

CHALLENGE_COOKIE = "__Host-challenge"
_CHALLENGE_S = 300.0
_CHALLENGE = 32
_MOST_USED = 20_000
_MOST_MAIL = 500
_MAIL_TRIES = 4
_MAIL_PAUSE_S = 20.0

_ASKED_BY_ADDRESS = Rate(burst=10, refill_s=300.0)
_MAIL_TO_ADDRESS = Rate(burst=3, refill_s=1200.0)
_CHALLENGES = Rate(burst=60, refill_s=5.0)


Form = Callable[[str], Awaitable[Response]]
"""Makes a form again, with a sentence on what is wrong."""


class Gate:
    """Made once; in `Parts.areas`."""

    def __init__(self) -> None:
        self.attempts = Attempts()
        self.passwords = PasswordWork()
        self.mail: asyncio.Queue[Mail] = asyncio.Queue(_MOST_MAIL)
        self._asked = Buckets(_ASKED_BY_ADDRESS)
        self._mailed = Buckets(_MAIL_TO_ADDRESS)
        self._challenges = Buckets(_CHALLENGES)
        self._used: OrderedDict[str, None] = OrderedDict()

    def check_asking(self, request: Request) -> None:
        """For what anybody may ask, and makes an account or sends an e-mail. Raises `HTTPException` (429)."""
        self._check(self._asked, request)

    def check_challenge(self, request: Request) -> None:
        """For a challenge to a passkey. Raises `HTTPException` (429)."""
        self._check(self._challenges, request)

    def may_send(self, recipient: str) -> bool:
        """Whether somebody may be written to once more, which is counted: not a lot, nor when very much waits."""
        now = time.monotonic()
        if self._mailed.wait_s(recipient, now) > 0 or self.mail.full():
            return False
        self._mailed.spend(recipient, now)
        return True

    def send(self, mail: Mail, *, counted: bool = False) -> bool:
        """Sends it soon, where `may_send` permits (`counted`: has permitted) it; gives whether it does."""
        if not (counted or self.may_send(mail.recipient)) or self.mail.full():
            return False
        self.mail.put_nowait(mail)
        return True

    def use_challenge(self, challenge: str) -> bool:
        """False where it was used before. Cookies live on in copies; what they opened does not open twice."""
        if challenge in self._used:
            return False
        self._used[challenge] = None
        if len(self._used) > _MOST_USED:
            self._used.popitem(last=False)
        return True

    @staticmethod
    def _check(buckets: Buckets, request: Request) -> None:
        key, now = network_of(address_of(request)), time.monotonic()
        wait = buckets.wait_s(key, now)
        if wait > 0:
            raise too_many(wait)
        buckets.spend(key, now)


def gate_of(shared: Parts) -> Gate:
    """The one of this process."""
    if "gate" not in shared.areas:
        shared.areas["gate"] = Gate()
    return cast("Gate", shared.areas["gate"])


def gate(request: Request) -> Gate:
    """The same, for a request."""
    return gate_of(parts(request))


async def guessed(request: Request, name: str, *, right: bool) -> None:
    """Counts a guess at somebody's secret."""
    attempts, now = gate(request).attempts, time.monotonic()
    (attempts.succeeded if right else attempts.failed)(address_of(request), name, now)


def wait_for_guess(request: Request, name: str) -> int:
    """Whole seconds until a guess at somebody's secret is looked at; 0: now."""
    return math.ceil(gate(request).attempts.wait_s(address_of(request), name, time.monotonic()))


# Challenges


def set_challenge(request: Request, response: Response, challenge: bytes, purpose: str, handle: bytes = b"") -> None:
    """Keeps the challenge in the browser until its answer comes."""
    set_sealed(
        request,
        response,
        CHALLENGE_COOKIE,
        _CHALLENGE_S,
        challenge=challenge.hex(),
        purpose=purpose,
        handle=handle.hex(),
    )


def new_challenge() -> bytes:
    """256 random bits (WebAuthn 13.4.3)."""
    return secrets.token_bytes(_CHALLENGE)


def take_challenge(request: Request, purpose: str) -> tuple[bytes, bytes] | None:
    """The challenge of this purpose and the handle that went with it, once; None where there is none."""
    values = sealed_values(request, CHALLENGE_COOKIE)
    if values is None or values["purpose"] != purpose or not gate(request).use_challenge(values["challenge"]):
        return None
    return bytes.fromhex(values["challenge"]), bytes.fromhex(values["handle"])


def drop_challenge(response: Response) -> None:
    """It has been answered."""
    drop_sealed(response, CHALLENGE_COOKIE)


# Addresses and settings


async def settings_of(request: Request) -> ServiceSettings:
    """The service's settings."""
    return await read(request, service_settings)


def own_address(request: Request, path: str) -> str:
    """The address of a page as whoever asks has it: for links that they are shown, never for ones sent to others."""
    return f"https://{request.headers.get('host', 'localhost')}{path}"


def mailed_address(request: Request, settings: ServiceSettings, path: str) -> str:
    """The address of a page for an e-mail: under the public name, for the Host of a request is anybody's to choose."""
    server = request.scope.get("server") or ("", 443)
    port = server[1] if isinstance(server[1], int) else 443
    return f"https://{settings.public_name}{'' if port == 443 else f':{port}'}{path}"


def safe_next(text: str) -> str:
    """A page of ours to go on to; the overview where it is anything else."""
    where = urlsplit(text)
    if not text.startswith("/") or text.startswith("//") or where.netloc or where.scheme or "\\" in text:
        return "/"
    return text if text.isprintable() else "/"


# E-mail


async def deliver(shared: Parts) -> None:
    """Sends what waits, one after the other, for as long as the process lives; what fails is tried again later."""
    queue = gate_of(shared).mail
    while True:
        mail = await queue.get()
        if not await _sent(shared, mail):
            shared.soon(_try_again(shared, mail))


async def _try_again(shared: Parts, mail: Mail) -> None:
    for tried in range(1, _MAIL_TRIES):
        await asyncio.sleep(_MAIL_PAUSE_S * 2**tried)
        if await _sent(shared, mail):
            return


async def _sent(shared: Parts, mail: Mail) -> bool:
    try:
        await asyncio.to_thread(_send, shared, mail)
    except (MailError, StoreError) as error:
        shared.log(f"error panel e-mail was not sent: {error}")
        return False
    return True


def _send(shared: Parts, mail: Mail) -> None:
    with shared.database.read() as transaction:
        server = service_settings(transaction).mail
    if server is not None:
        send_mail(server, mail)
