"""The server's ZRTP with one leg's phone: from the packets of its media port to keys and facts (RFC 6189).

How it works:

1. A leg whose protection is ZRTP and whose media ends here has one agreement; its a=zrtp-hash stands in each of our
   descriptions for that leg. It begins when the leg has a media plan.
2. The media core hands ZRTP packets up and sends ours (`zrtp_in_call.py`). Nothing else of the leg's media passes until
   there are keys: `model.policy.media_may_flow` decides, with the facts that stand here.
3. The server stands in the middle and says so: the M flag is in every Hello. A phone that enrolled with this server, by
   calling the enrolment service, is told the SAS of the other leg once both are secure (RFC 6189 7.3); no other phone.
4. What a leg came to stays: nothing that comes later in the media path takes keys away. A phone whose new offer
   announces another Hello begins anew, with another agreement, and nothing passes until that has keys; an answer that
   does so changes nothing, since our offer has told the phone of the Hello that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from sealtone.model import ZrtpFacts, ZrtpStage
from sealtone.srtp_keys import ZrtpKeyMaterial, ZrtpSuite
from sealtone.zrtp import (
    Algorithms,
    CacheRecord,
    CacheUpdate,
    Crypto,
    Event,
    Failed,
    GoClearRefused,
    HelloHash,
    NoPeer,
    PeerError,
    PeerSeen,
    Profile,
    SasRelayed,
    Secured,
    Session,
    Warned,
)

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg
    from sealtone.sdp import AudioDescription

_MAX_WARNINGS: Final = 8
BEGUN_ANEW: Final = "The phone began its ZRTP anew in the running call."
_ANOTHER_HELLO: Final = (
    "The phone announced another ZRTP Hello in the running call, and stays with the keys that there are."
)


def hashes_in(values: tuple[str, ...]) -> tuple[HelloHash, ...]:
    """Those of a description's a=zrtp-hash that can be read."""
    return tuple([found for value in values if (found := HelloHash.parse(value)) is not None])


class ZrtpTerms(NamedTuple):
    """What all agreements of a node share. `cache` gives what is remembered under our ZID of a phone's ZID."""

    crypto: Crypto
    cache: Callable[[bytes, bytes], CacheRecord | None]
    algorithms: Algorithms = Algorithms()


