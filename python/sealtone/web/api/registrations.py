"""Which phones are registered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from sealtone import admin
from sealtone.admin.api_keys import Scope
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, place_of, written
from sealtone.web.api.schemas.base import Moment, Page, Shown, example, moment
from sealtone.web.api.work import Caller, read, server

router = APIRouter(route_class=Operation, tags=["SIP users"])


class RegistrationOut(Shown):
    """A phone that is registered: one contact of an address of record."""

    model_config = example(
        {
            "aor": "1000@office.example",
            "contact": "sip:1000@192.0.2.7:50123;transport=tls",
            "transport": "tls",
            "tls_version": "TLSv1.3",
            "received": "192.0.2.7:50123",
            "user_agent": "Linphone",
            "registered_at": "2026-11-26T09:30:00.000Z",
            "expires_at": "2026-11-26T10:30:00.000Z",
            "reachable": True,
        }
    )

    aor: str
    contact: str
    transport: str
    tls_version: str
    received: str = Field(description="Address and port that it registered from.")
    user_agent: str
    registered_at: Moment
    expires_at: Moment
    reachable: bool = Field(description="Whether its connection is up, where it has one.")


@router.get(
    "/registrations",
    operation_id="listRegistrations",
    summary="List registered phones",
    response_model=Page[RegistrationOut],
    openapi_extra=details(Scope.READ, Scope.USERS),
)
async def list_registrations(
    request: Request,
    user: Caller,
    aor: Annotated[str, Query(max_length=400, description="Of this SIP user only.")] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The phones of the account's SIP users that are registered at this moment."""
    place = place_of(cursor, str, str)
    domains = {domain.name for domain in await read(request, lambda t: admin.list_domains(t, user.actor))}
    rows: list[dict[str, Any]] = await server(request, "registrations")
    own = sorted(
        (row for row in rows if row["aor"].rpartition("@")[2] in domains and aor in ("", row["aor"])), key=_key
    )
    if place is not None:
        own = [row for row in own if _key(row) > place]
    page = own[:limit]
    following = written(*_key(page[-1])) if len(own) > limit else None
    return answer(Page[RegistrationOut](items=[_shown(row) for row in page], next=following))


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["aor"], row["contact"]


def _shown(row: dict[str, Any]) -> RegistrationOut:
    known = {name: row[name] for name in RegistrationOut.model_fields}
    times = {name: moment(row[name]) for name in ("registered_at", "expires_at")}
    return RegistrationOut.model_validate(known | times)
