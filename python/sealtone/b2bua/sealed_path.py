"""Two legs whose phones agree on keys with each other, not with us: sealed through the server, or direct.

What passes is unchanged, so both phones are told the same codecs under the same payload types, and each one's
a=zrtp-hash reaches the other as it was written. All that is known here is what an `Observer` reads of the public part
of their ZRTP: that a key agreement went by. Until then nothing but ZRTP passes, where a user requires it, and for
`PATIENCE_S` where both phones announced it. The server cannot tell encrypted voice from clear: from then on it is up to
the phones.

What either user requires holds for both legs. Nothing that passes proves anything to the server, so what looks like
the end of the encryption (GoClear, an Error, a new agreement that comes to nothing) is warned about, and lowers the
stage where both phones took part in it.

On a direct path each phone is told where the other one receives, and nothing passes here: that both announced ZRTP is
all that can be known. It is chosen where both users want it and nothing shows that they would not reach each other;
where the answer shows otherwise, the path is sealed after all. In the running call a phone stays within the other's
reach: what it moves to otherwise is refused, since the keys of a direct call were agreed on unseen, and a path that is
sealed would pass nothing without them.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from sealtone.b2bua.codec_choice import decodable, shares
from sealtone.b2bua.recording_in_call import needs_server_path
from sealtone.b2bua.zrtp_agreement import BEGUN_ANEW, hashes_in
from sealtone.model import LegPolicy, MediaPath, Protection, Strictness, ZrtpFacts, ZrtpStage
from sealtone.sip.flow import Flow
from sealtone.zrtp import HelloHash, Observer, Seen, Side

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg
    from sealtone.model import Acceptance
    from sealtone.sdp import AudioDescription

PATIENCE_S: Final = 12.0
"""How long two phones that announced ZRTP may take over an agreement: longer than T2 lasts (RFC 6189 6)."""

SETTLE_S: Final = 0.25
"""After Conf2ACK went by: what who began the agreement says before it comes there may still be in the clear."""

_CONFIRM2: Final = b"Confirm2"  # stands at 16 to 24 of its packet (RFC 6189 5 and 5.1)

_NO_COMMON_CODEC: Final = "The two phones have no codec in common, so the server decodes between them, and can listen."
_RECORDED: Final = "A user of this call is always recorded, so it is not sealed: the server can listen."
_CODECS_REFUSED: Final = (
    "The phone refused what the other one can do, so the server decodes between them, and can listen."
)
_STAYS_SEALED: Final = (
    "The two phones of this call agree on keys with each other (ZRTP), so it cannot change to other keys"
)
_OUT_OF_REACH: Final = (
    "The phones of this call talk directly with each other, and would not at that address. Call again"
)
_HASH_MISMATCH: Final = "The phone's ZRTP Hello is not the one that its signalling announced."
_CLEAR_ASKED: Final = "The phone asked the other one to go on without encryption (ZRTP GoClear)."
_CLEARED: Final = "The phone agreed to go on without encryption (ZRTP ClearACK)."
_ERROR_AFTER: Final = "The phone reported a ZRTP error after keys had been agreed on."
_RENEWAL_FAILED: Final = "The phone began a new key agreement in the running call, which came to nothing."


def path_between(a: Leg, b: Leg) -> SealedPath | None:
    """The path of a call from `a` to `b`, before `b` has answered; None where its media ends in the server.

    Both users have to want it, and the caller's phone to leave its keys to ZRTP. Once the server itself has begun to
    agree on keys with that phone, this cannot be undone for it. The path is a wish: where no codec is common the media
    ends in the server after all, which agrees on keys with both phones, and the record says why. A call that is always
    recorded ends in the server too.
    """
    if any(not leg.user.policy.wants_zrtp or leg.user.policy.path is MediaPath.SERVER for leg in (a, b)):
        return None
    if a.zrtp is not None or (a.described and a.said_protection is not Protection.ZRTP):
        return None
    if needs_server_path(a, b):
        b.why_not_sealed = _RECORDED
        return None
    if a.described and a.call.exchange.encodings and not shares(a.codecs_for_peer(), b.user.codecs):
        b.why_not_sealed = _NO_COMMON_CODEC
        return None
    wants_direct = all(leg.user.policy.path is MediaPath.DIRECT for leg in (a, b))
    return SealedPath(a, b, direct=wants_direct and a.described and bool(a.zrtp_hashes) and _reaches(a, b))


def late_path(a: Leg, b: Leg) -> SealedPath | None:
    """What is left of the path once `b`'s phone has made the offer; `a`'s has not spoken yet."""
    if b.sealed is None or b.said_protection is not Protection.ZRTP:
        return None
    if a.call.exchange.encodings and not shares(b.codecs_for_peer(), a.user.codecs):
        b.why_not_sealed = _NO_COMMON_CODEC
        return None
    return b.sealed


def why_unseal(a: Leg, b: Leg) -> str:
    """Why the phone of `b`, which refused the sealed call from `a`, may be offered one that ends in the server; empty
    where it may not. It is asked once more, as long as the caller's phone knows of no path."""
    if b.sealed is None or b.is_second or not a.described or a.media is not None:
        return ""
    return _CODECS_REFUSED if decodable(a.codecs_for_peer(), a.call.exchange.encodings) else ""


