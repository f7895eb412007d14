"""Versions of things (RFC 9110, 13): an ETag is a hash of what is shown, so that no change goes unnoticed."""

from __future__ import annotations

import hashlib

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from sealtone.web.api.problems import Refused

_TAG_DIGITS = 27


def etag_of(shown: BaseModel) -> str:
    """The version of a thing as it is shown."""
    return etag_of_body(shown.model_dump_json().encode())


def etag_of_body(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:_TAG_DIGITS]}"'


def require_version(request: Request) -> None:
    """Raises `Refused` where the caller does not say which version is to be changed."""
    if not request.headers.get("if-match"):
        raise Refused(
            "version-needed",
            "Send If-Match with the ETag that the thing had when you read it, or * where any version will do.",
        )


def check_version(request: Request, shown: BaseModel) -> None:
    """Within the transaction that changes it. Raises `Refused` where it is no longer what the caller read."""
    wanted = request.headers.get("if-match", "")
    if not _matches(wanted, etag_of(shown), weak=False):
        raise Refused("changed", "It was changed since you read it: read it again, and decide anew.")


def answer(shown: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A thing with its version."""
    body = shown.model_dump_json().encode()
    return Response(body, status, {"ETag": etag_of_body(body)} | (headers or {}), "application/json")


def not_modified(request: Request, response: Response) -> Response:
    """Gives every readable answer an ETag, and 304 in its place where the caller has it already."""
    if response.status_code != 200 or not hasattr(response, "body") or response.media_type != "application/json":
        return response
    tag = response.headers.get("etag") or etag_of_body(bytes(response.body))
    response.headers["ETag"] = tag
    if _matches(request.headers.get("if-none-match", ""), tag, weak=True):
        return Response(status_code=304, headers={"ETag": tag})
    return response


def _matches(header: str, tag: str, *, weak: bool) -> bool:
    words = [word.strip() for word in header.split(",")]
    if weak:
        words = [word.removeprefix("W/") for word in words]
    return "*" in words or tag in words
