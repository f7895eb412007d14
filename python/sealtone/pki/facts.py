"""What a certificate says, for people: names, issuer, days, and whether phones will take it for a SIP domain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID


class Cover(StrEnum):
    """How far a certificate is one for a SIP domain."""

    DOMAIN = "domain"
    """It names the domain itself, as RFC 5922 7 wants it."""
    HOST = "host"
    """It names the host alone that phones connect to: many phones take that, RFC 5922 does not."""
    NOTHING = "nothing"


class CertificateFacts(NamedTuple):
    """Times are Unix seconds."""

    names: tuple[str, ...]
    """SIP URIs, DNS names and addresses, as they stand in it."""
    issuer: str
    not_before: float
    not_after: float
    fingerprint: str
    """SHA-256 in hex with colons."""
    chain: int
    """Certificates sent, its own counted."""
    self_signed: bool


def facts_of(chain: Sequence[x509.Certificate]) -> CertificateFacts:
    """Of the first of a chain."""
    certificate = chain[0]
    return CertificateFacts(
        names_of(certificate),
        _issuer(certificate),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        len(chain),
        certificate.issuer == certificate.subject,
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The subject's alternative names; the common name counts for nothing (RFC 5922 7.1, RFC 6125)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )


def cover_of(certificate: x509.Certificate, domain: str, host: str = "") -> Cover:
    """For which name it counts. Where there are `sip:` URIs, those alone do (RFC 5922 7.1); wildcards never (7.2).

    `host`: where the domain's SRV records point; empty: to the domain itself.
    """
    names = [name.lower().rstrip(".") for name in names_of(certificate)]
    uris = [name[4:].partition(";")[0] for name in names if name.startswith("sip:") and "@" not in name]
    dns = [name for name in names if ":" not in name]
    if domain in (uris or dns):
        return Cover.DOMAIN
    if domain in dns or any(_matches(pattern, name) for pattern in dns for name in (domain, host) if name):
        return Cover.HOST
    return Cover.NOTHING


def renewal_at(certificate: x509.Certificate, jitter: float = 0.0) -> datetime:
    """When a third of its life is left; earlier by `jitter` (0 to 1) of a tenth of its life."""
    life: timedelta = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - life / 3 - life * (0.1 * jitter)


def days_left(facts: CertificateFacts, now: datetime | None = None) -> int:
    """Whole days; negative once it has ended."""
    return int((facts.not_after - (now or datetime.now(UTC)).timestamp()) // 86_400)


def _matches(pattern: str, name: str) -> bool:
    """As web browsers and most phones compare a host name (RFC 6125 6.4.3: one whole label)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


def _issuer(certificate: x509.Certificate) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = certificate.issuer.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)
    return certificate.issuer.rfc4514_string()
