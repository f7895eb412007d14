"""Every operation of the OpenAPI document, for every role and scope, on one's own things and on another tenant's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from sealtone.admin.api_keys import Scope
from sealtone.model.people import Role
from sealtone.store import Database
from sealtone.store.tables import metadata
from sealtone.web.api.app import PREFIX
from sealtone.web.app import make_app, open_parts
from server.whole import Whole, config_in, running
from web.api.conftest import Api, Tenant
from web.api.operations import Described, operations_of, routes_of
from web.conftest import Panel

OWNERS = {"listInvitations", "exportConfigurationWithSecrets"}
"""What is shown to owners alone."""
LOOKS = {"tryCall", "compareCodecs"}
"""What changes nothing although it is a POST."""
OWN = {"endSessions"}
"""What is nobody's business but the caller's."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Api, Whole]]:
    """The API beside a running SIP server on the same data."""
    async with running(config_in(tmp_path / "data")) as whole:
        parts = open_parts(tmp_path / "data")
        app = make_app(parts)
        async with AsyncExitStack() as clients, app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, client=("192.0.2.9", 40000))
            yield Api(Panel(tmp_path / "data", parts, transport, clients)), whole


NOTED = ("state", "settled_at", "failure", "failing_since", "next_try_at", "tries", "tried_at", "note")
"""What the server and the courier of webhooks note by themselves."""


def rows_of(database: Database, tenant: Tenant) -> dict[str, list[str]]:
    """Everything in the database that is a tenant's, but what is noted of it by itself."""
    found: dict[str, list[str]] = {}
    by = {"account_id": tenant.account_id, "domain_id": tenant.domain_id, "webhook_id": tenant.things["webhooks/id"]}
    with database.read() as transaction:
        for table in metadata.sorted_tables:
            if table.name == "milestone":
                continue
            rows = transaction.connection.execute(table.select()).mappings()
            found[table.name] = [
                repr({name: value for name, value in row.items() if name not in NOTED})
                for row in rows
                if any(row.get(name) == value for name, value in by.items())
                or (row.get("account_id") is None and tenant.name in repr(tuple(row.values())))
            ]
    return found


async def test_nobody_sees_or_changes_anything_of_another_tenant(served: tuple[Api, Whole]) -> None:
    api, _ = served
    foreign, own = api.tenant("bravo"), api.tenant("alpha")
    missing = Tenant("nobody", 0, 0, {name: _absent(thing) for name, thing in foreign.things.items()})
    operations = list(operations_of(await api.spec()))
    before = rows_of(api.panel.database, foreign)
    for table in ("sip_user", "call_leg", "webhook", "webhook_delivery", "recording", "domain_claim", "api_key"):
        assert before[table], table
    asked = 0
    for role in Role:
        for scope in ("all", *(scope.value for scope in Scope if scope is not Scope.ALL)):
            async with api.program(scope, role=role) as client:
                for operation in operations:
                    answer = await operation.ask(client, foreign)
                    asked += 1
                    where = f"{operation.id} as {role} with {scope}: {answer.status_code} {answer.text[:300]}"
                    assert answer.status_code < 500, where
                    if not operation.refers:
                        # What a list shows, or a form makes, is the caller's own.
                        seen = answer.text.replace(str(foreign.things["domains/domain"]), "")
                        assert foreign.name not in seen, where
                        continue
                    assert answer.status_code in (403, 404, 422), where
                    absent = await operation.ask(client, missing)
                    assert _told(answer, foreign) == _told(absent, missing), where
    after = rows_of(api.panel.database, foreign)
    for name, rows in before.items():
        assert after[name] == rows, name
    assert asked >= 3 * len(Scope) * len(operations)
    assert rows_of(api.panel.database, own)["sip_user"]


