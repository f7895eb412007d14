"""Two legs whose media passes through the server sealed: the phones agree on keys with each other, not with us.

What passes is unchanged, so both phones are told the same codecs under the same payload types, and each one's
a=zrtp-hash reaches the other as it was written. All that is known here is what an `Observer` reads of the public part
of their ZRTP: that a key agreement went by. Until then nothing but ZRTP passes, where a user requires it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.model import MediaPath, Protection, ZrtpFacts, ZrtpStage
from sealtone.zrtp import HelloHash, Observer, Side

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg


def may_seal(a: Leg, b: Leg) -> bool:
    """Whether a call from `a` to `b` can be sealed: both users want it, and the caller's phone leaves keys to ZRTP."""
    return all(leg.user.policy.wants_zrtp and leg.user.policy.path is not MediaPath.SERVER for leg in (a, b)) and (
        not a.described or a.said_protection is Protection.ZRTP
    )


class SealedPath:
    """`a` is the caller's leg, `b` the callee's."""

    __slots__ = ("_observer", "a", "b")

    def __init__(self, a: Leg, b: Leg) -> None:
        self.a = a
        self.b = b
        self._observer = Observer()

    def other(self, leg: Leg) -> Leg:
        """Whom `leg`'s phone agrees on keys with."""
        return self.b if leg is self.a else self.a

    def announced(self, leg: Leg, values: tuple[str, ...]) -> None:
        """What a phone's description says of its ZRTP."""
        hashes = tuple([found for value in values if (found := HelloHash.parse(value)) is not None])
        self._observer.announce(self._side(leg), hashes)

    def receive(self, leg: Leg, packet: bytes, now: float) -> bool:
        """A copy of a ZRTP packet that `leg`'s phone sent to the other one. Whether the facts have changed."""
        return self._observer.receive(packet, self._side(leg), now)

    def facts(self, leg: Leg) -> ZrtpFacts:
        """What may be said of a leg: only what anybody on the path can see."""
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
