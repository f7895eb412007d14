"""API keys: made once and shown once, bounded by scopes and by the person who made them.

A key may never do more than its maker may at that moment: somebody who is removed or lowered takes their keys along.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.errors import AdminError, Conflict, Forbidden, InvalidInput, NotFound
from sealtone.model import Role
from sealtone.store import Transaction, directory
from sealtone.store import api_keys as rows
from sealtone.store.api_keys import ApiKey

TOKEN_PREFIX = "stk_"
_TOKEN_OCTETS = 32
_SHOWN = 12
_LONGEST_NAME = 64
_LONGEST_TOKEN = 128
_MOST_KEYS = 100
_USED_WITHIN_S = 60.0


class Scope(StrEnum):
    """What a key is for. Each lets look at what it lets change."""

    READ = "read"
    """Look at everything in the account, change nothing."""
    USERS = "users"
    DOMAINS = "domains"
    CALLS = "calls"
    """Hang up, have recorded, say that a SAS matches; and live events."""
    RECORDINGS = "recordings"
    """Download (sealed) and delete."""
    PEOPLE = "people"
    ACCOUNT = "account"
    """The account's settings, API keys, webhooks, and taking changes back."""
    SERVICE = "service"
    """The service's own settings; only for whoever operates it."""
    METRICS = "metrics"
    ALL = "all"


class Unauthenticated(AdminError):
    """No such key, or it is not valid any more. Which of the two is not said."""


class NewApiKey(NamedTuple):
    """A key with what authenticates it, to be shown once."""

    key: ApiKey
    token: str


class KeyUser(NamedTuple):
    """Who calls with a key."""

    key: ApiKey
    actor: Actor
    scopes: frozenset[Scope]
    is_operators: bool = False
    """Whether whoever made it operates the service; the actor does only where the key is for that."""

    def may(self, wanted: Collection[Scope]) -> bool:
        """Whether one of these scopes is among the key's."""
        return Scope.ALL in self.scopes or not self.scopes.isdisjoint(wanted)


def create_api_key(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    name: str,
    scopes: Iterable[str],
    expires_at: float | None = None,
    account_id: int | None = None,
    granted: frozenset[Scope] | None = None,
    ends_by: float | None = None,
) -> NewApiKey:
    """A new key of the actor's account; `account_id` names it where the actor has none (the command line).

    `granted`, `ends_by`: where a key makes a key, the scopes it has itself and when it ends (None: never); more
    cannot be passed on.
    Raises `InvalidInput`, `Conflict`, `Forbidden`, `NotFound`.
    """
    owner = actor.account_id if actor.account_id is not None else account_id
    if owner is None or directory.find_account(transaction, owner) is None:
        raise NotFound("There is no such account.")
    actor.authorise(owner, "such account")
    chosen = _scopes(scopes)
    _check_granted(actor, chosen, granted)
    if expires_at is not None and not (math.isfinite(expires_at) and expires_at > now_wall):
        raise InvalidInput("expires_at", "A key ends in the future, or not at all.")
    if ends_by is not None and (expires_at is None or expires_at > ends_by):
        raise InvalidInput("expires_at", "A key cannot make one that lives longer than itself.")
    if rows.count_api_keys(transaction, owner) >= _MOST_KEYS:
        raise Conflict("An account has at most {most} API keys. Revoke one that is not used any more.", most=_MOST_KEYS)
    token = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_OCTETS)
    key = ApiKey(
        0, owner, actor.person_id, _name(name), token[:_SHOWN], chosen, now_wall, used_at=None, expires_at=expires_at
    )
    key = key._replace(id=rows.insert_api_key(transaction, key, hash_of(token)))
    _log(transaction, actor, now_wall, "create", key, {}, _shown(key))
    return NewApiKey(key, token)


def list_api_keys(transaction: Transaction, actor: Actor) -> tuple[ApiKey, ...]:
    """The keys of the actor's account (of every account for the command line), without what authenticates them."""
    return rows.read_api_keys(transaction, actor.account_id)


