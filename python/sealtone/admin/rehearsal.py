"""What a call would come to: it is made, with the code that makes all calls, between phones that are only thought of.

The exchange is one of its own, over a media plane that moves nothing; the phones are real SIP endpoints, set up as
`PhoneSettings` says. So offers, refusals, codecs and paths are those of a real call. What is not rehearsed is what
passes in the media: of phones that speak ZRTP it is taken that they come to keys with whom the path lets them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sealtone.admin.rehearsed_phone import SERVER, PhoneSettings, RehearsedPhone
from sealtone.b2bua.call import Call
from sealtone.b2bua.codec_choice import NOTHING, joined
from sealtone.b2bua.exchange import Exchange, ExchangeSettings
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.leg_codecs import text_of
from sealtone.b2bua.leg_security import label_of
from sealtone.b2bua.plane import (
    CannotHear,
    Destination,
    MediaCounters,
    MediaPlan,
    MediaPort,
    NoRoute,
    RecordingWish,
    Ring,
    Service,
)
from sealtone.b2bua.zrtp_agreement import ZrtpTerms
from sealtone.b2bua.zrtp_in_call import note_of, why_ended_without_keys
from sealtone.model import (
    Audience,
    KeyExchange,
    LegSecurity,
    MediaPath,
    Protection,
    SipUser,
    ZrtpFacts,
    ZrtpStage,
    who_could_listen,
    why_media_is_held,
)
from sealtone.model.record import transcoding_drawn
from sealtone.sip import events as sip
from sealtone.sip.endpoint import Endpoint, EndpointConfig, Invitation
from sealtone.sip.flow import Flow, Hop
from sealtone.srtp_keys import ZrtpSuite
from sealtone.zrtp import StandardCrypto

_MESSAGE_S = 0.01
_LASTS_S = 2.0
_MOST_MESSAGES = 500


class Party(NamedTuple):
    """A user with one phone of theirs."""

    user: SipUser
    phone: PhoneSettings


class LegOutlook(NamedTuple):
    """What one leg would come to."""

    aor: str
    security: LegSecurity
    codec: str
    """What the phone would send, such as ``opus/48000``."""
    transport: str


class Outlook(NamedTuple):
    """What a call would come to."""

    status: int
    """SIP's: 200 where it comes about, else what the caller would be told."""
    reason: str
    """Why it would not come about; empty where it does."""
    legs: tuple[LegOutlook, ...] = ()
    service: str = ""
    """Who answers, where no phone does: `echo`."""
    audience: Audience | None = None
    """Who could listen; None where the call does not come about."""
    transcoding: str = ""
    """``transcoded opus ↔ g729``; empty where packets are passed on."""
    drawn: str = ""
    """``1000 —SRTP→ server —SRTP→ 1001``."""
    announced: str = ""
    """What would be said to whom before the two are connected."""
    recording: str = ""
    """Whether it would be recorded, or why not although somebody wishes it; empty where nobody does."""
    is_cut_off: bool = False
    """The phone would be answered, hear nothing, and be hung up on after half a minute, for want of keys."""


class _UnheardPlane:
    """A media plane that gives ports and moves nothing (`b2bua.plane.MediaPlane`)."""

    def __init__(self, codecs: Mapping[str, str]) -> None:
        self._codecs = codecs
        self._numbers = 0
        self._plans: dict[int, MediaPlan] = {}

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def open_call(self) -> int:
        return self._number()

    def open_leg(self, media_call: int, hop: Hop) -> MediaPort:
        number = self._number()
        return MediaPort(number, SERVER[0], 20_000 + 2 * number, 20_001 + 2 * number)

    def move_leg(self, leg: int, media_call: int) -> None:
        """Nothing to move."""

    def update_leg(self, leg: int, plan: MediaPlan) -> None:
        self._plans[leg] = plan

    def bridge(self, a: int, b: int, map_ab: dict[int, int], map_ba: dict[int, int]) -> None:
        """Nothing passes."""

    def transcode(self, a: int, b: int) -> None:
        """Nothing passes."""

    def codecs(self) -> Mapping[str, str]:
        return self._codecs

    def send_packet(self, leg: int, packet: bytes) -> None:
        """Nobody is there to get it."""

    def unbridge(self, leg: int) -> None:
        """Nothing was joined."""

    def echo(self, leg: int) -> None:
        """Nothing is heard."""

    def play(
        self, leg: int, sounds: tuple[str, ...], *, repeat: bool = False, over: bool = False, exactly: bool = False
    ) -> int:
        plan = self._plans.get(leg)
        if plan is None or not plan.transmit or self._codecs.get(plan.transmit[0].encoding, "no"):
            raise CannotHear("nothing can be played to this phone here")
        return self._number()

    def stop_playing(self, leg: int) -> None:
        """Nothing plays."""

    def start_recording(self, a: int, b: int | None, wish: RecordingWish) -> int:
        return self._number()

    def stop_recording(self, recording: int) -> None:
        """Nothing was recorded."""

    def counters(self, leg: int) -> MediaCounters:
        return MediaCounters()

    def close_leg(self, leg: int) -> MediaCounters:
        return MediaCounters()

    def close_call(self, media_call: int) -> None:
        """Nothing to end."""

    def flush(self) -> None:
        """Nothing waits."""


