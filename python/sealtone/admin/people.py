"""People of an account: the first owner, invitations, roles, passwords, and taking leave."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import NamedTuple

from sealtone.admin import person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import Conflict, Forbidden, InvalidInput, NotFound
from sealtone.admin.links import DEAD_LINK, LINK_DAY_S, NewLink, make_link, open_link, use_link
from sealtone.admin.passkeys import NewPasskey, insert_passkey, is_name
from sealtone.admin.person_log import NO_SUCH_PERSON, log, log_person, own_person, person_of
from sealtone.admin.service import SignUp, service_settings
from sealtone.model import Person, Role
from sealtone.store import Transaction, credentials, directory, people
from sealtone.store import links as link_rows
from sealtone.store.links import Link

OWNER_LINK, INVITATION, ACCOUNT_INVITATION, NEW_PASSWORD, NEW_EMAIL = (
    "owner",
    "invitation",
    "account",
    "password",
    "email",
)
INVITATION_S = 7 * LINK_DAY_S
OWNER_LINK_S = LINK_DAY_S
PASSWORD_LINK_S = LINK_DAY_S
MAILED_PASSWORD_LINK_S = 3600.0
EMAIL_LINK_S = LINK_DAY_S
_MOST_PEOPLE = 200
_MOST_INVITATIONS = 50
_LAST_OWNER = "An account has at least one owner. Make somebody else an owner first."
_LAST_OPERATOR = "Somebody has to operate this service. Let another owner do so first."
FIRST_PASSKEY = "First passkey"


class Newcomer(NamedTuple):
    """What somebody new enters, with one way to sign in: the hash of a password, or a passkey that was verified."""

    name: str
    email: str = ""
    account_name: str = ""
    password_hash: str = ""
    passkey: NewPasskey | None = None
    handle: bytes = b""
    """By which the passkey calls them."""
    language: str = ""


class ProfileChange(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    name: str | None = None
    language: str | None = None
    theme: str | None = None


def owner_link(transaction: Transaction, now_wall: float) -> NewLink | None:
    """A link for the first account's first owner, who also operates the service; None once there is one.

    Whoever runs this on the machine may have it. It works for a day, and those of before do not work any more.
    """
    accounts = directory.read_accounts(transaction)
    if not accounts or people.count_owners(transaction, accounts[0].id) or people.count_operators(transaction):
        return None
    link_rows.delete_links_of(transaction, OWNER_LINK)
    return make_link(transaction, OWNER_LINK, now_wall, OWNER_LINK_S, account_id=accounts[0].id)


def accept_owner(
    transaction: Transaction, now_wall: float, token: str, newcomer: Newcomer, origin: str, host: str = ""
) -> Person:
    """Makes the first owner, who came by a name (`host`) that becomes the service's own if it has none.

    Raises `NotFound` for a token that does not work, `InvalidInput`.
    """
    link = use_link(transaction, OWNER_LINK, token, now_wall, origin)
    account_id = _account_id_of(link)
    if people.count_owners(transaction, account_id):
        raise NotFound(DEAD_LINK)
    _name_account(transaction, account_id, newcomer.account_name)
    name, _, _ = host.strip().lower().partition(":")
    if is_name(name) and "." in name and not service_settings(transaction).public_name:
        directory.write_setting(transaction, "public_name", name.rstrip("."))
    return add_newcomer(transaction, now_wall, newcomer, newcomer.email, account_id, Role.OWNER, origin, operator=True)


def list_people(transaction: Transaction, actor: Actor) -> tuple[Person, ...]:
    """The people of the actor's account; of all, for whoever operates the machine."""
    return people.read_people(transaction, actor.account_id)


def person_by_email(transaction: Transaction, actor: Actor, email: str) -> Person:
    """Somebody of the actor's account by their address. Raises `InvalidInput`, `NotFound`, `Forbidden`."""
    person = people.find_person_by_email(transaction, person_fields.email(email))
    if person is None:
        raise NotFound(NO_SUCH_PERSON)
    return person_of(transaction, actor, person.id)


