"""Looking at a domain's DNS records, and what follows: a name that is proven becomes a domain.

Rules:

1. The network is asked outside any transaction; what it said is then saved, logged and acted on in one.
2. A claim proves itself by its own token alone. Whoever claimed first and proved nothing is in nobody's way.
3. DNS that does not answer changes nothing. What is proven stays so, whatever DNS says later: records that are gone
   are shown, and switch nothing off.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from sealtone.admin import fields
from sealtone.admin.acme import acme_settings, acme_target
from sealtone.admin.actor import Actor
from sealtone.admin.domain_records import compared, expected_records, is_proven
from sealtone.admin.domains import log_change
from sealtone.admin.errors import InvalidInput, NotFound
from sealtone.admin.reach import Reach, read_reach
from sealtone.model import ClaimStatus, Domain, DomainKind, Role
from sealtone.net.dns_lookup import DnsLookup
from sealtone.pki.challenges import ChallengeKind
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store import domains as claims
from sealtone.store.domains import DomainCheck, DomainClaim, Finding

DAILY_CHECK = Actor("Sealtone", "daily check")
_GIVEN_UP_AFTER_S = 14 * 86_400.0
_RESOLVERS = "dns_resolvers"


class Standing(NamedTuple):
    """A name of an account, proven or not, with its DNS records."""

    name: str
    account_id: int
    kind: DomainKind
    status: str
    """``verified``, ``pending`` or ``failed``."""
    created_at: float
    checked_at: float | None
    findings: tuple[Finding, ...]
    """What should be there, and what was found at `checked_at`."""
    domain: Domain | None
    """None of a name that is not proven."""
    certificate_challenge: str = ""
    certificate_error: str = ""

    @property
    def needs_care(self) -> bool:
        """Whether a record that phones need was found to be wrong or missing."""
        return any(one.required and one.state in ("missing", "differs") for one in self.findings)


def list_standings(transaction: Transaction, actor: Actor) -> tuple[Standing, ...]:
    """Every name that the actor may see: proven ones first, then claims, each in order of age."""
    reach, checks = read_reach(transaction), claims.read_checks(transaction, actor.account_id)
    dns_zone = acme_settings(transaction).dns_zone
    domains = rows.read_domains(transaction, actor.account_id)
    proven = [_domain(domain, checks[domain.id], reach, dns_zone) for domain in domains]
    claimed = [_claim(claim, reach) for claim in claims.read_claims(transaction, actor.account_id)]
    return (*proven, *claimed)


def standing_of(transaction: Transaction, actor: Actor, name: str, role: Role = Role.VIEWER) -> Standing:
    """One name. Raises `NotFound` for what is not the actor's, `Forbidden`."""
    domain_name = fields.domain_name(name)
    domain = rows.find_domain(transaction, domain_name)
    if domain is not None and actor.account_id in (None, domain.account_id):
        actor.authorise(domain.account_id, f"domain {domain_name}", role)
        return _of_domain(transaction, domain)
    for claim in claims.read_claims(transaction, actor.account_id, domain_name):
        actor.authorise(claim.account_id, f"domain {domain_name}", role)
        return _claim(claim, read_reach(transaction))
    raise NotFound("There is no domain {name}.", name=domain_name)


def leads_here(transaction: Transaction, name: str) -> bool:
    """Whether a domain's own address was found to be one of this server, when DNS was last looked at."""
    domain = rows.find_domain(transaction, name)
    return domain is not None and any(
        one.purpose == "address" and one.state == "ok" for one in _of_domain(transaction, domain).findings
    )


async def look_up(lookup: DnsLookup, standing: Standing) -> tuple[Finding, ...]:
    """The standing's records as DNS has them now. Raises nothing: what DNS does not answer is ``unknown``."""
    wanted = [(finding.kind, finding.name) for finding in standing.findings]
    return compared(standing.findings, await lookup.all_values(wanted))


def record_check(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    looked_at: Standing,
    findings: tuple[Finding, ...],
) -> Standing:
    """Saves what was found and does what follows. Raises `NotFound` where the name is gone meanwhile."""
    if looked_at.domain is not None:
        domain = rows.find_domain(transaction, looked_at.name)
        if domain is None or domain.id != looked_at.domain.id:
            raise NotFound("There is no domain {name}.", name=looked_at.name)
        actor.authorise(domain.account_id, f"domain {looked_at.name}")
        claims.update_check(transaction, domain.id, now_wall, findings)
        return _of_domain(transaction, domain)
    claim = claims.find_claim(transaction, looked_at.account_id, looked_at.name)
    if claim is None:
        raise NotFound("There is no domain {name}.", name=looked_at.name)
    actor.authorise(claim.account_id, f"domain {looked_at.name}")
    return _settled(transaction, actor, now_wall, claim, findings)


