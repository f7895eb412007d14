"""What an INVITE dialog usage holds in either role, and how it sends: the ground floor of `InviteSession`.

The floors: `DialogUsage` (state, sending, deadlines, the end), `Renegotiation` (re-INVITE, UPDATE, session timers),
`InviteSession` (the owner's interface, requests of the peer), `CallerSession` and `CalledSession` (the first INVITE).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from sealtone.sip.events import EndCause, Ended
from sealtone.sip.flow import Flow, Hop, Target
from sealtone.sip.offer_state import OfferState
from sealtone.sip.responses import HeaderPairs, header_lines, response_to
from sealtone.sip.session_timer import SessionTimer
from sealtone.sip.timers import NEVER, Timed
from sealtone.sip.transaction import Acknowledgeable, ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sealtone.sip.dialog import Dialog
    from sealtone.sip.endpoint import Endpoint
    from sealtone.sip.message import Message, Request
    from sealtone.sip.session import InviteSession

SessionState = Literal["calling", "incoming", "early", "answered", "confirmed", "ended"]
Deadline = Literal["ack", "glare", "refresh", "expiry", "reliable", "cancel", "late-answer", "reinvite"]


class QueuedOffer:
    """An offer of ours, waiting or under way. `kind`: "offer", "request" (a re-INVITE without body), "refresh"."""

    __slots__ = ("body", "given_up", "headers", "kind", "retries")

    def __init__(self, kind: Literal["offer", "request", "refresh"], body: bytes, headers: HeaderPairs) -> None:
        self.kind = kind
        self.body = body
        self.headers = headers
        self.retries = 0
        self.given_up = False  # it took too long, and CANCEL was sent


class UnackedAnswer:
    """Our 2xx to an INVITE, repeated until its ACK comes."""

    __slots__ = ("data", "deadline", "hop", "interval", "seq", "wants_answer")

    def __init__(self, data: bytes, hop: Hop, seq: int, wants_answer: bool, t1: float, now: float) -> None:
        self.data = data
        self.hop = hop
        self.seq = seq
        self.wants_answer = wants_answer
        self.interval = t1
        self.deadline = now + 64 * t1


class SentAck(NamedTuple):
    """The ACK of a 2xx, to be sent again whenever that 2xx comes again."""

    seq: int
    data: bytes
    hop: Hop


class DialogUsage(Timed):
    """One call leg.

    `state`: "calling" (our INVITE is out), "incoming" (theirs came), "early" (1xx with a dialog), "answered" (2xx sent
    or received, ACK outstanding), "confirmed", "ended". `local_body`/`remote_body`: the last session descriptions that
    hold or, before an answer, were sent and seen (b"" when none). `owner`: free for the owner. `hop`: where in-dialog
    requests go; settable. `flow`: the flow over which the peer's last message of this dialog came
    (before there was one: the flow of our INVITE, None where that went to a Target).
    `contact_user` and `contact_params` (";ob" style) count when they are set before the first message with a Contact,
    or before `hop` is set anew. `prefer_update`: offers in a confirmed session go by UPDATE where the peer allows it.
    `renew_offer`: gives the body under which an offer of ours is sent again.
    """

    __slots__ = (
        "_addressed",
        "_bye_tx",
        "_contact",
        "_current",
        "_deadlines",
        "_dialogs",
        "_invite_server",
        "_invite_tx",
        "_offers",
        "_parting",
        "_pending",
        "_queue",
        "_secure",
        "_sent_ack",
        "_timer",
        "_unacked",
        "_update_tx",
        "_via",
        "call_id",
        "contact_params",
        "contact_user",
        "dialog",
        "endpoint",
        "flow",
        "hop",
        "invite_request",
        "local_body",
        "local_tag",
        "owner",
        "prefer_update",
        "remote_allow",
        "remote_body",
        "remote_supported",
        "renew_offer",
        "state",
    )

    role: Literal["uac", "uas"]

    def __init__(
        self, endpoint: Endpoint, state: SessionState, call_id: str, local_tag: str, hop: Hop, secure: bool
    ) -> None:
        self.due = NEVER
        self.entry = None
        self.endpoint = endpoint
        self.state: SessionState = state
        self.call_id = call_id
        self.local_tag = local_tag
        self.hop: Hop = hop
        self.flow: Flow | None = None
        self.dialog: Dialog | None = None
        self.invite_request: Request | None = None
        self.contact_user = ""
        self.contact_params = ""
        self.remote_supported: frozenset[str] = frozenset()
        self.remote_allow: frozenset[str] = frozenset()
        self.prefer_update = True
        self.local_body = b""
        self.remote_body = b""
        self.owner: object = None
        self.renew_offer: Callable[[bytes], bytes] | None = None
        self._secure = secure
        self._addressed: Hop | None = None
        self._bye_tx: ClientTransaction | None = None
        self._contact = ""
        self._via = ""
        self._deadlines: dict[Deadline, float] = {}
        self._dialogs: list[Dialog] = []
        self._offers = OfferState()
        self._queue: deque[QueuedOffer] | None = None
        self._current: QueuedOffer | None = None
        self._pending: list[ServerTransaction] = []
        self._invite_server: ServerTransaction | None = None
        self._invite_tx: ClientTransaction | None = None
        self._update_tx: ClientTransaction | None = None
        self._unacked: UnackedAnswer | None = None
        self._sent_ack: SentAck | None = None
        self._parting: HeaderPairs | None = None
        self._timer = SessionTimer(endpoint.config.session_expires_s, endpoint.config.min_se_s)
        endpoint.session_count += 1

    @property
    def session_expires(self) -> int | None:
        """The session interval agreed, in seconds; None: no session timer."""
        return self._timer.expires_s

    @property
    def refresher(self) -> Literal["local", "remote"] | None:
        """Who refreshes the session."""
        return None if self._timer.expires_s is None else "local" if self._timer.refreshing else "remote"

    @property
    def _leg(self) -> InviteSession:
        """This, as what it always is: nothing lower than an `InviteSession` is ever made."""
        return cast("InviteSession", self)

    # sending

    def new_via(self) -> str:
        """A Via value with a new branch for a request to `hop`."""
        if self._addressed is not self.hop:
            self._address()
        return f"{self._via}{self.endpoint.token()};rport"

    def contact_line(self) -> str:
        """Our Contact header line."""
        if self._addressed is not self.hop:
            self._address()
        return self._contact

    def _address(self) -> None:
        """Build what depends on the hop: the Via before its branch, and the Contact."""
        hop = self.hop
        sent_by, self._via = self.endpoint.via_for(hop)
        user = f"{self.contact_user}@" if self.contact_user else ""
        secure = self._secure
        transport = (
            "" if hop.transport == "udp" or (secure and hop.transport == "tls") else f";transport={hop.transport}"
        )
        scheme = "sips" if secure else "sip"
        self._contact = f"Contact: <{scheme}:{user}{sent_by}{transport}{self.contact_params}>\r\n"
        self._addressed = hop

    def _send(self, dialog: Dialog, method: str, lines: str, body: bytes, now: float) -> ClientTransaction:
        """Send a request in a dialog. Where there is no room for a transaction it fails by 503 at once."""
        seq = dialog.next_seq()
        via = self.new_via()
        data = dialog.request(method, seq, via, lines, body)
        acknowledgeable = None
        if method == "INVITE":
            dialog.invite_seq = seq
            uri, routes = dialog.routing
            acknowledgeable = Acknowledgeable(
                uri, via, routes, dialog.local_uri, dialog.remote_uri, dialog.call_id, seq
            )  # fmt: skip
        return self.endpoint.start_client(method, via, data, self.hop, self._leg, now, acknowledgeable)

    def _send_ack(self, dialog: Dialog, seq: int, body: bytes) -> None:
        lines = "Content-Type: application/sdp\r\n" if body else ""
        data = dialog.request("ACK", seq, self.new_via(), lines, body)
        self._sent_ack = SentAck(seq, data, self.hop)
        self.endpoint.layer.send(data, self.hop)

    # what the peer's messages change

    def _follow(self, flow: Flow) -> None:
        """Send to where the peer now is: a new connection of its, its address behind a NAT that has changed, or
        another network, if that is known to be its phone's. Never over another transport: it may be less secure."""
        hop = self.hop
        if not (flow is hop or flow == hop) and hop.transport == flow.transport:
            if isinstance(hop, Target):
                same = hop.transport != "udp" or flow.remote == (hop.host, hop.port)
            else:
                same = hop.remote[0] == flow.remote[0]
            if same or self._is_accepted(flow):
                self.hop = flow
        self.flow = flow

    def _is_accepted(self, flow: Flow) -> bool:
        accepts = self.endpoint.config.accept_in_dialog
        return accepts is not None and accepts(self._leg, flow)

    def _refresh_target(self, dialog: Dialog, message: Message) -> None:
        contacts = message.contacts
        if contacts:
            dialog.refresh_target(contacts[0].uri)

    # deadlines

    def _arm(self, deadline: Deadline, at: float) -> None:
        deadlines = self._deadlines
        deadlines[deadline] = at
        self.endpoint.layer.timers.set(self, min(deadlines.values()) if len(deadlines) > 1 else at)

    def _disarm(self, deadline: Deadline) -> None:
        deadlines = self._deadlines
        if deadlines.pop(deadline, None) is not None:
            if deadlines:
                self.endpoint.layer.timers.set(self, min(deadlines.values()))
            else:
                self.endpoint.layer.timers.clear(self)

    def fire(self, now: float) -> None:
        """Run the deadlines that are due."""
        deadlines = self._deadlines
        for deadline in [each for each, at in deadlines.items() if at <= now]:
            if deadlines.pop(deadline, None) is not None:
                self._expire(deadline, now)
        if deadlines:
            self.endpoint.layer.timers.set(self, min(deadlines.values()))

    def _expire(self, deadline: Deadline, now: float) -> None:
        raise NotImplementedError

    # the end

    def _part(self, now: float, headers: HeaderPairs = ()) -> None:
        """Send BYE and be over; what the peer still waits for is refused."""
        self._refuse_pending(now)
        dialog = self.dialog
        if dialog is not None and self.state != "ended":
            if self.state == "confirmed" and self._offers.carrier == "2xx" and self._offers.by == "remote":
                self._send_ack(dialog, dialog.invite_seq, b"")
            self._bye_tx = self._send(dialog, "BYE", header_lines(headers), b"", now)
        self._close(keep_dialog=self._bye_tx is not None)

    def _abandon(self, cause: EndCause, now: float) -> None:
        """End a session that cannot go on: BYE, and tell the owner."""
        if self.state != "ended":
            self._part(now)
            self.endpoint.emit(Ended(self._leg, cause, None))

    def _refuse_pending(self, now: float) -> None:
        """Answer what the peer still waits for, RFC 3261 15.1.2."""
        for tx in self._pending:
            if not tx.answered:
                status = 487 if tx.method == "INVITE" else 481
                tx.send(status, response_to(tx, status), now)
        self._pending.clear()
        self._invite_server = None

    def _close(self, keep_dialog: bool = False) -> None:
        """Be over. The dialog stays known while our BYE is under way, so that a crossing BYE finds it."""
        if self.state != "ended":
            self.state = "ended"
            self.endpoint.session_count -= 1
            self._deadlines.clear()
            self.endpoint.layer.timers.clear(self)
            self._queue = None
            self._current = None
            self._unacked = None
            self._parting = None
            self._offers.settle()
        if not keep_dialog:
            self._forget_dialogs()

    def _forget_dialogs(self) -> None:
        for dialog in self._dialogs:
            self.endpoint.dialogs.pop(dialog.key, None)
            del dialog.session  # nothing finds it any more; session and dialog must not keep each other alive
        self._dialogs.clear()
        self._bye_tx = None
