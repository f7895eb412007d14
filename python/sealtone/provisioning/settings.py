"""What a phone of a SIP user has to be told, whichever phone it is."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from sealtone.model import LegPolicy, Protection, SipUser
from sealtone.sdp.catalogue import CATALOGUE, DEFAULT_ORDER

_HTTPS = 443


class UnreadableSettings(Exception):
    """What was read is no phone's settings; the message says what is wrong."""


class ServerPlace(NamedTuple):
    """Where phones reach this server."""

    host: str
    """A name, or an IP literal without brackets."""
    tls_port: int = 5061
    sip_port: int = 5060
    """UDP and TCP."""
    authority: str = ""
    """PEM of the server's own authority, where it issued the certificate that phones are shown; empty: a public one."""

    @property
    def host_in_uri(self) -> str:
        """With brackets where it is an IPv6 address (RFC 3261 25.1, IPv6reference)."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def proxy(self) -> str:
        """As phones write an outbound proxy: over TLS, with its port."""
        return f"sip:{self.host_in_uri}:{self.tls_port};transport=tls"

    @property
    def is_by_address(self) -> bool:
        """Whether the host is an IP address: phones that compare certificates with names then refuse."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    def url(self, path: str) -> str:
        """Of the panel, which shares the port of SIP over TLS; ``path`` begins with a slash."""
        port = "" if self.tls_port == _HTTPS else f":{self.tls_port}"
        return f"https://{self.host_in_uri}{port}{path}"


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """All of it. `repr` shows neither digests nor secret."""

    username: str
    domain: str
    """The SIP domain, which is the realm of the digests too."""
    server: ServerPlace
    policy: LegPolicy
    display_name: str = ""
    chosen_codecs: tuple[str, ...] = ()
    """The user's list, best first; empty permits all."""
    ha1_md5: str = field(repr=False, default="")
    ha1_sha256: str = field(repr=False, default="")
    secret: str = field(repr=False, default="")
    """Only where it was made a moment ago: it is not kept."""

    @classmethod
    def of(cls, user: SipUser, server: ServerPlace, secret: str = "") -> PhoneSettings:
        """The settings for a phone of this user."""
        return cls(
            user.username,
            user.domain,
            server,
            user.policy,
            user.display_name,
            user.codecs,
            user.ha1_md5,
            user.ha1_sha256,
            secret,
        )

    @property
    def aor(self) -> str:
        """``username@domain``."""
        return f"{self.username}@{self.domain}"

    @property
    def codecs(self) -> tuple[str, ...]:
        """Those that a phone may use, best first, by their names in `sdp.catalogue`."""
        return self.chosen_codecs or (*DEFAULT_ORDER, *[name for name in CATALOGUE if name not in DEFAULT_ORDER])

    @property
    def is_protected(self) -> bool:
        """Whether the phone has to encrypt the voice."""
        return self.policy.protection in (Protection.SRTP, Protection.ZRTP)
