"""Two legs whose phones agree on keys with each other, not with us: sealed through the server, or direct.

1. What passes is unchanged, so both phones are told the same codecs under the same payload types, and each one's
   a=zrtp-hash reaches the other as it was written.
2. Sealed: all that is known here is what an `Observer` reads of the public part of their ZRTP: that a key agreement
   went by. Until then nothing but ZRTP passes, where a user requires it or both phones announced it.
3. Direct: each phone is told where the other one receives, and nothing passes here. That both announced ZRTP is all
   that can be known. It is chosen where both users want it and nothing shows that they would not reach each other;
   where the answer shows otherwise, the path is sealed after all.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from sealtone.model import MediaPath, Protection, ZrtpFacts, ZrtpStage
from sealtone.sip.flow import Flow
from sealtone.zrtp import HelloHash, Observer, Side

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def path_between(a: Leg, b: Leg) -> SealedPath | None:
    """The path of a call from `a` to `b`, before `b` has answered; None where its media ends in the server."""
    if any(not leg.user.policy.wants_zrtp or leg.user.policy.path is MediaPath.SERVER for leg in (a, b)):
        return None
    if a.described and a.said_protection is not Protection.ZRTP:
        return None
    wants_direct = all(leg.user.policy.path is MediaPath.DIRECT for leg in (a, b))
    return SealedPath(a, b, direct=wants_direct and a.described and bool(a.zrtp_hashes) and _reaches(a, b))


def _signalling_ip(leg: Leg) -> str:
    hop = (leg.session.flow if hasattr(leg, "session") else None) or leg.hop
    return hop.remote[0] if isinstance(hop, Flow) else hop.host


def _reaches(a: Leg, b: Leg) -> bool:
    """Whether the phone of `b` will reach `a`'s where that says it receives, as far as can be seen from here.

    A phone behind NAT writes an address other than the one its signalling comes from, and then nobody but its own
    neighbours reaches it.
    """
    here, there = _signalling_ip(a), _signalling_ip(b)
    try:
        described, source, far = map(ipaddress.ip_address, (a.said.address, here, there))
    except ValueError:
        return False
    if described.version != far.version:
        return False
    return here == there or (described == source and described.is_private == far.is_private)


class SealedPath:
    """`a` is the caller's leg, `b` the callee's."""

    __slots__ = ("_observer", "a", "b", "direct", "fell_back")

    def __init__(self, a: Leg, b: Leg, *, direct: bool = False) -> None:
        self.a = a
        self.b = b
        self.direct = direct
        self.fell_back = False
        self._observer = Observer()

    def other(self, leg: Leg) -> Leg:
        """Whom `leg`'s phone agrees on keys with."""
        return self.b if leg is self.a else self.a

    def on_answer(self) -> None:
        """The callee's answer may show that a direct path would not work, or not be ZRTP. It is sealed then.

        The callee has been told otherwise, and needs a new offer once the call is up (`fell_back`).
        """
        if self.direct and not (self._is_announced() and _reaches(self.b, self.a)):
            self.direct = False
            self.fell_back = True

    def announced(self, leg: Leg, values: tuple[str, ...]) -> None:
        """What a phone's description says of its ZRTP."""
        hashes = tuple([found for value in values if (found := HelloHash.parse(value)) is not None])
        self._observer.announce(self._side(leg), hashes)

    def receive(self, leg: Leg, packet: bytes, now: float) -> bool:
        """A copy of a ZRTP packet that `leg`'s phone sent to the other one. Whether the facts have changed."""
        return self._observer.receive(packet, self._side(leg), now)

    def facts(self, leg: Leg) -> ZrtpFacts:
        """What may be said of a leg: only what anybody on the path can see."""
        if self.direct:
            return ZrtpFacts(ZrtpStage.ANNOUNCED if self._is_announced() else ZrtpStage.AGREEING)
        seen = self._observer.seen
        mine = seen.a if leg is self.a else seen.b
        if seen.passed_through:
            stage = ZrtpStage.SEEN
        elif self._is_required() or self._is_announced():
            stage = ZrtpStage.AGREEING
        else:
            stage = ZrtpStage.ABSENT
        suite = seen.suite
        warnings: tuple[str, ...] = ()
        if mine.hello_hash_matched is False:
            warnings = ("The phone's ZRTP Hello is not the one that its signalling announced.",)
        return ZrtpFacts(
            stage=stage,
            key_agreement=suite.key_agreement if suite is not None else "",
            hash=suite.hash if suite is not None else "",
            cipher=suite.cipher if suite is not None else "",
            auth_tag=suite.auth_tag if suite is not None else "",
            client=mine.hello.client_id if mine.hello is not None else "",
            hello_hash_matched=mine.hello_hash_matched,
            warnings=warnings,
        )

    def _is_required(self) -> bool:
        return any(leg.user.policy.requires_zrtp for leg in (self.a, self.b))

    def _is_announced(self) -> bool:
        return all(leg.described and leg.zrtp_hashes for leg in (self.a, self.b))

    def _side(self, leg: Leg) -> Side:
        return Side.A if leg is self.a else Side.B
