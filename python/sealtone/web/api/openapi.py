"""The OpenAPI 3.1 document: what FastAPI finds in the code, and what holds for every operation."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from sealtone.web.api.problems import MEDIA_TYPE, TITLES, TYPES
from sealtone.web.api.schemas.base import Form, Problem, Shown

DESCRIPTION = """
Everything that the panel does, for programs.

**Keys.** Send `Authorization: Bearer stk_…`. A key is made in the panel (Account → API keys), with
`sealtone api-key create`, or by another key. It has scopes, and may never do more than the person who made it may at
that moment. Cookies are not looked at.

**Changes.** What has a version answers with an `ETag`; send it back as `If-Match` when you change or delete that thing,
so that nobody else's change is overwritten unseen. Fields that are not known are refused. Either all of a request is
done or nothing.

**Sent twice, done once.** Give a POST an `Idempotency-Key` of your own, such as a UUID: sent again within 24 hours, it
is answered as the first time and not done again.

**Lists** come page by page: send `next` as `cursor` until it is null.

**Errors** are `application/problem+json` (RFC 9457): compare `type`; `detail` is for people; `field` or `errors` tell
which values cannot be used. What belongs to another account is answered like what does not exist.

**Limits.** `RateLimit-Limit`, `-Remaining` and `-Reset` tell how many requests are left and when all are again; beyond
that 429 comes with `Retry-After`.

**Times** are RFC 3339, in UTC.

