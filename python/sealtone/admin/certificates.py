"""Who issues a domain's certificate: this server's own authority, a public one, or somebody who brings it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from sealtone.admin.acme import acme_settings
from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of, log_change
from sealtone.admin.errors import Conflict, InvalidInput
from sealtone.admin.reach import read_reach
from sealtone.model import CertificateSource, Domain, DomainKind
from sealtone.pki import CertificateError
from sealtone.pki.certificates import install_certificate, read_chain
from sealtone.pki.challenges import ChallengeKind
from sealtone.pki.facts import CertificateFacts, Cover, cover_of, days_left, facts_of
from sealtone.pki.trust import Trust, trust_in
from sealtone.pki.upload import Uploaded, UploadRefused, read_upload
from sealtone.store import Transaction
from sealtone.store import domains as rows

FOLDER = "certificates"
"""In the data folder."""


class CertificateSeen(NamedTuple):
    """The certificate that a domain has, as people are told of it."""

    facts: CertificateFacts
    cover: Cover
    trust: Trust
    days: int
    """Left; negative once it has ended."""


def inspected(data: Path, domain: str, host: str) -> CertificateSeen | None:
    """The certificate that a domain has now; None where there is none yet, or its file is damaged. Slow."""
    try:
        chain = read_chain(data / FOLDER, domain)
    except CertificateError:
        return None
    if not chain:
        return None
    facts = facts_of(chain)
    return CertificateSeen(
        facts, cover_of(chain[0], domain, host), trust_in(chain, authority_of(data)), days_left(facts)
    )


def authority_of(data: Path) -> x509.Certificate | None:
    """The server's own authority; None before its first start."""
    try:
        return x509.load_pem_x509_certificate((data / "authority" / "ca.pem").read_bytes())
    except (OSError, ValueError):
        return None


def use_own_certificate(transaction: Transaction, actor: Actor, now_wall: float, name: str) -> Domain:
    """From now on the server's own authority issues it. Raises `NotFound`, `Forbidden`."""
    domain = domain_of(transaction, actor, name)
    if domain.certificate_source is not CertificateSource.OWN:
        rows.set_certificate(transaction, domain.id, CertificateSource.OWN)
        _log(transaction, actor, now_wall, domain, CertificateSource.OWN.value)
    return domain


def use_acme_certificate(transaction: Transaction, actor: Actor, now_wall: float, name: str, challenge: str) -> Domain:
    """From now on a public authority does; the server orders it, and keeps the present one until it has it.

    Raises `InvalidInput`, `Conflict`, `NotFound`, `Forbidden`.
    """
    domain = domain_of(transaction, actor, name)
    settings = acme_settings(transaction)
    if not settings.may_order:
        raise Conflict("Whoever operates this service has not accepted the authority's terms yet.")
    try:
        kind = ChallengeKind(challenge.strip().lower())
    except ValueError:
        raise InvalidInput("challenge", "Choose how the authority checks the name.") from None
    if kind is ChallengeKind.DNS and not settings.dns_zone:
        raise InvalidInput("challenge", "This service has no zone for checks by DNS.")
    if "." not in domain.name or domain.name.rpartition(".")[2] in ("local", "lan", "internal", "home", "test"):
        raise Conflict("A public authority issues nothing for {name}: the name is one of a private network.", name=name)
    present = rows.read_check(transaction, domain.id)
    if domain.certificate_source is not CertificateSource.ACME or (present and present.certificate_challenge != kind):
        rows.set_certificate(transaction, domain.id, CertificateSource.ACME, kind.value)
        _log(transaction, actor, now_wall, domain, f"{CertificateSource.ACME.value}, {kind.value}")
    return domain


def check_upload(
    transaction: Transaction,
    actor: Actor,
    name: str,
    certificate: bytes,
    key: bytes,
    passphrase: str,
) -> Uploaded:
    """Reads what somebody brings for a domain. Raises `InvalidInput` at the field, `NotFound`, `Forbidden`.

    Takes a while where a passphrase is slow to try, so that it does not belong in a writing transaction.
    """
    domain = domain_of(transaction, actor, name)
    host = read_reach(transaction).name
    try:
        return read_upload(domain.name, certificate, key, passphrase, host=host)
    except UploadRefused as error:
        raise InvalidInput(error.field, error.template, **error.values) from error


def save_upload(
    transaction: Transaction, actor: Actor, now_wall: float, data: Path, name: str, uploaded: Uploaded
) -> Domain:
    """Puts it in place, under `data`. Raises `NotFound`, `Forbidden`, `OSError`."""
    domain = domain_of(transaction, actor, name)
    rows.set_certificate(transaction, domain.id, CertificateSource.UPLOADED)
    end = uploaded.chain[0].not_valid_after_utc.date().isoformat()
    only = ", for the host alone" if uploaded.cover is Cover.HOST else ""
    _log(transaction, actor, now_wall, domain, f"{CertificateSource.UPLOADED.value}, valid until {end}{only}")
    # Last, so that whatever fails before leaves the one that is in use.
    install_certificate(data / FOLDER, domain.name, uploaded.chain, uploaded.key)
    return domain


def must_be_own(domain: Domain) -> bool:
    """Whether a file of another authority must not be used for it: what an earlier owner of the name left, say.

    The operator may put files there by hand for the operator's own domains.
    """
    return domain.certificate_source is CertificateSource.OWN and domain.kind is not DomainKind.OPERATOR


def _log(transaction: Transaction, actor: Actor, now_wall: float, domain: Domain, after: str) -> None:
    before = {"certificate": domain.certificate_source.value}
    log_change(transaction, actor, now_wall, "change", domain.account_id, domain.name, before, {"certificate": after})
