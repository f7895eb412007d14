"""What can be done once a session is secure: verify, enrol, relay a SAS, derive more (RFC 6189 4.4.3, 4.5.2, 7).

The rules for relaying (7.3). 1. Only an endpoint with the M flag relays. 2. A hash goes only to a peer whose PBX secret
matched in this very exchange; anybody else is sent the null hash or nothing, since phones take it for an attack. 3. A
RelayACK that does not come changes nothing. On the other side: a relayed hash is shown only if the peer has the M flag
and our PBX secret matched; otherwise the person is warned, and the peer told (0x63).
"""

from __future__ import annotations

from collections.abc import Callable

from sealtone.zrtp.algorithms import SAS_TYPES
from sealtone.zrtp.cache import Cache, CacheRecord
from sealtone.zrtp.confirm import SasRelay, Sealed
from sealtone.zrtp.crypto import Crypto, Entropy
from sealtone.zrtp.errors import Aborted, Discarded, ErrorCode, UsageError
from sealtone.zrtp.events import (
    CacheUpdate,
    Event,
    GoClearRefused,
    Mode,
    RelayedSas,
    SasRelayed,
    Warned,
    WarningKind,
)
from sealtone.zrtp.exchange import Exchange, seal, unseal
from sealtone.zrtp.hello import Hello
from sealtone.zrtp.keys import Keys
from sealtone.zrtp.limits import MAX_RELAYS
from sealtone.zrtp.message import MAC_OCTETS, Kind
from sealtone.zrtp.multistream import Multistream
from sealtone.zrtp.notices import RELAY_ACK, Error, GoClear
from sealtone.zrtp.profile import Profile
from sealtone.zrtp.sas import SAS_HASH_OCTETS, render
from sealtone.zrtp.timer import T2, Retransmission
from sealtone.zrtp.wire import Wire


