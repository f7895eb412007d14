"""What a finished exchange means for the cache, and how it is told (RFC 6189 4.3, 4.6.1, 7.3.1)."""

from __future__ import annotations

from dataclasses import replace

from sealtone.zrtp.cache import CacheRecord
from sealtone.zrtp.crypto import Crypto
from sealtone.zrtp.events import CacheState, Mode, Role, Secured
from sealtone.zrtp.exchange import Exchange
from sealtone.zrtp.hello import Hello
from sealtone.zrtp.profile import Profile
from sealtone.zrtp.sas import render


class Outcome:
    """Of an exchange in which both sides have proven the keys.

    `before`: the record of the peer when the exchange began; an empty one where there was none. `latest`: as it is
    now, since another call with the same peer may have ended meanwhile; what a person said there, or enrolled, stays.
    `record`: what is stored now.
    `unverified`: what is stored once a person has compared the SAS, after a cache mismatch. Until then the old secret
    stays, since a stranger who merely calls must not be able to push it out (4.3.2); and in no case does an earlier
    comparison vouch for a peer that cannot show the secret that came of it.
    """

    __slots__ = ("cache", "latest", "record", "unverified", "verified_here")

    def __init__(
        self,
        crypto: Crypto,
        profile: Profile,
        exchange: Exchange,
        before: CacheRecord,
        latest: CacheRecord,
        unix_time: int,
        offers_enrolment: bool,
    ) -> None:
        base = _base(before, latest)
        self.cache = _cache_state(exchange, before, unix_time)
        self.verified_here = base.verified and self.cache is CacheState.MATCHED
        self.record = self.latest = latest
        self.unverified: CacheRecord | None = None
        if self.cache is CacheState.UNUSED:
            return
        keys, confirm = exchange.keys, exchange.peer_confirm
        assert keys is not None
        assert keys.retained is not None
        assert confirm is not None
        lifetime_s = min(profile.cache_expiry_s, confirm.expiry_s)
        renewed = base.renewed(bytes(keys.retained), lifetime_s, unix_time, exchange.mode is Mode.DH)
        if self.cache is not CacheState.MATCHED:
            renewed = renewed.with_verified(False)
        if offers_enrolment and exchange.shared.s3 is None:
            renewed = renewed.with_pbx(keys.pbx_secret(crypto))
        if self.cache is CacheState.MISMATCH:
            self.unverified = renewed
        else:
            self.record = renewed

    @property
    def is_new(self) -> bool:
        """Whether there is something to store."""
        return self.record != self.latest

    def secured(self, exchange: Exchange, peer: Hello, has_aux: bool) -> Secured:
        """The event."""
        keys, confirm, commit = exchange.keys, exchange.peer_confirm, exchange.commit
        assert keys is not None
        assert confirm is not None
        assert commit is not None
        return Secured(
            role=Role.INITIATOR if exchange.we_initiate else Role.RESPONDER,
            mode=exchange.mode,
            suite=commit.suite,
            keys=keys.media,
            sas=render(keys.sas_hash, commit.suite.sas_type) if keys.sas_hash else "",
            sas_hash=keys.sas_hash,
            cache=self.cache,
            verified_here=self.verified_here,
            verified_there=confirm.verified,
            peer_zid=peer.zid,
            trusted_mitm=peer.trusted_mitm,
            enrolled=exchange.shared.s3 is not None,
            enrolment_offered=confirm.enrolment,
            disclosure=confirm.disclosure,
            aux_matched=exchange.shared.s2 is not None if has_aux else None,
        )


def _base(before: CacheRecord, latest: CacheRecord) -> CacheRecord:
    """What the new secret is added to.

    Of two calls at once either may be the last that the peer stores, so that the secret both began with stays rs2; at
    a first meeting there was none, and the other call's takes that place. What was forgotten meanwhile stays so.
    """
    if before.rs1 is None or latest.rs1 is None:
        return latest
    return replace(before, verified=before.verified and latest.verified, pbx=latest.pbx)


def _cache_state(exchange: Exchange, record: CacheRecord, unix_time: int) -> CacheState:
    if exchange.mode is Mode.MULTISTREAM:
        return CacheState.UNUSED
    if exchange.shared.s1 is not None:
        return CacheState.MATCHED
    if record.rs1 is None and record.rs2 is None:
        return CacheState.FIRST_CONTACT
    usable = record.usable(unix_time)
    return CacheState.EXPIRED if usable.rs1 is None and usable.rs2 is None else CacheState.MISMATCH
