"""The sans-I/O SIP endpoint: bytes and time in, bytes and events out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealtone.sip.flow import Flow, Hop, Transmit

if TYPE_CHECKING:
    from sealtone.sip.events import Event
    from sealtone.sip.message import Request
    from sealtone.sip.session import InviteSession
    from sealtone.sip.transaction import ClientTransaction, ServerTransaction

HeaderPairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What an endpoint is told once. Times in seconds, limits in pieces or bytes."""

    user_agent: str
    contact_for: Callable[[Hop], tuple[str, int]]
    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    allow: tuple[str, ...] = (
        "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE",
        "REGISTER", "SUBSCRIBE",
    )  # fmt: skip
    supported: tuple[str, ...] = ("100rel", "timer", "replaces", "path", "outbound")
    session_expires_s: int | None = 1800
    min_se_s: int = 90
    accept_in_dialog: Callable[[InviteSession, Flow], bool] | None = None
    max_transactions: int = 65536
    max_sessions: int = 16384
    max_message_bytes: int = 65536
    max_pending_in_dialog: int = 16
    max_queued_offers: int = 4
    max_forks: int = 16


@dataclass(slots=True)
class Invitation:
    """A call to place. `from_` and `to` are NameAddr texts without tag; header values are without CR or LF.

    `route`: values of Route headers, outermost first ("<sip:proxy;lr>"). `contact_params` follow the URI inside the
    angle brackets of our Contact (";ob" style). `session_expires_s` None: no session timer is asked for.
    `from_tag`, `call_id` and `cseq` let a challenged INVITE be sent again as the same call (RFC 3261 8.1.3.5).
    """

    request_uri: str
    from_: str
    to: str
    hop: Hop
    body: bytes | None = None
    headers: HeaderPairs = ()
    route: tuple[str, ...] = ()
    call_id: str | None = None
    contact_user: str = ""
    contact_params: str = ""
    session_expires_s: int | None = None
    min_se_s: int = 90
    supported: tuple[str, ...] = ("100rel", "timer")
    require: tuple[str, ...] = ()
    max_forwards: int = 70
    content_type: str = "application/sdp"
    from_tag: str | None = None
    cseq: int | None = None
    owner: object = None


class Endpoint:
    """A SIP user agent core without I/O. After every call that takes `now`, drain `transmits()` and `events()`."""

    def __init__(self, config: EndpointConfig, entropy: Callable[[int], bytes]) -> None:
        raise NotImplementedError

    # in

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one whole message (a datagram, or what a `StreamFramer` cut). Never raises for what the wire brings."""

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A stream connection is gone: what waits for a response over it fails with 503. Established sessions stay."""

    def send_failed(self, hop: Hop, now: float) -> None:
        """Something could not be sent to `hop`: what waits for a response from there fails with 503."""

    def handle_timeout(self, now: float) -> None:
        """Run every timer that is due."""

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: no timer runs. May be early, never late. O(1)."""
        raise NotImplementedError

    # out

    def transmits(self) -> list[Transmit]:
        """Drain what is to be sent."""
        raise NotImplementedError

    def events(self) -> list[Event]:
        """Drain what happened."""
        raise NotImplementedError

    # commands

    def respond(
        self,
        tx: ServerTransaction,
        status: int,
        now: float,
        reason: str | None = None,
        headers: HeaderPairs = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer a request. No effect once a final response was sent (also by the core, after a CANCEL)."""

    def request(self, request: Request, hop: Hop, now: float) -> ClientTransaction:
        """Send a non-INVITE request outside any dialog; Via, Max-Forwards and User-Agent are added."""
        raise NotImplementedError

    def invite(self, invitation: Invitation, now: float) -> InviteSession:
        """Place a call."""
        raise NotImplementedError

    def accept(self, tx: ServerTransaction, now: float) -> InviteSession:
        """Turn a received INVITE (authenticated by now) into a session; sends 100.

        Where the caller has cancelled meanwhile the session comes back ended, and `Cancelled` is in the events.
        """
        raise NotImplementedError
