"""API keys as JSON."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from sealtone.admin.api_keys import Scope
from sealtone.store.api_keys import ApiKey
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment, moment_or_none

KEY = {
    "id": 7,
    "name": "billing",
    "shown": "stk_pZ4uQ1xY",
    "scopes": ["read"],
    "created_at": "2026-11-26T09:30:00.000Z",
    "used_at": None,
    "expires_at": "2027-11-26T00:00:00.000Z",
}


class ApiKeyOut(Shown):
    """An API key without what authenticates it."""

    model_config = example(KEY)

    id: int
    name: str
    shown: str = Field(description="Its first characters, to recognise it by.")
    scopes: list[Scope]
    created_at: Moment
    used_at: Moment | None = Field(description="To the minute; null where it was never used.")
    expires_at: Moment | None


class ApiKeyWithToken(ApiKeyOut):
    """A new API key. It is shown this once."""

    model_config = example(KEY | {"token": "stk_pZ4uQ1xYd0h6lVxkq3cB2sWm8nRt5yUe7iOaJgKfHwE"})

    token: str = Field(description="For `Authorization: Bearer …`.")


class NewApiKey(Form):
    """An API key to be made."""

    model_config = example({"name": "billing", "scopes": ["read"], "expires_at": "2027-11-26T00:00:00Z"})

    name: str = Field(max_length=200, description="What uses it.")
    scopes: list[Scope] = Field(min_length=1, max_length=20)
    expires_at: AwareDatetime | None = Field(None, description="Null: never.")


def api_key_out(key: ApiKey) -> ApiKeyOut:
    return ApiKeyOut.model_validate(_fields(key))


def with_token(key: ApiKey, token: str) -> ApiKeyWithToken:
    return ApiKeyWithToken.model_validate(_fields(key) | {"token": token})


def _fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "shown": key.shown,
        "scopes": list(key.scopes),
        "created_at": moment(key.created_at),
        "used_at": moment_or_none(key.used_at),
        "expires_at": moment_or_none(key.expires_at),
    }
