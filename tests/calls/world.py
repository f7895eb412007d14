"""A town under simulated time: the server's exchange with a booked media plane, and phones that are real endpoints.

Messages take `latency_s` each way. Randomness is seeded. `run` goes on until nothing is left to happen before its end.
"""

import heapq
import itertools
from collections.abc import Callable
from random import Random

from calls.media import BookedPlane
from sealtone.b2bua.events import CallEvent
from sealtone.b2bua.exchange import Exchange, ExchangeSettings
from sealtone.b2bua.plane import Destination, NoRoute, Ring, Service
from sealtone.model import Account, LegPolicy, Protection, RecordingFacts, SipUser, Strictness
from sealtone.model.directory import DEFAULT_SERVICES
from sealtone.model.record import CallRecord
from sealtone.sdp import AudioDescription, Codec, Direction, OwnDescription, SdpError, read_answer, read_audio
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Endpoint, EndpointConfig, Invitation
from sealtone.sip.flow import Flow, Hop, TlsInfo
from sealtone.sip.session import InviteSession
from sealtone.srtp_keys import CryptoAttribute, Suite, answer_to, offer_of

SERVER = ("192.0.2.1", 5061)
PCMU = Codec(0, "PCMU", 8000)
PCMA = Codec(8, "PCMA", 8000)
OPUS = Codec(96, "opus", 48000, 2)
EVENTS = Codec(101, "telephone-event", 8000, 1, "0-16")
PLAIN = LegPolicy()
PREFER = LegPolicy(Protection.SRTP, Strictness.PREFER)
REQUIRE = LegPolicy(Protection.SRTP, Strictness.REQUIRE)


