"""What a new data folder starts with: an account, a domain and four SIP users whose secrets are shown once."""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.domains import create_domain
from sealtone.admin.sip_users import NewSecret, create_sip_user
from sealtone.model import Domain
from sealtone.store import Transaction
from sealtone.store import directory as rows

DEFAULT_DOMAIN = "sealtone.local"
FIRST_USERS = ("1000", "1001", "1002", "1003")
_ACTOR = Actor("Sealtone", "first use")


class FirstUse(NamedTuple):
    """What was made, secrets included; not kept anywhere."""

    domain: Domain
    users: tuple[NewSecret, ...]


def first_use(transaction: Transaction, now_wall: float, domain: str = DEFAULT_DOMAIN) -> FirstUse | None:
    """Fills an empty database; None (and no change) when there is an account already.

    The domain need not exist in DNS: phones are given the server's address as their outbound proxy.
    """
    if rows.read_accounts(transaction):
        return None
    account_id = rows.insert_account(transaction, "First account", now_wall)
    created = create_domain(transaction, _ACTOR, now_wall, domain, account_id)
    users = tuple(
        create_sip_user(transaction, _ACTOR, now_wall, f"{username}@{created.name}") for username in FIRST_USERS
    )
    return FirstUse(created, users)
