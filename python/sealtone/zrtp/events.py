"""What a session tells its owner. Events are drained with `Session.events()`, in the order in which they arose.

A session that is started ends up with `Secured` or `Failed`, unless nobody answers (`NoPeer`) or the owner closes it.
After `Failed` it can still become secure, when the peer begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sealtone.zrtp.algorithms import Suite
from sealtone.zrtp.cache import CacheRecord
from sealtone.zrtp.errors import ErrorCode
from sealtone.zrtp.hello import Hello, HelloHash
from sealtone.zrtp.keys import MediaKeys


class Role(Enum):
    """Who sent the Commit that counts."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class Mode(Enum):
    """Where the keys come from (RFC 6189 4.4)."""

    DH = "dh"
    PRESHARED = "preshared"
    MULTISTREAM = "multistream"


class CacheState(Enum):
    """What the retained secrets said of the peer (RFC 6189 4.3)."""

    FIRST_CONTACT = "first contact"
    """We had none of this ZID."""
    MATCHED = "matched"
    """The peer has one that we have: it is who it was, and nobody stood in the middle if nobody did before."""
    MISMATCH = "mismatch"
    """We had one and the peer has none of ours: it lost its cache, or it is somebody else."""
    EXPIRED = "expired"
    """All that we had was past its time."""
    UNUSED = "unused"
    """Multistream mode, which does not touch the cache."""


class WarningKind(Enum):
    """What a person should hear of, though the session goes on."""

    CACHE_MISMATCH = "the other side does not know the secret of earlier calls: compare the SAS"
    HELLO_HASH_MISMATCH = "the Hello is not the one that signalling announced"
    AUX_MISMATCH = "the other side does not have the auxiliary secret"
    UNTRUSTED_RELAY = "a SAS was relayed by a server with which this endpoint is not enrolled"
    NEWER_VERSION = "the other side speaks a newer ZRTP; waiting for it to fall back"
    REFLECTED = "our own packets come back to us"


@dataclass(frozen=True, slots=True)
class PeerSeen:
    """The peer's Hello was accepted. Nothing of it is proven yet.

    `hello`: its client identifier, ZID, flags and algorithms. `hello_hash`: the a=zrtp-hash of it.
    `hello_hash_matched`: whether signalling announced this one; None when it announced none.
    """

    hello: Hello
    hello_hash: HelloHash
    hello_hash_matched: bool | None


@dataclass(frozen=True, slots=True)
class NoPeer:
    """All Hellos went unanswered (3.75 s). The session goes on listening, and begins anew when a Hello comes."""


@dataclass(frozen=True, slots=True)
class SecretsReady:
    """The peer has proven that it has the same keys: media from it may be decrypted from here on.

    For the initiator this comes before `Secured`; media must not be sent to the peer before that. `role`: ours.
    `keys`: SRTP master keys and salts by direction.
    """

    role: Role
    keys: MediaKeys


@dataclass(frozen=True, slots=True)
class Secured:
    """Both sides have the keys; media may flow both ways.

    `role`: ours. `mode`: where the keys came from. `suite`: hash, cipher, authentication tag, key agreement, SAS type.
    `keys`: the same as in `SecretsReady`. `sas`: text to compare, "" in Multistream mode. `sas_hash`: the 32 octets
    that it was made of, as a PBX relays them. `cache`: what the retained secrets said. `verified_here`: a person on
    our side has compared the SAS in an earlier call, and the secrets matched since. `verified_there`: the peer says the
    same. `peer_zid`: proven to belong to the retained secrets when `cache` is MATCHED. `trusted_mitm`: the peer calls
    itself a PBX that stands in the middle (M flag), so the call is not end to end. `enrolled`: a PBX secret matched in
    this exchange. `enrolment_offered`: the peer offers enrolment (E flag). `disclosure`: the peer may disclose the key
    (D flag). `aux_matched`: whether the auxiliary secret matched; None when there was none.
    """

    role: Role
    mode: Mode
    suite: Suite
    keys: MediaKeys
    sas: str
    sas_hash: bytes
    cache: CacheState
    verified_here: bool
    verified_there: bool
    peer_zid: bytes
    trusted_mitm: bool
    enrolled: bool
    enrolment_offered: bool
    disclosure: bool
    aux_matched: bool | None


@dataclass(frozen=True, slots=True)
class CacheUpdate:
    """`record` is to be stored, encrypted, under our ZID and its `peer_zid`, in place of what was there."""

    record: CacheRecord = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnrolmentOffered:
    """A PBX offers to be trusted (RFC 6189 7.3.1). Ask the person, then call `Session.enrol`.

    `again`: this endpoint is enrolled there already.
    """

    again: bool


@dataclass(frozen=True, slots=True)
class RelayedSas:
    """The PBX with which we are enrolled says what the far side's SAS is (RFC 6189 7.3): show this one.

    `sas`: text to compare with the far side; of our own leg, in the rendering asked for, where `relayed` is False
    because the PBX had none to relay. `verified`: the PBX's V flag.
    """

    sas: str
    relayed: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class SasRelayed:
    """What became of our SASrelay. `acknowledged` False: no RelayACK came, as from phones that know of none."""

    acknowledged: bool


@dataclass(frozen=True, slots=True)
class GoClearRefused:
    """The peer wanted to go on unencrypted. It was told no (Error 0x100), and the keys stay."""


@dataclass(frozen=True, slots=True)
class PeerError:
    """An Error came while secure. It is not authenticated, so nothing changes. `code`: as it came."""

    code: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a person should know. `detail`: one plain sentence."""

    kind: WarningKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The key agreement failed; there are no keys.

    `code`: why, None for a number unknown to RFC 6189. `reason`: one plain sentence. `by_peer`: the peer said so.
    """

    code: ErrorCode | None
    reason: str
    by_peer: bool = False


Event = (
    PeerSeen
    | NoPeer
    | SecretsReady
    | Secured
    | CacheUpdate
    | EnrolmentOffered
    | RelayedSas
    | SasRelayed
    | GoClearRefused
    | PeerError
    | Warned
    | Failed
)
