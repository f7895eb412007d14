"""API keys: list, create, show, revoke."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from sealtone.admin import api_keys as keys
from sealtone.admin.api_keys import Scope
from sealtone.model import Role
from sealtone.store import Transaction
from sealtone.web.api.conditional import answer
from sealtone.web.api.operation import Operation, details
from sealtone.web.api.paging import Cursor, Limit, answer_page
from sealtone.web.api.schemas.api_keys import ApiKeyOut, ApiKeyWithToken, NewApiKey, api_key_out, with_token
from sealtone.web.api.schemas.base import Page
from sealtone.web.api.work import Caller, change, now, read

router = APIRouter(route_class=Operation, tags=["API keys"])
Number = Annotated[int, Path(ge=1, le=2**53)]
_LOOK = details(Scope.READ, Scope.ACCOUNT)
_CHANGE = details(Scope.ACCOUNT)


@router.get(
    "/api-keys",
    operation_id="listApiKeys",
    summary="List API keys",
    response_model=Page[ApiKeyOut],
    openapi_extra=_LOOK,
)
async def list_api_keys(request: Request, user: Caller, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """The keys of the account, oldest first, without what authenticates them."""
    found = await read(request, lambda transaction: keys.list_api_keys(transaction, user.actor))
    return answer_page(Page[ApiKeyOut], found, lambda key: key.id, api_key_out, cursor, limit, int)


@router.post(
    "/api-keys",
    operation_id="createApiKey",
    summary="Create an API key",
    status_code=201,
    response_model=ApiKeyWithToken,
    openapi_extra=_CHANGE,
)
async def create_api_key(request: Request, user: Caller, form: NewApiKey) -> Response:
    """A new key, shown this once. It belongs to the person of the key that makes it, and has none of the scopes that
    one lacks."""
    granted, ends_by = user.scopes, user.key.expires_at
    expires = form.expires_at.timestamp() if form.expires_at is not None else ends_by

    def make(transaction: Transaction) -> keys.NewApiKey:
        return keys.create_api_key(
            transaction,
            user.actor,
            now(),
            form.name,
            form.scopes,
            expires,
            granted=granted,
            ends_by=ends_by,
        )

    made = await change(request, make)
    headers = {"Location": f"/api/v1/api-keys/{made.key.id}", "Cache-Control": "no-store"}
    return answer(with_token(made.key, made.token), 201, headers)


@router.get(
    "/api-keys/current",
    operation_id="getCurrentApiKey",
    summary="Show the API key that asks",
    response_model=ApiKeyOut,
    openapi_extra=details(*Scope),
)
async def get_current(request: Request, user: Caller) -> Response:
    """Tells what the key in use may do, whatever that is."""
    return answer(api_key_out(user.key))


@router.get(
    "/api-keys/{id}",
    operation_id="getApiKey",
    summary="Show an API key",
    response_model=ApiKeyOut,
    openapi_extra=_LOOK,
)
async def get_api_key(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """One key, without what authenticates it."""
    found = await read(request, lambda transaction: keys.api_key_of(transaction, user.actor, id, Role.VIEWER))
    return answer(api_key_out(found))


@router.delete(
    "/api-keys/{id}",
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    status_code=204,
    openapi_extra=_CHANGE,
)
async def revoke_api_key(request: Request, user: Caller, id: Number) -> Response:  # noqa: A002
    """From now on the key opens nothing. A key may revoke itself."""

    def revoke(transaction: Transaction) -> None:
        keys.revoke_api_key(transaction, user.actor, now(), id)

    await change(request, revoke)
    return Response(status_code=204)
