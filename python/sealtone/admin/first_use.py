"""What a new data folder starts with: an account, a domain and four SIP users with secrets to be shown once."""

from __future__ import annotations

import json
from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.domains import create_domain
from sealtone.admin.secret import digests_of
from sealtone.admin.sip_users import NewSecret, create_sip_user
from sealtone.model import Domain
from sealtone.store import Transaction
from sealtone.store import directory as rows

DEFAULT_DOMAIN = "sealtone.local"
FIRST_USERS = ("1000", "1001", "1002", "1003")
_UNSHOWN = "first_secrets"
_ACTOR = Actor("Sealtone", "first use")


class FirstUse(NamedTuple):
    """What was made, with its secrets."""

    domain: Domain
    users: tuple[NewSecret, ...]


def first_use(transaction: Transaction, now_wall: float, domain: str = DEFAULT_DOMAIN) -> FirstUse | None:
    """Fills an empty database; None (and no change) when that was done and its secrets were shown.

    Until `secrets_shown`, the secrets stay in the database, sealed, and are given again: a first start that fails
    after this, on a taken port for example, must not leave users whose secrets nobody knows.
    The domain need not exist in DNS: phones are given the server's address as their outbound proxy.
    """
    if rows.read_accounts(transaction):
        return _not_yet_shown(transaction)
    account_id = rows.insert_account(transaction, "First account", now_wall)
    created = create_domain(transaction, _ACTOR, now_wall, domain, account_id)
    users = tuple(
        create_sip_user(transaction, _ACTOR, now_wall, f"{username}@{created.name}") for username in FIRST_USERS
    )
    secrets = {made.user.username: made.secret for made in users}
    sealed = transaction.vault.seal(json.dumps([created.name, secrets]), _UNSHOWN)
    rows.write_setting(transaction, _UNSHOWN, sealed.hex())
    return FirstUse(created, users)


def secrets_shown(transaction: Transaction) -> None:
    """The secrets of the first use have been shown to somebody: forget them."""
    rows.delete_setting(transaction, _UNSHOWN)


def _not_yet_shown(transaction: Transaction) -> FirstUse | None:
    sealed = rows.read_setting(transaction, _UNSHOWN)
    if sealed is None:
        return None
    name, secrets = json.loads(transaction.vault.open_sealed(bytes.fromhex(sealed), _UNSHOWN))
    domain = rows.find_domain(transaction, name)
    if domain is None:
        return None
    users = []
    for username, secret in secrets.items():
        user = rows.find_user(transaction, domain.id, username)
        # One whose secret was changed meanwhile has been taken care of.
        if user is not None and user.ha1_md5 == digests_of(username, name, secret).md5:
            users.append(NewSecret(user, secret))
    return FirstUse(domain, tuple(users)) if users else None
