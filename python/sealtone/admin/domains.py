"""Making, listing, switching and deleting domains, and claiming names that are still to be proven."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, InvalidInput, NotFound
from sealtone.admin.reach import read_reach
from sealtone.admin.service import service_settings
from sealtone.model import Announcements, Domain, DomainKind, Role
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store import domains as claims
from sealtone.store.bindings import delete_bindings_of
from sealtone.store.domains import DomainClaim

_TOKEN_OCTETS = 16
_MOST_OF_AN_ACCOUNT = 100
_SHORTEST_LABEL = 3
_RESERVED_WORDS = (
    "abuse account accounts acme admin administrator api app autoconfig autodiscover billing cdn certificates "
    "dns docs ftp gateway help hostmaster imap info internal invalid local localhost login mail media metrics "
    "mx noc ns ns1 ns2 ns3 ns4 panel pbx pop pop3 portal postmaster proxy registrar relay root sales sealtone "
    "secure security service sign-in sign-up sip sips smtp srv ssl status stun support system test tls trunk "
    "turn voip webmaster wpad www"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())
"""Labels that say something of the service itself, or that other protocols give a meaning to (RFC 2142, RFC 6761)."""


class DomainChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    language: str | None = None
    music_on_hold: bool | None = None
    open_notice: str | None = None
    open_notice_to: str | None = None


def create_domain(transaction: Transaction, actor: Actor, now_wall: float, name: str, account_id: int) -> Domain:
    """A domain that whoever operates the service answers for: it counts at once, without proof.

    Raises `InvalidInput`, `Conflict`, `Forbidden`.
    """
    actor.authorise_operating()
    actor.authorise(account_id, "such account")
    domain_name = fields.domain_name(name)
    _check_free(transaction, domain_name)
    return _insert(transaction, actor, now_wall, domain_name, account_id, DomainKind.OPERATOR)


def zone_of(transaction: Transaction) -> str:
    """The zone that the service gives subdomains of; empty where it gives none."""
    return service_settings(transaction).zone


def create_subdomain(transaction: Transaction, actor: Actor, now_wall: float, label: str, account_id: int) -> Domain:
    """A personal subdomain of the service's zone, which counts at once. Raises `InvalidInput`, `Conflict`."""
    actor.authorise(account_id, "such account")
    zone = zone_of(transaction)
    if not zone:
        raise InvalidInput("label", "This service gives no subdomains. Use a domain of your own.")
    chosen = fields.domain_label(label)
    domain_name = fields.domain_name(f"{chosen}.{zone}")
    if len(chosen) < _SHORTEST_LABEL:
        raise InvalidInput("label", "A subdomain has at least three letters or digits.")
    if chosen in _RESERVED or domain_name == read_reach(transaction).name:
        raise InvalidInput("label", "“{label}” is reserved. Choose another name.", label=chosen)
    if rows.find_domain(transaction, domain_name) is not None:
        raise InvalidInput("label", "“{label}” is taken. Choose another name.", label=chosen)
    _check_room(transaction, account_id)
    return _insert(transaction, actor, now_wall, domain_name, account_id, DomainKind.SUBDOMAIN)


def park_domain(transaction: Transaction, actor: Actor, now_wall: float, name: str, account_id: int) -> DomainClaim:
    """Claims a name of the account's own. It becomes a domain once its record is seen in DNS (`record_check`).

    That others have claimed the name, or even have it, is not looked at here: whoever shows the record first has it,
    and nobody learns from this who is a customer. Raises `InvalidInput`, `Conflict`.
    """
    actor.authorise(account_id, "such account")
    domain_name = fields.domain_name(name)
    if "." not in domain_name:
        raise InvalidInput(
            "domain", "“{name}” is not a name that you can own. Write it like office.example.", name=domain_name
        )
    zone = zone_of(transaction)
    if zone and (domain_name == zone or domain_name.endswith(f".{zone}")):
        raise InvalidInput(
            "domain", "Names in {zone} belong to this service. Choose a personal subdomain instead.", zone=zone
        )
    if domain_name == read_reach(transaction).name:
        raise InvalidInput("domain", "{name} is the name of this service itself.", name=domain_name)
    present = rows.find_domain(transaction, domain_name)
    own = present is not None and present.account_id == account_id
    if own or claims.find_claim(transaction, account_id, domain_name) is not None:
        raise InvalidInput("domain", "The domain {name} exists already.", name=domain_name)
    _check_room(transaction, account_id)
    claims.insert_claim(transaction, account_id, domain_name, secrets.token_hex(_TOKEN_OCTETS), now_wall)
    log_change(transaction, actor, now_wall, "create", account_id, domain_name, after={"status": "pending"})
    claim = claims.find_claim(transaction, account_id, domain_name)
    assert claim is not None
    return claim


def abandon_claim(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, name: str) -> None:
    """Gives up a name that was never proven. Raises `NotFound`."""
    domain_name = fields.domain_name(name)
    actor.authorise(account_id, f"domain {domain_name}")
    claim = claims.find_claim(transaction, account_id, domain_name)
    if claim is None:
        raise NotFound("There is no domain {name}.", name=domain_name)
    claims.delete_claim(transaction, account_id, domain_name)
    log_change(transaction, actor, now_wall, "delete", account_id, domain_name, before={"status": claim.status.value})


