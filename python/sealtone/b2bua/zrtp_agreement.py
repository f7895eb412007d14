"""The server's ZRTP with one leg's phone: from the packets of its media port to keys and facts (RFC 6189).

How it works:

1. A leg whose protection is ZRTP and whose media ends here has one agreement for all its life; its a=zrtp-hash stands
   in each of our descriptions for that leg. It begins when the leg has a media plan.
2. The media core hands ZRTP packets up and sends ours (`on_packet`, `MediaPlane.send_packet`). Nothing else of the
   leg's media passes until there are keys: `model.policy.media_may_flow` decides, with the facts that stand here.
3. The server stands in the middle and says so: the M flag is in every Hello. A phone that enrolled with this server, by
   calling the enrolment service, is told the SAS of the other leg once both are secure (RFC 6189 7.3); no other phone.
4. What a leg came to stays: nothing that comes later in the media path takes keys away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sealtone.b2bua.zrtp_progress import on_zrtp
from sealtone.model import ZrtpFacts, ZrtpStage
from sealtone.srtp_keys import ZrtpKeyMaterial, ZrtpSuite
from sealtone.zrtp import (
    Algorithms,
    CacheRecord,
    CacheUpdate,
    Crypto,
    Event,
    Failed,
    HelloHash,
    NoPeer,
    PeerSeen,
    Profile,
    SasRelayed,
    Secured,
    Session,
    Warned,
)

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

_MAX_WARNINGS = 8


class ZrtpTerms(NamedTuple):
    """What all agreements of a node share. `cache` gives what is remembered under our ZID of a phone's ZID."""

    crypto: Crypto
    cache: Callable[[bytes, bytes], CacheRecord | None]
    algorithms: Algorithms = Algorithms()


_WIDE = Algorithms(
    hashes=("S384", "S256", "SKN3", "SKN2"),
    ciphers=("AES3", "AES1", "2FS3", "2FS1"),
    auth_tags=("HS80", "HS32", "SK64", "SK32"),
    key_agreements=("X255", "X448", "EC25", "EC38", "DH3k", "DH2k", "Mult"),
    sas_types=("B32 ", "B256"),
)


def algorithms_of(crypto: Crypto) -> Algorithms:
    """What a server's legs offer: strong and quick first, and whatever phones are known to need after it."""
    return Algorithms(*(tuple([name for name in names if crypto.supports(name)]) for names in _WIDE))


class Remembered(NamedTuple):
    """A record to be kept, encrypted, under our ZID and the phone's."""

    zid: bytes
    record: CacheRecord


