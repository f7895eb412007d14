"""Lists page by page: `limit`, and `cursor` from the answer before, which callers need not understand."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import Response

from sealtone.web.api.conditional import answer
from sealtone.web.api.problems import Refused
from sealtone.web.api.schemas.base import Page

MOST = 200
USUAL = 50

Thing = TypeVar("Thing")
Out = TypeVar("Out", bound=BaseModel)
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=1000, description="Page on: `next` of the page before.", examples=["WyIxMDAwQG9mZmljZS5leGFtcGxlIl0"]
    ),
]


def written(*place: Any) -> str:
    """A cursor."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def place_of(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """What stands in a cursor; None where there is none. Raises `Refused` for what is none of ours."""
    if cursor is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, UnicodeError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) != len(types) or not all(map(_fits, found, types)):
        message = "This is no cursor of this list: use `next` of the page before, or none."
        raise Refused("invalid", message, errors=[{"field": "cursor", "message": message}])
    return tuple(found)


def page_of(
    things: Sequence[Thing], key: Callable[[Thing], Any], cursor: str | None, limit: int, kind: type
) -> tuple[Sequence[Thing], str | None]:
    """A page of what is sorted by `key`, and the cursor of the next."""
    place = place_of(cursor, kind)
    if place is not None:
        things = [thing for thing in things if key(thing) > place[0]]
    page = things[:limit]
    return page, written(key(page[-1])) if len(things) > limit else None


def answer_page(
    kind: type[Page[Out]],
    things: Iterable[Thing],
    key: Callable[[Thing], Any],
    shown: Callable[[Thing], Out],
    cursor: str | None,
    limit: int,
    key_kind: type,
) -> Response:
    """A page of a list that is short enough to be read whole, in the order of `key`."""
    page, following = page_of(sorted(things, key=key), key, cursor, limit, key_kind)
    return answer(kind(items=[shown(thing) for thing in page], next=following))


def _fits(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return isinstance(value, str) and "\0" not in value