class Phone:
    """One phone: an endpoint, what it can do, and what it has seen. `answers`: None rings on, else a status."""

    def __init__(self, world: "World", number: str, index: int, *, transport: str, policy: LegPolicy) -> None:
        self.world = world
        self.number = number
        self.address = (f"192.0.2.{10 + index}", 5060)
        tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", "office.example") if transport == "tls" else None
        self.flow = Flow(index, transport, self.address, SERVER)  # type: ignore[arg-type]
        self.seen_by_server = Flow(index, transport, SERVER, self.address, tls)  # type: ignore[arg-type]
        self.user = SipUser(index, 1, 1, number, "office.example", policy=policy)
        self.endpoint = Endpoint(
            EndpointConfig(user_agent=f"phone {number}", contact_for=lambda _: self.address), world.random.randbytes
        )
        self.codecs: tuple[Codec, ...] = (PCMA, PCMU, EVENTS)
        self.secure = policy.protection is Protection.SRTP
        self.profile = "RTP/SAVP" if self.secure else "RTP/AVP"
        self.answers: int | None = 200
        self.early_media = False
        self.direction = Direction.SENDRECV
        self.packets: tuple[int | None, int | None] = (None, None)
        """Its ptime and maxptime, milliseconds."""
        self.sessions: list[InviteSession] = []
        self.seen: list[sip.Event] = []
        self.on_event: Callable[[sip.Event], bool] | None = None
        self._own = OwnDescription(index)
        self._crypto: tuple[CryptoAttribute, ...] = ()
        self.heard: AudioDescription | None = None
        self.offered: AudioDescription | None = None
        self.receive = self.endpoint.receive
        """What it does with a message; another function makes it lose some, or all."""
        self.gone = False

    def next_timeout(self) -> float | None:
        return None if self.gone else self.endpoint.next_timeout()

    def handle_timeout(self, now: float) -> None:
        if not self.gone:
            self.endpoint.handle_timeout(now)

    def vanish(self) -> None:
        """Hear and send nothing any more."""
        self.gone = True
        self.receive = lambda *_: None

    # what a test makes it do

    def call(
        self, number: str, *, body: bytes | None = b"", headers: tuple[tuple[str, str], ...] = ()
    ) -> InviteSession:
        """Dial. `body` None: without an offer; b"": with the phone's own."""
        invitation = Invitation(
            request_uri=f"sip:{number}@office.example",
            from_=f"<sip:{self.user.aor}>",
            to=f"<sip:{number}@office.example>",
            hop=self.flow,
            body=self.offer() if body == b"" else body,
            headers=headers,
            contact_user=self.number,
            supported=("100rel", "timer", "replaces"),
        )
        session = self.endpoint.invite(invitation, self.world.now)
        self.sessions.append(session)
        self.world.pump()
        return session

    def do(self, action: Callable[[float], object]) -> None:
        action(self.world.now)
        self.world.pump()

    def hold(self, session: InviteSession) -> None:
        self.direction = Direction.SENDONLY
        self.do(lambda now: session.offer(self.offer(), now))

    def resume(self, session: InviteSession) -> None:
        self.direction = Direction.SENDRECV
        self.do(lambda now: session.offer(self.offer(), now))

    @property
    def session(self) -> InviteSession:
        return self.sessions[-1]

    def saw(self, kind: type) -> list[sip.Event]:
        return [event for event in self.seen if isinstance(event, kind)]

    # how it behaves

    def offer(self) -> bytes:
        if self.secure and not self._crypto:
            self._crypto = offer_of(
                (Suite.AEAD_AES_256_GCM, Suite.AES_CM_128_HMAC_SHA1_80), self.world.random.randbytes
            )
        self.offered = AudioDescription(
            self.address[0],
            4000,
            self.codecs,
            self.profile,
            self.direction,
            self._crypto if self.secure else (),
            ptime_ms=self.packets[0],
            maxptime_ms=self.packets[1],
        )
        return self._own.write(self.offered)

    def answer_body(self, body: bytes) -> bytes:
        """The phone's own choice of codec, first of its list that is offered."""
        offer = read_audio(body)
        self.heard = offer
        common = [codec for mine in self.codecs for codec in offer.codecs if codec.same_format(mine)]
        if all(codec.is_telephone_event for codec in common):
            raise SdpError("nothing in common")
        crypto: tuple[CryptoAttribute, ...] = ()
        if offer.crypto and self.secure:
            crypto = (answer_to(offer.crypto[0], self.world.random.randbytes),)
        direction = offer.direction.reverse.intersect(self.direction)
        return self._own.write(
            AudioDescription(
                self.address[0],
                4000,
                tuple(common),
                offer.profile if crypto else "RTP/AVP",
                direction,
                crypto,
                ptime_ms=self.packets[0],
                maxptime_ms=self.packets[1],
            )
        )

    def handle(self, event: sip.Event, now: float) -> None:
        self.seen.append(event)
        if self.on_event is not None and self.on_event(event):
            return
        if isinstance(event, sip.RequestReceived):
            if event.request.method == "INVITE":
                self._ring(event, now)
            else:
                self.endpoint.respond(event.tx, 200, now)
        elif isinstance(event, sip.OfferReceived):
            self.answer(event, now)
        elif isinstance(event, sip.OfferRequested):
            event.session.answer(self.offer(), now)
        elif isinstance(event, sip.AnswerReceived | sip.Answered):
            body = event.body if isinstance(event, sip.AnswerReceived) else event.session.remote_body
            if body and self.offered is not None:
                self.heard = read_answer(body, self.offered)
        elif isinstance(event, sip.InDialogRequest):
            self.endpoint.respond(event.tx, 200, now)

    def answer(self, event: sip.OfferReceived, now: float) -> None:
        try:
            body = self.answer_body(event.body)
        except SdpError:
            if event.method == "2xx":
                event.session.bye(now)
            else:
                event.session.reject_offer(488, now)
            return
        event.session.answer(body, now)

    def _ring(self, event: sip.RequestReceived, now: float) -> None:
        session = self.endpoint.accept(event.tx, now)
        self.sessions.append(session)
        body = session.remote_body
        if self.early_media:
            session.progress(183, now, body=self.answer_body(body))
        else:
            session.progress(180, now)
        if self.answers is None:
            return
        if self.answers == 200:
            self.pick_up(session, now)
        else:
            session.reject(self.answers, now)

    def pick_up(self, session: InviteSession, now: float) -> None:
        body = session.remote_body
        try:
            session.accept(self.answer_body(body) if body else self.offer(), now)
        except SdpError:
            session.reject(488, now)


