"""Claims of names that are not proven yet, and what was last found of each domain: DNS and certificate."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.model import CertificateSource, ClaimStatus
from sealtone.store.database import Transaction
from sealtone.store.tables import binding, domain, domain_claim, sip_user


class Finding(NamedTuple):
    """A record of DNS as it should be and as it was found. Values in the form of a zone file, names without the last
    dot."""

    kind: str
    """``TXT``, ``SRV``, …"""
    name: str
    expected: str
    found: tuple[str, ...] = ()
    state: str = "unknown"
    """``ok``, ``missing``, ``differs``, or ``unknown`` where DNS did not answer."""
    purpose: str = ""
    """``ownership``, ``tls``, ``tls-443``, ``tcp``, ``udp``, ``naptr``, ``address``, ``acme``."""
    required: bool = True


class DomainClaim(NamedTuple):
    """A name that an account says is its own."""

    account_id: int
    name: str
    status: ClaimStatus
    ownership_token: str
    created_at: float
    checked_at: float | None = None
    findings: tuple[Finding, ...] = ()


class DomainCheck(NamedTuple):
    """What is known of a domain beside what calls are decided on."""

    ownership_token: str
    created_at: float
    checked_at: float | None
    findings: tuple[Finding, ...]
    certificate_challenge: str
    """How an authority checks the name; empty where none does."""
    certificate_error: str
    """Why the last order of a certificate failed; empty after one that did not."""


class PhoneRow(NamedTuple):
    """A registered phone, as it says where it is and as it was seen."""

    aor: str
    contact: str
    transport: str
    received_host: str
    received_port: int
    user_agent: str


def insert_claim(transaction: Transaction, account_id: int, name: str, token: str, now_wall: float) -> None:
    """A new claim, pending."""
    values = {"account_id": account_id, "name": name, "ownership_token": token, "created_at": now_wall}
    transaction.connection.execute(domain_claim.insert().values(**values))


def find_claim(transaction: Transaction, account_id: int, name: str) -> DomainClaim | None:
    """An account's claim of a name."""
    query = select(domain_claim).where(domain_claim.c.account_id == account_id, domain_claim.c.name == name)
    row = transaction.connection.execute(query).one_or_none()
    return _claim_of(row) if row is not None else None


def read_claims(
    transaction: Transaction, account_id: int | None = None, name: str | None = None
) -> tuple[DomainClaim, ...]:
    """Claims, oldest first: all, or those of an account, or of a name."""
    query = select(domain_claim).order_by(domain_claim.c.created_at, domain_claim.c.name)
    if account_id is not None:
        query = query.where(domain_claim.c.account_id == account_id)
    if name is not None:
        query = query.where(domain_claim.c.name == name)
    return tuple(_claim_of(row) for row in transaction.connection.execute(query))


def update_claim(transaction: Transaction, claim: DomainClaim) -> None:
    """Saves what a check found."""
    values = {"status": claim.status.value, "checked_at": claim.checked_at, "findings": _written(claim.findings)}
    transaction.connection.execute(
        domain_claim.update()
        .where(domain_claim.c.account_id == claim.account_id, domain_claim.c.name == claim.name)
        .values(**values)
    )


def delete_claim(transaction: Transaction, account_id: int, name: str) -> None:
    """Forgets a claim."""
    transaction.connection.execute(
        domain_claim.delete().where(domain_claim.c.account_id == account_id, domain_claim.c.name == name)
    )


def read_checks(transaction: Transaction, account_id: int | None = None) -> dict[int, DomainCheck]:
    """What is known of domains, by their ids: of all, or those of an account."""
    query = select(domain)
    if account_id is not None:
        query = query.where(domain.c.account_id == account_id)
    return {row.id: _check_of(row) for row in transaction.connection.execute(query)}


def read_check(transaction: Transaction, domain_id: int) -> DomainCheck | None:
    """What is known of one domain."""
    row = transaction.connection.execute(select(domain).where(domain.c.id == domain_id)).one_or_none()
    return _check_of(row) if row is not None else None


def update_check(
    transaction: Transaction, domain_id: int, checked_at: float | None, findings: tuple[Finding, ...]
) -> None:
    """Saves what a check found."""
    values = {"checked_at": checked_at, "findings": _written(findings)}
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(**values))


def set_certificate(transaction: Transaction, domain_id: int, source: CertificateSource, challenge: str = "") -> None:
    """Sets who issues a domain's certificate, and how the name is checked. What failed before is forgotten."""
    values = {"certificate_source": source.value, "certificate_challenge": challenge, "certificate_error": ""}
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(**values))


def set_certificate_error(transaction: Transaction, domain_id: int, error: str) -> None:
    """Sets why the last order failed; empty: it did not."""
    values = {"certificate_error": error}
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(**values))


def count_sip_users(transaction: Transaction, account_id: int | None = None) -> dict[int, int]:
    """How many SIP users each domain has, by its id; domains without any are left out."""
    query = select(sip_user.c.domain_id, func.count()).group_by(sip_user.c.domain_id)
    if account_id is not None:
        query = query.join(domain, sip_user.c.domain_id == domain.c.id).where(domain.c.account_id == account_id)
    return {row[0]: row[1] for row in transaction.connection.execute(query)}


def read_phones(transaction: Transaction, account_id: int | None, now_wall: float, limit: int) -> tuple[PhoneRow, ...]:
    """The phones that are registered now, newest first: all, or those of an account."""
    query = (
        select(*(binding.c[name] for name in PhoneRow._fields))
        .select_from(binding)
        .where(binding.c.expires_at > now_wall)
    )
    if account_id is not None:
        aors = (
            select(sip_user.c.username + "@" + domain.c.name)
            .join(domain, sip_user.c.domain_id == domain.c.id)
            .where(domain.c.account_id == account_id)
        )
        query = query.where(binding.c.aor.in_(aors))
    query = query.order_by(binding.c.registered_at.desc()).limit(limit)
    return tuple(PhoneRow(*row) for row in transaction.connection.execute(query))


def _claim_of(row: Any) -> DomainClaim:
    return DomainClaim(
        row.account_id,
        row.name,
        ClaimStatus(row.status),
        row.ownership_token,
        row.created_at,
        row.checked_at,
        _read(row.findings),
    )


def _check_of(row: Any) -> DomainCheck:
    return DomainCheck(
        row.ownership_token,
        row.created_at,
        row.checked_at,
        _read(row.findings),
        row.certificate_challenge,
        row.certificate_error,
    )


def _written(findings: tuple[Finding, ...]) -> str:
    return json.dumps([finding._asdict() for finding in findings]) if findings else ""


def _read(text: str) -> tuple[Finding, ...]:
    return tuple(Finding(**(item | {"found": tuple(item["found"])})) for item in json.loads(text)) if text else ()
