"""How the API is used: its OpenAPI document as a page, without any script."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sealtone.web.api import PREFIX, described
from sealtone.web.api.problems import TITLES
from sealtone.web.asking import Pages, page

router = Pages(prefix="/api", area="api", public=True)


class Shown(NamedTuple):
    """An operation, ready to be shown."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scopes: list[str]
    parameters: list[dict[str, Any]]
    body: str
    """The example; empty where nothing is sent."""
    answers: list[tuple[str, str, str]]
    """Status, words, example."""


class Tag(NamedTuple):
    """Operations of one area."""

    name: str
    text: str
    operations: list[Shown]


@router.get("")
async def to_docs() -> Response:
    """On to the page."""
    return RedirectResponse("/api/docs", 303)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Every operation, with examples."""
    spec = described(request.app)
    problems = [(kind, status, title) for kind, (status, title) in TITLES.items()]
    paragraphs = [part.replace("\n", " ") for part in spec["info"]["description"].split("\n\n")]
    return await page(
        request,
        "api/docs.html",
        prefix=PREFIX,
        version=spec["info"]["version"],
        paragraphs=[_emphasised(text) for text in paragraphs],
        tags=_tags(spec),
        problems=problems,
    )


def _tags(spec: dict[str, Any]) -> list[Tag]:
    found = {tag["name"]: Tag(tag["name"], tag["description"], []) for tag in spec["tags"]}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            found[operation["tags"][0]].operations.append(_shown(spec, method, path, operation))
    return [tag for tag in found.values() if tag.operations]


def _shown(spec: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Shown:
    body: dict[str, Any] = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    answers = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            response = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
        media: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
        answers.append((status, response["description"], _written(media.get("example"))))
    parameters = [
        {
            "name": one["name"],
            "place": one["in"],
            "needed": one.get("required", False),
            "text": one.get("description", ""),
            "choices": _choices(spec, one["schema"]),
        }
        for one in operation.get("parameters", [])
    ]
    return Shown(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        operation["description"].replace("\n", " "),
        operation["x-scopes"],
        parameters,
        _written(body.get("example")),
        answers,
    )


def _choices(spec: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        return _choices(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for part in (*schema.get("anyOf", ()), schema.get("items", {})):
        found = _choices(spec, part) if part else []
        if found:
            return found
    return [str(one) for one in schema.get("enum", ())]


def _written(example: Any) -> str:
    if example is None:
        return ""
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _emphasised(text: str) -> list[tuple[str, str]]:
    """Pieces of a paragraph by kind: `text`, `strong` (between two asterisks) and `code` (between backticks)."""
    pieces: list[tuple[str, str]] = []
    for place, part in enumerate(text.split("**")):
        for inner, word in enumerate(part.split("`")):
            kind = "strong" if place % 2 else "code" if inner % 2 else "text"
            if word:
                pieces.append((kind, word))
    return pieces
