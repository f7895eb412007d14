"""What operations do their work with: transactions on threads, and the running server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Annotated, Any, Protocol, TypeVar, cast

from fastapi import Depends, Request

from sealtone.admin.api_keys import KeyUser
from sealtone.net import ControlError
from sealtone.store import Database, Transaction

Result = TypeVar("Result")


class Control(Protocol):
    """The running server, to be asked (`net.control_client`)."""

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Raises `NotRunning`, `ControlError`."""


class Parts(Protocol):
    """What the API needs of the web process."""

    @property
    def database(self) -> Database: ...

    @property
    def control(self) -> Control: ...


def parts_of(request: Request) -> Parts:
    """The parts of the process that this request is answered in."""
    return cast("Parts", request.app.state.parts)


def now() -> float:
    """The wall clock."""
    return time.time()


async def read(request: Request, query: Callable[[Transaction], Result]) -> Result:
    """Runs a query on a thread."""
    database = parts_of(request).database

    def work() -> Result:
        with database.read() as transaction:
            return query(transaction)

    return await asyncio.to_thread(work)


async def write(request: Request, operation: Callable[[Transaction], Result]) -> Result:
    """Runs an operation in a write transaction on a thread, of what the SIP server does not know."""
    database = parts_of(request).database

    def work() -> Result:
        with database.write() as transaction:
            return operation(transaction)

    return await asyncio.to_thread(work)


async def change(request: Request, operation: Callable[[Transaction], Result]) -> Result:
    """As `write`, and lets the running server know."""
    result = await write(request, operation)
    with contextlib.suppress(ControlError):  # none is running, or it looks for itself a moment later
        await parts_of(request).control.ask("reload")
    return result


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
