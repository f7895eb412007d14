"""Every refusal as application/problem+json (RFC 9457), in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from sealtone.admin import AdminError, Conflict, Forbidden, InvalidInput, NotFound
from sealtone.net import ControlError, NotRunning
from sealtone.store import KeyFileError, StoreBusy, StoreError

MEDIA_TYPE = "application/problem+json"
TYPES = "/api/docs#problem-"
"""Where each kind is described, relative to this server (RFC 9457, 3.1.1)."""

TITLES: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unauthenticated": (401, "An API key is needed"),
    "forbidden": (403, "Not permitted"),
    "scope": (403, "The API key lacks a scope"),
    "not-found": (404, "There is no such thing"),
    "method": (405, "This cannot be done here"),
    "conflict": (409, "It does not fit what is there"),
    "in-progress": (409, "The same request is being worked on"),
    "changed": (412, "It was changed meanwhile"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "The body has another type than is read here"),
    "invalid": (422, "A value cannot be used"),
    "idempotency-key": (422, "The idempotency key belongs to another request"),
    "version-needed": (428, "Say which version is meant"),
    "too-many": (429, "Too many requests"),
    "fault": (500, "Something went wrong here"),
    "database": (503, "The database cannot be used"),
    "server-away": (503, "The SIP server does not answer"),
}
_BY_STATUS = {400: "malformed", 404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}
_BUSY_S = 2


class Refused(Exception):
    """Ends a request with a problem. `kind` is one of `TITLES`."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return TITLES[self.kind][0]


def response_of(refused: Refused) -> Response:
    """The answer. A problem with a single field names it as `field` too."""
    status, title = TITLES[refused.kind]
    body: dict[str, Any] = {
        "type": TYPES + refused.kind,
        "title": title,
        "status": status,
        "detail": refused.detail,
    }
    if refused.errors:
        body["errors"] = [dict(error) for error in refused.errors]
    if len(refused.errors) == 1:
        body["field"] = refused.errors[0]["field"]
    return Response(json.dumps(body, ensure_ascii=False), status, refused.headers, MEDIA_TYPE)


def refusal_of(error: AdminError | ControlError | StoreError) -> Refused:
    """What an exception of the layers below means to whoever called."""
    if isinstance(error, InvalidInput):
        return Refused("invalid", str(error), errors=[{"field": error.field, "message": str(error)}])
    if isinstance(error, NotFound):
        return Refused("not-found", str(error))
    if isinstance(error, Forbidden):
        return Refused("forbidden", str(error))
    if isinstance(error, NotRunning):
        return Refused("server-away", "The SIP server is not running.", headers={"Retry-After": str(_BUSY_S)})
    if isinstance(error, (Conflict, ControlError, AdminError)):
        return Refused("conflict", str(error))
    detail = "The database is busy." if isinstance(error, StoreBusy) else "The database cannot be used at present."
    if isinstance(error, KeyFileError):
        detail = "The key file of this server does not fit its database. Its operator has to restore it."
    return Refused("database", detail, headers={"Retry-After": str(_BUSY_S)})


def refusal_by_status(status: int, headers: Mapping[str, str] | None = None) -> Refused:
    """What the framework refused by itself."""
    kind = _BY_STATUS.get(status, "malformed" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "fault")
    details = {
        "not-found": "There is nothing at this address.",
        "method": "This method is not known at this address; Allow names those that are.",
        "malformed": "The request cannot be read.",
        "fault": "Something went wrong here. It was written to the server's log.",
    }
    return Refused(kind, details.get(kind, TITLES[kind][1] + "."), headers=headers)


def refusal_of_fields(errors: Sequence[Mapping[str, Any]]) -> Refused:
    """What pydantic found. Values are not repeated: they may be secrets."""
    found = [{"field": _field_of(error), "message": _sentence(error)} for error in errors[:20]]
    detail = found[0]["message"] if len(found) == 1 else f"{len(errors)} values cannot be used."
    return Refused("invalid", detail, errors=found)


def _field_of(error: Mapping[str, Any]) -> str:
    words = [str(word) for word in error["loc"]] if error["type"] != "json_invalid" else []
    if words and words[0] in ("body", "query", "path", "header"):
        words = words[1:] or words
    return ".".join(words) or "body"


def _sentence(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return "There is no such field."
    if kind == "missing":
        return "This is needed."
    if kind == "json_invalid":
        return "The body is not JSON."
    text = str(error["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."
