"""The town, with voice: phones that speak ZRTP (real sessions) over a network for media that may lose packets.

A phone has a stream for each call. It sends a voice packet each `voice_s`, under its ZRTP keys once it has them and
before in the clear, unless it is told to wait; what it hears is booked with the key that it came under.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from calls.media import Rtp
from calls.world import Phone, World
from sealtone.b2bua.call import Call
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.zrtp_agreement import ZrtpTerms
from sealtone.model import LegPolicy, LegSecurity, MediaPath, Protection, Strictness, ZrtpStage
from sealtone.model.record import LegRecord
from sealtone.sdp import AudioDescription, Codec, SdpError, read_answer, read_audio
from sealtone.sip import events as sip
from sealtone.sip.session import InviteSession
from sealtone.srtp_keys import CryptoAttribute, Suite, answer_to, offer_of
from sealtone.zrtp import (
    Algorithms,
    CacheRecord,
    CacheUpdate,
    Event,
    HelloHash,
    Profile,
    Secured,
    Session,
    StandardCrypto,
)

CRYPTO = StandardCrypto()
QUICK = Algorithms(("S256",), ("AES1",), ("HS80",), ("X255", "Mult"), ("B32 ",))
ZID = bytes(range(1, 13))
SEALED = LegPolicy(Protection.ZRTP, Strictness.REQUIRE, MediaPath.SEALED)
SEALED_WISH = LegPolicy(Protection.ZRTP, Strictness.PREFER, MediaPath.SEALED)
DIRECT = LegPolicy(Protection.ZRTP, Strictness.REQUIRE, MediaPath.DIRECT)
DIRECT_WISH = LegPolicy(Protection.ZRTP, Strictness.PREFER, MediaPath.DIRECT)
ENDED = LegPolicy(Protection.ZRTP, Strictness.REQUIRE, MediaPath.SERVER)
ENDED_WISH = LegPolicy(Protection.ZRTP, Strictness.PREFER, MediaPath.SERVER)


class Stream:
    """A phone's media of one call."""

    def __init__(self, phone: ZrtpPhone, port: int) -> None:
        self.phone = phone
        self.port = port
        self.far: tuple[str, int] | None = None
        """Where this phone was told to send."""
        self.description: AudioDescription | None = None
        self.types: tuple[int, ...] = ()
        self.heard: list[Rtp] = []
        self.told: list[Event] = []
        self.received: list[bytes] = []
        self.over = False
        self._begins_at: float | None = None
        self.zrtp: Session | None = None
        if phone.zrtp:
            self.zrtp = self._new_session()

    def _new_session(self) -> Session:
        phone = self.phone
        entropy = phone.media_random.randbytes
        return Session(
            Profile(phone.zid, "a phone", algorithms=phone.algorithms),
            CRYPTO,
            entropy,
            ssrc=int.from_bytes(entropy(4)),
            unix_time=1_700_000_000,
            cache=phone.cache.get,
        )

    def described(self, far: AudioDescription, now: float) -> None:
        """The server's description has come."""
        self.far, self.description = (far.address, far.port), far
        mine = self.phone.codecs
        voices = [
            codec.payload_type
            for codec in far.codecs
            if not codec.is_telephone_event and any(codec.same_format(one) for one in mine)
        ]
        self.types = tuple(voices[:1])
        if self.zrtp is None:
            return
        hashes = tuple(found for value in far.zrtp_hashes if (found := HelloHash.parse(value)) is not None)
        if hashes:
            self.zrtp.hello_hashes = hashes
        if self._begins_at is None:
            self._begins_at = now + self.phone.hello_after_s

    def begin_anew(self) -> None:
        """Forget the keys, and have another Hello."""
        self.zrtp = self._new_session()
        self.told.clear()
        self._begins_at = None

    def next_timeout(self) -> float | None:
        if self.zrtp is None or self.over:
            return None
        if self._begins_at is not None and self._begins_at >= 0:
            return self._begins_at
        return self.zrtp.next_timeout()

    def handle_timeout(self, now: float) -> None:
        if self.zrtp is None or self.over:
            return
        if self._begins_at is not None and 0 <= self._begins_at <= now:
            self._begins_at = -1.0
            self.zrtp.start(now)
        if self._begins_at == -1.0:
            self.zrtp.handle_timeout(now)

    def receive(self, packet: bytes, now: float) -> None:
        self.received.append(packet)
        if self.zrtp is not None and self._begins_at == -1.0:
            self.zrtp.receive(packet, now)

    def drain(self) -> list[bytes]:
        if self.zrtp is None:
            return []
        for event in self.zrtp.events():
            self.told.append(event)
            if isinstance(event, CacheUpdate):
                self.phone.cache[event.record.peer_zid] = event.record
        return self.zrtp.transmits()

    def saw(self, kind: type) -> list[Event]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def secured(self) -> Secured:
        found = [event for event in self.told if isinstance(event, Secured)]
        assert found, f"the phone of {self.phone.number} is not secure: {self.told}"
        return found[-1]

    @property
    def is_secure(self) -> bool:
        return bool(self.saw(Secured))

    def voice(self) -> Rtp | None:
        if self.is_secure:
            key = bytes(self.secured.keys.send_key)
        elif self.phone.talks_in_clear:
            key = None
        else:
            return None
        return Rtp(key, self.types[0]) if self.types else None

    @property
    def clear(self) -> int:
        """How many packets came in the clear."""
        return sum(packet.key is None for packet in self.heard)

    @property
    def good(self) -> int:
        """How many packets this phone could decrypt."""
        key = bytes(self.secured.keys.receive_key)
        return sum(packet.key == key for packet in self.heard)


