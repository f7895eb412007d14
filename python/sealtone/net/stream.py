"""One TCP or TLS connection: octets in, whole messages out, keep-alives answered, limits kept.

A connection starts on probation. Until somebody has authenticated over it, it may neither idle nor live long
(`Limits.unauthenticated_idle_s`, `unauthenticated_total_s`); only whole messages count as life, so that a peer that
trickles octets gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol, cast

from sealtone.net.errors import IdentityError
from sealtone.net.identity import check_identity
from sealtone.net.limits import Counters, Limits
from sealtone.net.moderation import Moderation
from sealtone.sip.errors import FramingError
from sealtone.sip.flow import Flow, Target, TlsInfo, TransportName
from sealtone.sip.framing import KeepAlive, StreamFramer
from sealtone.sip.message import Request
from sealtone.sip.responses import refusal_of

_PONG = b"\r\n"


class Verdict(Enum):
    """What the first octets of a connection say of it, where no other protocol takes it over."""

    SIP = auto()
    UNDECIDED = auto()
    """Too few to tell. The connection stays on probation, and what comes next is looked at together with them."""


Handover = Callable[[bytes, Flow], asyncio.Protocol | Verdict]
"""Given all that came first on a connection: the protocol that takes it over, or what else it is. It must not stay
undecided for long: all of that is kept."""


class StreamOwner(Protocol):
    """What a connection tells of itself."""

    limits: Limits
    counters: Counters
    moderation: Moderation

    def message(self, data: bytes, flow: Flow) -> None: ...

    def opened(self, connection: StreamConnection) -> None: ...

    def released(self, connection: StreamConnection) -> None: ...

    def closed(self, connection: StreamConnection) -> None: ...

    def sni_of(self, tls: ssl.SSLObject) -> str: ...


class StreamConnection(asyncio.Protocol):
    """A connection from its hand-shake to its end; `flow` names it and is None before that."""

    __slots__ = (
        "_early",
        "_first_octets",
        "_framer",
        "_kind",
        "_loop",
        "_owner",
        "authenticated",
        "flow",
        "flow_id",
        "give_up",
        "identity_error",
        "last_message_at",
        "on_released",
        "opened_at",
        "source",
        "target",
        "transport",
        "user",
    )

    def __init__(
        self,
        owner: StreamOwner,
        flow_id: int,
        kind: TransportName,
        source: str,
        *,
        target: Target | None = None,
        handover: Handover | None = None,
    ) -> None:
        self._owner = owner
        self._kind = kind
        self._framer = StreamFramer(owner.limits.message)
        self._first_octets = handover
        self._early = b""
        self._loop = asyncio.get_running_loop()
        self.flow_id = flow_id
        self.flow: Flow | None = None
        self.source = source
        """The key that connections of one source are counted by."""
        self.target = target
        """What it was opened for; None for an accepted connection."""
        self.on_released: Callable[[], None] | None = None
        """Called once when the connection no longer counts towards the limits."""
        self.give_up: Callable[[], object] | None = None
        """Ends the hand-shake of an accepted connection."""
        self.transport: asyncio.Transport | None = None
        self.identity_error: IdentityError | None = None
        """Why the certificate of an outbound connection is not its target's; nothing of such a peer is read."""
        self.authenticated = target is not None
        self.user = ""
        """Who authenticated over it first."""
        self.opened_at = self.last_message_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's transports do not derive from asyncio's
        sock: socket.socket = transport.get_extra_info("socket")
        try:
            local, remote = sock.getsockname(), sock.getpeername()
        except OSError:
            transport.abort()  # gone again before it was looked at
            return
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and self.target is not None:
            try:
                check_identity(tls.getpeercert(), self.target.server_name or self.target.host)
            except IdentityError as error:
                self.identity_error = error
                transport.abort()
                return
        self.transport, self.give_up = transport, None
        transport.set_write_buffer_limits(high=self._owner.limits.write_buffer)
        self.flow = Flow(self.flow_id, self._kind, local[:2], remote[:2], self._tls_info(tls))
        self.opened_at = self.last_message_at = self._loop.time()
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        flow = self.flow
        if flow is None:
            return
        if self._first_octets is not None:
            data = self._early + data
            verdict = self._first_octets(data, flow)
            if verdict is Verdict.UNDECIDED:
                self._early = data
                return
            self._first_octets, self._early = None, b""
            if not isinstance(verdict, Verdict):
                self._hand_over(verdict, data)
                return
        try:
            arrived = self._framer.feed(data)
        except FramingError as error:
            self._take(error.complete, flow)
            self._refuse(error, flow)
            return
        self._take(arrived, flow)

    def _take(self, arrived: Sequence[bytes | KeepAlive], flow: Flow) -> None:
        self._owner.moderation.came(sum(isinstance(message, bytes) for message in arrived))
        for message in arrived:
            if isinstance(message, bytes):
                self.last_message_at = self._loop.time()
                self._owner.message(message, flow)
            else:
                self._owner.counters.keepalives += 1
                if message is KeepAlive.PING and self.transport is not None:
                    self.transport.write(_PONG)

    def pause_writing(self) -> None:
        """The peer reads too slowly: it is cut rather than buffered for."""
        self._owner.counters.write_overflows += 1
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.release()
        if self.flow is not None:
            self._owner.closed(self)

    def release(self) -> None:
        """The connection no longer counts: it ended, never came to be, or belongs to another protocol now."""
        released, self.on_released = self.on_released, None
        if released is not None:
            released()
            self._owner.released(self)

    def send(self, data: bytes) -> bool:
        """False when the connection is gone or going."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        """Closes after what is buffered has been sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Closes at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.give_up is not None:
            self.give_up()

    def deadline(self) -> float:
        """The loop time at which the connection is to be closed if nothing more happens."""
        limits = self._owner.limits
        if self.target is not None:
            return self.last_message_at + limits.outbound_idle_s
        if self.authenticated:
            return self.last_message_at + limits.authenticated_idle_s
        idle = self.last_message_at + limits.unauthenticated_idle_s
        return min(idle, self.opened_at + limits.unauthenticated_total_s)

    def _hand_over(self, other: asyncio.Protocol, data: bytes) -> None:
        transport = self.transport
        if transport is None:
            return
        self._owner.closed(self)
        self.release()
        self.flow = self.transport = None
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(data)

    def _refuse(self, error: FramingError, flow: Flow) -> None:
        """Where messages cannot be told apart any more the connection ends, with a 400 if a request could be read."""
        self._owner.counters.framing_errors += 1
        request = error.partial
        refusal = refusal_of(request, flow, error.status, error.reason) if isinstance(request, Request) else None
        if refusal is not None:
            self.send(refusal)
        self.close()

    def _tls_info(self, tls: ssl.SSLObject | None) -> TlsInfo | None:
        if tls is None:
            return None
        cipher = tls.cipher()
        return TlsInfo(tls.version() or "", cipher[0] if cipher else "", self._owner.sni_of(tls))