def _signalling_ip(leg: Leg) -> str:
    hop = (leg.session.flow if hasattr(leg, "session") else None) or leg.hop
    return hop.remote[0] if isinstance(hop, Flow) else hop.host


def _is_proxied(leg: Leg) -> bool:
    """Whether a proxy stands before the phone, so that the signalling's source says nothing of where the phone is."""
    dialog = leg.session.dialog if hasattr(leg, "session") else None
    return bool(leg.route) or (dialog is not None and bool(dialog.route_set))


def _reaches(a: Leg, b: Leg, said: AudioDescription | None = None) -> bool:
    """Whether the phone of `b` will reach `a`'s where that says it receives, as far as can be seen from here.

    A phone behind NAT writes an address other than the one its signalling comes from, and then nobody but its own
    neighbours reaches it. Nobody is sent to a stranger's address, by its RTCP either. `said`: in place of what `a`'s
    phone said last.
    """
    said = said or a.said
    here, there = _signalling_ip(a), _signalling_ip(b)
    try:
        described, source, far = map(ipaddress.ip_address, (said.address, here, there))
    except ValueError:
        return False
    if described.version != far.version or len(_hosts(said)) > 1 or _is_proxied(a) or _is_proxied(b):
        return False
    if source == far and not described.is_global:
        return True
    return described == source and _reach(described) == _reach(far)


def _hosts(said: AudioDescription) -> set[str]:
    return {said.address} if said.rtcp is None else {said.address, said.rtcp[0]}


