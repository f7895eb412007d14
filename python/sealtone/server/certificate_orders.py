"""Certificates of a public authority: ordered, renewed at a third of their life, and put in place while calls go on.

Rules:

1. A certificate that is in use stays in use until another one is there that fits: an order that fails changes nothing.
2. Orders are few at once, each on a thread; challenges are answered by the listeners on the event loop.
3. What failed is tried again later and later (an hour to a day), and at once when somebody asks for it.
4. The zone's name server is open for the time of an order only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sealtone import __version__
from sealtone.admin.acme import AcmeSettings, acme_settings, acme_target
from sealtone.admin.reach import read_reach
from sealtone.model import CertificateSource, Domain, Snapshot
from sealtone.net.challenge_dns import ChallengeDns
from sealtone.net.errors import ControlError, ListenError
from sealtone.pki import Authority, CertificateError, CertificateStore
from sealtone.pki.acme_order import AcmeRefused, AcmeService, Issued, order_certificate
from sealtone.pki.certificates import install_certificate, read_chain
from sealtone.pki.challenges import ChallengeKind
from sealtone.pki.facts import Cover, cover_of, renewal_at
from sealtone.store import Store, StoreError, Transaction
from sealtone.store.domains import read_check, set_certificate_error

_AT_ONCE = 3
_MOST_WAITING = 200
_LOOK_S = 600.0
_FIRST_LOOK_S = 20.0
_AGAIN_AFTER_S = (3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0)
_KEPT_STATES = 1000


@dataclass
class Order:
    """How far an order is."""

    stage: str
    """``waiting``, ``account``, ``order``, ``check``, ``issue``, ``done`` or ``failed``."""
    began_at: float
    ended_at: float | None = None
    error: str = ""
    failures: int = 0
    next_at: float = 0.0
    """Not before this is it tried again by itself; Unix seconds."""

    @property
    def is_running(self) -> bool:
        """Whether it is neither done nor failed."""
        return self.ended_at is None


class CertificateOrders:
    """All orders of a server. `swap` takes up new files; `snapshot` gives the domains as they are."""

    def __init__(
        self,
        data: Path,
        listen: tuple[str, ...],
        store: Store,
        authority: Authority,
        certificates: CertificateStore,
        snapshot: Callable[[], Snapshot],
        swap: Callable[[], Awaitable[int]],
        say: Callable[[str], None],
        *,
        serves_http: bool,
    ) -> None:
        self._data = data
        self._listen = listen
        self._store = store
        self._authority = authority
        self._certificates = certificates
        self._snapshot = snapshot
        self._swap = swap
        self._say = say
        self._serves_http = serves_http
        self._orders: dict[str, Order] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._listeners: dict[ChallengeKind, tuple[int, contextlib.AsyncExitStack]] = {}
        self._opening = asyncio.Lock()

    def order(self, domain: str) -> dict[str, Any]:
        """Orders one now, unless that is going on already; gives how far it is. Raises `ControlError`."""
        found = self._snapshot().domain(domain)
        if found is None or found.certificate_source is not CertificateSource.ACME:
            raise ControlError(f"No certificate of a public authority is wanted for {domain}.")
        self._begin(found)
        return self.state(domain)

    def state(self, domain: str) -> dict[str, Any]:
        """How far the order of a domain is; ``{"stage": ""}`` where there was none since the start."""
        order = self._orders.get(domain)
        if order is None:
            return {"stage": "", "error": "", "began_at": None, "ended_at": None, "next_at": None}
        return {
            "stage": order.stage,
            "error": order.error,
            "began_at": order.began_at,
            "ended_at": order.ended_at,
            "next_at": order.next_at or None,
        }

    async def watch(self) -> None:
        """Orders what is missing or due. Runs for ever."""
        pause = _FIRST_LOOK_S
        while True:
            await asyncio.sleep(pause)
            pause = _LOOK_S
            for domain in self._snapshot().domains():
                if domain.certificate_source is CertificateSource.ACME and self.is_due(domain):
                    self._begin(domain)

    def is_due(self, domain: Domain, now: datetime | None = None) -> bool:
        """Whether a domain wants a certificate of a public authority and has none, or one with a third of its life
        left; not while an order runs, nor too soon after one that failed."""
        now = now or datetime.now(UTC)
        order = self._orders.get(domain.name)
        if order is not None and (order.is_running or order.next_at > now.timestamp()):
            return False
        try:
            found = read_chain(self._data / "certificates", domain.name)
        except CertificateError:
            return True
        if not found or self._authority.issued(found[0]):
            return True
        return now >= renewal_at(found[0], _jitter(domain.name))

    async def close(self) -> None:
        """Gives running orders up; nothing of theirs is half done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, opened in self._listeners.values():
            await opened.aclose()

    def _begin(self, domain: Domain) -> None:
        present = self._orders.get(domain.name)
        if present is not None and present.is_running:
            return
        if sum(order.is_running for order in self._orders.values()) >= _MOST_WAITING:
            return
        while len(self._orders) >= _KEPT_STATES:
            ended = next((name for name, order in self._orders.items() if not order.is_running), None)
            if ended is None:
                return
            del self._orders[ended]
        order = Order("waiting", time.time(), failures=present.failures if present is not None else 0)
        self._orders[domain.name] = order
        task = asyncio.get_running_loop().create_task(self._run(domain, order), name=f"certificate {domain.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, domain: Domain, order: Order) -> None:
        try:
            async with self._at_once:
                await self._ordered(domain, order)
            order.stage, order.failures, order.next_at = "done", 0, 0.0
        except (AcmeRefused, ListenError, StoreError, CertificateError, OSError) as error:
            order.stage, order.error = "failed", str(error)
            order.next_at = time.time() + _AGAIN_AFTER_S[min(order.failures, len(_AGAIN_AFTER_S) - 1)]
            order.failures += 1
            self._say(f"error the certificate of {domain.name} was not renewed, the present one stays: {error}")
        order.ended_at = time.time()
        with contextlib.suppress(StoreError):
            await self._store.submit(lambda t: set_certificate_error(t, domain.id, order.error))

    async def _ordered(self, domain: Domain, order: Order) -> None:
        settings, kind, host = await self._store.read(lambda transaction: _terms(transaction, domain))
        if not settings.may_order:
            raise AcmeRefused("Whoever operates this service has not accepted the authority's terms yet.")
        target = acme_target(domain.name, settings.dns_zone) if settings.dns_zone else ""
        if kind is ChallengeKind.DNS and not target:
            raise AcmeRefused("This service has no zone for checks by DNS.")
        service = AcmeService(settings.directory, settings.email, settings.trusted, f"sealtone/{__version__}")

        def stage(name: str) -> None:
            order.stage = name

        async with self._answering(kind, settings, host):
            issued = await asyncio.to_thread(
                order_certificate,
                self._data / "acme",
                service,
                domain.name,
                kind,
                self._certificates.challenges,
                dns_name=target,
                on_stage=stage,
            )
        self._put(domain, issued)
        await self._swap()
        self._say(f"certificate {domain.name} valid until {issued.chain[0].not_valid_after_utc:%Y-%m-%d}")

    def _put(self, domain: Domain, issued: Issued) -> None:
        own = issued.chain[0]
        if own.public_key() != issued.key.public_key() or cover_of(own, domain.name) is not Cover.DOMAIN:
            raise AcmeRefused("The authority issued a certificate that does not fit the domain.")
        now = self._snapshot().domain(domain.name)
        if now is None or now.id != domain.id or now.certificate_source is not CertificateSource.ACME:
            raise AcmeRefused("The certificate is not wanted any more.")
        install_certificate(self._data / "certificates", domain.name, issued.chain, issued.key)

    @contextlib.asynccontextmanager
    async def _answering(self, kind: ChallengeKind, settings: AcmeSettings, host: str) -> AsyncIterator[None]:
        """Listens where the authority looks, while at least one order needs it."""
        async with self._opening:
            count, opened = self._listeners.get(kind, (0, contextlib.AsyncExitStack()))
            if not count:
                await self._open(kind, settings, host, opened)
            self._listeners[kind] = count + 1, opened
        try:
            yield
        finally:
            count, opened = self._listeners[kind]
            if count > 1:
                self._listeners[kind] = count - 1, opened
            else:
                del self._listeners[kind]
                await opened.aclose()

    async def _open(
        self, kind: ChallengeKind, settings: AcmeSettings, host: str, opened: contextlib.AsyncExitStack
    ) -> None:
        """TLS and HTTP are listened to anyway; the zone's name server is there for the time of an order only."""
        if kind is ChallengeKind.HTTP and not self._serves_http:
            raise AcmeRefused("This server does not listen for HTTP on port 80, where the authority looks.")
        if kind is not ChallengeKind.DNS:
            return
        failure: Exception | None = None
        answering = False
        for address in self._listen:
            try:
                dns = ChallengeDns(
                    address, settings.dns_port, settings.dns_zone, host, self._certificates.challenges.text
                )
                opened.callback(dns.close)
                await dns.open()
                answering = True
            except (ListenError, OSError) as error:
                failure = error
        if failure is not None and not answering:
            raise failure


def _terms(transaction: Transaction, domain: Domain) -> tuple[AcmeSettings, ChallengeKind, str]:
    check = read_check(transaction, domain.id)
    kind = ChallengeKind(check.certificate_challenge) if check and check.certificate_challenge else ChallengeKind.HTTP
    return acme_settings(transaction), kind, read_reach(transaction).name


def _jitter(name: str) -> float:
    """The same for a domain every time, and another one for each: not all are renewed in one night."""
    return hashlib.sha256(name.encode()).digest()[0] / 255