def api_key_of(transaction: Transaction, actor: Actor, key_id: int, role: Role = Role.ADMIN) -> ApiKey:
    """A key that the actor may revoke (or, for `Role.VIEWER`, see). Raises `NotFound` for any other; `Forbidden`."""
    key = rows.find_api_key(transaction, key_id)
    if key is None:
        raise NotFound("There is no API key {key}.", key=key_id)
    actor.authorise(key.account_id, f"API key {key_id}", role)
    return key


def revoke_api_key(transaction: Transaction, actor: Actor, now_wall: float, key_id: int) -> ApiKey:
    """From now on the key opens nothing. Raises `NotFound`, `Forbidden`."""
    key = api_key_of(transaction, actor, key_id)
    rows.delete_api_key(transaction, key.id)
    _log(transaction, actor, now_wall, "delete", key, _shown(key), {})
    return key


def authenticate(transaction: Transaction, token: str, address: str, now_wall: float) -> KeyUser:
    """Who calls with this token from this address. Raises `Unauthenticated`."""
    refused = Unauthenticated("This API key is unknown, has expired or was revoked.")
    if not token.startswith(TOKEN_PREFIX) or len(token) > _LONGEST_TOKEN:
        raise refused
    holder = rows.find_holder(transaction, hash_of(token))
    if holder is None or not holder.account_enabled:
        raise refused
    key = holder.key
    if key.expires_at is not None and key.expires_at <= now_wall:
        raise refused
    scopes = frozenset(Scope(scope) for scope in key.scopes if scope in _KNOWN)
    operates = not scopes.isdisjoint((Scope.SERVICE, Scope.ALL))  # an operator's key for users operates nothing
    is_operators = key.person_id is None or holder.person_operates
    if key.person_id is None:  # made on the command line, by whoever operates the machine
        actor = Actor(f"API key {key.name}", address, key.account_id, Role.OWNER, None, operates)
    elif holder.person_role is not None:
        name = f"{holder.person_email} (API key {key.name})"
        operates = operates and holder.person_operates
        actor = Actor(name, address, key.account_id, holder.person_role, key.person_id, operates)
    else:
        raise refused
    return KeyUser(key, actor, scopes, is_operators)


def needs_touch(key: ApiKey, now_wall: float) -> bool:
    """Whether its last use was noted so long ago that it is to be noted again."""
    return key.used_at is None or not 0.0 <= now_wall - key.used_at < _USED_WITHIN_S


def note_use(transaction: Transaction, key: ApiKey, now_wall: float) -> None:
    """Notes that a key was used."""
    rows.touch_api_key(transaction, key.id, now_wall)


def hash_of(token: str) -> bytes:
    """What is kept of a token. It has 256 random bits, so a plain hash is enough: there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


def _scopes(wanted: Iterable[str]) -> tuple[str, ...]:
    names = [name.strip().lower() for name in wanted]
    for name in names:
        if name not in _KNOWN:
            raise InvalidInput("scopes", "“{name}” is no scope. There are {known}.", name=name, known=", ".join(_KNOWN))
    if not names:
        raise InvalidInput("scopes", "Choose at least one scope: read, for looking only.")
    return tuple(name for name in _KNOWN if name in names)


def _check_granted(actor: Actor, chosen: tuple[str, ...], granted: frozenset[Scope] | None) -> None:
    if granted is not None and Scope.ALL not in granted:
        beyond = [scope for scope in chosen if Scope(scope) not in granted]
        if beyond:
            raise Forbidden("A key cannot make one that may do more than itself: {scopes}.", scopes=", ".join(beyond))
    if Scope.SERVICE in chosen:
        actor.authorise_operating()


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInput("name", "Give the key a name of at most {most} printable characters.", most=_LONGEST_NAME)
    return name


def _shown(key: ApiKey) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {"key": f"{key.shown}…", "scopes": ", ".join(key.scopes)}


def _log(
    transaction: Transaction,
    actor: Actor,
    now_wall: float,
    action: str,
    key: ApiKey,
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    subject = f"API key {key.name}"
    change = directory.Change(now_wall, key.account_id, actor.name, actor.origin, action, subject, before, after)
    directory.append_change(transaction, change)


_KNOWN = tuple(scope.value for scope in Scope)
