"""Who asks for a change, from where, and over which account they may decide."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.errors import Forbidden, NotFound
from sealtone.model import Role


class Actor(NamedTuple):
    """Written to the change log with each change."""

    name: str
    """Such as ``root`` on the command line, or an address of a person."""
    origin: str
    """Where from: ``command line``, ``first use``, or an IP address."""
    account_id: int | None = None
    """The account whose things they may change; None for whoever operates the machine."""
    role: Role = Role.OWNER
    """What they may do there."""
    person_id: int | None = None
    """Who it is, where it is somebody who signs in."""
    operator: bool = False
    """Whether this person may change the service's own settings too. Other accounts' things stay other accounts'."""

    def authorise(self, account_id: int, subject: str, role: Role = Role.ADMIN) -> None:
        """The one gate of tenancy. `role` is the least that may do it; `Role.VIEWER` for what only looks.

        Raises `NotFound` for another tenant's things: their existence is nobody else's business. Raises `Forbidden`
        for the own account's where the role is too small.
        """
        if self.account_id is not None and self.account_id != account_id:
            raise NotFound("There is no {subject}.", subject=subject)
        if not self.role.covers(role):
            if role is Role.OWNER:
                raise Forbidden("Only an owner of the account may do this.")
            raise Forbidden("Only an admin or owner of the account may do this.")

    def authorise_operating(self) -> None:
        """For the service's own settings. Raises `Forbidden`."""
        if self.account_id is not None and not (self.operator and self.role is Role.OWNER):
            raise Forbidden("Only whoever operates this service may do this.")
