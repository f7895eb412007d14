"""Where a domain comes from, and where its certificate does."""

from __future__ import annotations

from enum import StrEnum


class DomainKind(StrEnum):
    """Why an account may use a name."""

    OPERATOR = "operator"
    """Made by whoever operates the service, who answers for it."""
    SUBDOMAIN = "subdomain"
    """A label of the service's own zone."""
    PARKED = "parked"
    """The account's own, proven by a record in DNS."""


class ClaimStatus(StrEnum):
    """How far the proof of a parked name is. A proven one is a `Domain`, and no claim any more."""

    PENDING = "pending"
    """The record has not been seen yet; looked for every day."""
    FAILED = "failed"
    """Not seen for long, or another account proved the name first; looked for on request only."""


class CertificateSource(StrEnum):
    """Who issues a domain's certificate."""

    OWN = "own"
    """The authority of this server."""
    ACME = "acme"
    """A public authority, asked by ACME (RFC 8555) and renewed by itself."""
    UPLOADED = "uploaded"
    """A person, who renews it too."""
