"""Tokens that open something once: 256 random bits, of which the database has the SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from sealtone.admin.errors import NotFound
from sealtone.store import Transaction
from sealtone.store import links as rows
from sealtone.store.links import Link

_TOKEN_OCTETS = 32
_NUMBER_OCTETS = 9
_LONGEST_TOKEN = 64
LINK_DAY_S = 86_400.0

DEAD_LINK = "This link does not work: it was used, it has expired, or a newer one has taken its place."


class NewLink(NamedTuple):
    """A link with its token, which is shown once: only its hash is kept."""

    token: str
    link: Link


def new_token() -> str:
    """256 random bits in base64url."""
    return secrets.token_urlsafe(_TOKEN_OCTETS)


def new_number() -> str:
    """A random name for what is listed and opens nothing. It never begins with "-", as an option of a command does."""
    return secrets.token_hex(_NUMBER_OCTETS)


def token_hash(token: str) -> bytes:
    """What is kept of a token: SHA-256. A random token needs no slower one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def make_link(
    transaction: Transaction,
    purpose: str,
    now_wall: float,
    lifetime_s: float,
    *,
    account_id: int | None = None,
    person_id: int | None = None,
    subject: str = "",
    content: str = "",
    created_by: str = "",
) -> NewLink:
    """Makes a link that works once until `now_wall` + `lifetime_s`. Nothing is authorised here."""
    token = new_token()
    expires_at = now_wall + lifetime_s
    link = Link(new_number(), purpose, account_id, person_id, subject, content, now_wall, created_by, expires_at)
    rows.insert_link(transaction, token_hash(token), link)
    return NewLink(token, link)


def open_link(transaction: Transaction, purpose: str, token: str, now_wall: float) -> Link:
    """What a token opens. Raises `NotFound`, in the same words whatever is wrong with it."""
    link = rows.find_open_link(transaction, token_hash(token[:_LONGEST_TOKEN]), purpose, now_wall)
    if link is None:
        raise NotFound(DEAD_LINK)
    return link


def use_link(transaction: Transaction, purpose: str, token: str, now_wall: float, origin: str) -> Link:
    """The same, and it works no more; of two at once, one succeeds. Raises `NotFound`."""
    link = open_link(transaction, purpose, token, now_wall)
    if not rows.use_link(transaction, link.number, now_wall, origin):
        raise NotFound(DEAD_LINK)
    return link
