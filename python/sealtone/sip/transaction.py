"""Transactions: RFC 3261 section 17, with the Accepted states of RFC 6026.

How it works. The four machines, their states and what each state waits for (U: only over unreliable transports):

    INVITE client      CALLING     timer A (T1, doubling, U) resends; timer B (64*T1) fails with 408
                       PROCEEDING  nothing: a phone may ring for long, giving up is the user's decision;
                                   within a dialog timer B goes on, as nothing rings there
                       COMPLETED   timer D (64*T1, U; else over at once): ACKs each repeated final response
                       ACCEPTED    timer M (64*T1): every further 2xx goes to the user, who ACKs it
    non-INVITE client  CALLING     timer E (T1, doubling to T2, U) resends; timer F (64*T1) fails with 408
                       PROCEEDING  timer E at T2 (U); timer F
                       COMPLETED   timer K (T4, U)
    INVITE server      TRYING      200 ms: then 100 is sent; 64*T1 without any answer of the user: 500
                       PROCEEDING  nothing; a repeated INVITE gets the last provisional response again
                       COMPLETED   timer G (T1, doubling to T2, U) resends the final response; timer H (64*T1)
                       CONFIRMED   timer I (T4, U): absorbs further ACKs
                       ACCEPTED    timer L (64*T1): absorbs repeated INVITEs; the user repeats its 2xx itself
    non-INVITE server  TRYING      64*T1 without an answer: forgotten, as the client has given up by then
                       COMPLETED   timer J (64*T1, U): a repeated request gets the final response again

Rules. 1. A transaction keeps what its state needs and no more: when completed, the bytes to repeat and where to.
2. A final response to an INVITE of somebody who has not been accepted (see `Endpoint.accept`), and to whom no
provisional response went, is not repeated by timer G: RFC 3261 8.2.7 lets a server be stateless towards the
unauthenticated, whose own timer A asks again. So nobody can make us send more messages than they sent.
3. Timer D is 64*T1 rather than a fixed 32 s, so that all scale with T1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from sealtone.sip.flow import Flow, Hop, Transmit
from sealtone.sip.responses import response_to
from sealtone.sip.timers import NEVER, Timed, Timers

if TYPE_CHECKING:
    from sealtone.sip.message import Request, Response
    from sealtone.sip.session import InviteSession

TRYING: Final = 0  # CALLING of a client
PROCEEDING: Final = 1
COMPLETED: Final = 2
CONFIRMED: Final = 3
ACCEPTED: Final = 4
TERMINATED: Final = 5

ServerKey = tuple[str, str, str, str]  # branch (or an RFC 2543 substitute), sent-by, source address, method
ClientKey = tuple[str, str]  # branch, method
MergeKey = tuple[str, str, int]  # Call-ID, From tag, CSeq: RFC 3261 8.2.2.2


class TransactionUser(Protocol):
    """What receives the outcome of a client transaction."""

    def on_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        """A response that the transaction did not absorb."""

    def on_failure(self, tx: ClientTransaction, status: int, now: float) -> None:
        """No final response will come: 408 or 503."""


class Nobody:
    """The user of a transaction that is over, so that the two do not keep each other alive until the collector runs."""

    def on_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        """Not told."""

    def on_failure(self, tx: ClientTransaction, status: int, now: float) -> None:
        """Not told."""


NOBODY: Final = Nobody()


class Acknowledgeable(NamedTuple):
    """What an ACK for a non-2xx (and a CANCEL) copies from its INVITE, RFC 3261 17.1.1.3 and 9.1."""

    uri: str
    via: str
    routes: str  # whole header lines
    from_: str
    to: str
    call_id: str
    seq: int

    def derive(self, method: str, to: str, lines: str = "") -> bytes:
        """The ACK or CANCEL, with To as given; `lines` are further whole header lines."""
        return (
            f"{method} {self.uri} SIP/2.0\r\nVia: {self.via}\r\nMax-Forwards: 70\r\n{self.routes}From: {self.from_}\r\n"
            f"To: {to}\r\nCall-ID: {self.call_id}\r\nCSeq: {self.seq} {method}\r\n{lines}Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")


class Counters:
    """What has happened so far, in pieces."""

    __slots__ = (
        "absorbed",
        "discarded",
        "malformed",
        "received",
        "refused_over_limit",
        "retransmitted",
        "sent",
        "spoofed",
        "timed_out",
        "unanswered",
    )

    def __init__(self) -> None:
        self.received = 0  # messages taken in
        self.sent = 0  # messages given out, retransmissions among them
        self.retransmitted = 0  # sent again by a timer or for a repeated request
        self.absorbed = 0  # repeated messages that a transaction swallowed
        self.malformed = 0  # unreadable or refused by validation
        self.discarded = 0  # responses and ACKs that match nothing
        self.spoofed = 0  # CANCELs and in-dialog requests from the wrong place
        self.refused_over_limit = 0  # answered 503 (or failed with it) for want of room
        self.timed_out = 0  # client transactions without a final response
        self.unanswered = 0  # requests that the owner never answered


class TransactionLayer:
    """The tables of transactions, and the outbox they share."""

    __slots__ = ("by_flow", "clients", "counters", "merges", "out", "servers", "t1", "t2", "t4", "timers")

    def __init__(self, t1: float, t2: float, t4: float) -> None:
        self.t1 = t1
        self.t2 = t2
        self.t4 = t4
        self.timers = Timers()
        self.out: list[Transmit] = []
        self.clients: dict[ClientKey, ClientTransaction] = {}
        self.servers: dict[ServerKey, ServerTransaction] = {}
        self.merges: dict[MergeKey, ServerTransaction] = {}
        self.by_flow: dict[int, set[ClientTransaction]] = {}  # stream connections only
        self.counters = Counters()

    def send(self, data: bytes, hop: Hop) -> None:
        """Put one message into the outbox."""
        self.counters.sent += 1
        self.out.append((data, hop))

    def resend(self, data: bytes, hop: Hop) -> None:
        """The same, counted as a retransmission."""
        self.counters.retransmitted += 1
        self.send(data, hop)

    def fail(self, hop: Hop, now: float) -> None:
        """Fail with 503 whatever waits for a response from `hop`."""
        if isinstance(hop, Flow) and hop.transport != "udp":
            waiting = list(self.by_flow.get(hop.id, ()))
        else:
            waiting = [tx for tx in self.clients.values() if tx.hop == hop]
        for tx in waiting:
            tx.fail(503, now)


class ClientTransaction(Timed):
    """One request sent. `owner` is free for the owner of the endpoint."""

    __slots__ = (
        "_acknowledgeable",
        "_deadline",
        "_interval",
        "_key",
        "_layer",
        "_resend",
        "_user",
        "hop",
        "owner",
        "state",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: ClientKey,
        data: bytes | None,
        hop: Hop,
        user: TransactionUser,
        now: float,
        acknowledgeable: Acknowledgeable | None = None,
    ) -> None:
        """Send `data`; None: there is no room, and the transaction never was. `acknowledgeable` is given for INVITE,
        and for nothing else."""
        self.due = NEVER
        self.entry = None
        self._layer = layer
        self._key = key
        self._resend = data or b""
        self._user = user
        self._acknowledgeable = acknowledgeable
        self.hop = hop
        self.owner: object = None
        self._deadline = now + 64 * layer.t1
        self._interval = layer.t1
        if data is None:
            self.state = TERMINATED
            return
        self.state = TRYING
        layer.clients[key] = self
        layer.send(data, hop)
        if hop.transport == "udp":
            layer.timers.set(self, now + layer.t1)
        else:
            if isinstance(hop, Flow):
                layer.by_flow.setdefault(hop.id, set()).add(self)
            layer.timers.set(self, self._deadline)

    @property
    def method(self) -> str:
        """The request's method."""
        return self._key[1]

    @property
    def answered(self) -> bool:
        """Whether the outcome is known."""
        return self.state >= COMPLETED

    def fire(self, now: float) -> None:
        """Timers A, B, D, E, F, K, M."""
        state = self.state
        if state >= COMPLETED:
            self._terminate()
            return
        if now >= self._deadline:
            self._layer.counters.timed_out += 1
            self.fail(408, now)
            return
        layer = self._layer
        layer.resend(self._resend, self.hop)
        interval = self._interval * 2
        if self._acknowledgeable is None and (interval > layer.t2 or state == PROCEEDING):
            interval = layer.t2
        self._interval = interval
        layer.timers.set(self, min(now + interval, self._deadline))

    def receive(self, response: Response, flow: Flow, now: float) -> None:
        """Take a response of this transaction."""
        state = self.state
        status = response.status
        user = self._user
        if state >= COMPLETED:
            self._receive_again(response, flow, now)
        elif status < 200:
            if state == TRYING:
                self.state = PROCEEDING
                invite = self._acknowledgeable
                if invite is not None:
                    if ";tag=" in invite.to:
                        self._layer.timers.set(self, self._deadline)
                    else:
                        self._layer.timers.clear(self)
            user.on_response(self, response, flow, now)
        elif self._acknowledgeable is None:
            self._complete(COMPLETED, now + self._layer.t4, now)
            user.on_response(self, response, flow, now)
        elif status < 300:
            self._complete(ACCEPTED, now + 64 * self._layer.t1, now)
            user.on_response(self, response, flow, now)
        else:
            ack = self._acknowledgeable.derive("ACK", response.headers.get("To") or self._acknowledgeable.to)
            self._layer.send(ack, self.hop)
            self._complete(COMPLETED, now + 64 * self._layer.t1, now)
            self._resend = ack
            user.on_response(self, response, flow, now)

    def fail(self, status: int, now: float) -> None:
        """End without a final response, and say so to the user."""
        if self.state >= COMPLETED:
            return
        user = self._user
        self._terminate()
        user.on_failure(self, status, now)

    def cancel(self, lines: str, user: TransactionUser, now: float) -> None:
        """Send the CANCEL for this INVITE (RFC 3261 9.1), which has seen a provisional response."""
        invite = self._acknowledgeable
        if invite is not None and self.state == PROCEEDING:
            data = invite.derive("CANCEL", invite.to, lines)
            ClientTransaction(self._layer, (self._key[0], "CANCEL"), data, self.hop, user, now)

    def abandon(self) -> None:
        """Forget the transaction without telling its user."""
        self._terminate()

    def _receive_again(self, response: Response, flow: Flow, now: float) -> None:
        if self.state == ACCEPTED and 200 <= response.status < 300:
            self._user.on_response(self, response, flow, now)
        elif self._acknowledgeable is not None and self.state == COMPLETED and response.status >= 300:
            self._layer.counters.absorbed += 1
            self._layer.resend(self._resend, self.hop)
        else:
            self._layer.counters.absorbed += 1

    def _complete(self, state: int, linger_until: float, now: float) -> None:
        self._resend = b""
        self._unindex()
        if state == COMPLETED and self.hop.transport != "udp":
            self._terminate()
        else:
            self.state = state
            self._layer.timers.set(self, linger_until)

    def _terminate(self) -> None:
        self.state = TERMINATED
        self._layer.timers.clear(self)
        self._layer.clients.pop(self._key, None)
        self._unindex()
        self._resend = b""
        self._user = NOBODY

    def _unindex(self) -> None:
        hop = self.hop
        if hop.transport != "udp" and isinstance(hop, Flow):
            waiting = self._layer.by_flow.get(hop.id)
            if waiting is not None:
                waiting.discard(self)
                if not waiting:
                    del self._layer.by_flow[hop.id]


