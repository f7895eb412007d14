"""What the use cases about people share: whom they may touch, and the change log's row."""

from __future__ import annotations

from sealtone.admin.actor import Actor
from sealtone.admin.errors import Forbidden, NotFound
from sealtone.model import Person, Role
from sealtone.store import Transaction, directory, people

NO_SUCH_PERSON = "There is no such person."


def person_of(transaction: Transaction, actor: Actor, person_id: int, role: Role = Role.OWNER) -> Person:
    """Somebody of the actor's account. Raises `NotFound` for anybody else, `Forbidden` where the role is too small."""
    person = people.find_person(transaction, person_id)
    if person is None:
        raise NotFound(NO_SUCH_PERSON)
    actor.authorise(person.account_id, "such person", role)
    return person


def own_person(transaction: Transaction, actor: Actor, person_id: int) -> Person:
    """The actor themself, or anybody for whoever operates the machine. Raises `NotFound`, `Forbidden`."""
    person = person_of(transaction, actor, person_id, Role.VIEWER)
    if actor.account_id is not None and actor.person_id != person_id:
        raise Forbidden("Everybody does this for themselves alone.")
    return person


def log_person(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    person: Person,
    before: dict[str, str],
    after: dict[str, str],
    action: str = "change",
) -> None:
    """Writes what was done to somebody."""
    log(transaction, actor, now_wall, person.account_id, f"person {person.email}", before, after, action)


def log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    account_id: int | None,
    subject: str,
    before: dict[str, str],
    after: dict[str, str],
    action: str = "change",
) -> None:
    """Writes a row of the change log; of nothing that changed, none."""
    if before or after:
        change = directory.Change(now_wall, account_id, actor.name, actor.origin, action, subject, before, after)
        directory.append_change(transaction, change)