class World:
    """The exchange, its phones, and the clock."""

    def __init__(
        self, seed: int = 1, latency_s: float = 0.01, codecs: dict[str, str] | None = None, **settings: object
    ) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self.latency_s = latency_s
        self.plane = BookedPlane()
        self.plane.known = codecs or {}
        self.phones: dict[tuple[str, int], Phone] = {}
        self.groups: dict[str, list[Phone]] = {}
        self.events: list[CallEvent] = []
        self.records: list[CallRecord] = []
        self.recordings: dict[str, RecordingFacts] = {}
        """As the store has them."""
        self.refused: list[tuple[str, float]] = []
        self.account = Account(1, "office")
        self.wire: list[bytes] = []
        self.bodies: list[tuple[Phone, bytes]] = []
        """Every body that the server sent, with the phone it went to."""
        self.path: tuple[str, ...] = ()
        """The Path of every binding."""
        self.may_fail = False
        """Whether a fault of the server is what the test is about; else it fails the test."""
        self.endpoint = Endpoint(EndpointConfig("Sealtone", lambda _: SERVER), self.random.randbytes)
        self.receive = self.endpoint.receive
        self.exchange = Exchange(
            self.endpoint,
            self.plane,
            self,
            ExchangeSettings(wall_of=lambda now: now + 1.7e9, **settings),  # type: ignore[arg-type]
            self.random.randbytes,
        )
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def phone(self, number: str, *, transport: str = "udp", policy: LegPolicy = PLAIN) -> Phone:
        phone = Phone(self, number, self.next_index, transport=transport, policy=policy)
        self.add(phone)
        return phone

    @property
    def next_index(self) -> int:
        return len(self.groups) + sum(map(len, self.groups.values())) + 1

    def add(self, phone: Phone) -> None:
        self.phones[phone.address] = phone
        self.groups.setdefault(phone.number, []).append(phone)

    def move(self, phone: Phone, host: str, port: int = 5060) -> None:
        """Have a phone be seen at this address."""
        del self.phones[phone.address]
        phone.address = (host, port)
        phone.flow = phone.flow._replace(local=phone.address)
        phone.seen_by_server = phone.seen_by_server._replace(remote=phone.address)
        self.phones[phone.address] = phone

    # the directory

    def resolve(self, uri: str, caller: SipUser) -> Ring | Service | NoRoute:
        number = uri.partition(":")[2].partition("@")[0]
        if number in DEFAULT_SERVICES:
            return Service(DEFAULT_SERVICES[number])
        found = self.groups.get(number)
        if not found:
            return NoRoute(404, "Nobody here has that number")
        return Ring(
            f"{number}@office.example",
            tuple(Destination(one.user, one.seen_by_server, _contact_of(one), self.path) for one in found),
        )

    def recording_key(self, user: SipUser) -> str:
        return next(phone.user for phone in self.phones.values() if phone.user.aor == user.aor).recording.recipient

    # the clock

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay_s, next(self._order), action))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = [self._queue[0][0]] if self._queue else []
            due += [at for at in self._timeouts() if at is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
                self.pump()
            for phone in self.phones.values():
                phone.handle_timeout(self.now)
            self.endpoint.handle_timeout(self.now)
            self.exchange.handle_timeout(self.now)
            self.pump()
        self.now = end

    def _timeouts(self) -> list[float | None]:
        times = [phone.next_timeout() for phone in self.phones.values()]
        return [*times, self.endpoint.next_timeout(), self.exchange.next_timeout()]

    def pump(self) -> None:
        """Drain everybody; what is sent arrives later."""
        busy = True
        while busy:
            busy = False
            for event in self.endpoint.events():
                busy = True
                self._serve(event)
            for data, hop in self.endpoint.transmits():
                busy = True
                self.wire.append(data)
                self._to_phone(data, hop)
            for phone in self.phones.values():
                for event in phone.endpoint.events():
                    busy = True
                    phone.handle(event, self.now)
                for data, _ in phone.endpoint.transmits():
                    busy = True
                    self.after(self.latency_s, self._arrive(data, phone))
        self.carry_media()
        for number in self.plane.ended_recordings:
            self.exchange.receive_recording_ended(number, "", 1000, 5.0, self.now)
        self.plane.ended_recordings.clear()
        self.recordings |= {facts.id: facts for facts in self.exchange.recordings()}
        told = self.exchange.events()
        assert self.may_fail or all(event.kind != "error" for event in told), told
        self.events += told
        self.records += self.exchange.records()

    def carry_media(self) -> None:
        """What the media plane and the phones want sent; worlds with media have more to do here."""

    def _arrive(self, data: bytes, phone: Phone) -> Callable[[], None]:
        return lambda: self.receive(data, phone.seen_by_server, self.now)

    def _to_phone(self, data: bytes, hop: Hop) -> None:
        phone = self.phones[hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)]
        self.bodies.append((phone, data.partition(b"\r\n\r\n")[2]))
        self.after(self.latency_s, lambda: phone.receive(data, phone.flow, self.now))

    def _serve(self, event: sip.Event) -> None:
        if isinstance(event, sip.RequestReceived):
            phone = self.phones[event.flow.remote]
            if event.request.method == "INVITE":
                self.exchange.invite(event.tx, phone.user, self.now)
            else:
                self.endpoint.respond(event.tx, 405, self.now)
        else:
            self.exchange.handle(event, self.now)

    # what tests ask

    @property
    def record(self) -> CallRecord:
        assert len(self.records) == 1, self.records
        return self.records[0]

    def joined(self) -> list[tuple[int, int]]:
        return sorted((a, b) for a, b in self.plane.joined.items() if a < b)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def _contact_of(phone: Phone) -> str:
    host, port = phone.address
    return f"sip:{phone.number}@[{host}]:{port}" if ":" in host else f"sip:{phone.number}@{host}:{port}"
