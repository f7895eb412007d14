"""Requests made from the OpenAPI document, so that no operation can be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from web.api.conftest import Tenant


@dataclass(frozen=True)
class Described:
    """An operation as the document has it."""

    method: str
    path: str
    spec: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.spec["operationId"])

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(self.spec["x-scopes"])

    @property
    def parameters(self) -> list[str]:
        return [str(one["name"]) for one in self.spec["parameters"] if one["in"] == "path"]

    @property
    def refers(self) -> bool:
        """Whether it is about a thing that is there, which its address or its body names."""
        body = json.dumps(self.spec.get("requestBody", {}))
        return bool(self.parameters) or ("SIP users" in self.spec["tags"] and "office.example" in body)

    def url(self, tenant: Tenant) -> str:
        """Its address, for a thing of that tenant."""
        area = self.path.split("/")[1]
        url = self.path
        for name in self.parameters:
            # A KeyError here means a new kind of thing: give tenants one of it in conftest.py.
            url = url.replace(f"{{{name}}}", str(tenant.things[f"{area}/{name}"]))
        return url

    def body(self, tenant: Tenant) -> tuple[str, bytes] | None:
        """The document's own example, in that tenant's words: its type and octets."""
        content = self.spec.get("requestBody", {}).get("content")
        if not content:
            return None
        kind, media = next(iter(content.items()))
        example = media["example"]
        text = example if isinstance(example, str) else json.dumps(example)
        # Anybody may claim a name and show that it is theirs; that has a test of its own.
        domain = "elsewhere.example" if self.id == "createDomain" else str(tenant.things["domains/domain"])
        text = text.replace("office.example", domain)
        if self.id in ("closeAccount", "importConfiguration"):  # which name the account
            text = text.replace("Office", tenant.name)
        return kind, text.encode()

    async def ask(self, client: httpx.AsyncClient, tenant: Tenant) -> httpx.Response:
        """Asks for it, for a thing of that tenant."""
        headers = {"If-Match": "*"}
        body = self.body(tenant)
        if body is not None:
            headers["Content-Type"] = body[0]
        url = self.url(tenant)
        if "text/event-stream" in self.spec["responses"].get("200", {}).get("content", {}):
            url += "?seconds=0"
        return await client.request(self.method, url, headers=headers, content=body[1] if body is not None else None)


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """All of an application, those of routers that it includes too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes_of(included.routes)
        elif isinstance(route, APIRoute):
            yield route


def operations_of(spec: dict[str, Any]) -> Iterator[Described]:
    """All of them, what deletes last."""
    found = [
        Described(method, path, operation)
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
    ]
    return iter(sorted(found, key=lambda one: one.method == "delete"))
