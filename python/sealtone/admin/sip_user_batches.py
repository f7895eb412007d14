"""Many SIP users at once: made from a range or a list, changed or deleted together; all of them or none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sealtone.admin import fields
from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of
from sealtone.admin.errors import Conflict, InvalidInput
from sealtone.admin.sip_users import (
    NewSecret,
    SipUserChange,
    check_room,
    create_in,
    delete_sip_user,
    update_sip_user,
)
from sealtone.model import SipUser
from sealtone.store import Transaction
from sealtone.store.sip_users import usernames_in

MOST_AT_ONCE = 1000
_RANGE = re.compile(r"(\d{1,15})\s*[-–—]\s*(\d{1,15})")
_SEPARATORS = re.compile(r"[\s,;]+")
_MOST_SHOWN = 5


def usernames_of(text: str) -> tuple[str, ...]:
    """User names from a list with ranges, such as ``1000-1049, 2000 anna``; leading zeros stay. Raises `InvalidInput`.

    A word that only looks like a range (``anna-2``) is a name.
    """
    joined = _RANGE.sub(lambda found: f"{found[1]}-{found[2]}", text)
    names: dict[str, None] = {}
    for word in filter(None, _SEPARATORS.split(joined)):
        found = _RANGE.fullmatch(word)
        for name in _range(word, found[1], found[2]) if found else (_username(word),):
            names[name] = None
        if len(names) > MOST_AT_ONCE:
            raise InvalidInput("numbers", "At most {most} SIP users can be added at once.", most=MOST_AT_ONCE)
    if not names:
        raise InvalidInput("numbers", "Enter numbers or names, such as 1000-1049, or 2000 anna.")
    return tuple(names)


def _range(word: str, first: str, last: str) -> list[str]:
    low, high = int(first), int(last)
    if high < low or len(last) < len(first):
        raise InvalidInput("numbers", "“{range}” is not a range: it ends before it begins.", range=word)
    if high - low >= MOST_AT_ONCE:
        raise InvalidInput("numbers", "At most {most} SIP users can be added at once.", most=MOST_AT_ONCE)
    return [str(number).zfill(len(first)) for number in range(low, high + 1)]


def _username(word: str) -> str:
    try:
        return fields.username(word)
    except InvalidInput as error:
        raise InvalidInput("numbers", error.template, **error.values) from None


def create_sip_users(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    domain: str,
    numbers: str,
    form: SipUserChange,
    name: str = "",
) -> tuple[NewSecret, ...]:
    """New SIP users of one domain, alike but for their names; each with a secret of its own, given once.

    `name`: what is shown of each, in which ``{number}`` stands for its user name. Raises `InvalidInput`, `NotFound`,
    `Conflict`, and then none was made.
    """
    home = domain_of(transaction, actor, domain)
    usernames = usernames_of(numbers)
    present = usernames_in(transaction, home.id)
    taken = [username for username in usernames if username in present]
    if taken:
        shown = ", ".join(taken[:_MOST_SHOWN]) + (" …" if len(taken) > _MOST_SHOWN else "")
        raise InvalidInput("numbers", "These exist already: {users}. Nothing was added.", users=shown)
    check_room(transaction, home.account_id, len(usernames))
    return tuple(
        create_in(
            transaction,
            actor,
            now_wall,
            home,
            username,
            form._replace(display_name=name.replace("{number}", username)),
        )
        for username in usernames
    )


def update_sip_users(
    transaction: Transaction, actor: Actor, now_wall: float, aors: Sequence[str], form: SipUserChange
) -> tuple[SipUser, ...]:
    """Changes what the form names of each. Raises `InvalidInput`, `NotFound`, and then none was changed."""
    _check_count(aors)
    changed = []
    for aor in aors:
        try:
            changed.append(update_sip_user(transaction, actor, now_wall, aor, form))
        except InvalidInput as error:
            raise Conflict("{user}: {why} Nothing was changed.", user=aor, why=str(error)) from error
    return tuple(changed)


def delete_sip_users(transaction: Transaction, actor: Actor, now_wall: float, aors: Sequence[str]) -> int:
    """Deletes each with its registrations; gives how many. Raises `NotFound`, and then none was deleted."""
    _check_count(aors)
    for aor in aors:
        delete_sip_user(transaction, actor, now_wall, aor)
    return len(aors)


def _check_count(aors: Sequence[str]) -> None:
    if not aors:
        raise InvalidInput("users", "Choose at least one SIP user.")
    if len(aors) > MOST_AT_ONCE:
        raise InvalidInput("users", "At most {most} SIP users can be changed at once.", most=MOST_AT_ONCE)