def _settled(
    transaction: Transaction, actor: Actor, now_wall: float, claim: DomainClaim, findings: tuple[Finding, ...]
) -> Standing:
    """A claim after a look at DNS: proven, given up, or as it was."""
    proven = is_proven(findings)
    if proven and rows.find_domain(transaction, claim.name) is None:
        domain_id = rows.insert_domain(
            transaction, claim.account_id, claim.name, now_wall, DomainKind.PARKED, claim.ownership_token
        )
        claims.update_check(transaction, domain_id, now_wall, findings)
        claims.delete_claim(transaction, claim.account_id, claim.name)
        domain = rows.find_domain(transaction, claim.name)
        assert domain is not None
        _log_status(transaction, actor, now_wall, claim, "verified")
        return _of_domain(transaction, domain)
    status = claim.status
    if proven or (proven is False and now_wall - claim.created_at > _GIVEN_UP_AFTER_S):
        status = ClaimStatus.FAILED
    checked = claim._replace(status=status, checked_at=now_wall, findings=findings)
    claims.update_claim(transaction, checked)
    if status is not claim.status:
        _log_status(transaction, actor, now_wall, claim, status.value)
    return _claim(checked, read_reach(transaction))


def _log_status(transaction: Transaction, actor: Actor, now_wall: float, claim: DomainClaim, status: str) -> None:
    before, after = {"status": claim.status.value}, {"status": status}
    log_change(transaction, actor, now_wall, "change", claim.account_id, claim.name, before, after)


def due_for_check(transaction: Transaction, now_wall: float, older_than_s: float) -> tuple[Standing, ...]:
    """What the daily check looks at: parked domains, and claims that are not given up."""
    return tuple(
        one
        for one in list_standings(transaction, DAILY_CHECK)
        if one.kind is DomainKind.PARKED
        and one.status != ClaimStatus.FAILED
        and (one.checked_at is None or now_wall - one.checked_at >= older_than_s)
    )


def dns_resolvers(transaction: Transaction) -> tuple[tuple[str, int], ...]:
    """The name servers that the service asks in place of the system's; empty: the system's."""
    text = rows.read_setting(transaction, _RESOLVERS) or ""
    return _resolvers(text)


def set_dns_resolvers(transaction: Transaction, actor: Actor, now_wall: float, text: str) -> None:
    """Sets them, as ``192.0.2.53, [2001:db8::53]:5353``; empty for the system's. Raises `InvalidInput`, `Forbidden`."""
    actor.authorise_operating()
    wanted = ", ".join(_written(*one) for one in _resolvers(text))
    before = rows.read_setting(transaction, _RESOLVERS) or ""
    if wanted == before:
        return
    rows.write_setting(transaction, _RESOLVERS, wanted)
    change = rows.Change(
        now_wall, None, actor.name, actor.origin, "change", "service", {_RESOLVERS: before}, {_RESOLVERS: wanted}
    )
    rows.append_change(transaction, change)


def _resolvers(text: str) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for item in filter(None, map(str.strip, text.split(","))):
        host, port = item, "53"
        if item.startswith("["):
            host, _, rest = item[1:].partition("]")
            port = rest.removeprefix(":") or port
        elif item.count(":") == 1:
            host, _, port = item.partition(":")
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            raise InvalidInput(_RESOLVERS, "“{text}” is not the IP address of a name server.", text=item) from None
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise InvalidInput(_RESOLVERS, "“{text}” has no usable port.", text=item)
        found.append((address, int(port)))
    return tuple(found)


def _written(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port == 53 and ":" not in host else f"{shown}:{port}"


def _of_domain(transaction: Transaction, domain: Domain) -> Standing:
    check = claims.read_check(transaction, domain.id)
    assert check is not None
    return _domain(domain, check, read_reach(transaction), acme_settings(transaction).dns_zone)


def _domain(domain: Domain, check: DomainCheck, reach: Reach, dns_zone: str) -> Standing:
    target = ""
    if check.certificate_challenge == ChallengeKind.DNS and dns_zone:
        target = acme_target(domain.name, dns_zone)
    expected = expected_records(domain.name, domain.kind, check.ownership_token, reach, target)
    return Standing(
        domain.name,
        domain.account_id,
        domain.kind,
        "verified",
        check.created_at,
        check.checked_at,
        _merged(expected, check.findings),
        domain,
        check.certificate_challenge,
        check.certificate_error,
    )


def _claim(claim: DomainClaim, reach: Reach) -> Standing:
    expected = expected_records(claim.name, DomainKind.PARKED, claim.ownership_token, reach)
    return Standing(
        claim.name,
        claim.account_id,
        DomainKind.PARKED,
        claim.status.value,
        claim.created_at,
        claim.checked_at,
        _merged(expected, claim.findings),
        None,
    )


def _merged(expected: tuple[Finding, ...], saved: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What should be there now, with what was found then, as far as that was asked for."""
    found = {(one.kind, one.name): one.found for one in saved if one.state != "unknown"}
    return tuple(compared((one,), found)[0] if (one.kind, one.name) in found else one for one in expected)