class ServerTransaction(Timed):
    """One request received. `request` is None once a final response is sent; `owner` is free for the owner."""

    __slots__ = (
        "_deadline",
        "_interval",
        "_key",
        "_last",
        "_layer",
        "_merge_key",
        "_trying",
        "accepted",
        "cancelled_by",
        "flow",
        "head",
        "hop",
        "owner",
        "request",
        "session",
        "state",
        "to_tag",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: ServerKey,
        merge_key: MergeKey | None,
        request: Request,
        flow: Flow,
        hop: Hop,
        now: float,
    ) -> None:
        self.due = NEVER
        self.entry = None
        self._layer = layer
        self._key = key
        self._merge_key = merge_key
        self._last = b""
        self._interval = layer.t1
        self._deadline = now + 64 * layer.t1
        self.request: Request | None = request
        self.flow = flow
        self.hop = hop
        self.head = ""
        self.to_tag = ""
        self.session: InviteSession | None = None
        self.accepted = False
        self.cancelled_by: Request | None = None
        self.owner: object = None
        self.state = TRYING
        layer.servers[key] = self
        if merge_key is not None:
            layer.merges[merge_key] = self
        layer.timers.set(self, now + 0.2 if key[3] == "INVITE" else self._deadline)

    @property
    def method(self) -> str:
        """The request's method."""
        return self._key[3]

    @property
    def answered(self) -> bool:
        """Whether a final response was sent."""
        return self.state >= COMPLETED

    def send(self, status: int, data: bytes, now: float) -> None:
        """Send a response made by `responses`; no effect after a final one."""
        state = self.state
        if state >= COMPLETED:
            return
        layer = self._layer
        layer.send(data, self.hop)
        if status < 200:
            self.state = PROCEEDING
            self._last = data
            if self._key[3] == "INVITE":
                # An unaccepted INVITE must not stay for ever: its owner has until 64*T1 to say what it is.
                if self.accepted:
                    layer.timers.clear(self)
                else:
                    layer.timers.set(self, self._deadline)
            return
        self.request = None
        self.head = ""
        self.session = None
        if status >= 300:
            self._unmerge()  # refused is refused; only what was done must not be done twice
        if self._key[3] != "INVITE":
            self._linger(COMPLETED, data, now + 64 * layer.t1)
        elif status < 300:
            self.state = ACCEPTED
            self._last = b""
            layer.timers.set(self, now + 64 * layer.t1)
        else:
            self._interval = layer.t1
            self._deadline = now + 64 * layer.t1
            repeats = self.hop.transport == "udp" and (self.accepted or state == PROCEEDING)
            self.state = COMPLETED
            self._last = data
            layer.timers.set(self, now + layer.t1 if repeats else self._deadline)

    def receive_again(self) -> None:
        """The request was repeated."""
        self._layer.counters.absorbed += 1
        if self._last:
            self._layer.resend(self._last, self.hop)

    def receive_ack(self, now: float) -> None:
        """The ACK of a non-2xx response came."""
        if self.state == COMPLETED:
            self._linger(CONFIRMED, b"", now + self._layer.t4)

    def fire(self, now: float) -> None:
        """Timers G, H, I, J, L, and the two for owners who are slow or silent."""
        state = self.state
        if state == COMPLETED and self._key[3] == "INVITE" and now < self._deadline:
            layer = self._layer
            layer.resend(self._last, self.hop)
            self._interval = min(self._interval * 2, layer.t2)
            layer.timers.set(self, min(now + self._interval, self._deadline))
        elif state >= COMPLETED:
            self.terminate()
        else:
            self._fire_unanswered(now)

    def _fire_unanswered(self, now: float) -> None:
        if self._key[3] != "INVITE" or now >= self._deadline:
            self._layer.counters.unanswered += 1
            if self._key[3] == "INVITE":
                self.send(500, response_to(self, 500), now)
            else:
                self.terminate()
        else:
            self.send(100, response_to(self, 100), now)

    def _linger(self, state: int, data: bytes, until: float) -> None:
        self.state = state
        self._last = data
        if self.hop.transport == "udp":
            self._layer.timers.set(self, until)
        else:
            self.terminate()

    def terminate(self) -> None:
        """Forget the transaction."""
        layer = self._layer
        self.state = TERMINATED
        layer.timers.clear(self)
        layer.servers.pop(self._key, None)
        self._unmerge()
        self.request = None
        self.session = None
        self._last = b""

    def _unmerge(self) -> None:
        if self._merge_key is not None:
            self._layer.merges.pop(self._merge_key, None)
            self._merge_key = None
