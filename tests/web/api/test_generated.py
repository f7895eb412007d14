"""Requests that nobody would think of, generated from the OpenAPI document: none ends in a fault of the server's.

A few thousand run with the tests. `SEALTONE_GENERATED=10000 pytest tests/web/api/test_generated.py` runs that many.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sealtone.model.people import Role
from sealtone.web.api import PREFIX
from sealtone.web.api.buckets import Buckets
from sealtone.web.api.operation import Limits
from sealtone.web.app import make_app, open_parts
from web.api.conftest import Api, Tenant
from web.conftest import Panel

CASES = int(os.environ.get("SEALTONE_GENERATED", "800"))
ROLES = ((Role.OWNER, True), (Role.ADMIN, False), (Role.VIEWER, False))
NO_LIMITS = Limits(Buckets(10**9, 1e9), Buckets(10**9, 1e9))


class World:
    """The API within an event loop of its own, which runs while a request does."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.statuses: Counter[int] = Counter()
        self.runner.run(self._open(folder))

    async def _open(self, folder: Path) -> None:
        parts = open_parts(folder)
        app = make_app(parts)
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        mounted = next(route for route in app.routes if getattr(route, "path", "") == PREFIX)
        mounted.app.state.limits = NO_LIMITS  # type: ignore[attr-defined]
        # What the application raises is raised here too: a fault is told apart from an answer of 500.
        panel = Panel(folder, parts, httpx.ASGITransport(app=app, client=("192.0.2.9", 40000)), self.stack)
        self.api = Api(panel)
        self.tenant = self.api.tenant("alpha")
        self.spec = await self.api.spec()
        self.programs = [self.api.program("all", role=role, operator=operates) for role, operates in ROLES]

    def close(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        for client in self.programs:
            await client.aclose()
        await self.stack.aclose()

    def ask(self, case: Any, program: int, real: bool) -> httpx.Response:
        """Sends a generated case, perhaps to a thing that exists."""
        if real:
            case.path_parameters = dict(case.path_parameters or {}) | _things(case.operation.path, self.tenant)
        client = self.programs[program]
        sent = case.as_transport_kwargs(base_url=str(client.base_url).rstrip("/"))
        sent.pop("cookies", None)
        if case.operation.path == "/events":  # which else goes on for as long as it says
            sent["params"] = {"seconds": 0}
        headers = {name: str(value) for name, value in (sent.pop("headers", None) or {}).items()}
        headers.pop("Authorization", None)
        request = client.build_request(
            sent["method"],
            sent["url"],
            params=sent.get("params") or None,
            content=_content(sent),
            headers={name: value.encode("latin-1", "replace") for name, value in headers.items()}
            | ({"Content-Type": b"application/json"} if "json" in sent else {}),
        )
        answer = self.runner.run(_answered(client, request))
        self.statuses[answer.status_code] += 1
        return answer

    def check(self, case: Any, answer: httpx.Response) -> None:
        """An answer is documented, and as documented."""
        operation = self.spec["paths"][case.operation.path][case.operation.method.lower()]
        where = f"{operation['operationId']}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or answer.status_code == 503, where
        assert str(answer.status_code) in operation["responses"] or answer.status_code == 404, where
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", where
            assert {"type", "title", "status", "detail"} <= set(answer.json()), where
        elif answer.headers.get("content-type") == "application/json":
            described = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            schema = {"components": self.spec["components"], **described}
            Draft202012Validator(schema).validate(answer.json())


def _things(path: str, tenant: Tenant) -> dict[str, Any]:
    area = path.split("/")[1]
    return {name.partition("/")[2]: thing for name, thing in tenant.things.items() if name.startswith(f"{area}/")}


def _content(sent: dict[str, Any]) -> bytes | None:
    if "json" in sent:
        return json.dumps(sent["json"]).encode()
    data = sent.get("data")
    return data.encode() if isinstance(data, str) else data if isinstance(data, bytes) else None


async def _answered(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    async with asyncio.timeout(20):
        return await client.send(request)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path / "data")
    yield opened
    opened.close()


@pytest.mark.timeout(1200)
def test_no_generated_request_ends_in_a_fault_of_the_servers(world: World) -> None:
    schema = schemathesis.openapi.from_dict(world.spec)
    operations = [found.ok() for found in schema.get_all_operations()]
    each = max(1, CASES // len(operations))
    for operation in operations:
        strategies = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

        @settings(
            max_examples=each,
            database=None,
            derandomize="SEALTONE_GENERATED" not in os.environ,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(strategies), program=st.integers(0, len(ROLES) - 1), real=st.booleans())
        def run(case: Any, program: int, real: bool) -> None:
            world.check(case, world.ask(case, program, real))

        run()
    asked = sum(world.statuses.values())
    print(f"{asked} requests: {dict(sorted(world.statuses.items()))}")
    assert asked >= CASES * 0.8
    assert world.statuses[200] > CASES * 0.02, "hardly anything was answered: the requests prove nothing"