class Association:
    """A secure session's keys and secrets. `record`: what is stored of the peer; `unverified`: what will be stored in
    its place once a person has compared the SAS, after a cache mismatch."""

    __slots__ = (
        "_cache",
        "_crypto",
        "_emit",
        "_entropy",
        "_exchange",
        "_known",
        "_last_relay",
        "_multistream",
        "_peer",
        "_profile",
        "_relay",
        "_relays_taken",
        "_wire",
        "record",
        "unverified",
    )

    def __init__(
        self,
        profile: Profile,
        crypto: Crypto,
        entropy: Entropy,
        wire: Wire,
        emit: Callable[[Event], None],
        *,
        exchange: Exchange,
        peer: Hello,
        cache: Cache,
        latest: CacheRecord,
        record: CacheRecord,
        unverified: CacheRecord | None,
    ) -> None:
        self._profile = profile
        self._crypto = crypto
        self._entropy = entropy
        self._wire = wire
        self._emit = emit
        self._exchange = exchange
        self._peer = peer
        self._cache = cache
        self._known: tuple[CacheRecord, ...] = (latest, record)
        self.record = record
        self.unverified = unverified
        self._multistream: Multistream | None = None
        self._relay: Retransmission | None = None
        self._relays_taken = 0
        self._last_relay = b""

    @property
    def _keys(self) -> Keys:
        assert self._exchange.keys is not None
        return self._exchange.keys

    def _first_stream_only(self) -> None:
        if self._exchange.mode is Mode.MULTISTREAM:
            raise UsageError("this belongs to the call's first stream")

    def _latest(self) -> CacheRecord:
        """What is remembered of the peer now. Another call may have added to it since; who keeps it may also not have
        come to what this one told last."""
        stored = self._cache(self.record.peer_zid) or CacheRecord(self.record.peer_zid)
        return self.record if stored in self._known else stored

    def _store(self, record: CacheRecord) -> None:
        self.record = record
        self._known = (*self._known[-2:], record)
        self._emit(CacheUpdate(record))

    def set_verified(self, matches: bool) -> None:
        """A person compared the SAS of this session, and it matches or differs (7.1).

        True stores the verification, and after a cache mismatch the new secret too. Where later calls have left other
        secrets, it holds for this call alone. False forgets all that is retained of the peer. Raises UsageError in
        Multistream mode.
        """
        self._first_stream_only()
        renewed, self.unverified = self.unverified, None
        latest = self._latest()
        if not matches:
            self._store(latest.forgotten())
        elif renewed is not None:
            self._store(renewed.with_verified(True))
        elif latest.descends_from(self.record):
            self._store(latest.with_verified(True))
        else:  # other calls have left nothing of this one's secret: it says nothing of theirs
            self.record = self.record.with_verified(True)

    def enrol(self, accept: bool) -> None:
        """Answer `EnrolmentOffered`: trust this PBX to relay a SAS, or no longer (7.3.1). Raises UsageError."""
        self._first_stream_only()
        confirm = self._exchange.peer_confirm
        if confirm is None or not confirm.enrolment:
            raise UsageError("the peer offers no enrolment")
        secret = self._keys.pbx_secret(self._crypto) if accept else None
        if self.unverified is not None and accept:
            self.unverified = self.unverified.with_pbx(secret)  # stored with the rest, once the SAS was compared
        else:
            self._store(self._latest().with_pbx(secret))

    def relay_sas(self, sas_hash: bytes | None, sas_type: str, verified: bool, now: float) -> None:
        """As a trusted PBX, tell the peer the SAS of the call's other leg.

        `sas_hash`: that leg's `Secured.sas_hash`, 32 octets; None for the null hash. `sas_type`: how to show it.
        `verified`: our V flag. `SasRelayed` tells what came of it. A new call replaces one that is still repeated.

        Raises UsageError without the M flag, and for a hash to a peer whose PBX secret did not match.
        """
        self._first_stream_only()
        if not self._profile.trusted_mitm:
            raise UsageError("only a trusted man in the middle relays a SAS")
        if sas_hash is not None and self._exchange.shared.s3 is None:
            raise UsageError("the peer's PBX secret did not match: it must be sent no SAS")
        if sas_type not in SAS_TYPES or (sas_hash is not None and len(sas_hash) != SAS_HASH_OCTETS):
            raise UsageError("a SAS of the wrong type or length")
        relay = SasRelay(verified, sas_type, sas_hash or bytes(SAS_HASH_OCTETS))
        message = seal(self._crypto, self._entropy, self._keys, Kind.SAS_RELAY, relay.encode())
        self._relay = Retransmission(message, T2, now)
        self._wire.send(message)

    def multistream(self) -> Multistream:
        """What further streams of this call start from; the same object each time. Raises UsageError for a stream that
        is itself a further one."""
        self._first_stream_only()
        if self._multistream is None:
            keys = self._keys
            assert keys.session is not None
            self._multistream = Multistream(keys.session, keys.context.suite.hash, self._peer.zid)
        return self._multistream

    def export_key(self, label: bytes, bits: int) -> bytes:
        """A key for another protocol, bound to this session, at most as long as the hash (4.5.2). Raises UsageError."""
        self._first_stream_only()
        if bits % 8 or not 0 < bits <= self._keys.context.suite.hash_octets * 8:
            raise UsageError("a key is at most as long as the hash")
        return self._keys.export(self._crypto, label, bits)

    # What the session passes on.

    def take_relay(self, message: bytes, now: float) -> None:
        """A SASrelay of the peer's; raises Discarded, or MalformedPacket."""
        if message == self._last_relay:
            self._wire.answer(RELAY_ACK, now)
            return
        if self._relays_taken >= MAX_RELAYS:
            raise Discarded("too many SASrelay messages")
        try:
            relay = SasRelay.parse(unseal(self._crypto, self._keys, Sealed.parse(message, Kind.SAS_RELAY)))
        except Aborted as error:
            raise Discarded("a SASrelay that is not the peer's") from error
        self._relays_taken += 1
        if not self._peer.trusted_mitm or self._exchange.mode is Mode.MULTISTREAM:
            raise Discarded("a SASrelay of one that is no trusted man in the middle")
        enrolled = self._exchange.shared.s3 is not None
        if not relay.is_null and not enrolled:
            self._wire.answer(Error(ErrorCode.UNTRUSTED_RELAYED_SAS).encode(), now)
            self._emit(Warned(WarningKind.UNTRUSTED_RELAY, WarningKind.UNTRUSTED_RELAY.value))
            return
        self._last_relay = message
        self._wire.answer(RELAY_ACK, now)
        sas_type = relay.rendering if relay.rendering in SAS_TYPES else self._keys.context.suite.sas_type
        sas_hash = self._keys.sas_hash if relay.is_null else relay.sas_hash
        self._emit(RelayedSas(render(sas_hash, sas_type), relayed=not relay.is_null, verified=relay.verified))

    def relay_acknowledged(self) -> None:
        """RelayACK came."""
        if self._relay is not None:
            self._relay = None
            self._emit(SasRelayed(acknowledged=True))

    def refuse_clear(self, message: bytes, now: float) -> None:
        """A GoClear: our A flag is never set, so that it is answered with an Error (4.7.2). Raises Discarded when it is
        not the peer's."""
        keys = self._keys
        mac = self._crypto.mac(keys.context.suite.hash, keys.peer_mac_key, Kind.GO_CLEAR.value)[:MAC_OCTETS]
        if not self._crypto.equal(mac, GoClear.parse(message).mac):
            raise Discarded("a GoClear that is not the peer's")
        self._wire.answer(Error(ErrorCode.GO_CLEAR_REFUSED).encode(), now)
        self._emit(GoClearRefused())

    @property
    def deadline(self) -> float | None:
        """When a SASrelay is to be repeated."""
        return None if self._relay is None else self._relay.deadline

    def handle_timeout(self, now: float) -> None:
        """Repeat a SASrelay that is due."""
        if self._relay is None or now < self._relay.deadline:
            return
        if self._relay.again(now):
            self._wire.send(self._relay.message)
        else:
            self._relay = None
            self._emit(SasRelayed(acknowledged=False))
