"""What operations do their work with: transactions on threads, and the running server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request

from sealtone.admin.api_keys import KeyUser
from sealtone.store import Transaction
from sealtone.web import asking
from sealtone.web.asking import change, now, read
from sealtone.web.asking import parts as parts_of

__all__ = ["Caller", "change", "now", "owner_of", "parts_of", "read", "server", "write"]

Result = TypeVar("Result")


async def write(request: Request, operation: Callable[[Transaction], Result]) -> Result:
    """As `change`, of what is no business of the SIP server."""
    return await asking.change(request, operation, reload=False)


async def server(request: Request, do: str, **arguments: Any) -> Any:
    """Asks the running server. Raises `NotRunning`, `ControlError`."""
    return await parts_of(request).control.ask(do, **arguments)


def _caller(request: Request) -> KeyUser:
    return cast("KeyUser", request.state.user)


Caller = Annotated[KeyUser, Depends(_caller)]
"""Who calls; `operation` has authenticated them before anything of the request was read."""


def owner_of(user: KeyUser) -> int:
    """The account that a key belongs to."""
    return user.key.account_id