class ZrtpAgreement:
    """`facts` are for the call's record and state; `rx` and `tx` are None until there are keys."""

    __slots__ = ("_has_relayed", "_remembered", "_started", "_zid", "facts", "rx", "secured", "session", "tx")

    def __init__(
        self, terms: ZrtpTerms, zid: bytes, entropy: Callable[[int], bytes], unix_time: float, *, enrols: bool
    ) -> None:
        self._zid = zid
        self.session = Session(
            Profile(zid, algorithms=terms.algorithms, trusted_mitm=True),
            terms.crypto,
            entropy,
            ssrc=int.from_bytes(entropy(4)),
            unix_time=int(unix_time),
            cache=lambda peer: terms.cache(zid, peer),
            offers_enrolment=enrols,
        )
        self.facts = ZrtpFacts()
        self.rx: ZrtpKeyMaterial | None = None
        self.tx: ZrtpKeyMaterial | None = None
        self.secured: Secured | None = None
        self._remembered: list[Remembered] = []
        self._started = False
        self._has_relayed = False

    @property
    def hello_hash(self) -> str:
        """The value of a=zrtp-hash."""
        return str(self.session.hello_hash)

    def announced(self, values: tuple[str, ...], required: bool) -> None:
        """What the phone's description says of its ZRTP; `required`: the leg has no media without it."""
        hashes = tuple([found for value in values if (found := HelloHash.parse(value)) is not None])
        if hashes:
            self.session.hello_hashes = hashes
        elif not required and not self._started:
            # It may speak ZRTP all the same, but nobody said that media should wait for that.
            self.facts = self.facts._replace(stage=ZrtpStage.ABSENT)

    def advance(self, now: float) -> bool:
        """Begin, or do what is due. Whether keys or facts have changed."""
        if not self._started:
            self._started = True
            self.session.start(now)
        self.session.handle_timeout(now)
        return self._take_events()

    def receive(self, packet: bytes, now: float) -> bool:
        """A ZRTP packet from the phone. Whether keys or facts have changed."""
        self.session.receive(packet, now)
        return self._take_events()

    def _take_events(self) -> bool:
        events = self.session.events()
        for event in events:
            self._take(event)
        return bool(events)

    def _take(self, event: Event) -> None:
        facts = self.facts
        if isinstance(event, PeerSeen):
            stage = ZrtpStage.AGREEING if facts.stage is ZrtpStage.ABSENT else facts.stage
            self.facts = facts._replace(
                stage=stage, client=event.hello.client_id, hello_hash_matched=event.hello_hash_matched
            )
        elif isinstance(event, Secured):
            self._secure(event)
        elif isinstance(event, NoPeer) and self.rx is None:
            self.facts = facts._replace(stage=ZrtpStage.ABSENT)
        elif isinstance(event, Failed) and self.rx is None:
            self.facts = facts._replace(stage=ZrtpStage.FAILED)
            self._warn(f"ZRTP failed: {event.reason or (event.code.name.lower() if event.code else 'unknown error')}")
        elif isinstance(event, CacheUpdate):
            self._remembered.append(Remembered(self._zid, event.record))
        elif isinstance(event, Warned):
            self._warn(event.detail or event.kind.value)
        elif isinstance(event, SasRelayed):
            self.facts = facts._replace(sas_relayed=event.acknowledged or facts.sas_relayed)

    def _secure(self, event: Secured) -> None:
        keys, suite = event.keys, event.suite
        name = ZrtpSuite.of(keys.cipher, keys.auth_tag)
        self.secured = event
        self.rx = ZrtpKeyMaterial(name, bytes(keys.receive_key), bytes(keys.receive_salt))
        self.tx = ZrtpKeyMaterial(name, bytes(keys.send_key), bytes(keys.send_salt))
        keys.wipe()
        self.facts = self.facts._replace(
            stage=ZrtpStage.SECURE,
            key_agreement=suite.key_agreement,
            hash=suite.hash,
            cipher=suite.cipher,
            auth_tag=suite.auth_tag,
            sas=event.sas,
            cache=event.cache.value,
            enrolled=event.enrolled,
        )

    def _warn(self, sentence: str) -> None:
        warnings = self.facts.warnings
        if sentence not in warnings and len(warnings) < _MAX_WARNINGS:
            self.facts = self.facts._replace(warnings=(*warnings, sentence))

    def flush(self, leg: Leg) -> None:
        """After whatever was asked of `leg`'s agreement: what is to be sent, kept and woken up for."""
        exchange = leg.call.exchange
        self._take_events()
        for packet in self.session.transmits():
            exchange.plane.send_packet(leg.port.id, packet)
        exchange.remember(self._remembered)
        self._remembered = []
        due = self.session.next_timeout()
        if due is not None:
            exchange.wake_agreement(leg, due)

    @property
    def is_verified(self) -> bool:
        """Whether a person compared this leg's SAS, now or in a call that the secrets connect with this one."""
        association = self.session.association
        return association is not None and association.record.verified

    def relay_sas_of(self, far: ZrtpAgreement, now: float) -> None:
        """Tell an enrolled phone the SAS of the other leg (RFC 6189 7.3.1). To any other phone nothing is said.

        Of two enrolled phones one is told: told each other's, they would show two strings that are never the same.
        """
        ours, theirs, association = self.secured, far.secured, self.session.association
        if self._has_relayed or far._has_relayed or ours is None or theirs is None or association is None:
            return
        if not ours.enrolled or not theirs.sas_hash:
            return
        self._has_relayed = True
        association.relay_sas(theirs.sas_hash, theirs.suite.sas_type, far.is_verified, now)

    def close(self) -> None:
        """Forget the keys."""
        self.session.close()
        self.rx = self.tx = None


def on_packet(leg: Leg, packet: bytes, now: float) -> None:
    """A ZRTP packet that the media core received on a leg's port."""
    if leg.sealed is not None:
        if leg.sealed.receive(leg, packet, now):
            on_zrtp(leg, now)
    elif leg.zrtp is not None:
        _follow(leg, leg.zrtp, leg.zrtp.receive(packet, now), now)


def on_timeout(leg: Leg, now: float) -> None:
    """An agreement's timer, or its beginning."""
    if leg.zrtp is not None:
        _follow(leg, leg.zrtp, leg.zrtp.advance(now), now)


def _follow(leg: Leg, agreement: ZrtpAgreement, changed: bool, now: float) -> None:
    agreement.flush(leg)
    if changed:
        on_zrtp(leg, now)
