"""The tabs of the pages Account and Service. A module of pages that has one says so when it is imported."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from sealtone.model import Role


class Tab(NamedTuple):
    """A page among those of Account or Service. `place` orders them."""

    place: int
    url: str
    label: str
    """In English; translated when it is shown."""
    least: Role


_account: set[Tab] = set()
_service: set[Tab] = set()


def add_account_tab(place: int, url: str, label: str, least: Role = Role.VIEWER) -> None:
    """Account has this page too, for those whose role covers `least`."""
    _account.add(Tab(place, url, label, least))


def add_service_tab(place: int, url: str, label: str) -> None:
    """Service has this page too."""
    _service.add(Tab(place, url, label, Role.OWNER))


def account_tabs(request: Request) -> list[tuple[str, str]]:
    """Addresses and texts of those that whoever is signed in has."""
    return _shown(request, _account)


def service_tabs(request: Request) -> list[tuple[str, str]]:
    """The same of Service."""
    return _shown(request, _service)


def _shown(request: Request, tabs: set[Tab]) -> list[tuple[str, str]]:
    role: Role = request.state.person.role
    return [(tab.url, request.state.translate(tab.label)) for tab in sorted(tabs) if role.covers(tab.least)]