def rehearse(
    caller: Party,
    uri: str,
    resolve: Callable[[str, SipUser], Sequence[Party] | Service | NoRoute],
    codecs: Mapping[str, str],
    entropy: Callable[[int], bytes],
) -> Outlook:
    """What comes of `caller` calling `uri`.

    `resolve` says who is called: one party a registered phone, all of one user. `codecs`: what this server can convert
    (`MediaPlane.codecs`).
    """
    return _Rehearsal(caller, uri, resolve, codecs, entropy).outlook()


class _Rehearsal:
    def __init__(
        self,
        caller: Party,
        uri: str,
        resolve: Callable[[str, SipUser], Sequence[Party] | Service | NoRoute],
        codecs: Mapping[str, str],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._entropy = entropy
        self._resolve = resolve
        self._now = 1000.0
        self._phones: dict[tuple[str, int], RehearsedPhone] = {}
        self._wire: deque[Callable[[], None]] = deque()
        self._endpoint = Endpoint(EndpointConfig("", lambda _: SERVER), entropy)
        self._exchange = Exchange(
            self._endpoint,
            _UnheardPlane(codecs),
            self,
            ExchangeSettings(wall_of=lambda now: now, zrtp=ZrtpTerms(StandardCrypto(), lambda zid, peer: None)),
            entropy,
        )
        self._caller = caller
        phone = self._place(caller.phone)
        invitation = Invitation(
            request_uri=uri,
            from_=f"<sip:{caller.user.aor}>",
            to=f"<{uri}>",
            hop=phone.flow,
            body=phone.offer(),
            contact_user=caller.user.username,
        )
        phone.endpoint.invite(invitation, self._now)
        self._run()

    def _place(self, settings: PhoneSettings) -> RehearsedPhone:
        phone = RehearsedPhone(settings, len(self._phones) + 1, self._entropy)
        self._phones[phone.address] = phone
        return phone

    # what `Exchange` asks of its directory

    def resolve(self, uri: str, caller: SipUser) -> Ring | Service | NoRoute:
        found = self._resolve(uri, caller)
        if isinstance(found, Service | NoRoute):
            return found
        destinations = []
        for party in found:
            phone = self._place(party.phone)
            host, port = phone.address
            contact = f"sip:{party.user.username}@[{host}]:{port}" if ":" in host else f"sip:phone@{host}:{port}"
            destinations.append(Destination(party.user, phone.seen_by_server, contact))
        return Ring(found[0].user.aor, tuple(destinations))

    def recording_key(self, user: SipUser) -> str:
        return user.recording.recipient

    # the clock

    def _run(self) -> None:
        until = self._now + _LASTS_S
        self._pump()
        for _ in range(_MOST_MESSAGES):
            if self._wire:
                self._now += _MESSAGE_S
                self._wire.popleft()()
            else:
                due = [phone.endpoint.next_timeout() for phone in self._phones.values()]
                due += [self._endpoint.next_timeout(), self._exchange.next_timeout()]
                at = min((one for one in due if one is not None), default=until)
                if at >= until:
                    return
                self._now = max(self._now, at)
                for phone in self._phones.values():
                    phone.endpoint.handle_timeout(self._now)
                self._endpoint.handle_timeout(self._now)
                self._exchange.handle_timeout(self._now)
            self._pump()

    def _pump(self) -> None:
        busy = True
        while busy:
            busy = False
            for event in self._endpoint.events():
                busy = True
                self._serve(event)
            for data, hop in self._endpoint.transmits():
                busy = True
                phone = self._phones[hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)]
                self._wire.append(self._to_phone(phone, data))
            for phone in list(self._phones.values()):
                for event in phone.endpoint.events():
                    busy = True
                    phone.handle(event, self._now)
                for data, _ in phone.endpoint.transmits():
                    busy = True
                    self._wire.append(self._to_server(phone, data))

    def _to_phone(self, phone: RehearsedPhone, data: bytes) -> Callable[[], None]:
        return lambda: phone.endpoint.receive(data, phone.flow, self._now)

    def _to_server(self, phone: RehearsedPhone, data: bytes) -> Callable[[], None]:
        return lambda: self._endpoint.receive(data, phone.seen_by_server, self._now)

    def _serve(self, event: sip.Event) -> None:
        if not isinstance(event, sip.RequestReceived):
            self._exchange.handle(event, self._now)
        elif event.request.method == "INVITE":
            self._exchange.invite(event.tx, self._caller.user, self._now)
        else:
            self._endpoint.respond(event.tx, 405, self._now)

    # what came of it

    def outlook(self) -> Outlook:
        call = next(iter(self._exchange.calls.values()), None)
        if call is None or call.answered_at is None:
            records = self._exchange.records()
            if records:
                return Outlook(records[0].status, records[0].reason)
            return Outlook(480, "Nobody answered")
        legs = [call.a] if call.b is None else [call.a, call.b]
        reached = [self._as_agreed(leg, legs) for leg in legs]
        for leg, security in zip(legs, reached, strict=True):
            policy = leg.sealed.policy_of(leg) if leg.sealed is not None else leg.user.policy
            held = why_media_is_held(policy, security)
            if held is not None:
                needs_zrtp = policy.requires_zrtp and security.protection is not Protection.ZRTP
                return Outlook(488, why_ended_without_keys(leg) if needs_zrtp else held, is_cut_off=True)
        return Outlook(
            200,
            "",
            tuple(
                LegOutlook(leg.aor, security, text_of(leg.chosen_codec), leg.hop.transport)
                for leg, security in zip(legs, reached, strict=True)
            ),
            call.service or "",
            who_could_listen(*reached),
            transcoding := self._transcoding(call),
            _drawn(call, reached, transcoding),
            call.notice.said if call.notice is not None else "",
            _recording(call),
        )

    def _as_agreed(self, leg: Leg, legs: Sequence[Leg]) -> LegSecurity:
        """What the leg reaches once its phone, where it speaks ZRTP, has come to keys with whom it can."""
        security = leg.security()
        if leg.sealed is not None:
            if not all(self._phone_of(one).speaks_zrtp for one in legs):
                return security._replace(zrtp=ZrtpFacts(ZrtpStage.ABSENT), note=note_of(ZrtpStage.ABSENT))
            stage = ZrtpStage.ANNOUNCED if security.media_path is MediaPath.DIRECT else ZrtpStage.SEEN
            return security._replace(
                protection=Protection.ZRTP, key_exchange=KeyExchange.ZRTP, zrtp=ZrtpFacts(stage), note=""
            )
        if leg.zrtp is None or not leg.speaks_zrtp:
            return security
        if not self._phone_of(leg).speaks_zrtp:
            note = f"{note_of(ZrtpStage.ABSENT)} {leg.why_not_sealed}".strip()
            return security._replace(zrtp=ZrtpFacts(ZrtpStage.ABSENT), note=note)
        return security._replace(
            protection=Protection.ZRTP,
            key_exchange=KeyExchange.ZRTP,
            suite_rx=ZrtpSuite.ZRTP_AES3_HS80,
            suite_tx=ZrtpSuite.ZRTP_AES3_HS80,
            zrtp=ZrtpFacts(ZrtpStage.SECURE),
            note=leg.why_not_sealed,
        )

    def _phone_of(self, leg: Leg) -> RehearsedPhone:
        hop = leg.hop
        return self._phones[hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)]

    def _transcoding(self, call: Call) -> str:
        a, b = call.a, call.b
        if b is None or a.media is None or b.media is None:
            return ""
        server = self._exchange.encodings if a.sealed is None else NOTHING
        if not joined(a.media, b.media, server).transcodes:
            return ""
        return transcoding_drawn(text_of(a.chosen_codec), text_of(b.chosen_codec))


def _drawn(call: Call, reached: Sequence[LegSecurity], transcoding: str) -> str:
    """As `Call.drawn` has it, of what the legs would come to."""
    labels = [label_of(security) for security in reached]
    if call.b is None:
        return f"{call.a.name} —{labels[0]}→ server ({call.service})"
    if call.a.sealed is not None:
        how = "direct" if call.a.sealed.direct else "sealed through the server"
        return f"{call.a.name} —{labels[0]}, {how}→ {call.b.name}"
    middle = f", {transcoding}" if transcoding else ""
    return f"{call.a.name} —{labels[0]}→ server{middle} —{labels[1]}→ {call.b.name}"


def _recording(call: Call) -> str:
    course = call.recording
    if course.facts is not None:
        return f"recorded for {course.facts.started_by}"
    return course.note
