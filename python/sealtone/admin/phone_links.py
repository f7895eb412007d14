"""Links and QR codes that set up a phone: each works once, for ten minutes, until it is revoked.

A link carries nothing but its token. What the phone is told is the user's settings at the moment it asks, with HA1 in
place of the secret; so making a link changes no secret, and a phone that is in use keeps working.
"""

from __future__ import annotations

from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.domain_checks import leads_here
from sealtone.admin.errors import Conflict, NotFound
from sealtone.admin.links import NewLink, make_link, token_hash
from sealtone.admin.reach import read_reach
from sealtone.admin.sip_users import user_of
from sealtone.model import Role, SipUser
from sealtone.store import Transaction
from sealtone.store import directory as rows
from sealtone.store import links as link_rows
from sealtone.store.links import Link

PURPOSE = "phone"
LIFETIME_S = 600.0
MOST_OPEN = 10
_LONGEST_TOKEN = 64
_KEPT_S = 86_400.0


class PhoneLink(NamedTuple):
    """A link that still works, as a list shows it."""

    number: str
    """Names it; opens nothing."""
    created_at: float
    created_by: str
    expires_at: float


def phone_host(transaction: Transaction, domain: str, asked: str = "") -> str:
    """The host by which phones of a domain reach this server, and the panel on it; "" where nothing tells.

    The service's public name; else `asked`, by which whoever asks has reached it; else the domain, where DNS was found
    to lead from it to here; else an address of this machine, as it last ran.
    """
    reach = read_reach(transaction)
    if reach.name or asked:
        return reach.name or asked
    return domain if leads_here(transaction, domain) else next(iter(reach.addresses), "")


def make_phone_link(transaction: Transaction, actor: Actor, now_wall: float, aor: str) -> NewLink:
    """A link for one phone of this user; its token is shown once. Raises `NotFound`, `Forbidden`, `Conflict`."""
    user = user_of(transaction, actor, aor)
    link_rows.delete_expired_links(transaction, now_wall - _KEPT_S)
    if len(_open_links(transaction, user, now_wall)) >= MOST_OPEN:
        raise Conflict(
            "{most} links for {aor} are open already. Revoke one, or wait some minutes.", most=MOST_OPEN, aor=user.aor
        )
    made = make_link(
        transaction,
        PURPOSE,
        now_wall,
        LIFETIME_S,
        account_id=user.account_id,
        subject=user.aor,
        created_by=actor.name,
    )
    _log(transaction, actor, now_wall, user, "", "made")
    return made


def list_phone_links(transaction: Transaction, actor: Actor, now_wall: float, aor: str) -> tuple[PhoneLink, ...]:
    """Those of a user that still work, newest first. Raises `NotFound`."""
    user = user_of(transaction, actor, aor, Role.VIEWER)
    return tuple(
        PhoneLink(link.number, link.created_at, link.created_by, link.expires_at)
        for link in _open_links(transaction, user, now_wall)
    )


def revoke_phone_link(transaction: Transaction, actor: Actor, now_wall: float, aor: str, number: str) -> None:
    """It works no longer. Raises `NotFound`, `Forbidden`."""
    user = user_of(transaction, actor, aor)
    if number not in [link.number for link in _open_links(transaction, user, now_wall)]:
        raise NotFound("There is no such link: it was used, it has expired, or it was revoked.")
    link_rows.delete_link(transaction, number)
    _log(transaction, actor, now_wall, user, "made", "revoked")


def is_open_phone_link(transaction: Transaction, now_wall: float, token: str) -> bool:
    """Whether `redeem_phone_link` has anything to look at: guesses need no transaction that writes.

    It is found by its hash, so that how long this takes tells nothing of other tokens.
    """
    return link_rows.find_open_link(transaction, token_hash(token[:_LONGEST_TOKEN]), PURPOSE, now_wall) is not None


def redeem_phone_link(transaction: Transaction, now_wall: float, token: str, origin: str) -> SipUser | None:
    """Whose phone this token sets up, and it works no more; None, whatever is wrong with it."""
    link = link_rows.find_open_link(transaction, token_hash(token[:_LONGEST_TOKEN]), PURPOSE, now_wall)
    if link is None or not link_rows.use_link(transaction, link.number, now_wall, origin):
        return None
    username, _, domain_name = link.subject.rpartition("@")
    domain = rows.find_domain(transaction, domain_name)
    account = rows.find_account(transaction, domain.account_id) if domain is not None else None
    if domain is None or account is None or not (domain.enabled and account.enabled):
        return None
    user = rows.find_user(transaction, domain.id, username)
    # A user of the same name that was made since is another one.
    if user is None or not user.enabled or (rows.user_made_at(transaction, user.id) or 0.0) > link.created_at:
        return None
    return user


def _open_links(transaction: Transaction, user: SipUser, now_wall: float) -> tuple[Link, ...]:
    return link_rows.read_open_links(transaction, PURPOSE, now_wall, user.account_id, user.aor)


def _log(transaction: Transaction, actor: Actor, now_wall: float, user: SipUser, before: str, after: str) -> None:
    rows.append_change(
        transaction,
        rows.Change(
            now_wall,
            user.account_id,
            actor.name,
            actor.origin,
            "change",
            f"SIP user {user.aor}",
            {"phone_link": before},
            {"phone_link": after},
        ),
    )