def invite(transaction: Transaction, actor: Actor, now_wall: float, account_id: int, email: str, role: str) -> NewLink:
    """A link by which somebody joins the account within seven days; a newer one for the same address replaces it.

    Raises `InvalidInput`, `Conflict`, `NotFound`, `Forbidden`.
    """
    actor.authorise(account_id, "such account", Role.OWNER)
    if directory.find_account(transaction, account_id) is None:
        raise NotFound("There is no such account.")
    address, wanted = person_fields.email(email), person_fields.role(role)
    known = people.find_person_by_email(transaction, address)
    if known is not None and known.account_id == account_id:
        raise InvalidInput("email", "This person is in the account already.")
    waiting = link_rows.read_open_links(transaction, INVITATION, now_wall, account_id)
    if len(waiting) >= _MOST_INVITATIONS or len(people.read_people(transaction, account_id)) >= _MOST_PEOPLE:
        raise Conflict("There are too many people or open invitations. Remove some first.")
    for link in waiting:
        if link.subject == address:
            link_rows.delete_link(transaction, link.number)
    made = make_link(
        transaction,
        INVITATION,
        now_wall,
        INVITATION_S,
        account_id=account_id,
        subject=address,
        content=json.dumps({"role": wanted.value}),
        created_by=actor.name,
    )
    log(transaction, actor, now_wall, account_id, f"invitation {address}", {}, {"role": wanted.value}, "create")
    return made


def list_invitations(transaction: Transaction, actor: Actor, now_wall: float) -> tuple[Link, ...]:
    """The open invitations into the actor's account. Raises `Forbidden`."""
    if actor.account_id is not None:
        actor.authorise(actor.account_id, "such account", Role.OWNER)
    return link_rows.read_open_links(transaction, INVITATION, now_wall, actor.account_id)


def role_of_invitation(link: Link) -> Role:
    """Which role it gives."""
    return Role(json.loads(link.content)["role"]) if link.purpose == INVITATION else Role.OWNER


def revoke_invitation(transaction: Transaction, actor: Actor, now_wall: float, number: str) -> None:
    """It does not work any more. Raises `NotFound`, `Forbidden`."""
    for link in list_invitations(transaction, actor, now_wall):
        if link.number == number:
            link_rows.delete_link(transaction, number)
            subject = f"invitation {link.subject}"
            log(transaction, actor, now_wall, link.account_id, subject, {"state": "open"}, {}, "delete")
            return
    raise NotFound("There is no such invitation.")


def open_invitation(transaction: Transaction, token: str, now_wall: float) -> Link:
    """What an invitation's token opens, into an account or for an account of one's own. Raises `NotFound`."""
    try:
        link = open_link(transaction, INVITATION, token, now_wall)
    except NotFound:
        link = open_link(transaction, ACCOUNT_INVITATION, token, now_wall)
        if service_settings(transaction).sign_up is SignUp.CLOSED:
            raise NotFound(DEAD_LINK) from None
        return link
    account = directory.find_account(transaction, _account_id_of(link))
    if account is None or not account.enabled:
        raise NotFound(DEAD_LINK)
    return link


def accept_invitation(transaction: Transaction, now_wall: float, token: str, newcomer: Newcomer, origin: str) -> Person:
    """Joins the account, or makes one. Raises `NotFound` for a token that does not work, `InvalidInput`, `Conflict`."""
    link = open_invitation(transaction, token, now_wall)
    use_link(transaction, link.purpose, token, now_wall, origin)
    if people.find_person_by_email(transaction, link.subject) is not None:
        raise Conflict("This address signs in to another account already. Ask to be invited with another address.")
    if link.purpose == INVITATION:
        account_id = _account_id_of(link)
    else:
        account_id = new_account(transaction, now_wall, newcomer.account_name, link.subject, origin)
    return add_newcomer(transaction, now_wall, newcomer, link.subject, account_id, role_of_invitation(link), origin)


def new_account(transaction: Transaction, now_wall: float, name: str, actor: str, origin: str) -> int:
    """Makes an account, with its row in the change log; gives its id. Nothing is authorised here."""
    called = person_fields.name(name, "account_name")
    account_id = directory.insert_account(transaction, called, now_wall)
    who = Actor(actor, origin)
    log(transaction, who, now_wall, account_id, f"account {called}", {}, {"enabled": "yes"}, "create")
    return account_id