def _insert(
    transaction: Transaction, actor: Actor, now_wall: float, name: str, account_id: int, kind: DomainKind
) -> Domain:
    domain_id = rows.insert_domain(transaction, account_id, name, now_wall, kind)
    # Whoever has a name needs no claim of it any more.
    claims.delete_claim(transaction, account_id, name)
    log_change(transaction, actor, now_wall, "create", account_id, name, after={"enabled": "yes"})
    return Domain(domain_id, account_id, name, kind=kind)


def _check_free(transaction: Transaction, name: str) -> None:
    if rows.find_domain(transaction, name) is not None:
        raise Conflict("The domain {name} exists already.", name=name)


def _check_room(transaction: Transaction, account_id: int) -> None:
    present = rows.read_domains(transaction, account_id), claims.read_claims(transaction, account_id)
    if sum(map(len, present)) >= _MOST_OF_AN_ACCOUNT:
        raise Conflict(
            "An account has at most {most} domains. Delete one that you do not need.", most=_MOST_OF_AN_ACCOUNT
        )


def list_domains(transaction: Transaction, actor: Actor) -> tuple[Domain, ...]:
    """The domains that the actor may see."""
    return rows.read_domains(transaction, actor.account_id)


def count_sip_users(transaction: Transaction, actor: Actor) -> dict[int, int]:
    """How many SIP users each domain that the actor may see has, by its id; without any it is left out."""
    return claims.count_sip_users(transaction, actor.account_id)


def set_domain_enabled(transaction: Transaction, actor: Actor, now_wall: float, name: str, *, enabled: bool) -> Domain:
    """Switches a domain on or off; off, nobody registers or calls in it."""
    domain = domain_of(transaction, actor, name)
    if domain.enabled != enabled:
        rows.update_domain(transaction, domain.id, enabled=enabled)
        before, after = ("yes", "no") if domain.enabled else ("no", "yes")
        log_change(
            transaction,
            actor,
            now_wall,
            "change",
            domain.account_id,
            domain.name,
            {"enabled": before},
            {"enabled": after},
        )
    return replace(domain, enabled=enabled)


def update_domain(transaction: Transaction, actor: Actor, now_wall: float, name: str, form: DomainChange) -> Domain:
    """Changes what the form names. Calls in progress keep what they were decided with."""
    domain = domain_of(transaction, actor, name)
    changed = replace(domain, announcements=_changed(domain.announcements, form))
    before, after = _shown(domain), _shown(changed)
    names = [name for name in before if before[name] != after[name]]
    if names:
        rows.update_announcements(transaction, domain.id, changed.announcements)
        was, is_now = ({name: shown[name] for name in names} for shown in (before, after))
        log_change(transaction, actor, now_wall, "change", domain.account_id, domain.name, was, is_now)
    return changed


def _changed(wishes: Announcements, form: DomainChange) -> Announcements:
    return Announcements(
        wishes.language if form.language is None else fields.language(form.language),
        wishes.music_on_hold if form.music_on_hold is None else form.music_on_hold,
        wishes.open_notice if form.open_notice is None else fields.open_notice(form.open_notice),
        wishes.open_notice_to if form.open_notice_to is None else fields.open_notice_to(form.open_notice_to),
    )


def _shown(domain: Domain) -> dict[str, str]:
    """The fields as the change log shows them."""
    wishes = domain.announcements
    return {
        "language": wishes.language.value,
        "music_on_hold": "yes" if wishes.music_on_hold else "no",
        "open_notice": wishes.open_notice.value,
        "open_notice_to": wishes.open_notice_to.value,
    }


def delete_domain(
    transaction: Transaction, actor: Actor, now_wall: float, name: str, *, with_users: bool = False
) -> Domain:
    """Deletes a domain; its SIP users and their registrations too, but only when that is asked for."""
    domain = domain_of(transaction, actor, name)
    users = rows.read_users(transaction, domain.name)
    if users and not with_users:
        raise Conflict(
            "The domain {name} still has {count} SIP users. Delete them first, or ask for both.",
            name=domain.name,
            count=len(users),
        )
    delete_bindings_of(transaction.connection, [user.aor for user in users])
    for user in users:
        rows.delete_user(transaction, user.id)
    rows.delete_domain(transaction, domain.id)
    log_change(
        transaction,
        actor,
        now_wall,
        "delete",
        domain.account_id,
        domain.name,
        before={"users": ", ".join(user.username for user in users)},
    )
    return domain


def domain_of(transaction: Transaction, actor: Actor, name: str, role: Role = Role.ADMIN) -> Domain:
    """A domain that the actor may change (or, for `Role.VIEWER`, see). A claim is none.

    Raises `NotFound` for any other, `Forbidden`.
    """
    domain_name = fields.domain_name(name)
    domain = rows.find_domain(transaction, domain_name)
    if domain is None:
        raise NotFound("There is no domain {name}.", name=domain_name)
    actor.authorise(domain.account_id, f"domain {domain_name}", role)
    return domain


def log_change(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    action: str,
    account_id: int,
    name: str,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    """Writes what happened to a domain, or to a claim of one, to the change log."""
    change = rows.Change(
        now_wall, account_id, actor.name, actor.origin, action, f"domain {name}", before or {}, after or {}
    )
    rows.append_change(transaction, change)
