"""What an endpoint is and what it wants: everything that does not change from call to call."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sealtone.zrtp.algorithms import Algorithms
from sealtone.zrtp.confirm import NEVER_EXPIRES
from sealtone.zrtp.errors import UsageError
from sealtone.zrtp.hello import CLIENT_ID_OCTETS
from sealtone.zrtp.message import ZID_OCTETS


class Initiative(Enum):
    """When we send Commit (RFC 6189 4.1 and 4.4)."""

    AT_ONCE = "at once"
    """As soon as both sides know each other."""
    ON_REQUEST = "on request"
    """When the owner calls `Session.go_secure`; a Commit of the peer is answered all the same."""
    NEVER = "never"
    """Passive (the P flag): only the peer's."""


class HelloHashPolicy(Enum):
    """What to do with a Hello that is not the one announced in signalling (RFC 6189 8.1)."""

    REFUSE = "refuse"
    """Ignore it, and warn: only the one announced is answered."""
    WARN = "warn"
    """Go on, and warn."""


@dataclass(frozen=True, slots=True)
class Profile:
    """An endpoint.

    `zid`: 12 random octets that stay the same for good, since peers remember them (4.9); one per account, never one
    for all. `client_id`: at most 16 ASCII characters. `algorithms`: in order of preference, all of which the crypto
    provider has. `trusted_mitm`: we are a PBX that stands in the middle (M). `disclosure`: we may disclose the session
    key, for example by recording (D). `cache_expiry_s`: how long new retained secrets may be kept; 0: not at all.
    `prefer_preshared`: begin in Preshared mode where a secret is retained and both list "Prsh" (4.4.2).
    """

    zid: bytes
    client_id: str = "Sealtone"
    algorithms: Algorithms = field(default_factory=Algorithms)
    trusted_mitm: bool = False
    disclosure: bool = False
    initiative: Initiative = Initiative.AT_ONCE
    hello_hash_policy: HelloHashPolicy = HelloHashPolicy.REFUSE
    cache_expiry_s: int = NEVER_EXPIRES
    prefer_preshared: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if len(self.zid) != ZID_OCTETS or not any(self.zid):
            raise UsageError("a ZID is 12 random octets")
        if len(self.client_id) > CLIENT_ID_OCTETS or not self.client_id.isascii():
            raise UsageError("a client identifier is at most 16 ASCII characters")
        if not 0 <= self.cache_expiry_s <= NEVER_EXPIRES:
            raise UsageError("an expiry is a 32-bit number of seconds")
        self.algorithms.checked()
