"""A ZRTP session: one media stream's key agreement with one peer, in either role (RFC 6189 4).

How it works. Datagrams, time and wishes of the owner go in; datagrams to send and events are drained afterwards. Each
datagram is metered, cut into a packet and looked up in the table of `sealtone.zrtp.state`, which names the action to
take. The cryptography of an exchange is in `sealtone.zrtp.exchange`, what follows it in `sealtone.zrtp.association`.

Rules. 1. A datagram never raises: what cannot be read, is not proven or not awaited is counted and ignored. 2. Nothing
that can be forged ends a secure session: an Error then changes nothing, and neither does a new Hello. 3. The peer is
whoever's Hello was accepted, with the SSRC that it came from; other sources are ignored while an exchange lasts.
4. One exchange, and so one DH key pair, at a time, and `limits.MAX_EXCHANGES` in all. 5. The cache is written only
when both sides have proven the keys (4.6.1.1), and after a mismatch only once a person has compared the SAS (4.3.2).
6. Keys are handed out once, in events; `close` overwrites what is left here and the handed-out media keys with it.
"""

from __future__ import annotations

from collections.abc import Callable

from sealtone.zrtp import hashchain
from sealtone.zrtp.admission import Unwelcome, admit
from sealtone.zrtp.association import Association
from sealtone.zrtp.cache import Cache, CacheRecord
from sealtone.zrtp.commit import Commit, ours_wins
from sealtone.zrtp.crypto import Crypto, Entropy
from sealtone.zrtp.errors import Aborted, CrcMismatch, Discarded, ErrorCode, MalformedPacket, UsageError
from sealtone.zrtp.events import (
    CacheState,
    CacheUpdate,
    EnrolmentOffered,
    Event,
    Failed,
    Mode,
    NoPeer,
    PeerError,
    PeerSeen,
    Role,
    SecretsReady,
    Warned,
    WarningKind,
)
from sealtone.zrtp.exchange import Exchange, Greeting
from sealtone.zrtp.hello import VERSION, Hello, HelloHash
from sealtone.zrtp.limits import MAX_EXCHANGES, MAX_MEETINGS, STEADY_S, Counters
from sealtone.zrtp.message import KINDS, Kind
from sealtone.zrtp.multistream import Multistream
from sealtone.zrtp.notices import (
    ACKNOWLEDGEMENTS,
    CONF2_ACK,
    ENDPOINT_HASH_OCTETS,
    ERROR_ACK,
    HELLO_ACK,
    Error,
    Ping,
    PingAck,
    check_acknowledgement,
)
from sealtone.zrtp.outcome import Outcome
from sealtone.zrtp.packet import Packet
from sealtone.zrtp.profile import Initiative, Profile
from sealtone.zrtp.state import TABLE, Action, State
from sealtone.zrtp.timer import RESPONDER_PATIENCE_S, T1, T2
from sealtone.zrtp.wire import Wire

_FROM_ANYBODY = frozenset({Kind.HELLO, Kind.PING})


def _no_cache(_peer_zid: bytes) -> CacheRecord | None:
    return None


