"""Transactions: RFC 3261 17 with RFC 6026."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealtone.sip.flow import Flow, Hop
    from sealtone.sip.message import Request


class ServerTransaction:
    """One request received. `request` is dropped (None) once a final response is sent; `owner` is free for the owner."""

    __slots__ = ("flow", "hop", "method", "owner", "request")

    method: str
    request: Request | None
    flow: Flow
    hop: Hop
    owner: object

    @property
    def answered(self) -> bool:
        """Whether a final response was sent."""
        raise NotImplementedError


class ClientTransaction:
    """One request sent. `owner` is free for the owner."""

    __slots__ = ("hop", "method", "owner")

    method: str
    hop: Hop
    owner: object
