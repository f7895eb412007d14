"""Certificates of domains as JSON."""

from __future__ import annotations

from typing import Literal, cast

from pydantic import Field

from sealtone.admin.certificates import CertificateSeen
from sealtone.admin.domain_checks import Standing
from sealtone.model import CertificateSource
from sealtone.pki.challenges import ChallengeKind
from sealtone.pki.facts import Cover
from sealtone.pki.trust import Trust
from sealtone.web.api.schemas.base import Form, Moment, Shown, example, moment

Stage = Literal["", "waiting", "account", "order", "check", "issue", "done", "failed"]
_LONGEST_PEM = 262_144
CERTIFICATE = {
    "names": ["office.example"],
    "issuer": "R11",
    "not_before": "2026-11-01T00:00:00.000Z",
    "not_after": "2027-01-30T00:00:00.000Z",
    "fingerprint": "4F:2A:09",
    "covers": "domain",
    "trusted_by": "public",
}
DOMAIN_CERTIFICATE = {
    "domain": "office.example",
    "source": "acme",
    "challenge": "tls-alpn-01",
    "error": "",
    "order": "done",
    "certificate": CERTIFICATE,
}


class CertificateOut(Shown):
    """A certificate as phones are shown it."""

    model_config = example(CERTIFICATE)

    names: list[str]
    issuer: str
    not_before: Moment
    not_after: Moment
    fingerprint: str = Field(description="SHA-256 in hex with colons.")
    covers: Cover = Field(description="Whether it names the SIP domain (RFC 5922), the host alone, or neither.")
    trusted_by: Trust


class DomainCertificate(Shown):
    """Who issues a domain's certificate, and the one that is in use."""

    model_config = example(DOMAIN_CERTIFICATE)

    domain: str
    source: CertificateSource
    challenge: ChallengeKind | None = Field(description="How the public authority checks the name.")
    error: str = Field(description="Why the last order failed; empty: it did not.")
    order: Stage = Field(description="How far the last order is; empty where there was none since the server started.")
    certificate: CertificateOut | None = Field(description="null: the server has made none yet.")


class CertificateForm(Form):
    """Who issues it from now on. `acme` needs `challenge`, `uploaded` needs `certificate` and `key`."""

    model_config = example({"source": "own"})

    source: CertificateSource
    challenge: ChallengeKind | None = None
    certificate: str = Field("", max_length=_LONGEST_PEM, description="PEM, its chain after it.")
    key: str = Field("", max_length=_LONGEST_PEM, description="PEM. Never shown again.")
    passphrase: str = Field("", max_length=256, description="Of the key, where it has one.")


def domain_certificate(standing: Standing, seen: CertificateSeen | None, order: str) -> DomainCertificate:
    """Of a domain that is proven."""
    assert standing.domain is not None
    return DomainCertificate(
        domain=standing.name,
        source=standing.domain.certificate_source,
        challenge=ChallengeKind(standing.certificate_challenge) if standing.certificate_challenge else None,
        error=standing.certificate_error,
        order=cast("Stage", order),
        certificate=certificate_out(seen) if seen is not None else None,
    )


def certificate_out(seen: CertificateSeen) -> CertificateOut:
    return CertificateOut(
        names=list(seen.facts.names),
        issuer=seen.facts.issuer,
        not_before=moment(seen.facts.not_before),
        not_after=moment(seen.facts.not_after),
        fingerprint=seen.facts.fingerprint,
        covers=seen.cover,
        trusted_by=seen.trust,
    )
