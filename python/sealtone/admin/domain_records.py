"""The DNS records that a domain should have, and how what is found compares with them. No network here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from sealtone.admin.reach import Reach
from sealtone.model import DomainKind
from sealtone.store.domains import Finding

OWNERSHIP = "ownership"
_NAPTR = (("SIPS+D2T", "_sips._tcp"), ("SIP+D2T", "_sip._tcp"), ("SIP+D2U", "_sip._udp"))


def ownership_name(domain: str) -> str:
    """Where the record lies that proves a name."""
    return f"_sealtone.{domain}"


def ownership_value(token: str) -> str:
    """What the record says."""
    return f"sealtone-domain={token}"


def expected_records(
    domain: str, kind: DomainKind, token: str, reach: Reach, acme_target: str = ""
) -> tuple[Finding, ...]:
    """What to set for a domain, what is needed first (RFC 3263 4 for NAPTR and SRV).

    `acme_target`: the name in this server's own zone that answers for `_acme-challenge` of this domain (RFC 8555 8.4);
    empty where certificates are not got that way. Nothing is found yet, so that every state is ``unknown``.
    """
    host = reach.name or domain
    records: list[Finding] = []
    if kind is DomainKind.PARKED:
        records.append(Finding("TXT", ownership_name(domain), ownership_value(token), purpose=OWNERSHIP))
    records += _addresses(domain, reach.addresses, required=host == domain)
    records.append(_service("_sips._tcp", domain, 10, reach.tls_port, host, "tls", required=True))
    if reach.shared_tls_port:
        records.append(_service("_sips._tcp", domain, 20, reach.shared_tls_port, host, "tls-443"))
    records.append(_service("_sip._tls", domain, 10, reach.tls_port, host, "tls-old"))
    records.append(_service("_sip._tcp", domain, 10, reach.sip_port, host, "tcp"))
    records.append(_service("_sip._udp", domain, 10, reach.sip_port, host, "udp"))
    for order, (service, prefix) in enumerate(_NAPTR, start=1):
        value = f'{order * 10} 10 "s" "{service}" "" {prefix}.{domain}'
        records.append(Finding("NAPTR", domain, value, purpose="naptr", required=False))
    if acme_target:
        records.append(Finding("CNAME", f"_acme-challenge.{domain}", acme_target, purpose="acme"))
    return tuple(records)


def compared(
    expected: Iterable[Finding], found: Mapping[tuple[str, str], tuple[str, ...] | None]
) -> tuple[Finding, ...]:
    """With what DNS says: by kind and name the values, none, or None where DNS did not answer."""
    return tuple(_compared(finding, found.get((finding.kind, finding.name))) for finding in expected)


def is_proven(findings: Iterable[Finding]) -> bool | None:
    """Whether the ownership record is there; None where DNS did not answer."""
    for finding in findings:
        if finding.purpose == OWNERSHIP:
            return None if finding.state == "unknown" else finding.state == "ok"
    return None


def as_zone_file(findings: Iterable[Finding], ttl_s: int = 3600) -> str:
    """The records as lines of a zone file (RFC 1035 5.1)."""
    return "".join(f"{one.name}. {ttl_s} IN {one.kind} {_in_zone_file(one)}\n" for one in findings)


def _in_zone_file(finding: Finding) -> str:
    if finding.kind == "TXT":
        return f'"{finding.expected}"'
    return finding.expected if finding.kind in ("A", "AAAA") else f"{finding.expected}."


def _addresses(domain: str, addresses: Iterable[str], *, required: bool) -> list[Finding]:
    """Of a machine that has public addresses those alone: others are of no use to a phone elsewhere."""
    literals = [ipaddress.ip_address(address) for address in addresses]
    public = [literal for literal in literals if literal.is_global] or literals
    return [
        Finding("AAAA" if literal.version == 6 else "A", domain, str(literal), purpose="address", required=required)
        for literal in public
    ]


def _service(
    prefix: str, domain: str, priority: int, port: int, host: str, purpose: str, *, required: bool = False
) -> Finding:
    return Finding("SRV", f"{prefix}.{domain}", f"{priority} 10 {port} {host}", purpose=purpose, required=required)


def _compared(finding: Finding, values: tuple[str, ...] | None) -> Finding:
    if values is None:
        return finding._replace(found=(), state="unknown")
    state = "ok" if any(_fits(finding, value) for value in values) else "differs" if values else "missing"
    return finding._replace(found=values, state=state)


def _fits(finding: Finding, value: str) -> bool:
    """Port and target are what counts of a service; its priority and weight are the domain owner's choice."""
    if finding.kind == "SRV":
        return finding.expected.split()[2:] == value.split()[2:]
    if finding.kind == "NAPTR":
        return finding.expected.split()[2:] == value.split()[2:]
    return finding.expected == value