class Session:
    """One stream's ZRTP. `now` is in seconds on any clock that does not go back.

    `ssrc`: of our RTP stream. `unix_time`: seconds, for the expiry of retained secrets. `cache`: what is remembered of
    a peer. `hello_hashes`: the a=zrtp-hash values that signalling announced for the peer; empty when it announced none;
    they may be set later, as long as the peer was not seen. `offers_enrolment`: by an explicit act of the caller's,
    offer to become its trusted PBX (7.3.1); needs `profile.trusted_mitm`. `aux_secret`: shared by other means (4.3).
    `multistream`: for a further stream of a call whose first stream is secure.

    `association` is what can be done once secure; None before. `counters` say what the network brought.
    """

    __slots__ = (
        "_answered",
        "_aux_secret",
        "_cache",
        "_chain",
        "_crypto",
        "_deadline",
        "_entropy",
        "_events",
        "_exchange",
        "_failed_hello",
        "_met_at",
        "_multistream",
        "_offers_enrolment",
        "_ours",
        "_peer",
        "_peer_ssrc",
        "_profile",
        "_record",
        "_unix_time",
        "_wants_commit",
        "_warned",
        "_wire",
        "association",
        "counters",
        "hello_hashes",
        "state",
    )

    def __init__(
        self,
        profile: Profile,
        crypto: Crypto,
        entropy: Entropy,
        *,
        ssrc: int,
        unix_time: int,
        cache: Cache = _no_cache,
        hello_hashes: tuple[HelloHash, ...] = (),
        offers_enrolment: bool = False,
        aux_secret: bytes | None = None,
        multistream: Multistream | None = None,
    ) -> None:
        """Raises UsageError."""
        if offers_enrolment and not profile.trusted_mitm:
            raise UsageError("only a trusted man in the middle can offer enrolment")
        if missing := [name for names in profile.algorithms for name in names if not crypto.supports(name)]:
            raise UsageError(f"the crypto provider lacks {missing}")
        self._profile = profile
        self._crypto = crypto
        self._entropy = entropy
        self._unix_time = unix_time
        self._cache = cache
        self.hello_hashes = hello_hashes
        self._offers_enrolment = offers_enrolment
        self._aux_secret = aux_secret
        self._multistream = multistream
        self.counters = Counters()
        self._wire = Wire(ssrc, 1 + entropy(1)[0], self.counters, crypto.crc32c)
        self._chain = hashchain.HashChain(crypto, entropy)
        self._ours = self._own_hello()
        self.state = State.IDLE
        self._peer: Greeting | None = None
        self._peer_ssrc = 0
        self._met_at = 0.0
        self._exchange: Exchange | None = None
        self._record: CacheRecord | None = None
        self.association: Association | None = None
        self._failed_hello = b""
        self._answered = (b"", b"")
        self._wants_commit = profile.initiative is Initiative.AT_ONCE
        self._deadline: float | None = None
        self._warned: set[WarningKind] = set()
        self._events: list[Event] = []

    def _own_hello(self) -> Greeting:
        profile = self._profile
        hello = Hello(
            version=VERSION,
            client_id=profile.client_id,
            h3=self._chain.h3,
            zid=profile.zid,
            algorithms=profile.algorithms,
            trusted_mitm=profile.trusted_mitm,
            passive=profile.initiative is Initiative.NEVER,
        )
        return Greeting(hello, hashchain.authenticate(self._crypto, self._chain.h2, hello.encode()))

    # What the owner asks and wants.

    @property
    def hello_hash(self) -> HelloHash:
        """Of our Hello, for a=zrtp-hash (8.1). It never changes."""
        return HelloHash.of(self._ours.message)

    @property
    def is_secure(self) -> bool:
        return self.state is State.SECURE

    def start(self, now: float) -> None:
        """Begin to send Hello. A second call does nothing."""
        if self.state is State.IDLE:
            self.state = State.DISCOVERY
            self._wire.repeat(self._ours.message, T1, now)

    def go_secure(self, now: float) -> None:
        """Send Commit as soon as both sides know each other, for profiles that wait for this (ON_REQUEST)."""
        if self._profile.initiative is not Initiative.NEVER:
            self._wants_commit = True
            if self.state is State.READY:
                self._guarded(self._commit, now)

    def media_authenticated(self) -> None:
        """SRTP of the peer was authenticated with the keys of `SecretsReady`: as good as Conf2ACK (4.6)."""
        if self.state is State.CONFIRM2_SENT:
            self._secure()

    def close(self) -> None:
        """End, and overwrite all keys, those handed out in `SecretsReady` included."""
        self.state = State.CLOSED
        self._drop_exchange()
        self._wire.stop()
        self._record = self._aux_secret = self._deadline = None

    # The common shape.

    def receive(self, datagram: bytes, now: float) -> None:
        """A datagram that `packet.is_zrtp` says is ZRTP. Never raises for what it holds."""
        if self._wire.admit(datagram, self._peer_ssrc if self._peer else None, now):
            self._guarded(lambda now: self._take(Packet.parse(datagram, self._crypto.crc32c), now), now)

    def handle_timeout(self, now: float) -> None:
        """To be called at `next_timeout`, or later."""
        if self._wire.handle_timeout(now):
            self._went_unanswered(now)
        if self.association is not None:
            self.association.handle_timeout(now)
        if self._deadline is not None and now >= self._deadline:
            self._fail(ErrorCode.TIMEOUT, "", now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is wanted; None for not at all."""
        earliest = self._wire.deadline
        if self._deadline is not None and (earliest is None or self._deadline < earliest):
            earliest = self._deadline
        relay = self.association.deadline if self.association is not None else None
        return relay if earliest is None or (relay is not None and relay < earliest) else earliest

    def transmits(self) -> list[bytes]:
        """Datagrams to send to the peer's media address, in order."""
        return self._wire.transmits()

    def events(self) -> list[Event]:
        """What happened, in order."""
        drained = self._events.copy()
        self._events.clear()  # not replaced: the association adds to the same list
        return drained

    def _guarded(self, action: Callable[[float], None], now: float) -> None:
        """The one place where what is wrong with a message becomes a counter, or the end of an exchange."""
        try:
            action(now)
        except CrcMismatch:
            self.counters.damaged += 1
        except MalformedPacket:
            self.counters.malformed += 1
        except Discarded as discarded:
            self.counters.discarded += 1
            if isinstance(discarded, Unwelcome):
                self._warn(discarded.warning)
        except Aborted as abort:
            self._fail(abort.code, str(abort), now)

    def _take(self, packet: Packet, now: float) -> None:
        kind = KINDS.get(packet.kind)
        action = TABLE[self.state].get(kind) if kind is not None else None
        if kind is None or action is None:
            self.counters.unexpected += 1
            return
        if kind in ACKNOWLEDGEMENTS:
            check_acknowledgement(packet.message, kind)
        if self._peer is not None and kind not in _FROM_ANYBODY and packet.ssrc != self._peer_ssrc:
            raise Discarded("from another source")
        _ACTIONS[action](self, packet, now)

    # Discovery (4.1).

    def _admit(self, packet: Packet) -> tuple[Hello, bool | None]:
        """As `admission.admit`; changes nothing."""
        if self.counters.meetings >= MAX_MEETINGS:
            raise Discarded("too many Hellos in one session")
        return admit(
            packet,
            ours=self._ours,
            our_ssrc=self._wire.ssrc,
            profile=self._profile,
            crypto=self._crypto,
            hello_hashes=self.hello_hashes,
            multistream=self._multistream,
        )

    def _meet(self, packet: Packet, now: float) -> None:
        hello, matched = self._admit(packet)
        was_acknowledged = self.state is State.ACKED
        self.counters.meetings += 1
        self._met_at = now
        self._drop_exchange()
        self._peer, self._peer_ssrc = Greeting(hello, packet.message), packet.ssrc
        self._events.append(PeerSeen(hello, HelloHash.of(packet.message), matched))
        if matched is False:
            self._warn(WarningKind.HELLO_HASH_MISMATCH)
        if was_acknowledged:
            self._become_ready(now, HELLO_ACK)
        else:
            self.state = State.HEARD
            self._wire.send(HELLO_ACK)
            # A peer that is late has missed ours: from the start again (6).
            self._wire.repeat(self._ours.message, T1, now, at_once=not self._wire.is_repeating)

    def _greet_again(self, packet: Packet, now: float) -> None:
        assert self._peer is not None
        if packet.message != self._peer.message or packet.ssrc != self._peer_ssrc:
            # Before an exchange begins a later source may take the place: of the branches of a forked call, the one
            # that answers comes last. But a flood must not take it before the peer can answer.
            if now < self._met_at + STEADY_S:
                raise Discarded("another Hello so soon")
            try:
                self._admit(packet)
            except Aborted as abort:
                raise Discarded("a second source that does not fit") from abort
            self.state = State.DISCOVERY
            self._meet(packet, now)
            return
        self._wire.answer(HELLO_ACK, now)
        if self.state is State.HEARD and not self._wire.is_repeating:
            self._wire.repeat(self._ours.message, T1, now)

    def _greet_repeated(self, packet: Packet, now: float) -> None:
        assert self._peer is not None
        if packet.message != self._peer.message:
            raise Discarded("another Hello while an exchange lasts")
        self._wire.answer(HELLO_ACK, now)
        if self.state is State.COMMITTED:
            # It may not know ours: whoever stopped us by a forged HelloACK would otherwise have stopped the exchange.
            self._wire.answer(self._ours.message, now)

    def _acknowledged(self, _packet: Packet, now: float) -> None:
        if self.state is State.DISCOVERY:
            self.state = State.ACKED
            self._wire.stop()
        else:
            self._become_ready(now)

    def _become_ready(self, now: float, acknowledgement: bytes = b"") -> None:
        self._wire.stop()
        self.state = State.READY
        # A Commit acknowledges a Hello as well (4.1), and crosses the peer's less often than HelloACK and Commit would.
        if self._wants_commit:
            self._commit(now)
        elif acknowledgement:
            self._wire.send(acknowledgement)

    def _begin_anew(self, packet: Packet, now: float) -> None:
        if packet.message == self._failed_hello:
            raise Discarded("the Hello of the exchange that failed")
        self._admit(packet)
        self.state = State.DISCOVERY
        self._wire.stop()
        self._meet(packet, now)

    # The exchange (4.2 to 4.6).

    def _prepare(self) -> Exchange:
        """The exchange with the peer as it is known now. Nothing is computed yet."""
        assert self._peer is not None
        if self._exchange is None:
            zid = self._peer.hello.zid
            # Further streams do not touch the cache.
            self._record = (None if self._multistream is not None else self._cache(zid)) or CacheRecord(zid)
            self._exchange = Exchange(
                self._crypto,
                self._entropy,
                self._profile,
                self._chain,
                self._ours,
                self._peer,
                self.counters,
                secrets=self._record.usable(self._unix_time, self._aux_secret),
                verified=self._record.verified,
                offers_enrolment=self._offers_enrolment,
                multistream=self._multistream,
            )
        return self._exchange

    def _spend_exchange(self) -> None:
        if self.counters.exchanges >= MAX_EXCHANGES:
            raise Discarded("too many exchanges in one session")
        self.counters.exchanges += 1

    def _commit(self, now: float) -> None:
        self._spend_exchange()
        self._wire.repeat(self._prepare().begin(), T2, now)
        self.state = State.COMMITTED

    def _respond(self, packet: Packet, now: float) -> None:
        exchange = self._prepare()
        commit = exchange.accept(packet.message)
        self._spend_exchange()
        self._answer_commit(exchange, commit, packet, now)

    def _contend(self, packet: Packet, now: float) -> None:
        exchange, peer = self._running, self._peer
        assert exchange.commit is not None
        assert peer is not None
        commit = exchange.accept(packet.message)
        if ours_wins(exchange.commit, commit, self._profile.trusted_mitm, peer.hello.trusted_mitm):
            raise Discarded("our Commit proceeds")
        self._answer_commit(exchange, commit, packet, now)

    def _answer_commit(self, exchange: Exchange, commit: Commit, packet: Packet, now: float) -> None:
        answer = exchange.respond(commit, packet.message)
        if answer is None and self._profile.initiative is Initiative.NEVER:
            raise Aborted(ErrorCode.NO_SHARED_SECRET)
        if answer is None:
            # We lack the secret that a Preshared Commit names: a DH Commit of ours takes its place (4.2, 4.4.2.2).
            self._wire.repeat(exchange.begin(allow_preshared=False), T2, now)
            self.state = State.COMMITTED
            return
        self._wire.stop()
        self._reply(packet.message, answer, State.DHPART1_SENT if commit.suite.is_dh else State.CONFIRM1_SENT)
        self._deadline = now + RESPONDER_PATIENCE_S

    def _reply(self, message: bytes, answer: bytes, state: State) -> None:
        """As responder: answer, and again whenever the same message comes again."""
        self._answered = (message, answer)
        self._wire.send(answer)
        self.state = state

    def _repeat(self, packet: Packet, now: float) -> None:
        message, answer = self._answered
        if packet.message != message:
            raise Discarded("not what was answered last")
        self._wire.answer(answer, now)

    def _take_dhpart1(self, packet: Packet, now: float) -> None:
        self._wire.repeat(self._running.take_dhpart1(packet.message), T2, now)
        self.state = State.DHPART2_SENT

    def _take_dhpart2(self, packet: Packet, now: float) -> None:
        self._reply(packet.message, self._running.take_dhpart2(packet.message), State.CONFIRM1_SENT)
        self._deadline = now + RESPONDER_PATIENCE_S

    def _take_confirm1(self, packet: Packet, now: float) -> None:
        exchange = self._running
        self._wire.repeat(exchange.take_confirm1(packet.message), T2, now)
        self.state = State.CONFIRM2_SENT
        assert exchange.keys is not None
        self._events.append(SecretsReady(Role.INITIATOR, exchange.keys.media))

    def _take_confirm2(self, packet: Packet, _now: float) -> None:
        exchange = self._running
        exchange.take_confirm2(packet.message)
        self._reply(packet.message, CONF2_ACK, State.CONFIRM1_SENT)
        assert exchange.keys is not None
        self._events.append(SecretsReady(Role.RESPONDER, exchange.keys.media))
        self._secure()

    def _confirmed(self, _packet: Packet, _now: float) -> None:
        self._secure()

    @property
    def _running(self) -> Exchange:
        assert self._exchange is not None
        return self._exchange

    def _secure(self) -> None:
        exchange, peer, record = self._running, self._peer, self._record
        assert peer is not None
        assert record is not None
        self._wire.stop()
        self._deadline = None
        self.state = State.SECURE
        cache = self._cache if self._multistream is None else _no_cache
        latest = cache(record.peer_zid) or CacheRecord(record.peer_zid)
        outcome = Outcome(
            self._crypto, self._profile, exchange, record, latest, self._unix_time, self._offers_enrolment
        )
        self.association = Association(
            self._profile,
            self._crypto,
            self._entropy,
            self._wire,
            self._events.append,
            exchange=exchange,
            peer=peer.hello,
            cache=cache,
            latest=latest,
            record=outcome.record,
            unverified=outcome.unverified,
        )
        secured = outcome.secured(exchange, peer.hello, self._aux_secret is not None)
        self._events.append(secured)
        if secured.cache is CacheState.MISMATCH:
            self._warn(WarningKind.CACHE_MISMATCH)
        if secured.aux_matched is False and secured.mode is not Mode.MULTISTREAM:
            self._warn(WarningKind.AUX_MISMATCH)
        if outcome.is_new:
            self._events.append(CacheUpdate(outcome.record))
        if secured.enrolment_offered and secured.trusted_mitm and secured.mode is not Mode.MULTISTREAM:
            self._events.append(EnrolmentOffered(again=secured.enrolled))

    # Errors (4.7, 5.9), timeouts, and the rest.

    def _went_unanswered(self, now: float) -> None:
        if self.state in (State.DISCOVERY, State.HEARD):
            self._events.append(NoPeer())
        elif self.state is not State.FAILED:
            self._fail(ErrorCode.TIMEOUT, "", now)

    def _fail(self, code: ErrorCode, reason: str, now: float) -> None:
        if self.state in (State.SECURE, State.FAILED, State.CLOSED):
            self.counters.discarded += 1
            return
        # After silence the same peer may begin again; after anything else only a new Hello is answered.
        self._failed_hello = b"" if self._peer is None or code is ErrorCode.TIMEOUT else self._peer.message
        self._give_up()
        self._wire.repeat(Error(code).encode(), T2, now)
        self._events.append(Failed(code, reason or code.meaning))

    def _give_up(self) -> None:
        self._drop_exchange()
        self.state = State.FAILED
        self._peer = None
        self._deadline = None
        self._answered = (b"", b"")

    def _drop_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange.wipe()
        self._exchange = self.association = None

    def _take_error(self, packet: Packet, now: float) -> None:
        error = Error.parse(packet.message)
        self._wire.answer(ERROR_ACK, now)
        if self.state is State.SECURE:
            self._events.append(PeerError(error.code))
        elif self.state is not State.FAILED and self._peer is not None:
            failed_hello = b"" if error.code == ErrorCode.TIMEOUT else self._peer.message
            self._give_up()
            self._failed_hello = failed_hello
            self._wire.stop()
            code = ErrorCode(error.code) if error.code in ErrorCode.__members__.values() else None
            self._events.append(Failed(code, ErrorCode.describe(error.code), by_peer=True))

    def _error_acknowledged(self, _packet: Packet, _now: float) -> None:
        self._wire.stop()

    def _refuse_clear(self, packet: Packet, now: float) -> None:
        assert self.association is not None
        self.association.refuse_clear(packet.message, now)

    def _take_relay(self, packet: Packet, now: float) -> None:
        assert self.association is not None
        self.association.take_relay(packet.message, now)

    def _relay_acknowledged(self, _packet: Packet, _now: float) -> None:
        assert self.association is not None
        self.association.relay_acknowledged()

    def _answer_ping(self, packet: Packet, now: float) -> None:
        ping = Ping.parse(packet.message)
        ours = self._profile.zid[:ENDPOINT_HASH_OCTETS]
        self._wire.answer(PingAck(VERSION, ours, ping.endpoint_hash, packet.ssrc).encode(), now)

    def _warn(self, kind: WarningKind) -> None:
        """Once for each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            self._events.append(Warned(kind, kind.value))


_ACTIONS: dict[Action, Callable[[Session, Packet, float], None]] = {
    Action.MEET: Session._meet,
    Action.GREET_AGAIN: Session._greet_again,
    Action.GREET_REPEATED: Session._greet_repeated,
    Action.ACKNOWLEDGED: Session._acknowledged,
    Action.RESPOND: Session._respond,
    Action.CONTEND: Session._contend,
    Action.TAKE_DHPART1: Session._take_dhpart1,
    Action.TAKE_DHPART2: Session._take_dhpart2,
    Action.TAKE_CONFIRM1: Session._take_confirm1,
    Action.TAKE_CONFIRM2: Session._take_confirm2,
    Action.CONFIRMED: Session._confirmed,
    Action.REPEAT: Session._repeat,
    Action.BEGIN_ANEW: Session._begin_anew,
    Action.TAKE_ERROR: Session._take_error,
    Action.ERROR_ACKNOWLEDGED: Session._error_acknowledged,
    Action.REFUSE_CLEAR: Session._refuse_clear,
    Action.TAKE_RELAY: Session._take_relay,
    Action.RELAY_ACKNOWLEDGED: Session._relay_acknowledged,
    Action.ANSWER_PING: Session._answer_ping,
}
