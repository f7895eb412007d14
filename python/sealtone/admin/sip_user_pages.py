"""SIP users as lists show them: a page at a time, with where their phones are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sealtone.admin.actor import Actor
from sealtone.admin.domains import domain_of
from sealtone.model import Role, SipUser
from sealtone.sip.flow import host_port
from sealtone.store import Transaction
from sealtone.store.bindings import read_bindings_of
from sealtone.store.last_seen import LastSeen, read_last_seen
from sealtone.store.sip_users import UserFilter, read_user_page

MOST_ON_A_PAGE = 200


class PhoneSeen(NamedTuple):
    """One registered phone."""

    transport: str
    tls_version: str
    """Empty where it is not connected over TLS, or the server has not been asked."""
    address: str
    """``ip:port`` that it registered from."""
    client: str
    """What it calls itself; not proven."""
    registered_at: float
    expires_at: float
    contact: str
    reachable: bool = True
    """Whether it can be called now: a phone behind a connection that is gone cannot until it registers again."""


class ListedUser(NamedTuple):
    """A SIP user with its phones, the latest registered first."""

    user: SipUser
    phones: tuple[PhoneSeen, ...]
    last_seen: LastSeen | None
    """Of a phone that is registered no more."""

    @property
    def state(self) -> str:
        """`online`, `offline`, or `off` where the user is switched off."""
        if not self.user.enabled:
            return "off"
        return "online" if any(phone.reachable for phone in self.phones) else "offline"


class ListedPage(NamedTuple):
    """One page of users."""

    users: tuple[ListedUser, ...]
    after: tuple[str, str] | None
    """Where the next page begins; None where there is none."""


def page_of_sip_users(transaction: Transaction, actor: Actor, now_wall: float, wanted: UserFilter) -> ListedPage:
    """A page of the SIP users that the actor may see. Raises `NotFound` for a domain that is not theirs."""
    if wanted.domain:
        wanted = wanted._replace(domain=domain_of(transaction, actor, wanted.domain, Role.VIEWER).name)
    if actor.account_id is not None:
        wanted = wanted._replace(account_id=actor.account_id)
    wanted = wanted._replace(limit=max(1, min(wanted.limit, MOST_ON_A_PAGE)))
    page = read_user_page(transaction, wanted, now_wall)
    return ListedPage(with_phones(transaction, page.users, now_wall), page.after)


def with_phones(transaction: Transaction, users: Iterable[SipUser], now_wall: float) -> tuple[ListedUser, ...]:
    """The users with their phones, as the database has them."""
    users = tuple(users)
    aors = [user.aor for user in users]
    phones: dict[str, list[PhoneSeen]] = {}
    for binding in read_bindings_of(transaction.connection, aors, now_wall):
        phones.setdefault(binding.aor, []).append(
            PhoneSeen(
                binding.transport,
                "",
                host_port(*binding.received),
                binding.user_agent,
                binding.registered_at,
                binding.expires_at,
                binding.contact,
            )
        )
    seen = read_last_seen(transaction.connection, aors)
    return tuple(ListedUser(user, tuple(phones.get(user.aor, ())), seen.get(user.aor)) for user in users)


def as_the_server_sees(
    users: Iterable[ListedUser], registrations: Iterable[Mapping[str, Any]]
) -> tuple[ListedUser, ...]:
    """The same, by what the running server says of its registrations (control action `registrations`)."""
    phones: dict[str, list[PhoneSeen]] = {}
    for one in registrations:
        phones.setdefault(one["aor"], []).append(phone_seen(one))
    return tuple(one._replace(phones=tuple(phones.get(one.user.aor, ()))) for one in users)


def phone_seen(registration: Mapping[str, Any]) -> PhoneSeen:
    """From one item of the control action `registrations`."""
    return PhoneSeen(
        registration["transport"],
        registration["tls_version"],
        registration["received"],
        registration["user_agent"],
        registration["registered_at"],
        registration["expires_at"],
        registration["contact"],
        registration["reachable"],
    )