**Not here**, since an API key must not become a way in: signing up and in, and what people prove themselves by
(passwords, passkeys, second factors, their address). That is the panel's alone.
""".strip()
TAGS = [
    {"name": "Domains", "description": "SIP domains, what is said and recorded in them."},
    {"name": "SIP users", "description": "Addresses of record, their secrets, codecs and protection; their phones."},
    {"name": "Live calls", "description": "Calls in progress."},
    {"name": "Calls", "description": "Past calls, each with who could have listened."},
    {"name": "Recordings", "description": "Sealed to the account's key: the server cannot open them."},
    {"name": "Changes", "description": "Who changed what, and whether it has taken effect."},
    {"name": "Events", "description": "What happens, as it happens."},
    {"name": "Account", "description": "The account of the API key."},
    {"name": "People", "description": "Who signs in to the panel, and what each may do."},
    {"name": "API keys", "description": "What programs sign in with."},
    {"name": "Webhooks", "description": "Events, sent to endpoints of yours."},
    {"name": "Checks", "description": "Whether phones can find, reach and trust the server."},
    {"name": "Service", "description": "For whoever operates the server."},
]

# Which kinds of problems an operation can end in, and of whose requests they are said.
_ALWAYS = ("unauthenticated", "scope", "invalid", "too-many", "database")
_SERVER_TAGS = ("Live calls", "Service", "Events")
_CONTENT_HEADERS = {
    "RateLimit-Limit": "How many requests may come at once.",
    "RateLimit-Remaining": "How many are left.",
    "RateLimit-Reset": "Seconds until all are again.",
}


class Document(NamedTuple):
    """The document as it is served, and as it is looked into."""

    text: str
    spec: dict[str, Any]


def document(api: FastAPI, prefix: str) -> Document:
    """The description of every operation of the API."""
    spec = get_openapi(
        title=api.title,
        version=api.version,
        openapi_version="3.1.0",
        summary=api.summary,
        description=api.description,
        routes=api.routes,
        tags=api.openapi_tags,
        servers=[{"url": prefix}],
        license_info={"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
    )
    components = spec.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(described.pop("$defs"))
    schemas["Problem"] = described
    _restore_examples(schemas)
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "stk_…", "description": "An API key."}
    }
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            kinds = _complete(operation, method, "{" in path, schemas)
            operation["responses"].update(_problems(kinds, components.setdefault("responses", {})))
    return Document(json.dumps(spec, ensure_ascii=False), spec)


def _restore_examples(schemas: dict[str, Any]) -> None:
    """FastAPI drops every null, those of examples too, where null says something."""
    kinds: list[type[BaseModel]] = [Form, Shown]
    for kind in kinds:
        kinds += kind.__subclasses__()
        extra = kind.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and kind.__name__ in schemas:
            schemas[kind.__name__]["examples"] = extra["examples"]


def _complete(operation: dict[str, Any], method: str, named: bool, schemas: dict[str, Any]) -> list[str]:
    """Fills in what FastAPI does not know; gives the kinds of problems that the operation can end in."""
    versioned = operation.pop("x-versioned")
    operation.pop("x-body")
    operation["security"] = [{"apiKey": []}]
    parameters = operation.setdefault("parameters", [])
    kinds = [*_ALWAYS]
    if method == "post":
        parameters.append(
            _header("Idempotency-Key", "Sent again with the same, it is done once.", "3d0c7a52-5c0e-4b5e")
        )
        kinds += ["in-progress", "idempotency-key"]
    if method != "get":
        kinds += ["forbidden", "conflict"]
    if versioned:
        parameters.append(_header("If-Match", "The ETag that the thing had when you read it.", "*", required=True))
        kinds += ["changed", "version-needed"]
    if named:
        kinds.append("not-found")
    if "requestBody" in operation:
        kinds += ["media-type", "too-large", "malformed"]
        _exemplify(operation["requestBody"]["content"], schemas)
    if any(tag in operation["tags"] for tag in _SERVER_TAGS) or "registrations" in operation["operationId"].lower():
        kinds += ["server-away", "conflict", "forbidden"]
    if operation["tags"] == ["Account"]:
        kinds.append("not-found")
    if operation["tags"] == ["People"]:
        kinds.append("forbidden")
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            _describe_success(operation, status, response, schemas, method)
    operation["responses"].pop("422", None)
    if method == "get" and "application/json" in operation["responses"].get("200", {}).get("content", {}):
        parameters.append(
            _header("If-None-Match", "The ETag of an answer that you have: 304 if it is still right.", '"…"')
        )
        operation["responses"]["304"] = {"description": "It is as you have it."}
    return kinds


def _describe_success(
    operation: dict[str, Any], status: str, response: dict[str, Any], schemas: dict[str, Any], method: str
) -> None:
    _exemplify(response.get("content", {}), schemas)
    headers = {name: _string_header(text) for name, text in _CONTENT_HEADERS.items()}
    if status == "201":
        headers["Location"] = _string_header("Where the new thing is.")
    if response.get("content") and "application/json" in response["content"]:
        headers["ETag"] = _string_header("The version of what is shown.")
    if method == "post":
        headers["Idempotency-Replayed"] = _string_header("“true” where this is the answer kept from the first time.")
    response["headers"] = headers
    words = {"200": "Done.", "201": "Made.", "202": "Taken; it will be done.", "204": "Done; there is nothing to show."}
    if response.get("description") == "Successful Response":
        response["description"] = words[status]


def _string_header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


def _header(name: str, text: str, example: str, *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": text,
        "schema": schema,
        "example": example,
    }


def _problems(kinds: list[str], shared: dict[str, Any]) -> dict[str, Any]:
    """Responses by status, put into `shared`; several kinds of one status are examples of one response."""
    by_status: dict[str, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(str(TITLES[kind][0]), []).append(kind)
    found = {}
    for status, some in sorted(by_status.items()):
        examples = {
            kind: {
                "summary": TITLES[kind][1],
                "value": {
                    "type": TYPES + kind,
                    "title": TITLES[kind][1],
                    "status": int(status),
                    "detail": f"{TITLES[kind][1]}.",
                },
            }
            for kind in some
        }
        response: dict[str, Any] = {
            "description": ", or: ".join(TITLES[kind][1] for kind in some) + ".",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
        }
        if status in ("429", "503"):
            response["headers"] = {"Retry-After": _string_header("Seconds to wait.")}
        if status == "401":
            response["headers"] = {"WWW-Authenticate": _string_header("What is asked for.")}
        name = "_".join(some).replace("-", "_")
        shared[name] = response
        found[status] = {"$ref": f"#/components/responses/{name}"}
    return found


def _exemplify(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    for kind, media in content.items():
        schema = media.get("schema", {})
        if kind == "application/json" and "example" not in media:
            media["example"] = example_of(schema, schemas)


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The example of a schema; of a page, one with an example of its items."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    properties = schema.get("properties", {})
    if set(properties) == {"items", "next"}:
        return {"items": [example_of(properties["items"]["items"], schemas)], "next": None}
    raise LookupError(f"{schema.get('title')} has no example")
