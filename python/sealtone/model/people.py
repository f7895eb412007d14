"""What a person may do in an account."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """From most to least: an owner may do everything, an admin all but what concerns people, a viewer looks only."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"

    def covers(self, wanted: Role) -> bool:
        """Whether whoever has this role may do what `wanted` may."""
        order = list(Role)
        return order.index(self) <= order.index(wanted)
