"""People of an account, and what each may do there."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in to the panel. Times are Unix seconds."""

    id: int
    account_id: int
    email: str
    """In lower case; one person has one address, and no other person has it."""
    name: str
    role: Role
    operator: bool
    """Whether they may change the service's own settings, as an owner of their account."""
    enabled: bool
    has_password: bool
    has_totp: bool
    email_verified_at: float | None
    language: str
    """`en`, `ru`, or empty: as the browser wants it."""
    theme: str
    """`light`, `dark`, or empty: as the system has it."""
    created_at: float
    webauthn_handle: bytes = field(default=b"", repr=False)
    """How their passkeys name them: random, for good."""