def add_person(
    transaction: Transaction, actor: Actor, now_wall: float, account_id: int, email: str, name: str, role: str
) -> tuple[Person, NewLink]:
    """Somebody without a way to sign in, and the link by which they choose one: for whoever operates the machine.

    Raises `InvalidInput`, `NotFound`, `Forbidden`.
    """
    if actor.account_id is not None:
        raise Forbidden("Invite them instead.")
    if directory.find_account(transaction, account_id) is None:
        raise NotFound("There is no such account.")
    newcomer = Newcomer(name)
    person = add_newcomer(
        transaction, now_wall, newcomer, email, account_id, person_fields.role(role), actor.origin, by=actor
    )
    return person, password_link(transaction, actor, now_wall, person.id)


def change_role(transaction: Transaction, actor: Actor, now_wall: float, person_id: int, role: str) -> Person:
    """What somebody may do from now on; they sign in again. Raises `AdminError` of every kind."""
    person = _managed(transaction, actor, person_id)
    wanted = person_fields.role(role)
    if wanted is person.role:
        return person
    if person.role is Role.OWNER:
        _check_not_last(transaction, person)
    changed = replace(person, role=wanted, operator=person.operator and wanted is Role.OWNER)
    people.update_person(transaction, changed)
    credentials.delete_sessions(transaction, person_id)
    log_person(transaction, actor, now_wall, person, {"role": person.role.value}, {"role": wanted.value})
    return changed


def set_person_enabled(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, *, enabled: bool
) -> Person:
    """Lets somebody in or keeps them out; kept out, their sessions end. Raises `NotFound`, `Forbidden`, `Conflict`."""
    person = _managed(transaction, actor, person_id)
    if person.enabled == enabled:
        return person
    if not enabled:
        _check_not_last(transaction, person)
        credentials.delete_sessions(transaction, person_id)
    changed = replace(person, enabled=enabled)
    people.update_person(transaction, changed)
    before, after = ("no", "yes") if enabled else ("yes", "no")
    log_person(transaction, actor, now_wall, person, {"enabled": before}, {"enabled": after})
    return changed


def set_operator(transaction: Transaction, actor: Actor, now_wall: float, person_id: int, *, operator: bool) -> Person:
    """Whether an owner may change the service's own settings. Raises `Forbidden`, `NotFound`, `Conflict`."""
    actor.authorise_operating()
    person = people.find_person(transaction, person_id)
    if person is None or (actor.account_id is not None and person.account_id != actor.account_id):
        raise NotFound(NO_SUCH_PERSON)
    if operator and person.role is not Role.OWNER:
        raise Conflict("Only an owner can operate the service.")
    if person.operator and not operator and people.count_operators(transaction) <= 1:
        raise Conflict(_LAST_OPERATOR)
    if person.operator != operator:
        people.update_person(transaction, replace(person, operator=operator))
        before, after = ("no", "yes") if operator else ("yes", "no")
        log_person(transaction, actor, now_wall, person, {"operator": before}, {"operator": after})
    return replace(person, operator=operator)


def remove_person(transaction: Transaction, actor: Actor, now_wall: float, person_id: int) -> Person:
    """Deletes somebody with all their ways to sign in. Raises `NotFound`, `Forbidden`; `Conflict`: the last owner."""
    person = _managed(transaction, actor, person_id)
    _check_not_last(transaction, person)
    people.delete_person(transaction, person_id)
    before = {"name": person.name, "role": person.role.value}
    log_person(transaction, actor, now_wall, person, before, {}, "delete")
    return person


def update_profile(
    transaction: Transaction, actor: Actor, now_wall: float, person_id: int, form: ProfileChange
) -> Person:
    """Changes one's own name, language and theme. Raises `InvalidInput`, `NotFound`, `Forbidden`."""
    person = own_person(transaction, actor, person_id)
    changed = replace(
        person,
        name=person.name if form.name is None else person_fields.name(form.name),
        language=person.language if form.language is None else person_fields.language(form.language),
        theme=person.theme if form.theme is None else person_fields.theme(form.theme),
    )
    people.update_person(transaction, changed)
    before, after = ({name: getattr(each, name) for name in ProfileChange._fields} for each in (person, changed))
    names = [name for name in before if before[name] != after[name]]
    was, is_now = ({name: shown[name] for name in names} for shown in (before, after))
    log_person(transaction, actor, now_wall, person, was, is_now)
    return changed


