"""Parts of a page that belong to other areas.

A module of `pages` names its own for the overview `overview_section`, and its own for the service page
`service_section`: a coroutine function of the request that gives a `Section`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from starlette.requests import Request

from sealtone.web import pages


class Section(NamedTuple):
    """A template and what it shows, which it finds as `section.values`."""

    template: str
    values: dict[str, Any]
    order: int = 50
    """Lower is higher on the page."""


Show = Callable[[Request], Awaitable[Section | None]]
"""None: there is nothing to show now."""


async def sections(request: Request, name: str, **given: Section | None) -> list[Section]:
    """What the areas show under `name`; `given` replaces an area's own (by module), such as a form with its errors."""
    found = []
    for area, show in _shows(name):
        one = given.get(area) or await show(request)
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda section: section.order)


@cache
def _shows(name: str) -> tuple[tuple[str, Show], ...]:
    return tuple(_found(name))


def _found(name: str) -> Iterator[tuple[str, Show]]:
    for module in pkgutil.iter_modules(pages.__path__):
        show = getattr(import_module(f"{pages.__name__}.{module.name}"), name, None)
        if show is not None:
            yield module.name, show
