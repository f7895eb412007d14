"""The sans-I/O SIP endpoint: bytes and time in, bytes and events out.

How it works. `receive` parses a message and hands it to its transaction, or makes one. What opens no session goes to
the owner as `RequestReceived`; what belongs to a dialog goes to its `InviteSession`. After every call that takes `now`
the owner drains `transmits()` and `events()`, and re-arms one timer by `next_timeout()`.

Rules. 1. Nothing the wire brings raises. 2. A request is checked in this order: well-formed, repeated, room, method,
Require, dialog, merged, Max-Forwards. 3. In-dialog requests must match Call-ID and both tags (which are random) and,
where the owner says so, come from the right place; only then does anything change. 4. Whatever is kept has a limit;
over it the answer is 503 with a random Retry-After.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sealtone.sip.errors import SipParseError
from sealtone.sip.events import Cancelled, Event, RequestReceived, ResponseReceived, TransactionFailed
from sealtone.sip.flow import Flow, Hop, Transmit, host_port
from sealtone.sip.message import Request, Response, parse_message
from sealtone.sip.responses import (
    HeaderPairs,
    content_lines,
    header_lines,
    reason_for,
    refusal_of,
    response_bytes,
    response_head,
    response_hop,
    response_to,
)
from sealtone.sip.session_timer import SMALLEST_S, session_expires_of
from sealtone.sip.session_uac import CallerSession
from sealtone.sip.session_uas import CalledSession
from sealtone.sip.transaction import (
    ACCEPTED,
    Acknowledgeable,
    ClientTransaction,
    Counters,
    MergeKey,
    ServerKey,
    ServerTransaction,
    TransactionLayer,
    TransactionUser,
)
from sealtone.sip.validate import validate

if TYPE_CHECKING:
    from sealtone.sip.dialog import Dialog, DialogKey
    from sealtone.sip.session import InviteSession

_COOKIE: Final = "z9hG4bK"
_KNOWN_METHODS: Final = frozenset(
    [
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    ]
)
_ONLY_IN_DIALOG: Final = frozenset(("BYE", "PRACK", "UPDATE", "INFO"))
_HOP_COUNTED: Final = frozenset(("INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH"))  # we pass these on
_TOKEN_BATCH: Final = 2048  # octets of entropy asked for at a time


class Refusal(NamedTuple):
    """An answer to a request that is not taken; `reason` None: the status's own."""

    status: int
    reason: str | None
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What an endpoint is told once. Times in seconds, limits in pieces or bytes.

    `accept_in_dialog`: whether a request in a dialog may be the peer's, by where it comes from; `refuse_in_dialog` is
    asked about those that may, and gives what one is answered that is not taken all the same. An ACK is not answered.
    """

    user_agent: str
    contact_for: Callable[[Hop], tuple[str, int]]
    read: Callable[[bytes], Request | Response] = parse_message
    """Reads a message as `parse_message` does."""
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
    refuse_in_dialog: Callable[[InviteSession, Request, Flow], Refusal | None] | None = None
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
    owner: Any = None


class Endpoint:
    """A SIP user agent core without I/O. After every call that takes `now`, drain `transmits()` and `events()`."""

    def __init__(self, config: EndpointConfig, entropy: Callable[[int], bytes]) -> None:
        """`entropy(n)` gives n unpredictable octets; tags, branches and Call-IDs are made of them."""
        self.config = config
        self.layer = TransactionLayer(config.t1, config.t2, config.t4)
        self.dialogs: dict[DialogKey, Dialog] = {}
        self.ringing: dict[int, set[CalledSession]] = {}  # unanswered INVITEs by stream connection
        self.session_count = 0
        self.allow_line = f"Allow: {', '.join(config.allow)}\r\n"
        # Not 100rel: in a re-INVITE we want no reliable provisional responses.
        kept = ", ".join([tag for tag in config.supported if tag != "100rel"])
        self.capability_lines = self.allow_line + (f"Supported: {kept}\r\n" if kept else "")
        self.user_agent_line = f"User-Agent: {config.user_agent}\r\n" if config.user_agent else ""
        self._supported = frozenset(config.supported)
        self._allow = frozenset(config.allow)
        self._read = config.read
        self._entropy = entropy
        self._tokens = ""
        self._token_at = 0
        self._events: list[Event] = []

    @property
    def counters(self) -> Counters:
        """What has happened so far."""
        return self.layer.counters

    @property
    def transaction_count(self) -> int:
        """Transactions alive, those that only absorb repetitions among them."""
        return len(self.layer.clients) + len(self.layer.servers)

    # in

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one whole message (a datagram, or what a `StreamFramer` cut). Never raises for what the wire brings."""
        counters = self.layer.counters
        counters.received += 1
        if len(data) > self.config.max_message_bytes or len(data) <= 4:  # at most a keep-alive
            counters.discarded += 1
            return
        message: Request | Response | None = None
        try:
            message = self._read(data)
            if isinstance(message, Response):
                self._receive_response(message, flow, now)
            else:
                self._receive_request(message, flow, now)
        except SipParseError as error:
            counters.malformed += 1
            readable = message or error.partial
            if isinstance(readable, Request):
                self._refuse_malformed(readable, flow, error.status, error.reason)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A stream connection is gone: what waits for a response over it fails with 503. Established sessions stay."""
        self.layer.fail(flow, now)
        for session in list(self.ringing.get(flow.id, ())):
            session.connection_lost(now)

    def send_failed(self, hop: Hop, now: float) -> None:
        """Something could not be sent to `hop`: what waits for a response from there fails with 503."""
        self.layer.fail(hop, now)

    def handle_timeout(self, now: float) -> None:
        """Run every timer that is due."""
        self.layer.timers.run(now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` wants to be called; None: no timer runs. May be early, never late. O(1), amortised."""
        return self.layer.timers.next()

    # out

    def transmits(self) -> list[Transmit]:
        """Drain what is to be sent."""
        out = self.layer.out
        if out:
            self.layer.out = []
        return out

    def events(self) -> list[Event]:
        """Drain what happened."""
        events = self._events
        if events:
            self._events = []
        return events

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
        """Answer a request. No effect once a final response was sent (also by the core, after a CANCEL).

        An INVITE is answered 2xx by `accept` and its session; for a 2xx here ValueError is raised.
        """
        if tx.answered:
            return
        if 200 <= status < 300 and tx.method == "INVITE":
            raise ValueError("an INVITE is answered 2xx by a session")
        lines = header_lines(headers) + content_lines(body, content_type)
        tx.send(status, response_to(tx, status, reason, lines, body), now)

    def request(self, request: Request, hop: Hop, now: float) -> ClientTransaction:
        """Send a non-INVITE request outside any dialog; Via, and Max-Forwards and User-Agent if absent, are added.

        `request` is changed. Over the limit of transactions `TransactionFailed` 503 follows at once.
        """
        if request.method in ("INVITE", "ACK", "CANCEL"):
            raise ValueError("calls are placed by invite")
        via = f"{self.via_for(hop)[1]}{self.token()};rport"
        headers = request.headers
        headers.prepend("Via", via)
        if "Max-Forwards" not in headers:
            headers.add("Max-Forwards", "70")
        if self.config.user_agent and "User-Agent" not in headers:
            headers.add("User-Agent", self.config.user_agent)
        if len(self.layer.clients) >= self.config.max_transactions:
            self.counters.refused_over_limit += 1
            tx = ClientTransaction(self.layer, (via, request.method), None, hop, self, now)
            self.emit(TransactionFailed(tx, 503))
            return tx
        return self.start_client(request.method, via, request.encode(), hop, self, now, None)

    def invite(self, invitation: Invitation, now: float) -> InviteSession:
        """Place a call. Over a limit `Rejected` 503 follows at once, and nothing is sent."""
        full = len(self.layer.clients) >= self.config.max_transactions or self.session_count >= self.config.max_sessions
        session = CallerSession(self, invitation, now, send=not full)
        if full:
            self.counters.refused_over_limit += 1
            session.refuse(503)
        return session

    def accept(self, tx: ServerTransaction, now: float) -> InviteSession:
        """Turn a received INVITE (authenticated by now) into a session.

        100 follows after 200 ms, where nothing else was sent by then (RFC 3261 17.2.1).

        Where the caller has cancelled meanwhile the session comes back ended, and `Cancelled` is in the events.
        """
        request = tx.request
        if request is not None and tx.session is None and tx.method == "INVITE":
            return CalledSession(self, tx, request, now)
        session = CalledSession(self, tx, None, now)
        if tx.cancelled_by is not None:
            self.emit(Cancelled(session, tx.cancelled_by))
        return session

    # for the sessions

    def emit(self, event: Event) -> None:
        """Tell the owner."""
        self._events.append(event)

    def token(self) -> str:
        """16 hexadecimal digits that nobody can guess."""
        at = self._token_at
        token = self._tokens[at : at + 16]
        if not token:
            self._tokens = self._entropy(_TOKEN_BATCH).hex()
            at = 0
            token = self._tokens[:16]
        self._token_at = at + 16
        return token

    def draw(self, below: int) -> int:
        """A random integer from 0 to below - 1."""
        return int(self.token()[:12], 16) % below

    def via_for(self, hop: Hop) -> tuple[str, str]:
        """Our sent-by for a hop, and the Via value up to where the rest of the branch follows."""
        host, port = self.config.contact_for(hop)
        sent_by = host_port(host, port)
        return sent_by, f"SIP/2.0/{hop.transport.upper()} {sent_by};branch={_COOKIE}"

    def start_client(
        self,
        method: str,
        via: str,
        data: bytes,
        hop: Hop,
        user: TransactionUser,
        now: float,
        acknowledgeable: Acknowledgeable | None,
    ) -> ClientTransaction:
        """Send a request whose Via value was made by `via_for` and a token."""
        key = (via[via.index(";branch=") + 8 : -6], method)  # without ";rport"
        return ClientTransaction(self.layer, key, data, hop, user, now, acknowledgeable)

    def refuse_over_limit(self, tx: ServerTransaction, now: float) -> None:
        """Answer 503 for want of room."""
        self.counters.refused_over_limit += 1
        tx.send(503, response_to(tx, 503, None, self._retry_after_line()), now)

    def on_response(self, tx: ClientTransaction, response: Response, flow: Flow, now: float) -> None:
        """A response to a request outside any dialog."""
        self._events.append(ResponseReceived(tx, response))

    def on_failure(self, tx: ClientTransaction, status: int, now: float) -> None:
        """No response to a request outside any dialog."""
        self._events.append(TransactionFailed(tx, status))

    # responses

    def _receive_response(self, response: Response, flow: Flow, now: float) -> None:
        vias = response.vias
        tx = None
        if len(vias) == 1:  # with more it was never ours (RFC 3261 8.1.3.3)
            tx = self.layer.clients.get((vias[0].branch or "", response.cseq.method))
        if tx is None or not (response.is_valid or validate(response) is None):
            self.counters.discarded += 1
            return
        hop = tx.hop
        if hop is not flow and not _is_from(hop, flow):
            self.counters.spoofed += 1  # who saw the branch pass by must not answer for its peer
            return
        tx.receive(response, flow, now)

    # requests

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        problem = None if request.is_valid else validate(request)
        if problem is not None:
            self.counters.malformed += 1
            self._refuse_malformed(request, flow, problem.status, problem.reason)
            return
        method = request.method
        layer = self.layer
        key = _server_key(request, flow, "INVITE" if method in ("ACK", "CANCEL") else method)
        tx = layer.servers.get(key)
        if method == "ACK":
            self._receive_ack(tx, request, flow, now)
        elif method == "CANCEL":
            self._receive_cancel(tx, key, request, flow, now)
        elif tx is not None:
            tx.receive_again()
        else:
            self._receive_new(key, request, flow, now)

    def _receive_ack(self, tx: ServerTransaction | None, request: Request, flow: Flow, now: float) -> None:
        if tx is not None and tx.state != ACCEPTED:
            tx.receive_ack(now)
            return
        dialog = self.dialogs.get((request.call_id, request.to.tag or "", request.from_.tag or ""))
        if dialog is None:
            self.counters.discarded += 1
        elif self._is_welcome(dialog.session, flow) and self._refusal(dialog.session, request, flow) is None:
            dialog.session.receive_ack(request, flow, now)

    def _receive_cancel(
        self, invite: ServerTransaction | None, invite_key: ServerKey, request: Request, flow: Flow, now: float
    ) -> None:  # fmt: skip
        key = (invite_key[0], invite_key[1], invite_key[2], "CANCEL")
        cancel = self.layer.servers.get(key)
        if cancel is not None:
            cancel.receive_again()
            return
        if invite is None:  # another source address than the INVITE's does not find it
            self._reply(request, flow, 481)
            return
        if flow.transport != invite.flow.transport or (flow.transport != "udp" and flow.id != invite.flow.id):
            self.counters.spoofed += 1
            self._reply(request, flow, 481)
            return
        tx = ServerTransaction(self.layer, key, None, request, flow, response_hop(request, flow), now)
        tx.to_tag = invite.to_tag
        tx.send(200, response_to(tx, 200), now)
        if invite.answered:
            return
        session = invite.session
        if session is not None:
            session.receive_cancel(invite, request, now)
        else:
            invite.cancelled_by = request
            invite.send(487, response_to(invite, 487), now)

    def _receive_new(self, key: ServerKey, request: Request, flow: Flow, now: float) -> None:
        method = request.method
        in_dialog = request.to.tag is not None
        room = self.config.max_transactions
        if len(self.layer.servers) >= (room + room // 4 if in_dialog else room):
            self.counters.refused_over_limit += 1
            self._reply(request, flow, 503, None, self._retry_after_line())
        elif method not in self._allow:
            self._reply(request, flow, 405 if method in _KNOWN_METHODS else 501, None, self.allow_line)
        elif not request.require <= self._supported:
            unsupported = ", ".join(sorted(request.require - self._supported))
            self._reply(request, flow, 420, None, f"Unsupported: {unsupported}\r\n")
        elif in_dialog and method != "REGISTER":
            self._receive_in_dialog(key, request, flow, now)
        elif method in _ONLY_IN_DIALOG and method != "INFO":
            self._reply(request, flow, 481)
        else:
            self._receive_outside(key, request, flow, now)

    def _receive_in_dialog(self, key: ServerKey, request: Request, flow: Flow, now: float) -> None:
        dialog = self.dialogs.get((request.call_id, request.to.tag or "", request.from_.tag or ""))
        if dialog is None or not self._is_welcome(dialog.session, flow):
            self._reply(request, flow, 481)
            return
        refusal = self._refusal(dialog.session, request, flow)
        if refusal is not None:
            self._reply(request, flow, refusal.status, refusal.reason, header_lines(refusal.headers))
            return
        tx = ServerTransaction(self.layer, key, None, request, flow, response_hop(request, flow), now)
        dialog.session.receive_request(tx, request, dialog, flow, now)

    def _is_welcome(self, session: InviteSession, flow: Flow) -> bool:
        accepts = self.config.accept_in_dialog
        if accepts is None or accepts(session, flow):
            return True
        self.counters.spoofed += 1
        return False

    def _refusal(self, session: InviteSession, request: Request, flow: Flow) -> Refusal | None:
        refuse = self.config.refuse_in_dialog
        refusal = None if refuse is None else refuse(session, request, flow)
        if refusal is not None:
            self.counters.spoofed += 1
        return refusal

    def _receive_outside(self, key: ServerKey, request: Request, flow: Flow, now: float) -> None:
        method = request.method
        merge_key: MergeKey = (request.call_id, request.from_.tag or "", request.cseq.seq)
        twin = self.layer.merges.get(merge_key)
        if twin is not None and twin.method == method:
            self._reply(request, flow, 482)
            return
        if method in _HOP_COUNTED and request.max_forwards == 0:
            self._reply(request, flow, 483)
            return
        if method == "INVITE":
            if self.session_count >= self.config.max_sessions:
                self.counters.refused_over_limit += 1
                self._reply(request, flow, 503, None, self._retry_after_line())
                return
            asked = session_expires_of(request)
            least_s = max(self.config.min_se_s, SMALLEST_S)
            if asked is not None and asked.interval_s < least_s and "timer" in request.supported:
                self._reply(request, flow, 422, None, f"Min-SE: {least_s}\r\n")
                return
        tx = ServerTransaction(self.layer, key, merge_key, request, flow, response_hop(request, flow), now)
        tx.to_tag = self.token()
        self._events.append(RequestReceived(tx, request, flow))

    # answers without a transaction (RFC 3261 8.2.7): a repetition is judged anew, and nothing is kept for it

    def _reply(self, request: Request, flow: Flow, status: int, reason: str | None = None, lines: str = "") -> None:
        head = response_head(request, flow, self.token())
        self.layer.send(response_bytes(head, status, reason, lines), response_hop(request, flow))

    def _refuse_malformed(self, request: Request, flow: Flow, status: int, reason: str) -> None:
        """Refuse what is broken, if there is enough of it to say so to its sender."""
        headers = request.headers
        if status == 505:  # its Via has that version too, and is read as ours so that the answer finds its way
            values = headers.all("Via")
            headers.remove("Via")
            for value in values:
                headers.add("Via", f"SIP/2.0/{value.partition('/')[2].partition('/')[2]}")
        refusal = refusal_of(request, flow, status, f"{reason_for(status)} ({reason})")
        if refusal is not None:
            self.layer.send(refusal, response_hop(request, flow))

    def _retry_after_line(self) -> str:
        return f"Retry-After: {5 + self.draw(26)}\r\n"


def _is_from(hop: Hop, flow: Flow) -> bool:
    """Whether a response on `flow` comes from whom a request to `hop` went to. The port may be another (18.1.2)."""
    if hop.transport != flow.transport:
        return False
    sent_to, source = hop.remote[0] if isinstance(hop, Flow) else hop.host, flow.remote[0]
    return sent_to == source or sent_to.strip("[]").lower() == source.lower()


def _server_key(request: Request, flow: Flow, method: str) -> ServerKey:
    """What a repetition has in common with its request, RFC 3261 17.2.3, and the source address besides."""
    via = request.vias[0]
    branch = via.branch or ""
    if not branch.startswith(_COOKIE):  # RFC 2543
        branch = f"{request.uri} {request.call_id} {request.from_.tag} {request.cseq.seq} {branch}"
    return branch, f"{via.host}:{via.port}", flow.remote[0], method