def set_password(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    person_id: int,
    password_hash: str,
    session: bytes | None = None,
) -> None:
    """A new password, hashed; empty: none any more, which needs a passkey. Every session but the present one ends.

    Raises `NotFound`, `Forbidden`, `Conflict`.
    """
    person = own_person(transaction, actor, person_id)
    if not password_hash and not credentials.read_passkeys(transaction, person_id):
        raise Conflict("Without a password you need a passkey. Add one first.")
    people.set_password_hash(transaction, person_id, password_hash)
    link_rows.delete_links_of(transaction, NEW_PASSWORD, person_id=person_id)
    credentials.delete_sessions(transaction, person_id, besides=session)
    log_person(
        transaction,
        actor,
        now_wall,
        person,
        {"password": "••••" if person.has_password else ""},
        {"password": "•••• (new)" if password_hash else "removed"},
    )


def password_link(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    person_id: int,
    *,
    without_second_factor: bool = False,
) -> NewLink:
    """A link by which somebody of the account sets a new password within a day; made by an owner, or on the machine.

    `without_second_factor` also takes away their authenticator app, passkeys and recovery codes, when these are lost.
    Raises `NotFound`, `Forbidden`.
    """
    person = _managed(transaction, actor, person_id)
    after = {"password": "link made"}
    if without_second_factor:
        people.set_totp(transaction, person_id, "")
        for passkey in credentials.read_passkeys(transaction, person_id):
            credentials.delete_passkey(transaction, passkey.credential_id)
        credentials.replace_recovery_codes(transaction, person_id, ())
        after["second factor"] = "removed"
    log_person(transaction, actor, now_wall, person, {}, after)
    return new_password_link(transaction, now_wall, person, PASSWORD_LINK_S, actor.name)


def new_password_link(
    transaction: Transaction, now_wall: float, person: Person, lifetime_s: float, created_by: str
) -> NewLink:
    """The link itself; those of before do not work any more. Nothing is authorised here."""
    link_rows.delete_links_of(transaction, NEW_PASSWORD, person_id=person.id)
    return make_link(
        transaction,
        NEW_PASSWORD,
        now_wall,
        lifetime_s,
        account_id=person.account_id,
        person_id=person.id,
        subject=person.email,
        created_by=created_by,
    )


def open_password_link(transaction: Transaction, token: str, now_wall: float) -> Person:
    """Whose new password it is. Raises `NotFound`."""
    link = open_link(transaction, NEW_PASSWORD, token, now_wall)
    person = people.find_person(transaction, link.person_id) if link.person_id is not None else None
    if person is None or not person.enabled:
        raise NotFound(DEAD_LINK)
    return person


def take_password_link(
    transaction: Transaction, now_wall: float, token: str, password_hash: str, origin: str
) -> Person:
    """Sets the new password; every session ends, and a second factor is still asked for. Raises `NotFound`."""
    person = open_password_link(transaction, token, now_wall)
    link = use_link(transaction, NEW_PASSWORD, token, now_wall, origin)
    people.set_password_hash(transaction, person.id, password_hash)
    if link.created_by == person.email:  # it came by e-mail, so that the address is theirs
        person = replace(person, email_verified_at=now_wall)
        people.update_person(transaction, person)
    credentials.delete_sessions(transaction, person.id)
    actor = Actor(person.email, origin, person.account_id, person.role, person.id)
    log_person(transaction, actor, now_wall, person, {}, {"password": "•••• (new, by link)"})
    return person


def change_email(transaction: Transaction, actor: Actor, now_wall: float, person_id: int, email: str) -> Person:
    """Another address at once, not verified: where no e-mail can be sent. Raises `InvalidInput`, `NotFound`."""
    person = own_person(transaction, actor, person_id)
    return _set_email(transaction, actor, now_wall, person, person_fields.email(email), verified_at=None)


def email_link(transaction: Transaction, actor: Actor, now_wall: float, person_id: int, email: str) -> NewLink | None:
    """A link to be sent to the new address; None where that is somebody's. Raises `InvalidInput`, `NotFound`."""
    person = own_person(transaction, actor, person_id)
    address = person_fields.email(email)
    link_rows.delete_links_of(transaction, NEW_EMAIL, person_id=person_id)
    known = people.find_person_by_email(transaction, address)
    if known is not None and known.id != person_id:
        return None
    return make_link(
        transaction,
        NEW_EMAIL,
        now_wall,
        EMAIL_LINK_S,
        account_id=person.account_id,
        person_id=person_id,
        subject=address,
        created_by=actor.name,
    )


