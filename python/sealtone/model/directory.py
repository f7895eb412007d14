"""Who there is: accounts, domains, SIP users, and the snapshot that calls are decided on.

A `Snapshot` is built off the call path after each saved change and swapped in whole. Calls in progress keep the
objects they were decided with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sealtone.model.announcements import Announcements, Language
from sealtone.model.domains import CertificateSource, DomainKind
from sealtone.model.ladder import KeepLadders
from sealtone.model.policy import LegPolicy, Strictness
from sealtone.model.recording import DomainRecording, RecordingTerms
from sealtone.model.security import Protection

ECHO_SERVICE: Final = "echo"
WHO_CAN_HEAR_SERVICE: Final = "who-can-hear"
ENROLMENT_SERVICE: Final = "enrolment"
DEFAULT_SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "*42": WHO_CAN_HEAR_SERVICE,
        "whocanhear": WHO_CAN_HEAR_SERVICE,
        "*43": ECHO_SERVICE,
        "echo": ECHO_SERVICE,
        "*44": ENROLMENT_SERVICE,
        "enrol": ENROLMENT_SERVICE,
    }
)
_UNPROTECTED: Final = LegPolicy()
_AS_MOST_RECORD: Final = DomainRecording()
_NOT_CHOSEN: Final = RecordingTerms()
_ANNOUNCEMENTS: Final = Announcements()


DEFAULT_KEEP_CALLS_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: owns domains, and through them SIP users."""

    id: int
    name: str
    enabled: bool = True
    keep_calls_days: int | None = DEFAULT_KEEP_CALLS_DAYS
    """How long call records are kept; None: for ever."""
    zid: bytes = b""
    """How this account's legs introduce themselves in ZRTP: 12 random octets, for good (RFC 6189, 4.9). Not secret."""
    recording_recipient: str = ""
    """The public key (``age1…``) that its recordings are sealed to; empty: none, and nothing is recorded."""
    keep_ladders: KeepLadders = KeepLadders.ALL
    """Of which calls the SIP messages are kept."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A SIP domain of an account, which may use its name: an unproven one is no domain yet but a claim.

    `name` is in lower case, without a trailing dot.
    """

    id: int
    account_id: int
    name: str
    enabled: bool = True
    services: Mapping[str, str] = field(default_factory=lambda: DEFAULT_SERVICES)
    """From a dialled user part to the name of a service of the server."""
    recording: DomainRecording = _AS_MOST_RECORD
    announcements: Announcements = _ANNOUNCEMENTS
    kind: DomainKind = DomainKind.OPERATOR
    certificate_source: CertificateSource = CertificateSource.OWN


@dataclass(frozen=True, slots=True)
class SipUser:
    """An address of record with its secret's digests and its wishes. repr never shows the digests."""

    id: int
    account_id: int
    domain_id: int
    username: str
    """The user part, as registered and dialled, case-sensitive (RFC 3261, 19.1.4)."""
    domain: str
    ha1_md5: str = field(repr=False, default="")
    """Lower-case hex of MD5(username:realm:password), the realm being the domain."""
    ha1_sha256: str = field(repr=False, default="")
    display_name: str = ""
    enabled: bool = True
    policy: LegPolicy = _UNPROTECTED
    codecs: tuple[str, ...] = ()
    """Permitted encodings in order of preference; empty permits all."""
    max_contacts: int = 10
    zid: bytes = b""
    """Its account's."""
    recording: RecordingTerms = _NOT_CHOSEN
    own_language: Language | None = None
    """What prompts are spoken in to this user; None: as in its domain."""
    announcements: Announcements = _ANNOUNCEMENTS
    """Its domain's."""
    aor: str = field(init=False)
    """``username@domain``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "aor", f"{self.username}@{self.domain}")

    @property
    def language(self) -> Language:
        """What prompts are spoken in to this user."""
        return self.own_language or self.announcements.language

    @property
    def protection(self) -> Protection:
        return self.policy.protection

    @property
    def strictness(self) -> Strictness:
        return self.policy.strictness


class Snapshot:
    """Everything calls and registrations are decided on, at one moment. Never changed once built."""

    __slots__ = ("_accounts", "_domains", "_users", "local_names", "version")

    version: int
    """Rises with each saved change."""
    local_names: frozenset[str]
    """Lower-case host names and IP literals of this server, which a caller may dial in place of its own domain."""

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        domains: Iterable[Domain] = (),
        users: Iterable[SipUser] = (),
        *,
        local_names: Iterable[str] = (),
        version: int = 0,
    ) -> None:
        self.version = version
        self.local_names = frozenset(name.lower() for name in local_names)
        self._accounts = {account.id: account for account in accounts}
        self._domains = {domain.name: domain for domain in domains}
        self._users = {user.aor: user for user in users}

    def account(self, account_id: int) -> Account | None:
        return self._accounts.get(account_id)

    def domain(self, name: str) -> Domain | None:
        """The domain of that name, in any case."""
        return self._domains.get(name) or self._domains.get(name.lower())

    def user(self, aor: str) -> SipUser | None:
        """The SIP user of that ``user@host`` (`sip.uri.canonical_aor` makes one)."""
        return self._users.get(aor)

    def domains(self) -> Iterable[Domain]:
        return self._domains.values()

    def users(self) -> Iterable[SipUser]:
        return self._users.values()

    def is_active(self, user: SipUser) -> bool:
        """Whether the user, its domain and its account are all switched on."""
        domain = self._domains.get(user.domain)
        account = self._accounts.get(user.account_id)
        return user.enabled and domain is not None and domain.enabled and account is not None and account.enabled