class ZrtpPhone(Phone):
    """A phone with a ZID and a cache. What it does differently is set before it calls or is called."""

    def __init__(self, world: ZrtpWorld, number: str, index: int, *, transport: str, policy: LegPolicy) -> None:
        super().__init__(world, number, index, transport=transport, policy=policy)
        self.user = replace(self.user, zid=ZID)
        self.media_random = Random(f"{world.seed} {index}")
        self.zid = self.media_random.randbytes(12)
        self.cache: dict[bytes, CacheRecord] = {}
        self.algorithms = QUICK
        self.zrtp = policy.wants_zrtp
        self.announces = True
        self.inside: str | None = None
        """The address it has where it stands and writes into SDP, if it is behind NAT."""
        self.thinks_s = 0.0
        """How long it takes to answer a new offer in a call."""
        self.hello_after_s = 0.0
        self.talks_in_clear = True
        self.streams: list[Stream] = []
        self._of: dict[int, Stream] = {}
        self.says: dict[str, object] = {}
        """What else its descriptions say, by the fields of `AudioDescription`."""

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    def stream_of(self, session: InviteSession) -> Stream:
        return self._of[id(session)]

    def _open(self) -> None:
        self.streams.append(Stream(self, 4000 + 2 * len(self.streams)))
        self.current = self.stream

    def call(self, number: str, **more: object) -> InviteSession:
        return self.open_call(lambda: super(ZrtpPhone, self).call(number, **more))  # type: ignore[arg-type]

    def open_call(self, begin: Callable[[], InviteSession]) -> InviteSession:
        """A call with media of its own, begun by `begin`."""
        self._open()
        session = begin()
        if session not in self.sessions:
            self.sessions.append(session)
        self._of[id(session)] = self.stream
        self.world.pump()
        return session

    def hold(self, session: InviteSession) -> None:
        self.current = self.stream_of(session)
        super().hold(session)

    def resume(self, session: InviteSession) -> None:
        self.current = self.stream_of(session)
        super().resume(session)

    def offer_anew(self, session: InviteSession) -> None:
        """A re-INVITE with what the phone says now."""
        self.current = self.stream_of(session)
        self.do(lambda now: session.offer(self.offer(), now))

    # what it says

    def _described(
        self, codecs: tuple[Codec, ...], profile: str, direction: object, crypto: tuple[CryptoAttribute, ...]
    ) -> AudioDescription:
        stream = self.current
        hashes = (str(stream.zrtp.hello_hash),) if stream.zrtp is not None and self.announces and not crypto else ()
        return AudioDescription(
            self.host, stream.port, codecs, profile, direction, crypto, zrtp_hashes=hashes, **self.says  # type: ignore[arg-type]
        )  # fmt: skip

    @property
    def host(self) -> str:
        """The address it writes into SDP."""
        return self.inside or self.address[0]

    def offer(self) -> bytes:
        crypto: tuple[CryptoAttribute, ...] = ()
        if self.secure:
            crypto = self._crypto = self._crypto or offer_of(
                (Suite.AES_CM_128_HMAC_SHA1_80,), self.world.random.randbytes
            )
        self.offered = self._described(self.codecs, self.profile, self.direction, crypto)
        return self._own.write(self.offered)

    def answer_body(self, body: bytes) -> bytes:
        offer = read_audio(body)
        self.heard = offer
        common = [codec for mine in self.codecs for codec in offer.codecs if codec.same_format(mine)]
        if all(codec.is_telephone_event for codec in common):
            raise SdpError("nothing in common")
        if self.renumbers:
            common = [self._own_number(codec) for codec in common]
        crypto: tuple[CryptoAttribute, ...] = ()
        if offer.crypto and self.secure:
            crypto = (answer_to(offer.crypto[0], self.world.random.randbytes),)
        direction = offer.direction.reverse.intersect(self.direction)
        profile = offer.profile if crypto else "RTP/AVP"
        return self._own.write(self._described(tuple(common), profile, direction, crypto))

    renumbers = False
    """Whether it answers with its own payload types (RFC 3264 5.1 permits that)."""

    def _own_number(self, codec: Codec) -> Codec:
        mine = next(each for each in self.codecs if each.same_format(codec))
        return codec._replace(payload_type=mine.payload_type)

    # what it hears

    def handle(self, event: sip.Event, now: float) -> None:
        if isinstance(event, sip.OfferReceived) and self.thinks_s:
            self.world.after(self.thinks_s, lambda: self._handle(event, self.world.now))
        else:
            self._handle(event, now)

    def _handle(self, event: sip.Event, now: float) -> None:
        if isinstance(event, sip.RequestReceived) and event.request.method == "INVITE":
            self._open()
        session = getattr(event, "session", None)
        if session is not None and id(session) in self._of:
            self.current = self._of[id(session)]
        before = self.heard = None
        super().handle(event, now)
        if isinstance(event, sip.RequestReceived) and event.request.method == "INVITE" and self.sessions:
            self._of[id(self.session)] = self.stream
        if isinstance(event, sip.Progress) and event.session.remote_body and self.offered is not None:
            self.heard = read_answer(event.session.remote_body, self.offered)
        if isinstance(event, sip.Ended | sip.Rejected) and session is not None and id(session) in self._of:
            self._of[id(session)].over = True
        if self.heard is not before:
            self.current.described(self.heard, now)

    def pick_up(self, session: InviteSession, now: float) -> None:
        super().pick_up(session, now)
        if self.heard is not None:
            self.current.described(self.heard, now)

    def next_timeout(self) -> float | None:
        due = [stream.next_timeout() for stream in self.streams] + [super().next_timeout()]
        return min((at for at in due if at is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        super().handle_timeout(now)
        for stream in self.streams:
            stream.handle_timeout(now)


class ZrtpWorld(World):
    """`voice_s`: between two voice packets. `loss`: the share of media packets that get lost, each way. `cache`: what the server remembers."""

    def __init__(self, seed: int = 1, loss: float = 0.0, voice_s: float = 0.1, **settings: object) -> None:
        self.seed = seed
        self.voice_s = voice_s
        self.loss = loss
        self.cache: dict[tuple[bytes, bytes], CacheRecord] = {}
        terms = ZrtpTerms(CRYPTO, lambda zid, peer: self.cache.get((zid, peer)), QUICK)
        super().__init__(seed, zrtp=terms, **settings)
        self.media_random = Random(f"media {seed}")
        self.direct: list[tuple[str, Rtp | bytes]] = []
        """Every packet from phone to phone, with the number of the phone it reached."""
        self._latched: dict[int, Stream] = {}
        self.from_server: list[tuple[str, Rtp]] = []
        """Every voice packet that left the server, with the address it went to."""
        self.tap = lambda packet, to: packet
        """Sees each ZRTP packet on its way, with "server" or the number of the phone it goes to; may change it."""
        self._talk()

    def phone(self, number: str, *, transport: str = "udp", policy: LegPolicy = ENDED) -> ZrtpPhone:
        phone = ZrtpPhone(self, number, self.next_index, transport=transport, policy=policy)
        self.add(phone)
        return phone

    # media

    def _streams(self) -> list[Stream]:
        phones = [phone for phone in self.phones.values() if isinstance(phone, ZrtpPhone)]
        return [stream for phone in phones for stream in phone.streams if not stream.over]

    def _leg_of(self, stream: Stream) -> int | None:
        """The leg whose port the stream's packets come to. A phone behind NAT is known once they do."""
        leg = next((leg for leg, at in self.plane.legs.items() if (at.ip, at.rtp_port) == stream.far), None)
        plan = self.plane.plans.get(leg) if leg is not None else None
        if leg is not None and plan is not None and plan.remote and plan.signalling_ip == stream.phone.address[0]:
            self._latched[leg] = stream
        return leg

    def _stream_at(self, leg: int) -> Stream | None:
        plan = self.plane.plans.get(leg)
        if plan is None or plan.remote is None:
            return None
        latched = self._latched.get(leg)
        if latched is not None:
            return None if latched.over else latched
        host, port = plan.remote
        return next((one for one in self._streams() if one.phone.address[0] == host and one.port == port), None)

    def _neighbour_of(self, stream: Stream) -> Stream | None:
        """The other phone's stream that hears this one's packets without the server: it is on the same network."""
        for one in self._streams():
            phone, near = one.phone, stream.phone
            if (phone.host, one.port) == stream.far and (phone.inside is None or phone.address[0] == near.address[0]):
                return one
        return None

    def _lost(self) -> bool:
        return self.media_random.random() < self.loss

    def carry_media(self) -> None:
        for stream in self._streams():
            for packet in stream.drain():
                if not self._lost():
                    self.after(self.latency_s, lambda stream=stream, packet=packet: self._zrtp_from(stream, packet))
        sent, self.plane.sent = self.plane.sent, []
        for leg, packet in sent:
            to = self._stream_at(leg)
            if to is not None and not self._lost():
                changed = self.tap(packet, to.phone.number)
                if changed is not None:
                    self.after(self.latency_s, lambda to=to, packet=changed: to.receive(packet, self.now))
        for zid, record in self.exchange.remembered():
            self.cache[zid, record.peer_zid] = record

    def _zrtp_from(self, stream: Stream, packet: bytes) -> None:
        to = self._neighbour_of(stream)
        if to is not None:
            self.direct.append((to.phone.number, packet))
            to.receive(packet, self.now)
            self.pump()
            return
        changed = self.tap(packet, "server")
        if changed is not None:
            self.inject(stream, changed)

    def inject(self, stream: Stream, packet: bytes) -> None:
        """A ZRTP packet to the server, from where the stream's phone is."""
        leg = self._leg_of(stream)
        if leg is not None and self.plane.zrtp_in(leg, packet):
            self.exchange.receive_zrtp(leg, packet, self.now)
        self.pump()

    def _talk(self) -> None:
        for stream in self._streams():
            packet = stream.voice()
            if packet is not None and not self._lost():
                self.after(self.latency_s, lambda stream=stream, packet=packet: self._voice_from(stream, packet))
        self.after(self.voice_s, self._talk)

    def _voice_from(self, stream: Stream, packet: Rtp) -> None:
        to = self._neighbour_of(stream)
        if to is not None:
            self.direct.append((to.phone.number, packet))
            to.heard.append(packet)
            return
        leg = self._leg_of(stream)
        passed = self.plane.rtp_in(leg, packet) if leg is not None else None
        to = self._stream_at(passed[0]) if passed is not None else None
        if passed is not None and to is not None:
            self.from_server.append((to.phone.number, passed[1]))
            to.heard.append(passed[1])

    # what tests ask

    @property
    def live(self) -> Call:
        (call,) = self.exchange.calls.values()
        return call

    def leg(self, phone: Phone) -> Leg:
        (found,) = [leg for call in self.exchange.calls.values() for leg in call.legs() if leg.user is phone.user]
        return found

    def security(self, phone: Phone) -> LegSecurity:
        return self.leg(phone).security()

    def stage(self, phone: Phone) -> ZrtpStage:
        zrtp = self.security(phone).zrtp
        assert zrtp is not None
        return zrtp.stage

    def recorded(self, phone: Phone, which: int = -1) -> LegRecord:
        return next(leg for leg in self.records[which].legs if leg.aor == phone.user.aor and leg.chosen)

    def told(self, kind: str) -> list[str]:
        return [event.detail for event in self.events if event.kind == kind]

    def hang_up(self, phone: Phone) -> None:
        phone.do(phone.session.bye)
        self.run(2)