_WIDE: Final = Algorithms(
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
    """`facts` are for the call's record and state; `rx` and `tx` are None until there are keys.

    `renews`: it takes the place of one `before` that had keys. Until there are new ones nothing passes.
    """

    __slots__ = (
        "_relayed", "_zid", "facts", "hello_met", "remembered", "renews", "rx", "secured", "session", "started", "tx",
    )  # fmt: skip

    def __init__(
        self,
        terms: ZrtpTerms,
        zid: bytes,
        entropy: Callable[[int], bytes],
        unix_time: float,
        *,
        enrols: bool,
        before: ZrtpAgreement | None = None,
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
        self.facts: ZrtpFacts = ZrtpFacts(warnings=before.facts.warnings if before is not None else ())
        self.hello_met: HelloHash | None = None
        self.renews = before is not None
        self.rx: ZrtpKeyMaterial | None = None
        self.tx: ZrtpKeyMaterial | None = None
        self.secured: Secured | None = None
        self.remembered: list[Remembered] = []
        self._relayed: tuple[bytes, str, bool] | None = None
        self.started = False

    @property
    def hello_hash(self) -> str:
        """The value of a=zrtp-hash."""
        return str(self.session.hello_hash)

    def is_another(self, values: tuple[str, ...]) -> bool:
        """Whether a description announces a Hello other than that of the phone with which there are keys: it begins
        anew then, since a Hello stays the same for as long as a session (RFC 6189 8.1, 9)."""
        hashes = hashes_in(values)
        met = self.hello_met
        return self.rx is not None and met is not None and bool(hashes) and met.digest not in [h.digest for h in hashes]

    def announced(self, values: tuple[str, ...], required: bool) -> None:
        """What the phone's description says of its ZRTP; `required`: the leg has no media without it."""
        hashes = hashes_in(values)
        if self.is_another(values):
            self.warn(_ANOTHER_HELLO)
        elif hashes:
            self.session.hello_hashes = hashes
        elif not required and not self.started:
            # It may speak ZRTP all the same, but nobody said that media should wait for that.
            self.facts = self.facts._replace(stage=ZrtpStage.ABSENT)

    def next_timeout(self) -> float | None:
        """When `advance` is wanted; None for not at all."""
        return self.session.next_timeout()

    def advance(self, now: float) -> bool:
        """Begin, or do what is due. Whether keys or facts have changed."""
        if not self.started:
            self.started = True
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
            self.hello_met = event.hello_hash
            stage = ZrtpStage.AGREEING if facts.stage is ZrtpStage.ABSENT else facts.stage
            self.facts = facts._replace(
                stage=stage, client=event.hello.client_id, hello_hash_matched=event.hello_hash_matched
            )
        elif isinstance(event, Secured):
            self._secure(event)
        elif isinstance(event, NoPeer) and self.rx is None:
            self.facts = facts if self.renews else facts._replace(stage=ZrtpStage.ABSENT)
        elif isinstance(event, Failed) and self.rx is None:
            self.facts = facts if self.renews else facts._replace(stage=ZrtpStage.FAILED)
            self.warn(f"ZRTP failed: {event.reason or (event.code.name.lower() if event.code else 'unknown error')}")
        elif isinstance(event, CacheUpdate):
            self.remembered.append(Remembered(self._zid, event.record))
        elif isinstance(event, Warned):
            self.warn(event.detail or event.kind.value)
        elif isinstance(event, SasRelayed):
            self.facts = facts._replace(sas_relayed=event.acknowledged and self._relayed is not None)
        elif isinstance(event, GoClearRefused):
            self.warn("The phone asked to go on without encryption (ZRTP GoClear), which was refused")
        elif isinstance(event, PeerError):
            self.warn("A ZRTP error came after the keys had been agreed on; they stay")

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

    def warn(self, sentence: str) -> None:
        """Something that a person should know of this leg's ZRTP."""
        warnings = self.facts.warnings
        if sentence not in warnings and len(warnings) < _MAX_WARNINGS:
            self.facts = self.facts._replace(warnings=(*warnings, sentence))

    @property
    def is_verified(self) -> bool:
        """Whether a person compared this leg's SAS, now or in a call that the secrets connect with this one.

        After a cache mismatch nothing connects it with the calls before until somebody compares anew.
        """
        association = self.session.association
        return association is not None and association.unverified is None and association.record.verified

    def verify(self, matches: bool) -> bool:
        """A person compared the SAS. Whether keys or facts have changed."""
        association = self.session.association
        if association is None:
            return False
        association.set_verified(matches)
        self._take_events()
        return True

    def relay_sas_of(self, far: ZrtpAgreement | None, now: float) -> None:
        """Tell an enrolled phone the SAS of the other leg, or that there is none any more (RFC 6189 7.3.1).

        To any other phone nothing is said; and of two enrolled phones one is told, since told each other's they would
        show two strings that are never the same. Each news is sent once, and repeated only by the session itself.
        """
        ours, association = self.secured, self.session.association
        theirs = far.secured if far is not None else None
        if ours is None or association is None or not ours.enrolled:
            return
        news = None
        if far is not None and far._relayed is None and theirs is not None and theirs.sas_hash:
            news = (theirs.sas_hash, theirs.suite.sas_type, far.is_verified)
        if news == self._relayed:
            return
        self._relayed = news
        if news is None:
            association.relay_sas(None, ours.suite.sas_type, False, now)
        else:
            association.relay_sas(*news, now)

    def close(self) -> None:
        """Forget the keys. The facts stay, for the record."""
        self.session.close()
        self.rx = self.tx = self.secured = self._relayed = None


def agreement_of(leg: Leg, offered: AudioDescription | None) -> ZrtpAgreement | None:
    """The agreement that the leg's next description announces: a new one where there is none, or where the phone, in
    what it has `offered`, begins anew. None where the server or the user has no ZRTP."""
    before, exchange = leg.zrtp, leg.call.exchange
    if before is not None and (offered is None or not before.is_another(offered.zrtp_hashes)):
        return before
    terms = exchange.settings.zrtp
    if terms is None or not leg.user.zid:
        return None
    unix_time = exchange.settings.wall_of(leg.call.started_at)
    agreement = ZrtpAgreement(terms, leg.user.zid, exchange.entropy, unix_time, enrols=leg.enrols, before=before)
    if before is not None:
        before.close()
        exchange.forget_zrtp(leg)
        agreement.warn(BEGUN_ANEW)
        leg.call.tell("warned", f"{leg.aor}: {BEGUN_ANEW}")
    return agreement
