"""Creating, listing, switching and deleting domains."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, NotFound
from sealtone.model import Announcements, Domain, Role
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store.bindings import delete_bindings_of


class DomainChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    language: str | None = None
    music_on_hold: bool | None = None
    open_notice: str | None = None
    open_notice_to: str | None = None


def create_domain(transaction: Transaction, actor: Actor, now_wall: float, name: str, account_id: int) -> Domain:
    """A new domain of an account. Raises `InvalidInput`, `Conflict`."""
    actor.authorise(account_id, "such account")
    domain_name = fields.domain_name(name)
    if rows.find_domain(transaction, domain_name) is not None:
        raise Conflict(f"The domain {domain_name} exists already.")
    domain_id = rows.insert_domain(transaction, account_id, domain_name, now_wall)
    _log(transaction, actor, now_wall, "create", Domain(domain_id, account_id, domain_name), after={"enabled": "yes"})
    return Domain(domain_id, account_id, domain_name)


def list_domains(transaction: Transaction, actor: Actor) -> tuple[Domain, ...]:
    """The domains that the actor may see."""
    return rows.read_domains(transaction, actor.account_id)


def set_domain_enabled(transaction: Transaction, actor: Actor, now_wall: float, name: str, *, enabled: bool) -> Domain:
    """Switches a domain on or off; off, nobody registers or calls in it."""
    domain = domain_of(transaction, actor, name)
    if domain.enabled != enabled:
        rows.update_domain(transaction, domain.id, enabled=enabled)
        before, after = ("yes", "no") if domain.enabled else ("no", "yes")
        _log(transaction, actor, now_wall, "change", domain, {"enabled": before}, {"enabled": after})
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
        _log(transaction, actor, now_wall, "change", domain, was, is_now)
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
            f"The domain {domain.name} still has {len(users)} SIP users. Delete them first, or ask for both."
        )
    delete_bindings_of(transaction.connection, [user.aor for user in users])
    for user in users:
        rows.delete_user(transaction, user.id)
    rows.delete_domain(transaction, domain.id)
    _log(transaction, actor, now_wall, "delete", domain, before={"users": ", ".join(user.username for user in users)})
    return domain


def domain_of(transaction: Transaction, actor: Actor, name: str, role: Role = Role.ADMIN) -> Domain:
    """A domain that the actor may change (or, for `Role.VIEWER`, see). Raises `NotFound` for any other, `Forbidden`."""
    domain_name = fields.domain_name(name)
    domain = rows.find_domain(transaction, domain_name)
    if domain is None:
        raise NotFound(f"There is no domain {domain_name}.")
    actor.authorise(domain.account_id, f"domain {domain_name}", role)
    return domain


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    action: str,
    domain: Domain,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    change = rows.Change(
        now_wall,
        domain.account_id,
        actor.name,
        actor.origin,
        action,
        f"domain {domain.name}",
        before or {},
        after or {},
    )
    rows.append_change(transaction, change)
