"""One running node: bytes from the transports to the pure objects, and what these want sent, stored and told.

Every message takes one way: `on_message` → `Endpoint.receive` → `_drain`, which gives each event to whom it concerns
(a call, the registrar, the message relay), → `_send`, which sends what has to be sent, stores records and arms the one
timer. Nothing here waits: a REGISTER is answered when the store's commit comes back. Where messages are gathered
(`net.moderation`), those of one turn of the loop are all handled before what they call for is sent together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sealtone.b2bua import recording_in_call
from sealtone.b2bua.call import Call
from sealtone.b2bua.exchange import Exchange, ExchangeSettings
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.plane import MediaPlane, NoRoute
from sealtone.b2bua.zrtp_agreement import ZrtpTerms, algorithms_of
from sealtone.b2bua.zrtp_in_call import verify
from sealtone.model import SipUser, Snapshot
from sealtone.model.ladder import KeepLadders
from sealtone.registrar import Binding, Registrar, Registration, Rules
from sealtone.server.authentication import Authenticator, Denied
from sealtone.server.dialog_admission import DialogAdmission
from sealtone.server.directory import Directory
from sealtone.server.event_feed import EventFeed
from sealtone.server.journal import Journal
from sealtone.server.ladders import LINGER_S, CallIds, Ladders, Noted, ladder_of
from sealtone.server.message_relay import MessageRelay
from sealtone.server.node_events import NodeEvents
from sealtone.server.quick_reader import read_message
from sealtone.server.recordings import RecordingWriter
from sealtone.server.reflection import ReflectionLimit
from sealtone.server.throttle import Throttle
from sealtone.server.wall_clock import WallClock
from sealtone.server.zrtp_memory import ZrtpMemory
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Endpoint, EndpointConfig
from sealtone.sip.flow import Flow, Hop
from sealtone.sip.transaction import ServerTransaction
from sealtone.sip.uri import canonical_aor
from sealtone.store import StoreError
from sealtone.store.ladders import write_ladder
from sealtone.zrtp import Crypto

if TYPE_CHECKING:
    from sealtone.net.transport import Transports
    from sealtone.store import Store, Transaction

_TIMER_GRAIN_S: Final = 0.025  # no timer of SIP is shorter than 200 ms
_HOUSEKEEPING_S: Final = 5.0
_HANDLED_TOGETHER: Final = 64
"""Messages and timers before what they call for is sent, at most."""
_MAX_TRANSACTIONS: Final = 400_000  # ended ones are kept 32 s to absorb repetitions: 1,000 calls a second for that long


class Node:
    """Registrar, calls and messages of one process. `start` after the transports exist; `stop` ends all calls."""

    def __init__(
        self,
        *,
        user_agent: str,
        plane: MediaPlane,
        store: Store,
        snapshot: Snapshot,
        contact_for: Callable[[Hop], tuple[str, int]],
        own_addresses: Callable[[], frozenset[tuple[str, int]]],
        journal: Journal,
        entropy: Callable[[int], bytes],
        rules: Rules,
        zrtp: ZrtpMemory,
        zrtp_crypto: Crypto,
    ) -> None:
        self.snapshot = snapshot
        self.journal = journal
        self.registrar = Registrar()
        self.throttle = Throttle()
        self.reflection = ReflectionLimit()
        self.authenticator = Authenticator(entropy(32), self.throttle)
        admission = DialogAdmission(self.registrar, self.authenticator, lambda: self.snapshot, self._proved)
        self.endpoint = Endpoint(
            EndpointConfig(
                user_agent=user_agent,
                contact_for=contact_for,
                read=read_message,
                accept_in_dialog=admission.is_from_its_phone,
                refuse_in_dialog=admission.refusal,
                max_transactions=_MAX_TRANSACTIONS,
            ),
            entropy,
        )
        self._wall_clock = WallClock()
        self._directory = directory = Directory(self.registrar, lambda: self.snapshot, time.time)
        self.exchange = Exchange(
            self.endpoint,
            plane,
            directory,
            ExchangeSettings(
                wall_of=self._wall_clock,
                zrtp=ZrtpTerms(zrtp_crypto, zrtp.find, algorithms_of(zrtp_crypto)),
            ),
            entropy,
        )
        self._messages = MessageRelay(self.endpoint, directory, lambda count: entropy(count).hex())
        self._plane = plane
        self._store = store
        self._recordings = RecordingWriter(store, journal.say)
        self.feed = EventFeed()
        self._events = NodeEvents(self.feed, lambda: self.snapshot)
        self.ladders = Ladders(self._keeps_ladders, self._call_ids, self._write_ladder)
        self._ladders_due = False
        self._zrtp = zrtp
        self._rules = rules
        self._own_addresses = own_addresses
        self._transports: Transports
        self._loop: asyncio.AbstractEventLoop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._unsent = 0
        """How often something was handled since anything was sent."""
        self._housekeeping: asyncio.TimerHandle | None = None
        self._stopping = False
        self._handlers: dict[type, Callable[..., None]] = {
            sip.RequestReceived: self._on_request,
            sip.ResponseReceived: self._messages.on_response,
            sip.TransactionFailed: self._messages.on_failure,
        }

    def start(self, transports: Transports, loop: asyncio.AbstractEventLoop) -> None:
        self._transports = transports
        self._loop = loop
        self._housekeep()

    # what the transports say

    def on_message(self, data: bytes, flow: Flow) -> None:
        """One whole message (a datagram, or one cut from a stream)."""
        now = self._loop.time()
        if self.journal.tracing:
            self.journal.trace("<-", data, flow)
        self.ladders.note(data, flow, now, True)
        if flow.transport == "udp":
            self.reflection.received(flow.remote, len(data))
        self.endpoint.receive(data, flow, now)
        self._drain(now)

    def on_zrtp(self, port: int, packet: bytes) -> None:
        """A ZRTP packet that came to a leg's media port."""
        now = self._loop.time()
        self.exchange.receive_zrtp(port, packet, now)
        self._drain(now)

    def on_digit(self, port: int, digit: str) -> None:
        """A key that was pressed on the phone of a leg, as it came in the media."""
        now = self._loop.time()
        self.exchange.receive_digit(port, digit, now)
        self._drain(now)

    def on_unmapped(self, port: int, payload_type: int) -> None:
        """The phone of a leg sends an agreed payload type that the other leg's phone has no number for."""
        now = self._loop.time()
        self.exchange.receive_unmapped(port, payload_type, now)
        self._drain(now)

    def on_played(self, port: int, number: int) -> None:
        """All that `MediaPlane.play` gave this number for was played to a leg."""
        now = self._loop.time()
        self.exchange.receive_played(port, number, now)
        self._drain(now)

    def on_codec_fault(self, port: int, reason: str) -> None:
        """A leg cannot be sent anything through codecs."""
        now = self._loop.time()
        self.exchange.receive_codec_fault(port, reason, now)
        self._drain(now)

    def on_recording_ended(self, recording: int, reason: str, octets: int, seconds: float) -> None:
        """The media core has ended a recording."""
        now = self._loop.time()
        self.exchange.receive_recording_ended(recording, reason, octets, seconds, now)
        self._drain(now)

    def on_closed(self, flow: Flow) -> None:
        """A stream connection ended."""
        now = self._loop.time()
        ended = self.registrar.flow_closed(flow)
        if ended:
            self._store.save_bindings((), ended)
            self._events.removed(ended)
        self.endpoint.flow_closed(flow, now)
        self._drain(now)

    def on_send_failed(self, hop: Hop) -> None:
        """Nothing reaches `hop`."""
        now = self._loop.time()
        self.endpoint.send_failed(hop, now)
        self._drain(now)

    # the pump

    def _drain(self, now: float) -> None:
        endpoint, exchange = self.endpoint, self.exchange
        events = endpoint.events()
        if events:
            handlers = self._handlers
            while events:
                for event in events:
                    handler = handlers.get(type(event))
                    if handler is None:
                        exchange.handle(event, now)
                    else:
                        handler(event, now)
                events = endpoint.events()
        if not self._transports.is_gathering or self._unsent >= _HANDLED_TOGETHER:
            self._send(now)
            return
        if self.exchange.has_news:  # told while the call that it is about is there: the next message may end it
            self._tell(now)
        if not self._unsent:
            self._loop.call_soon(self._send_together)
        self._unsent += 1

    def _send_together(self) -> None:
        if self._unsent:
            self._send(self._loop.time())

    def _send(self, now: float) -> None:
        endpoint, exchange = self.endpoint, self.exchange
        self._unsent = 0
        self._plane.flush()  # what a message says is in force before it leaves
        send = self._transports.send
        tracing = self.journal.tracing
        note = self.ladders.note
        for data, hop in endpoint.transmits():
            if hop.transport == "udp" and data.startswith(b"SIP/2.0") and not self._covers(hop, len(data)):
                continue
            if tracing:
                self.journal.trace("->", data, hop)
            note(data, hop, now, False)
            send(data, hop)
        if exchange.has_news:  # most messages bring none
            self._tell(now)
        self._arm(now)

    def _tell(self, now: float) -> None:
        """What calls have come to, to the log, the feed and the store."""
        exchange, events = self.exchange, self._events
        for told in exchange.events():
            self.journal.call_event(told)
            call = exchange.calls.get(told.call)
            if call is not None:
                if told.kind == "started":
                    self.ladders.started(_ids_of(call), now)
                events.call(told.kind, call)
        for record in exchange.records():
            self._store.write_call_record(record)
            self.ladders.ended(record, now)
            events.ended(record)
        for facts in exchange.recordings():
            self._recordings.write(facts)
            events.recording(facts)
        self._zrtp.remember(exchange.remembered())
        if self.ladders.is_waiting and not self._ladders_due:
            self._ladders_due = True
            self._loop.call_later(2 * LINGER_S, self._write_ladders)

    def _write_ladders(self) -> None:
        """Write down the messages of calls that are over."""
        now = self._loop.time()
        self.ladders.flush(now)
        self._ladders_due = self.ladders.is_waiting
        if self._ladders_due:
            self._loop.call_later(LINGER_S, self._write_ladders)

    def _write_ladder(self, call_id: str, messages: list[Noted], left_out: int) -> None:
        wall_of = self.exchange.settings.wall_of

        def operation(transaction: Transaction) -> None:
            write_ladder(transaction.connection, call_id, ladder_of(messages, left_out, wall_of))

        try:
            done = self._store.submit(operation)
        except StoreError:
            return  # a ladder is dispensable; the record of the call is not, and waits
        done.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _call_ids(self, sip_call_id: str) -> CallIds | None:
        """Of the call that has a leg with this Call-ID."""
        call = self.exchange.call_of(sip_call_id)
        return _ids_of(call) if call is not None else None

    def _keeps_ladders(self, account_id: int) -> KeepLadders:
        account = self.snapshot.account(account_id)
        return account.keep_ladders if account is not None else KeepLadders.ALL

    def _covers(self, hop: Hop, size: int) -> bool:
        return self.reflection.covers(hop.remote if isinstance(hop, Flow) else (hop.host, hop.port), size)

    def _arm(self, now: float) -> None:
        # A grain lets timers that fall together run together. Under load one is always due by
        # then: the timer that is set stays, neither made anew at each message nor put off by it.
        soonest = now + _TIMER_GRAIN_S
        if self._timer_at <= soonest:
            return
        first = self.endpoint.next_timeout()
        second = self.exchange.next_timeout()
        if first is None or (second is not None and second < first):
            first = second
        if first is None:
            return
        at = max(first, soonest)
        if at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(self._timer_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        now = self._loop.time()
        try:
            self.endpoint.handle_timeout(now)
            self.exchange.handle_timeout(now)
            self._drain(now)
        finally:
            self._arm(now)  # whatever went wrong: the timers of all other calls hang on this one

    def _housekeep(self) -> None:
        try:
            by_s = self._wall_clock.was_set_by()
            if by_s and (moved := self.registrar.shift(by_s)):
                self._store.save_bindings(moved)
            expired = self.registrar.expire(time.time())
            if expired:
                self._store.save_bindings((), expired)
                self._events.removed(expired)
            self._recordings.retry()
        finally:
            self._housekeeping = self._loop.call_later(_HOUSEKEEPING_S, self._housekeep)

    # requests outside dialogs

    def _on_request(self, event: sip.RequestReceived, now: float) -> None:
        tx, request, flow = event
        method = request.method
        respond = self.endpoint.respond
        if flow.remote in self._own_addresses():
            respond(tx, 482, now, "Loop Detected")
            return
        if method == "OPTIONS" and not _names_user(request.uri):
            respond(tx, 200, now, None, (("Accept", "application/sdp"),))
            return
        address = request.to if method == "REGISTER" else request.from_
        wrong = self.authenticator.failed
        user = self.authenticator.identify(request, address, flow, self.snapshot, now)
        if isinstance(user, Denied):
            if method == "REGISTER" and self.authenticator.failed > wrong:
                self._events.refused(canonical_aor(address.sip_uri), flow.remote[0])
            if user.status == 403:
                self.journal.denied(request.call_id, method, flow, user.reason or "")
            respond(tx, user.status, now, user.reason, user.headers)
            return
        self._proved(flow if flow.transport != "udp" else tx.hop, user)
        if self._stopping:
            respond(tx, 503, now, "The server is shutting down", (("Retry-After", "5"),))
        elif method == "INVITE":
            self.exchange.invite(tx, user, now)
        elif method == "REGISTER":
            self._register(tx, user, flow, now)
        elif method == "MESSAGE":
            self._messages.relay(tx, user, now)
        elif method == "OPTIONS":
            respond(tx, 200, now, None, (("Accept", "application/sdp"),))
        elif method in ("SUBSCRIBE", "PUBLISH"):
            respond(tx, 489, now, "Bad Event")
        elif method == "NOTIFY":
            respond(tx, 481, now)
        else:
            respond(tx, 405, now)

    def _register(self, tx: ServerTransaction, user: SipUser, flow: Flow, now: float) -> None:
        request = tx.request
        if request is None:
            return
        rules = self._rules._replace(max_contacts=user.max_contacts)
        registration = self.registrar.register(request, user.aor, flow, time.time(), rules)
        if not registration.changes_bindings:
            self._answer_register(tx, registration, now)
            return
        commit = self._store.save_bindings(registration.saved, registration.removed)
        commit.add_done_callback(lambda done: self._on_committed(done, tx, registration, request.call_id))

    def _on_committed(
        self, done: asyncio.Future[None], tx: ServerTransaction, registration: Registration, call_id: str
    ) -> None:
        """The commit came back: only now do the bindings count, and the phone hears of it."""
        now = self._loop.time()
        if done.cancelled() or done.exception() is not None:
            self.registrar.discard(registration)
            self.endpoint.respond(tx, 503, now, "The server cannot store this now", (("Retry-After", "10"),))
            self.journal.store_failed(call_id)
        else:
            before = self.registrar.bindings(registration.aor, time.time())
            self.registrar.apply(registration)
            self._follow(registration, {binding.flow.id for binding in before if binding.flow})
            self._events.registered(registration.saved, frozenset([binding.key for binding in before]))
            self._events.removed(registration.removed)
            self.journal.registered(registration, call_id)
            self._answer_register(tx, registration, now)
        self._drain(now)

    def _follow(self, registration: Registration, known: set[int]) -> None:
        """A phone that connected anew is reached over its new connection, in its running calls too (RFC 5626 5.3).

        From another address only over a connection that is not in `known`: a user's other phone, whose registration
        is merely refreshed, has not moved.
        """
        for binding in registration.saved:
            flow = binding.flow
            if flow is None or flow.transport == "udp":
                continue
            for leg in self.exchange.legs_of(registration.aor):
                old = leg.session.hop
                if not isinstance(old, Flow) or old.transport != flow.transport or self._transports.is_open(old):
                    continue
                if old.remote[0] == flow.remote[0] or flow.id not in known:
                    leg.session.hop = flow

    def _proved(self, hop: Hop, user: SipUser) -> None:
        """A user has authenticated who is reached there."""
        if isinstance(hop, Flow) and hop.transport != "udp":
            self._transports.authenticated(hop, user.aor)
        else:
            self.reflection.proved(hop.remote if isinstance(hop, Flow) else (hop.host, hop.port))

    def _answer_register(self, tx: ServerTransaction, registration: Registration, now: float) -> None:
        headers = registration.headers
        if registration.accepted:
            headers = (*headers, ("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())))
        self.endpoint.respond(tx, registration.status, now, registration.reason, headers)

    # administration

    def swap(self, snapshot: Snapshot) -> None:
        """Decide on `snapshot` from now on. Bindings of users that are gone or switched off end; calls go on."""
        self.snapshot = snapshot
        ended: list[Binding] = []
        for aor in {binding.aor for binding in self.registrar.all_bindings(time.time())}:
            user = snapshot.user(aor)
            if user is None or not snapshot.is_active(user):
                ended.extend(self.registrar.forget(aor))
        if ended:
            self._store.save_bindings((), tuple(ended))
            self._events.removed(ended)

    def hang_up(self, call_id: str, by: str) -> bool:
        """End one call by its id, for `by`."""
        call = self.exchange.calls.get(call_id)
        if call is None:
            return False
        now = self._loop.time()
        self.journal.say(f"call hang-up asked for by {by} call={call_id}")
        call.hang_up("ended by the administrator", now)
        self._drain(now)
        return True

    def place(self, aor: str, service: str) -> Call | str:
        """Ring a user's phone for a service; why that cannot be, in words, where it cannot."""
        found = self._directory.phone_of(aor)
        if isinstance(found, NoRoute):
            return found.reason
        now = self._loop.time()
        call = self.exchange.place(found, service, now)
        self._drain(now)
        return call

    def record(self, call_id: str, start: bool, by: str) -> str:
        """Begin or end the recording of a live call; why not, in words, or ""."""
        call = self.exchange.calls.get(call_id)
        if call is None:
            return f"There is no live call {call_id}. `sealtone calls --live` lists them"
        now = self._loop.time()
        said: list[str] = []

        def step(now: float) -> None:
            said.append(recording_in_call.start(call, None, by, now) if start else recording_in_call.stop(call, by))

        self.exchange.guarded(call, step, now)
        self._drain(now)
        return said[0] if said else "The call was ended by an error of the server"

    def verify(self, leg: Leg, matches: bool, by: str, ends: bool) -> None:
        """A person compared a leg's SAS: it matches what the phone shows, or differs, which `ends` the call if so."""
        now = self._loop.time()
        call = leg.call

        def step(now: float) -> None:
            verify(leg, matches, now, ends=ends)

        self.exchange.guarded(call, step, now)
        self._events.compared(call, leg.aor, matches, by)
        self._drain(now)

    async def stop(self, patience_s: float = 0.5) -> None:
        """End every call with BYE, and give the phones a moment to acknowledge it."""
        self._stopping = True
        now = self._loop.time()
        had_calls = bool(self.exchange.calls)
        self.exchange.end_all(now)
        self._drain(now)
        self._send(now)
        if had_calls:
            await asyncio.sleep(patience_s)
        self.ladders.flush(float("inf"))
        for timer in (self._timer, self._housekeeping):
            if timer is not None:
                timer.cancel()


def _ids_of(call: Call) -> CallIds:
    return CallIds(call.id, call.a.session.call_id, call.a.user.account_id)


def _names_user(uri: str) -> bool:
    return "@" in uri