def _reach(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[bool, bool, bool]:
    """Who reaches an address: everybody, a private network, the link, or its own machine alone."""
    return address.is_global, address.is_link_local, address.is_loopback


class SealedPath:
    """`a` is the caller's leg, `b` the callee's."""

    __slots__ = (
        "_began_direct",
        "_deadline",
        "_gave_up",
        "_observer",
        "_settled",
        "_settles_at",
        "_suspended",
        "_warnings",
        "a",
        "b",
        "direct",
        "started",
    )

    def __init__(self, a: Leg, b: Leg, *, direct: bool = False) -> None:
        self.a = a
        self.b = b
        self.direct = self._began_direct = direct
        self.started = False
        self._observer = Observer()
        self._deadline: float | None = None
        self._gave_up = False
        self._settled = False
        self._settles_at: float | None = None
        self._suspended = False
        self._warnings: dict[Side, tuple[str, ...]] = {Side.A: (), Side.B: ()}

    def other(self, leg: Leg) -> Leg:
        """Whom `leg`'s phone agrees on keys with."""
        return self.b if leg is self.a else self.a

    def on_answer(self) -> None:
        """The callee's answer may show that a direct path would not work, or not be ZRTP. It is sealed then.

        The callee has been told otherwise, and needs a new offer once the call is up (`Leg.is_misled`).
        """
        if self.direct and not (self._is_announced() and _reaches(self.b, self.a) and _reaches(self.a, self.b)):
            self.direct = False

    def objection_to(self, leg: Leg, verdict: Acceptance) -> str:
        """Why `leg`'s phone cannot go on like this on this path, for a person; empty where it can."""
        if leg.media is None:
            return ""
        if verdict.protection is not Protection.ZRTP:
            return _STAYS_SEALED
        said, before = verdict.audio, leg.media.remote
        if not self.direct or leg.call.state != "answered" or said.null_address or _hosts(said) == _hosts(before):
            return ""
        return "" if _reaches(leg, self.other(leg), said) else _OUT_OF_REACH

    def policy_of(self, leg: Leg) -> LegPolicy:
        """What holds for a leg: its user's policy, or `require` where the other user's is that."""
        policy = leg.user.policy
        return policy._replace(strictness=Strictness.REQUIRE) if self.is_required else policy

    @property
    def is_required(self) -> bool:
        """Whether either user requires ZRTP."""
        return any(leg.user.policy.requires_zrtp for leg in (self.a, self.b))

    def announced(self, leg: Leg, values: tuple[str, ...]) -> None:
        """What a phone's description says of its ZRTP."""
        side, hashes = self._side(leg), hashes_in(values)
        is_another = self._is_another(side, hashes)
        self._suspended = False
        self._observer.announce(side, hashes)
        if is_another:
            self._begin_anew(leg, side)

    def _is_another(self, side: Side, hashes: tuple[HelloHash, ...]) -> bool:
        """Whether a phone announces another Hello than the one it has agreed on keys with."""
        before = self._observer.announced(side)
        known = self.direct or self._passed(self._observer.seen)
        return known and bool(hashes) and bool(before) and not set(hashes) & set(before)

    def offered(self, leg: Leg) -> None:
        """A phone has made an offer. One that is to begin anew may have no keys any more: nothing passes from here on.
        Then it is `announced`, or `refused`."""
        if self._is_another(self._side(leg), hashes_in(leg.zrtp_hashes)):
            self._suspended = True
            self._follow_suspension(leg)

    def refused(self, leg: Leg) -> None:
        """The offer came to nothing."""
        if self._suspended:
            self._suspended = False
            self._follow_suspension(leg)

    def _follow_suspension(self, leg: Leg) -> None:
        for each in (self.a, self.b):
            each.take_zrtp()
        leg.call.link()

    def _begin_anew(self, leg: Leg, side: Side) -> None:
        """What was seen holds no more."""
        self._warn(side, BEGUN_ANEW)
        leg.call.tell("warned", f"{leg.aor}: {BEGUN_ANEW}")
        self._observer.renew()
        self._settled = self._gave_up = self.started = False
        self._settles_at = self._deadline = None
        self.other(leg).take_zrtp()

    # What passes.

    def next_timeout(self) -> float | None:
        """When `advance` is wanted; None for not at all."""
        return min((at for at in (self._deadline, self._settles_at) if at is not None), default=None)

    def advance(self, now: float) -> bool:
        """The path is there, or time has passed. Whether the facts have changed."""
        if not self.started:
            self.started = True
            self._deadline = now + PATIENCE_S
            return False
        changed = False
        if self._settles_at is not None and now >= self._settles_at:
            self._settles_at = None
            self._settled = changed = True
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            seen = self._observer.seen
            if seen.renewing and seen.initiator is not None:
                self._warn(seen.initiator, _RENEWAL_FAILED)
            self._gave_up = changed = True
        return changed

    def receive(self, leg: Leg, packet: bytes, now: float) -> bool:
        """A copy of a ZRTP packet that `leg`'s phone sent to the other one. Whether the facts have changed."""
        side = self._side(leg)
        before = self._observer.seen
        changed = self._observer.receive(packet, side, now)
        seen = self._observer.seen
        if self._settles_at is not None and packet[16:24] == _CONFIRM2:
            self._settles_at = now + SETTLE_S  # it has not had the Conf2ACK yet
        if not changed:
            return False
        if self._passed(seen) and not self._passed(before):
            self._settled, self._settles_at = False, now + SETTLE_S
        if before.confirmed and len(seen.errors) > len(before.errors):
            self._warn(side, _ERROR_AFTER)
        if (seen.a if side is Side.A else seen.b).hello_hash_matched is False:
            self._warn(side, _HASH_MISMATCH)
        if seen.clear_asked is side and before.clear_asked is not side:
            self._warn(side, _CLEAR_ASKED)
        if seen.cleared and not before.cleared:
            self._warn(side, _CLEARED)
        if seen.renewing and not before.renewing:
            self._deadline = now + PATIENCE_S
        elif self._passed(seen) and not seen.renewing:
            self._deadline = None
        return True

    def _passed(self, seen: Seen) -> bool:
        """Whether a whole key agreement went by, from Commit to Conf2ACK.

        So did both Hellos, but where the callee was told of a direct path first: its Hello may have gone that way.
        """
        whole = seen.confirmed and seen.suite is not None and not seen.cleared
        return seen.passed_through or (self._began_direct and whole)

    def _warn(self, side: Side, sentence: str) -> None:
        if sentence not in self._warnings[side]:
            self._warnings[side] += (sentence,)

    # What may be said of it.

    def facts(self, leg: Leg) -> ZrtpFacts:
        """What may be said of a leg: only what anybody on the path can see."""
        if self.direct:
            if self._is_announced():
                return ZrtpFacts(ZrtpStage.ANNOUNCED, warnings=self._warnings[self._side(leg)])
            return ZrtpFacts(ZrtpStage.ABSENT if leg.described and not leg.zrtp_hashes else ZrtpStage.AGREEING)
        seen = self._observer.seen
        side = self._side(leg)
        mine = seen.a if side is Side.A else seen.b
        suite = seen.suite
        return ZrtpFacts(
            stage=self._stage(),
            key_agreement=suite.key_agreement if suite is not None else "",
            hash=suite.hash if suite is not None else "",
            cipher=suite.cipher if suite is not None else "",
            auth_tag=suite.auth_tag if suite is not None else "",
            client=mine.hello.client_id if mine.hello is not None else "",
            hello_hash_matched=mine.hello_hash_matched,
            warnings=self._warnings[side],
        )

    def _stage(self) -> ZrtpStage:
        seen = self._observer.seen
        if self._passed(seen):
            return ZrtpStage.SEEN if self._settled and not self._suspended else ZrtpStage.AGREEING
        if seen.cleared:
            return ZrtpStage.FAILED
        if self.is_required or (self._is_announced() and not self._gave_up):
            return ZrtpStage.AGREEING
        return ZrtpStage.FAILED if seen.suite is not None and self._gave_up else ZrtpStage.ABSENT

    def _is_announced(self) -> bool:
        return all(leg.described and leg.zrtp_hashes for leg in (self.a, self.b))

    def _side(self, leg: Leg) -> Side:
        return Side.A if leg is self.a else Side.B
