"""One leg: the server's half of a call with one phone; one dialog, one media port.

How it works, and its rules:

1. A description from the phone is read and judged (`read_offer`, `read_answer`) before anything is changed by it; what
   the policy refuses raises `Refused` and leaves the leg as it was.
2. An offer and its answer take effect together, in `_settle`. Until then the leg's media plan is the one before.
3. What the two legs of a call tell each other is what `leg_codecs.py` passes on, nothing else: no address, no key, no
   payload type number that the other must use.
4. A leg has one media port for all its life, whichever calls it is in. Our SRTP key for it stays the same while its
   suite does, and the media core keeps its counters, so that no index of its stream is used twice.
5. Where the phone's ZRTP ends here the leg has an agreement (`zrtp_agreement.py`), whose keys are the leg's once there
   are any. Where it passes through, the leg is on a `SealedPath` with the other one and has no keys here at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sealtone.b2bua import codec_choice, leg_codecs
from sealtone.b2bua.codec_choice import Codecs
from sealtone.b2bua.invitation import invitation
from sealtone.b2bua.leg_media import MediaPlace, Negotiated, Packets, Refused, packets_in, place_in, plan_of
from sealtone.b2bua.leg_security import label_of, security_of
from sealtone.b2bua.plane import NOTHING_COUNTED, Destination, MediaCounters, MediaPlan, MediaPort, PayloadFormat
from sealtone.b2bua.record import leg_record
from sealtone.b2bua.recording_in_call import end as end_recording
from sealtone.b2bua.zrtp_agreement import ZrtpAgreement, agreement_of
from sealtone.model import (
    Acceptance,
    Established,
    LegPolicy,
    LegSecurity,
    OfferPlan,
    Protection,
    Refusal,
    SipUser,
    judge_answer,
    judge_offer,
    media_may_flow,
    plan_offer,
    plan_second_offer,
)
from sealtone.sdp import (
    AudioDescription,
    Codec,
    Direction,
    OwnDescription,
    SdpError,
    answer_direction,
    read_answer,
    read_audio_lines,
)
from sealtone.sip.flow import Hop, is_secure
from sealtone.srtp_keys import CryptoAttribute, KeyMaterial, MasterKey, answer_to, offer_of

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.sealed_path import SealedPath
    from sealtone.sip.session import InviteSession

_MAX_LEFT_KEYS: Final = 32
_MAX_SENT: Final = 4  # descriptions of ours that an answer may still come to
_ANY: Final = Packets()
__all__ = ["Leg", "Refused"]


class Leg:
    """See the module. `name` is the user part shown to people; `hop` where the phone is reached."""

    __slots__ = (
        "_agreed",
        "_baseline",
        "_baseline_before",
        "_final",
        "_judged",
        "_local",
        "_may_flow",
        "_offered",
        "_own",
        "_released",
        "_remote",
        "_rx",
        "_security",
        "_sent",
        "_tx",
        "agent",
        "call",
        "chosen_codec",
        "destination",
        "enrols",
        "established",
        "hop",
        "is_second",
        "left_keys",
        "meanings",
        "narrowed",
        "note",
        "offer_plan",
        "plan",
        "port",
        "role",
        "route",
        "sealed",
        "sends",
        "session",
        "speaks_zrtp",
        "transcoded",
        "uri",
        "user",
        "was_held",
        "why_not_sealed",
        "zrtp",
    )

    def __init__(self, call: Call, role: Literal["caller", "callee"], user: SipUser, hop: Hop) -> None:
        self.call = call
        self.role = role
        self.user = user
        self.hop = hop
        self.uri = ""
        self.destination: Destination | None = None
        self.offer_plan: OfferPlan | None = None
        self.is_second = False
        self.route: tuple[str, ...] = ()
        self.session: InviteSession
        self.port: MediaPort = call.exchange.plane.open_leg(call.media_call, hop)
        self.established: Established | None = None
        self.note = ""
        self.agent = ""
        self.was_held = False
        self.transcoded = False  # whether its media goes through codecs, as last linked
        self.narrowed = False
        self.why_not_sealed = ""
        self.zrtp: ZrtpAgreement | None = None
        self.sealed: SealedPath | None = None
        self.enrols = False
        self.speaks_zrtp = False  # whether the description in force leaves the keys to ZRTP
        self._final: MediaCounters | None = None
        self._agreed: tuple[Codec, ...] = ()
        self.meanings = codec_choice.Meanings()
        self.chosen_codec: Codec | None = None  # the phone's choice: the first voice codec agreed
        self.sends: Codec | None = None  # what it has changed to by itself
        self._baseline = self._baseline_before = NOTHING_COUNTED
        self._own = OwnDescription(int.from_bytes(call.exchange.entropy(4)) >> 1)
        self._judged: Acceptance | None = None
        self.left_keys: tuple[MasterKey, ...] = ()
        self._local: AudioDescription | None = None
        self._offered: AudioDescription | None = None
        self._remote: AudioDescription | None = None
        self._rx: MasterKey | None = None
        self._tx: MasterKey | None = None
        self.plan: MediaPlan | None = None
        self._security: LegSecurity | None = None  # worked out when it is asked for, like what follows from it
        self._may_flow = False
        self._sent: dict[bytes, AudioDescription] = {}
        self._released = False

    @classmethod
    def caller(cls, call: Call, session: InviteSession, user: SipUser) -> Leg:
        """The leg of who calls. Raises `NoMediaPorts`."""
        leg = cls(call, "caller", user, session.flow or session.hop)
        leg._attach(session)
        return leg

    @classmethod
    def callee(cls, call: Call, destination: Destination) -> Leg:
        """The leg of a phone to ring; `place` rings it. Raises `NoMediaPorts`."""
        leg = cls(call, "callee", destination.user, destination.hop)
        leg.destination = destination
        leg.uri = destination.request_uri
        leg.route = destination.route
        return leg

    def _attach(self, session: InviteSession) -> None:
        self.session = session
        session.owner = self
        session.contact_user = self.call.exchange.contact_user
        session.renew_offer = self._renewed
        self.call.exchange.add_leg(self)

    def second_plan(self) -> OfferPlan | None:
        """What to offer to a phone that refused our offer as it was; None when nothing is left."""
        plan = self.offer_plan
        return None if plan is None or self.is_second else plan_second_offer(self.user.policy, self._tls, plan)

    def place(self, offer: bytes | None, caller: Leg | None, now: float) -> None:
        """Send the INVITE. The phone sees the caller's AOR, or its service's, and nothing else of the caller's side."""
        self._attach(self.call.exchange.endpoint.invite(invitation(self, offer, caller), now))

    # what the phone said

    @property
    def name(self) -> str:
        return self.user.username

    @property
    def aor(self) -> str:
        return self.user.aor

    @property
    def described(self) -> bool:
        """Whether the phone has described its media."""
        return self._judged is not None or self._remote is not None

    @property
    def _policy(self) -> LegPolicy:
        """What a running session is judged by: on a sealed path both users' policies."""
        return self.user.policy if self.sealed is None or self.established is None else self.sealed.policy_of(self)

    @property
    def said(self) -> AudioDescription:
        """The phone's last description: the offer under way, or what is agreed."""
        said = self._judged.audio if self._judged is not None else self._remote
        if said is None:
            raise Refused(488, "The phone has not described its media")
        return said

    def codecs_for_peer(self) -> tuple[Codec, ...]:
        """The codecs that this phone can use and its user permits, in the user's order, or as the phone chose them."""
        said = self.said.codecs
        return (codec_choice.of_answer if said is self._agreed else codec_choice.of_offer)(said, self.user.codecs)

    def remote_direction(self) -> Direction:
        return self.said.direction

    @property
    def zrtp_hashes(self) -> tuple[str, ...]:
        """What the phone announces of its ZRTP."""
        return self.said.zrtp_hashes

    def visible(self) -> tuple[object, ...]:
        """What the other leg's phone would notice of this one's description."""
        said = self.said
        through = () if self.sealed is None else said.zrtp_hashes
        place = place_in(said) if self.sealed is not None and self.sealed.direct else None
        return said.codecs, said.direction, said.ptime_ms, through, place

    def read_offer(self, body: bytes) -> None:
        """Read and judge an offer; `answer` or `forget` follows. Raises `Refused`."""
        try:
            lines = read_audio_lines(body)
        except SdpError as error:
            raise Refused(488, str(error)) from None
        verdict = judge_offer(self._policy, self._tls, lines, self.established)
        if isinstance(verdict, Refusal):
            raise Refused(verdict.status, verdict.reason)
        self._check(verdict)
        if objection := codec_choice.none_permitted(verdict.audio.codecs, self.user.codecs, self.aor):
            raise Refused(488, objection)
        self._judged = verdict

    def forget(self) -> None:
        """The phone's offer under way came to nothing."""
        self._judged = None

    def is_answered(self, offer: bytes) -> None:
        """What `read_answer` reads next answers our `offer`; where that is unknown, the description that holds."""
        self._offered = self._sent.get(offer, self._local)

    def _written(self, audio: AudioDescription) -> bytes:
        """`audio` as a body, kept so that its answer finds it."""
        body = self._own.write(audio)
        self._sent[body] = audio
        if len(self._sent) > _MAX_SENT:
            del self._sent[next(iter(self._sent))]
        return body

    def _renewed(self, body: bytes) -> bytes:
        """An offer that has to be sent again, under the next version."""
        audio = self._sent.get(body)
        return body if audio is None else self._written(audio)

    def read_answer(self, body: bytes, *, early: bool = False) -> None:
        """Read, judge and take on the answer to our `offer`. Raises `Refused`.

        `early`: it came before the 200, which may bring another one; phones do so though RFC 3261 13.2.1 forbids it.
        """
        offered = self._offered
        if offered is None:
            return
        try:
            audio = read_answer(body, offered)
        except SdpError as error:
            raise Refused(488, str(error)) from None
        verdict = judge_answer(self._policy, self._tls, offered, audio, self.established)
        if isinstance(verdict, Refusal):
            raise Refused(verdict.status, verdict.reason)
        self._check(verdict)
        self._settle(verdict, verdict.own, offered, audio.codecs)
        self._offered = offered if early else None

    def _check(self, verdict: Acceptance) -> None:
        """A key that this call has left must not come back: packets recorded under it would be taken once more."""
        if self.sealed is not None and (objection := self.sealed.objection_to(self, verdict)):
            raise Refused(488, objection)
        if verdict.remote is not None and verdict.remote.key in self.left_keys:
            raise Refused(488, "The phone's key was used before in this call and given up; a new one is needed")
        if len(self.left_keys) >= _MAX_LEFT_KEYS:
            raise Refused(488, "The phone has changed its key too often in this call")

    # what we say

    @property
    def is_answerable(self) -> bool:
        """Whether an offer of the phone still waits for its (last) answer."""
        return self._judged is not None

    @property
    def needs_reliable(self) -> bool:
        """Whether the phone wants provisional responses reliable: an answer in one is then its last."""
        invite = self.session.invite_request
        return invite is not None and "100rel" in invite.require

    def fits(self, other: Leg) -> bool:
        """Whether what this phone was told agrees with what the other one says now."""
        local = self._local
        if local is None:
            return False
        direction = answer_direction(self.said.direction, other.remote_direction())
        if (
            local.zrtp_hashes != self._own_hashes(self.speaks_zrtp)
            or self.is_misled
            or direction is not local.direction
        ):
            return False
        return leg_codecs.still_holds(self, local.codecs, other)

    @property
    def is_misled(self) -> bool:
        """Whether the phone was told to send to another place than the one that holds now."""
        return self._local is not None and self._place(True)[:2] != (self._local.address, self._local.port)

    def local_body(self) -> bytes:
        """Our answer, where one was given already (early media); else b""."""
        return self._own.written if self._remote is not None and self._judged is None else b""

    def offer(
        self,
        codecs: Codecs,
        direction: Direction | None,
        plan: OfferPlan | None = None,
        packets: Packets = _ANY,
        fully: bool = False,
    ) -> bytes:
        """An offer to this phone of the other leg's codecs, and of what these can be turned into where that is needed,
        or `fully`. Raises `Refused` where its policy cannot be met."""
        planned = plan or plan_offer(self.user.policy, self._tls, self.established)
        if isinstance(planned, Refusal):
            raise Refused(planned.status, planned.reason)
        self.offer_plan = plan = planned
        said = self._remote
        codecs = leg_codecs.offered(self, codecs, fully)
        self.meanings.note(codecs)
        entropy = self.call.exchange.entropy
        if not plan.suites:
            crypto: tuple[CryptoAttribute, ...] = ()
        elif isinstance(self._tx, KeyMaterial) and self._tx.suite is plan.suites[0]:
            crypto = (CryptoAttribute(1, self._tx),)
        else:
            crypto = offer_of(plan.suites, entropy)
        self.note = plan.note
        self._security = None
        place = self._place(said.rtcp_mux if said is not None else True, packets)
        self._offered = AudioDescription(
            address=place.address,
            port=place.port,
            codecs=codecs,
            profile=plan.profile,
            direction=direction or Direction.SENDRECV,
            crypto=crypto,
            rtcp=place.rtcp,
            rtcp_mux=place.rtcp_mux,
            ptime_ms=place.packets.ptime_ms,
            maxptime_ms=place.packets.maxptime_ms,
            section=said.section if said is not None else 0,
            layout=said.layout if said is not None else (),
            zrtp_hashes=self._own_hashes(self.user.policy.wants_zrtp and not plan.suites),
        )
        return self._written(self._offered)

    def answer(self, codecs: Codecs, direction: Direction, *, early: bool = False, packets: Packets = _ANY) -> bytes:
        """The answer to the offer read, where the other leg's phone has accepted `codecs`, and said its direction.

        `early`: it goes out before the 200 and unreliably, and another one may follow. Raises `Refused` where none of
        the codecs is in the offer, nor can be turned into one that is.
        """
        judged = self._judged
        if judged is None:
            raise Refused(488, "There is no offer to answer")
        audio = judged.audio
        chosen = leg_codecs.answer_with(self, codecs)
        if packets == _ANY or not codec_choice.gains(codecs, chosen):
            packets = Packets(audio.ptime_ms)
        own: CryptoAttribute | None = None
        if judged.remote is not None:
            if isinstance(self._tx, KeyMaterial) and self._tx.suite is judged.remote.suite:
                own = CryptoAttribute(judged.remote.tag, self._tx, judged.remote.suite_name)
            else:
                own = answer_to(judged.remote, self.call.exchange.entropy)
        place = self._place(audio.rtcp_mux, packets)
        local = AudioDescription(
            address=place.address,
            port=place.port,
            codecs=chosen,
            profile=judged.profile,
            direction=answer_direction(audio.direction, direction),
            crypto=(own,) if own is not None else (),
            rtcp=place.rtcp,
            rtcp_mux=place.rtcp_mux,
            ptime_ms=place.packets.ptime_ms,
            maxptime_ms=place.packets.maxptime_ms,
            section=audio.section,
            layout=audio.layout,
            zrtp_hashes=self._own_hashes(judged.protection is Protection.ZRTP),
        )
        self._settle(judged, own, local, chosen)
        if early:
            self._judged = judged
        return self._written(local)

    def answer_again(self) -> bytes:
        """The answer to an offer that changes nothing for the other side: what is agreed, with this phone's news."""
        local = self._local
        if local is None:
            raise Refused(488, "There is nothing agreed yet")
        return self.answer(local.codecs, local.direction, packets=packets_in(local))

    def _place(self, rtcp_mux: bool, packets: Packets = _ANY) -> MediaPlace:
        """Where our description says that media goes: to the other phone on a direct path, else to our port."""
        if self.sealed is not None and self.sealed.direct:
            return place_in(self.sealed.other(self).said)
        return MediaPlace(self.port.ip, self.port.rtp_port, None, rtcp_mux, packets)

    def _own_hashes(self, speaks_zrtp: bool) -> tuple[str, ...]:
        """The a=zrtp-hash of our description: the other phone's where its ZRTP passes through, else our own."""
        if not speaks_zrtp:
            return ()
        if self.sealed is not None:
            other = self.sealed.other(self)
            return other.zrtp_hashes if other.described else ()
        self.zrtp = agreement_of(self, self._judged.audio if self._judged is not None else None)
        return (self.zrtp.hello_hash,) if self.zrtp is not None else ()

    def _settle(
        self, verdict: Acceptance, own: CryptoAttribute | None, local: AudioDescription, agreed: tuple[Codec, ...]
    ) -> None:
        """`agreed` are the codecs of whichever of the two is the answer."""
        self._agreed = agreed
        if self.sends is not None and verdict.audio != self._remote:
            self.sends = None
        self._remote = verdict.audio
        self._local = local
        self.chosen_codec = codec_choice.first_voice(agreed)
        self.meanings.note(local.codecs, verdict.audio.codecs)
        rx: MasterKey | None = verdict.remote.key if verdict.remote is not None else None
        tx: MasterKey | None = own.key if own is not None else None
        self.speaks_zrtp = verdict.protection is Protection.ZRTP
        if self.sealed is not None:
            self.sealed.announced(self, verdict.audio.zrtp_hashes)
        elif self.zrtp is not None and self.speaks_zrtp:
            self.zrtp.announced(verdict.audio.zrtp_hashes, self.user.policy.requires_zrtp)
            rx, tx = self.zrtp.rx, self.zrtp.tx
        elif self.zrtp is not None:
            self._end_agreement()  # should the phone come back to ZRTP, it is with new keys
            self.zrtp = None
        if self._rx is not None and rx != self._rx:
            self.left_keys = (*self.left_keys, self._rx)
        self._rx, self._tx = rx, tx
        if self.established is not None and verdict.note and verdict.note != self.note:
            self.call.tell("warned", f"{self.aor}: {verdict.note}")
        self.established = verdict.established
        self.note = verdict.note if own is not None or verdict.note else self.note
        self._judged = None
        self._security = None

    # media

    @property
    def _tls(self) -> bool:
        return is_secure(self.hop)

    @property
    def said_protection(self) -> Protection:
        """What the phone's latest description asks for."""
        if self._judged is not None:
            return self._judged.protection
        if self.speaks_zrtp:
            return Protection.ZRTP
        return Protection.NONE if self._rx is None else Protection.SRTP

    @property
    def keys(self) -> tuple[MasterKey | None, MasterKey | None]:
        """Of what the phone sends, and of what we send to it."""
        return self._rx, self._tx

    def security(self) -> LegSecurity:
        """What the leg reached."""
        if self._security is None:
            self._security = reached = security_of(self)
            self._may_flow = self._remote is not None and media_may_flow(self.user.policy, reached)
        return self._security

    def take_zrtp(self) -> None:
        """What ZRTP came to has changed: the leg is what it is now."""
        if self.zrtp is not None and self.speaks_zrtp and self.sealed is None:
            self._rx, self._tx = self.zrtp.rx, self.zrtp.tx
        self._security = None

    @property
    def label(self) -> str:
        """Its protection in one word."""
        return label_of(self.security())

    def may_flow(self) -> bool:
        """Whether packets of this leg may pass (`model.policy.media_may_flow` decides)."""
        self.security()
        return self._may_flow

    @property
    def media(self) -> Negotiated | None:
        """What is agreed with the phone; None before."""
        remote, local = self._remote, self._local
        return Negotiated(remote, local, self._agreed, self.sends) if remote is not None and local is not None else None

    def apply(self) -> None:
        """Give the media core what is agreed. Nothing flows where the policy is not met."""
        media = self.media
        if media is None or self._released:
            return
        plan = plan_of(self, media, self.plan, codec_choice.payloads_of(media))
        if plan != self.plan:
            self.plan = plan
            self.call.exchange.plane.update_leg(self.port.id, plan)
        if self.speaks_zrtp and (self.zrtp is not None or self.sealed is not None):
            self.call.exchange.await_zrtp(self)

    @property
    def transmits(self) -> tuple[PayloadFormat, ...]:
        """What the server sends to the phone where it makes the media."""
        return self.plan.transmit if self.plan is not None else ()

    def leave(self, call: Call) -> None:
        """Become a leg of another call, media port, keys and all; the call it leaves keeps what it came to there."""
        plane = self.call.exchange.plane
        end_recording(self.call)
        self.call.moved[id(self)] = leg_record(self, 200, chosen=True)
        self._baseline_before = self._baseline
        self._baseline = plane.counters(self.port.id)
        self._become(call)

    def go_back(self, call: Call, status: int) -> None:
        """Be a leg of the call that it left last once more, as if it had never left."""
        self.call.moved[id(self)] = leg_record(self, status, chosen=True)
        call.moved.pop(id(self), None)
        self._baseline = self._baseline_before
        self._become(call)

    def _become(self, call: Call) -> None:
        if call.media_call != self.call.media_call:
            call.exchange.plane.move_leg(self.port.id, call.media_call)
        self.call, self.narrowed = call, False

    def counters(self) -> MediaCounters:
        """Since the leg came to this call, and no more once that has ended."""
        counters = self._final or self.call.exchange.plane.counters(self.port.id)
        self._final = counters if self.call.state == "ended" else self._final
        return counters.since(self._baseline)

    def release(self, with_call: bool = False) -> None:
        """Close the media port and forget the keys. The session is not touched.

        `with_call`: the port is closed by the end of its media call, which follows at once; one command to the media
        core instead of three.
        """
        if self._released:
            return
        self._released = True
        self.security()
        self.sealed = None  # the path knows both legs: what knows each other waits for the collector
        plane = self.call.exchange.plane
        self._final = (self._final or plane.counters(self.port.id)) if with_call else plane.close_leg(self.port.id)
        self._rx = self._tx = None
        self._end_agreement()
        self.left_keys = ()
        if hasattr(self, "session"):
            self.call.exchange.remove_leg(self)
            # The session goes on for 32 s, to answer repetitions; the call and all that hangs on it need not.
            self.session.owner = None
            self.session.renew_offer = None

    def _end_agreement(self) -> None:
        if self.zrtp is not None:
            self.zrtp.close()
        self.call.exchange.forget_zrtp(self)
