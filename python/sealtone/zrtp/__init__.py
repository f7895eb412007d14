"""ZRTP: keys for SRTP, agreed on in the media path itself (RFC 6189). Without input or output; usable on its own.

A `Session` is one stream's key agreement with one peer::

    crypto = StandardCrypto(native)             # native part optional, see `provider`
    profile = Profile(zid=the_accounts_zid)     # 12 random octets, kept for good
    session = Session(profile, crypto, os.urandom, ssrc=ssrc, unix_time=int(time.time()), cache=records.get)
    sdp += f"a=zrtp-hash:{session.hello_hash}"
    session.hello_hashes = (HelloHash.parse(value_from_the_peers_sdp),)   # when there was one
    session.start(now)

    session.receive(datagram, now)              # of those for which is_zrtp(datagram)
    session.handle_timeout(now)                 # at session.next_timeout()
    for datagram in session.transmits(): ...    # after each of the above
    for event in session.events(): ...

`SecretsReady` brings the SRTP keys, from then on the peer's media may be decrypted; `Secured` says that media may be
sent, with the SAS and what is known of the peer; `CacheUpdate` brings a record to be stored, encrypted; `Failed` ends
it. What can be done once secure (verify, enrol, relay a SAS, add streams) is `session.association`. `session.close()`
overwrites the keys, those in the events included.

Only one session at a time may agree on keys in DH or Preshared mode with the same pair of ZIDs (RFC 6189 4.4.1);
further streams of a call wait until the first is secure and then start from `association.multistream()`.

An `Observer` watches ZRTP that merely passes through.
"""

from sealtone.zrtp.algorithms import ALL, Algorithms, Suite
from sealtone.zrtp.association import Association
from sealtone.zrtp.cache import Cache, CacheRecord, RetainedSecret
from sealtone.zrtp.confirm import NEVER_EXPIRES
from sealtone.zrtp.crypto import Crypto, Entropy, KeyPair
from sealtone.zrtp.errors import ErrorCode, UnreadableRecord, UsageError, ZrtpError
from sealtone.zrtp.events import (
    CacheState,
    CacheUpdate,
    EnrolmentOffered,
    Event,
    Failed,
    GoClearRefused,
    Mode,
    NoPeer,
    PeerError,
    PeerSeen,
    RelayedSas,
    Role,
    SasRelayed,
    SecretsReady,
    Secured,
    Warned,
    WarningKind,
)
from sealtone.zrtp.hello import Hello, HelloHash
from sealtone.zrtp.keys import MediaKeys
from sealtone.zrtp.limits import Counters
from sealtone.zrtp.multistream import Multistream
from sealtone.zrtp.observer import Observer, Seen, Side, SideSeen
from sealtone.zrtp.packet import is_zrtp
from sealtone.zrtp.profile import HelloHashPolicy, Initiative, Profile
from sealtone.zrtp.provider import NativePrimitives, StandardCrypto
from sealtone.zrtp.sas import render
from sealtone.zrtp.session import Session
from sealtone.zrtp.state import State

__all__ = [
    "ALL",
    "NEVER_EXPIRES",
    "Algorithms",
    "Association",
    "Cache",
    "CacheRecord",
    "CacheState",
    "CacheUpdate",
    "Counters",
    "Crypto",
    "EnrolmentOffered",
    "Entropy",
    "ErrorCode",
    "Event",
    "Failed",
    "GoClearRefused",
    "Hello",
    "HelloHash",
    "HelloHashPolicy",
    "Initiative",
    "KeyPair",
    "MediaKeys",
    "Mode",
    "Multistream",
    "NativePrimitives",
    "NoPeer",
    "Observer",
    "PeerError",
    "PeerSeen",
    "Profile",
    "RelayedSas",
    "RetainedSecret",
    "Role",
    "SasRelayed",
    "SecretsReady",
    "Secured",
    "Seen",
    "Session",
    "Side",
    "SideSeen",
    "StandardCrypto",
    "State",
    "Suite",
    "UnreadableRecord",
    "UsageError",
    "Warned",
    "WarningKind",
    "ZrtpError",
    "is_zrtp",
    "render",
]