def take_email_link(transaction: Transaction, now_wall: float, token: str, origin: str) -> Person:
    """The address in the link is the person's, and verified. Raises `NotFound`."""
    link = use_link(transaction, NEW_EMAIL, token, now_wall, origin)
    person = people.find_person(transaction, link.person_id) if link.person_id is not None else None
    if person is None:
        raise NotFound(DEAD_LINK)
    actor = Actor(person.email, origin, person.account_id, person.role, person.id)
    return _set_email(transaction, actor, now_wall, person, link.subject, verified_at=now_wall)


def _managed(transaction: Transaction, actor: Actor, person_id: int) -> Person:
    """Somebody whom an owner decides about. An operator's ways in are an operator's business, for they lead further."""
    person = person_of(transaction, actor, person_id)
    if person.operator:
        actor.authorise_operating()
    return person


def _set_email(
    transaction: Transaction, actor: Actor, now_wall: float, person: Person, email: str, *, verified_at: float | None
) -> Person:
    known = people.find_person_by_email(transaction, email)
    if known is not None and known.id != person.id:
        raise InvalidInput("email", "This address cannot be used.")
    changed = replace(person, email=email, email_verified_at=verified_at)
    if (person.email, person.email_verified_at) != (email, verified_at):
        people.update_person(transaction, changed)
        before, after = _shown_email(person), _shown_email(changed)
        log_person(transaction, actor, now_wall, person, before, after)
    return changed


def _shown_email(person: Person) -> dict[str, str]:
    return {"email": person.email, "email verified": "no" if person.email_verified_at is None else "yes"}


def add_newcomer(
    transaction: Transaction,
    now_wall: float,
    newcomer: Newcomer,
    email: str,
    account_id: int,
    role: Role,
    origin: str,
    *,
    operator: bool = False,
    verified_at: float | None = None,
    by: Actor | None = None,
) -> Person:
    """Writes somebody new. Nothing is authorised here, but by whoever `by` is. Raises `InvalidInput`."""
    person = Person(
        id=0,
        account_id=account_id,
        email=person_fields.email(email),
        name=person_fields.name(newcomer.name),
        role=role,
        operator=operator,
        enabled=True,
        has_password=bool(newcomer.password_hash),
        has_totp=False,
        email_verified_at=verified_at,
        language=person_fields.language(newcomer.language),
        theme="",
        created_at=now_wall,
        webauthn_handle=newcomer.handle or people.new_handle(),
    )
    if people.find_person_by_email(transaction, person.email) is not None:
        raise InvalidInput("email", "This address cannot be used.")
    if by is None and not newcomer.password_hash and newcomer.passkey is None:
        raise InvalidInput("password", "Choose a password, or continue with a passkey.")
    person = replace(person, id=people.insert_person(transaction, person, newcomer.password_hash))
    if newcomer.passkey is not None:
        insert_passkey(transaction, now_wall, person.id, newcomer.passkey, FIRST_PASSKEY)
    actor = by or Actor(person.email, origin, account_id, role, person.id)
    after = {"name": person.name, "role": role.value} | ({"operator": "yes"} if operator else {})
    log_person(transaction, actor, now_wall, person, {}, after, "create")
    return person


def _account_id_of(link: Link) -> int:
    if link.account_id is None:
        raise NotFound(DEAD_LINK)
    return link.account_id


def _name_account(transaction: Transaction, account_id: int, name: str) -> None:
    account = directory.find_account(transaction, account_id)
    if account is not None and name.strip():
        people.set_account(
            transaction, account_id, name=person_fields.name(name, "account_name"), enabled=account.enabled
        )


def _check_not_last(transaction: Transaction, person: Person) -> None:
    if person.role is Role.OWNER and person.enabled:
        if people.count_owners(transaction, person.account_id) <= 1:
            raise Conflict(_LAST_OWNER)
        if person.operator and people.count_operators(transaction) <= 1:
            raise Conflict(_LAST_OPERATOR)
