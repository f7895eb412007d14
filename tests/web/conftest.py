"""A panel over a real database: the application as it is, asked over ASGI by clients that are signed in."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from sealtone.admin import Actor, create_domain, create_sip_user
from sealtone.admin.sip_users import NewSecret
from sealtone.model.people import Role
from sealtone.store import Database
from sealtone.store.directory import insert_account, read_accounts
from sealtone.store.sessions import insert_session
from sealtone.store.tables import person
from sealtone.web.app import make_app, open_parts
from sealtone.web.parts import Parts
from sealtone.web.security import ABSOLUTE_S, SESSION_COOKIE, masked_token, token_hash
from server.whole import Whole, config_in, running

HOST = "panel.test"
OPERATOR = Actor("root", "command line")


class Client(httpx.AsyncClient):
    """A browser without scripts: keeps cookies, follows no redirects, and sends forms with their token."""

    async def send_form(self, url: str, data: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """Posts a form as a page of ours would."""
        return await self.post(url, data={"csrf": self.token(), **(data or {})}, **more)

    def token(self) -> str:
        """A token that a page would have."""
        return masked_token(self.cookies.get(SESSION_COOKIE) or self.cookies.get("__Host-visitor") or "")


@dataclass
class Panel:
    """The application and its database. Tenants: accounts by name."""

    folder: Path
    parts: Parts
    transport: httpx.ASGITransport
    clients: AsyncExitStack
    accounts: dict[str, int] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.parts.database

    def account(self, name: str = "First") -> int:
        """The id of an account, made if need be."""
        if name not in self.accounts:
            with self.database.write() as transaction:
                self.accounts[name] = insert_account(transaction, name, time.time())
        return self.accounts[name]

    def person(self, role: Role | str = Role.OWNER, account: str = "First", operator: bool = False) -> int:
        """A new person; gives the id. Their address is ``<role>-<number>@<account>.test``."""
        with_account = self.account(account)
        with self.database.write() as transaction:
            made = transaction.connection.execute(
                person.insert().values(
                    account_id=with_account,
                    email=f"{Role(role).value}-{secrets.token_hex(4)}@{account.lower()}.test",
                    role=Role(role).value,
                    operator=int(operator),
                    webauthn_handle=secrets.token_bytes(32),
                    created_at=time.time(),
                )
            )
            return int(made.inserted_primary_key[0])

    def actor(self, account: str = "First", role: Role = Role.OWNER) -> Actor:
        """Somebody of an account, for use cases that a test calls directly."""
        return Actor("test@panel.test", "192.0.2.9", self.account(account), role)

    def domain(self, name: str = "office.example", account: str = "First") -> str:
        with_account = self.account(account)
        with self.database.write() as transaction:
            return create_domain(transaction, OPERATOR, time.time(), name, with_account).name

    def sip_user(self, aor: str = "1000@office.example", account: str = "First") -> NewSecret:
        with self.database.write() as transaction:
            return create_sip_user(transaction, self.actor(account), time.time(), aor)

    def visitor(self, **headers: str) -> Client:
        """Somebody who is not signed in."""
        return Client(transport=self.transport, base_url=f"https://{HOST}", headers=headers)

    def signed_in(
        self, role: Role | str = Role.OWNER, account: str = "First", operator: bool = False, **headers: str
    ) -> Client:
        """Somebody new who is signed in."""
        return self.signed_in_as(self.person(role, account, operator), **headers)

    def signed_in_as(self, person_id: int, **headers: str) -> Client:
        """A person, signed in once more."""
        client, token, at = self.visitor(**headers), secrets.token_urlsafe(32), time.time()
        with self.database.write() as transaction:
            insert_session(
                transaction,
                token_hash=token_hash(token),
                number=secrets.token_hex(8),
                person_id=person_id,
                signed_in_by="password",
                now_wall=at,
                expires_at=at + ABSOLUTE_S,
                address="192.0.2.9",
                user_agent="test",
            )
        client.cookies.set(SESSION_COOKIE, token, domain=HOST, path="/")
        return client


@dataclass
class WholePanel(Panel):
    """The same beside a running server on the same data."""

    whole: Whole = None  # type: ignore[assignment]


@pytest.fixture
async def whole_panel(tmp_path: Path) -> AsyncIterator[WholePanel]:
    """A panel with its server; the first account, domain ``office.example`` and users 1000 to 1003 are there."""
    async with running(config_in(tmp_path / "data")) as whole:
        parts = open_parts(whole.config.data)
        parts.log = print
        app = make_app(parts)
        async with AsyncExitStack() as clients, app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.9", 40000))
            made = WholePanel(whole.config.data, parts, transport, clients, whole=whole)
            with parts.database.read() as transaction:
                made.accounts["First"] = read_accounts(transaction)[0].id
            yield made


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[Panel]:
    parts = open_parts(tmp_path / "data")
    parts.log = print  # shown where a test fails
    app = make_app(parts)
    async with AsyncExitStack() as clients, app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.9", 40000))
        yield Panel(tmp_path / "data", parts, transport, clients)
