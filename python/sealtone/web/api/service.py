"""The service itself, for whoever operates it: state of the server, where webhooks may go."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from sealtone.admin import InvalidInput
from sealtone.admin.api_keys import Scope
from sealtone.admin.webhook_targets import TargetRules, read_target_rules, set_target_rules
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer, check_version
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.schemas.base import Form, Shown, example
from sealtone.web.api.work import Caller, change, now, read, server

router = APIRouter(route_class=Operation, tags=["Service"])


class ListeningOut(Shown):
    """Where the server listens."""

    transport: str
    host: str
    port: int


class ServiceStatus(Shown):
    """The running server."""

    model_config = example(
        {
            "version": "0.1.0",
            "uptime_s": 86_400.0,
            "listening": [{"transport": "tls", "host": "0.0.0.0", "port": 5061}],
            "sip_users": 40,
            "registrations": 35,
            "calls": 3,
            "connections": 35,
            "codecs_missing": {"g729": "libbcg729.so.0 is not installed"},
        }
    )

    version: str
    uptime_s: float
    listening: list[ListeningOut]
    sip_users: int
    registrations: int
    calls: int
    connections: int
    codecs_missing: dict[str, str] = Field(description="Codecs that cannot be converted on this machine, and why.")


class WebhookTargets(Form):
    """Where webhooks may go beyond https to public addresses."""

    model_config = example({"networks": ["10.20.0.0/16"], "ports": [443, 8443], "http": False})

    networks: list[Annotated[str, Field(max_length=100)]] = Field(
        max_length=100, description="Networks that are permitted although they are not public."
    )
    ports: list[Annotated[int, Field(ge=1, le=65_535)]] = Field(max_length=100, description="Empty: every port.")
    http: bool = Field(description="Whether events may be sent unencrypted.")


@router.get(
    "/service/status",
    operation_id="getServiceStatus",
    summary="Show how the server is",
    response_model=ServiceStatus,
    openapi_extra=details(Scope.SERVICE),
)
async def get_status(request: Request, user: Caller) -> Response:
    """Figures of the whole service, over all accounts."""
    user.actor.authorise_operating()
    found: dict[str, Any] = await server(request, "status")
    missing = {name: why for name, why in (found.get("codecs") or {}).items() if why}
    known = {name: found[name] for name in ServiceStatus.model_fields if name in found}
    return answer(ServiceStatus.model_validate(known | {"codecs_missing": missing}))


@router.get(
    "/service/webhook-targets",
    operation_id="getWebhookTargets",
    summary="Show where webhooks may go",
    response_model=WebhookTargets,
    openapi_extra=details(Scope.SERVICE),
)
async def get_webhook_targets(request: Request, user: Caller) -> Response:
    """Without any of it: https on port 443 or 8443 of public addresses."""
    user.actor.authorise_operating()
    return answer(_shown(await read(request, read_target_rules)))


@router.put(
    "/service/webhook-targets",
    operation_id="setWebhookTargets",
    summary="Say where webhooks may go",
    response_model=WebhookTargets,
    openapi_extra=details(Scope.SERVICE, versioned=True),
)
async def put_webhook_targets(request: Request, user: Caller, form: WebhookTargets) -> Response:
    """For receivers in the operator's own network. Everybody who may make webhooks may then reach these networks."""
    rules = TargetRules(tuple(_network(text) for text in form.networks), tuple(form.ports), form.http)

    def save(transaction: Transaction) -> TargetRules:
        user.actor.authorise_operating()
        check_version(request, _shown(read_target_rules(transaction)))
        return set_target_rules(transaction, user.actor, now(), rules)

    return answer(_shown(await change(request, save)))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise InvalidInput("networks", f"“{text}” is no network. Write it like 10.20.0.0/16.") from None


def _shown(rules: TargetRules) -> WebhookTargets:
    return WebhookTargets(networks=[str(one) for one in rules.networks], ports=list(rules.ports), http=rules.http)
