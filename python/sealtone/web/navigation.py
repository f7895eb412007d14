"""What the panel's menu holds, for whom."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.model.people import Role
from sealtone.store.sessions import Session


def _(text: str) -> str:
    """Marks a text for translation, which the template does."""
    return text


class Entry(NamedTuple):
    """A line of the menu, in English."""

    url: str
    label: str
    icon: str
    is_current: bool = False


class Group(NamedTuple):
    """Lines under a heading; the first group has none."""

    label: str
    entries: tuple[Entry, ...]


_GROUPS = (
    Group("", (Entry("/", _("Overview"), "home"),)),
    Group(
        _("Internal network"),
        (Entry("/domains", _("Domains"), "globe"), Entry("/sip-users", _("SIP users"), "users")),
    ),
    Group(
        _("What happened"),
        (
            Entry("/calls", _("Calls"), "phone"),
            Entry("/recordings", _("Recordings"), "mic"),
            Entry("/changes", _("Change log"), "list"),
            Entry("/checks", _("Checks"), "checks"),
        ),
    ),
    Group(_("Settings"), (Entry("/account", _("Account"), "user"), Entry("/service", _("Service"), "server"))),
)


def navigation(session: Session | None, path: str) -> tuple[Group, ...]:
    """The menu for somebody who is at `path`; nothing for those who are not signed in."""
    if session is None:
        return ()
    operates = session.operator and session.role is Role.OWNER
    return tuple(
        Group(
            group.label,
            tuple(
                entry._replace(is_current=is_at(entry.url, path))
                for entry in group.entries
                if entry.url != "/service" or operates
            ),
        )
        for group in _GROUPS
    )


def is_at(url: str, path: str) -> bool:
    """Whether `path` is the page at `url` or one below it."""
    return path == url or (url != "/" and path.startswith(f"{url}/"))
