"""Signing in, and the sessions that come of it. Tokens and cookies are the panel's business; whose they are is ours."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin import person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput, NotFound
from sealtone.admin.links import NewLink
from sealtone.admin.people import MAILED_PASSWORD_LINK_S, new_password_link
from sealtone.admin.person_log import own_person
from sealtone.admin.second_factors import SecondFactor, second_factor_of
from sealtone.model import Person
from sealtone.store import Transaction, credentials, directory, people
from sealtone.store.credentials import SessionRow


class SignInFacts(NamedTuple):
    """What there is to check a password against."""

    person: Person
    password_hash: str
    factor: SecondFactor

    def __repr__(self) -> str:
        return f"SignInFacts({self.person.email})"


def sign_in_facts(transaction: Transaction, email: str) -> SignInFacts | None:
    """For an address as it was entered; None where nobody can sign in with it, which nobody is told."""
    try:
        address = person_fields.email(email)
    except InvalidInput:
        return None
    person = people.find_person_by_email(transaction, address)
    return _facts(transaction, person) if person is not None and may_sign_in(transaction, person) else None


def facts_of(transaction: Transaction, person_id: int) -> SignInFacts | None:
    """The same for somebody who is known; None where they cannot sign in any more."""
    person = people.find_person(transaction, person_id)
    return _facts(transaction, person) if person is not None and may_sign_in(transaction, person) else None


def may_sign_in(transaction: Transaction, person: Person) -> bool:
    """Whether neither they nor their account is switched off."""
    account = directory.find_account(transaction, person.account_id)
    return person.enabled and account is not None and account.enabled


def renew_hash(transaction: Transaction, person_id: int, outdated: str, password_hash: str) -> None:
    """Replaces the hash of a password that was just right by one with the present parameters."""
    if people.read_password_hash(transaction, person_id) == outdated:
        people.set_password_hash(transaction, person_id, password_hash)


def forgotten_password(transaction: Transaction, now_wall: float, email: str) -> tuple[NewLink, Person] | None:
    """A link to be e-mailed to whoever forgot their password; None for an address that nobody signs in with.

    It works for an hour. The same is said in any case to whoever asked.
    """
    facts = sign_in_facts(transaction, email)
    if facts is None:
        return None
    person = facts.person
    return new_password_link(transaction, now_wall, person, MAILED_PASSWORD_LINK_S, person.email), person


def list_sessions(
    transaction: Transaction, actor: Actor, person_id: int, now_wall: float, seen_after: float
) -> tuple[SessionRow, ...]:
    """Where somebody is signed in: for themselves. Raises `NotFound`, `Forbidden`."""
    own_person(transaction, actor, person_id)
    return credentials.read_sessions(transaction, person_id, now_wall, seen_after)


def end_session(transaction: Transaction, actor: Actor, person_id: int, number: str) -> None:
    """Ends one of one's own. Raises `NotFound`, `Forbidden`."""
    own_person(transaction, actor, person_id)
    if not credentials.delete_sessions(transaction, person_id, number=number):
        raise NotFound("There is no such session.")


def end_sessions(transaction: Transaction, actor: Actor, person_id: int, besides: bytes | None = None) -> int:
    """Ends all of one's own, besides the present one (by its token's hash); gives how many."""
    own_person(transaction, actor, person_id)
    return credentials.delete_sessions(transaction, person_id, besides=besides)


def _facts(transaction: Transaction, person: Person) -> SignInFacts:
    password_hash = people.read_password_hash(transaction, person.id)
    return SignInFacts(person, password_hash, second_factor_of(transaction, person))