async def test_who_claims_a_name_does_not_learn_whether_somebody_has_it_and_gets_nothing_of_it(api: Api) -> None:
    api.tenant("bravo")
    async with api.program() as client:
        taken = await client.post("/domains", json={"name": "bravo.example"})
        free = await client.post("/domains", json={"name": "charlie.example"})
        assert taken.status_code == free.status_code == 201
        assert taken.json()["status"] == free.json()["status"] == "pending"
        shown = (await client.get("/domains/bravo.example")).json()
        assert shown["settings"] is None
        assert (await client.get("/sip-users", params={"domain": "bravo.example"})).status_code == 404
        assert (await client.post("/sip-users", json={"aor": "1@bravo.example"})).status_code == 404


def _absent(thing: Any) -> Any:
    return thing + 1_000_000 if isinstance(thing, int) else str(thing).replace("bravo", "absent")


def _told(answer: httpx.Response, tenant: Tenant) -> tuple[int, str]:
    """What an answer tells, without the names and numbers that the caller sent."""
    text = re.sub(r"(?<=[a-z] )\d+(?=\.)", "THING", answer.text)
    for thing in sorted((thing for thing in tenant.things.values() if isinstance(thing, str)), key=len, reverse=True):
        text = text.replace(thing, "THING")
    return answer.status_code, text


async def test_a_key_does_what_its_scopes_and_its_persons_role_permit_and_no_more(served: tuple[Api, Whole]) -> None:
    api, _ = served
    tenant = api.tenant("alpha")
    operations = list(operations_of(await api.spec()))
    before = rows_of(api.panel.database, tenant)
    for role in Role:
        for scope in Scope:
            async with api.program(scope, role=role) as client:
                for operation in operations:
                    permitted = scope is Scope.ALL or scope.value in operation.scopes
                    if permitted and role is not Role.VIEWER:
                        continue
                    answer = await operation.ask(client, tenant)
                    where = f"{operation.id} as {role} with {scope}: {answer.status_code} {answer.text[:300]}"
                    if not permitted:
                        assert answer.status_code == 403, where
                        assert answer.json()["type"].endswith("problem-scope"), where
                    elif operation.method != "get" and operation.id not in LOOKS | OWN:
                        assert answer.status_code in (403, 404), where
                    elif operation.path.startswith("/service/") or operation.id in OWNERS:
                        assert answer.status_code == 403, where
                    elif not operation.path.startswith("/live-calls/"):
                        assert answer.status_code in (200, 204), where
    after = rows_of(api.panel.database, tenant)
    for name in before:
        if name not in ("api_key", "person", "change_log"):  # of which the test itself has made more
            assert after[name] == before[name]


async def test_an_owner_with_the_right_scope_is_let_do_everything(served: tuple[Api, Whole]) -> None:
    api, _ = served
    for number, operation in enumerate(operations_of(await api.spec())):
        for scope in operation.scopes:
            if operation.method != "get" and operation.id not in LOOKS and scope == "read":
                raise AssertionError(f"{operation.id} lets a key change something that may only read")
            tenant = api.tenant(f"own{number}{scope}")
            # A key passes on only what it has, and the example asks for a key that may read.
            more = ("read",) if operation.id == "createApiKey" else ()
            async with api.program(scope, "service", *more, account=tenant.name, operator=True) as client:
                answer = await operation.ask(client, tenant)
            where = f"{operation.id} with {scope}: {answer.status_code} {answer.text[:300]}"
            _check_done(operation, answer, where)


def _check_done(operation: Described, answer: httpx.Response, where: str) -> None:
    if operation.id == "endSession":
        assert answer.status_code == 404, where  # the session is another person's
        return
    if operation.path.startswith("/live-calls/"):
        assert answer.status_code == 404, where  # there is no call; see test_live.py
        return
    assert answer.status_code < 300 or answer.status_code == 409, where
    assert str(answer.status_code) in operation.spec["responses"], where


async def test_the_matrix_knows_every_route_that_the_application_has(api: Api) -> None:
    documented = {(one.method.upper(), one.path) for one in operations_of(await api.spec())}
    mounted = next(route for route in api.panel.transport.app.routes if getattr(route, "path", "") == PREFIX)  # type: ignore[attr-defined]
    served = {(method, route.path) for route in routes_of(mounted.app.routes) for method in route.methods}
    assert documented
    assert served == documented | {("GET", "/openapi.json")}
