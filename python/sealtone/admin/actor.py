"""Who asks for a change, from where, and over which account they may decide."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.errors import NotFound


class Actor(NamedTuple):
    """Written to the change log with each change."""

    name: str
    """Such as ``root`` on the command line, or an address of a person."""
    origin: str
    """Where from: ``command line``, ``first use``, or an IP address."""
    account_id: int | None = None
    """The account whose things they may change; None for whoever operates the machine."""

    def authorise(self, account_id: int, subject: str) -> None:
        """Raises `NotFound` for another tenant's things: their existence is nobody else's business."""
        if self.account_id is not None and self.account_id != account_id:
            raise NotFound(f"There is no {subject}.")
