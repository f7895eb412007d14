"""Sessions of people who are signed in to the panel. A token is kept as its SHA-256 alone."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from sealtone.model.people import Role
from sealtone.store.database import Transaction
from sealtone.store.tables import account, panel_session, person


class Session(NamedTuple):
    """A session and whose it is. Times are Unix seconds."""

    token_hash: bytes
    number: str
    """Names it on the Account page; opens nothing."""
    signed_in_by: str
    """``password``, ``passkey``, ``link`` …"""
    confirmed_at: float
    """When they last proved who they are."""
    created_at: float
    seen_at: float
    """Accurate to a minute."""
    expires_at: float
    """The end whatever is done with it."""
    address: str
    user_agent: str
    person_id: int
    email: str
    name: str
    role: Role
    operator: bool
    language: str
    theme: str
    account_id: int
    account_name: str
    second_factor_needed: bool = False
    """Whether the account wants a second factor of everybody."""

    @property
    def lacks_second_factor(self) -> bool:
        """Whether it began with one factor, and the account wants two."""
        return self.second_factor_needed and self.signed_in_by in ("password", "link")


_COLUMNS = (
    panel_session,
    person.c.email,
    person.c.name,
    person.c.role,
    person.c.operator,
    person.c.language,
    person.c.theme,
    person.c.account_id,
    account.c.name.label("account_name"),
    account.c.second_factor.label("second_factor_needed"),
)


def insert_session(
    transaction: Transaction,
    *,
    token_hash: bytes,
    number: str,
    person_id: int,
    signed_in_by: str,
    now_wall: float,
    expires_at: float,
    address: str,
    user_agent: str,
) -> None:
    """Writes a new session, confirmed now."""
    transaction.connection.execute(
        panel_session.insert().values(
            token_hash=token_hash,
            number=number,
            person_id=person_id,
            signed_in_by=signed_in_by,
            confirmed_at=now_wall,
            created_at=now_wall,
            seen_at=now_wall,
            expires_at=expires_at,
            address=address,
            user_agent=user_agent,
        )
    )


def find_session(transaction: Transaction, token_hash: bytes, now_wall: float, seen_after: float) -> Session | None:
    """The session, if neither it nor its person nor their account has ended; `seen_after`: idle for longer is over."""
    query = (
        select(*_COLUMNS)
        .join(person, person.c.id == panel_session.c.person_id)
        .join(account, account.c.id == person.c.account_id)
        .where(
            panel_session.c.token_hash == token_hash,
            panel_session.c.expires_at > now_wall,
            panel_session.c.seen_at > seen_after,
            person.c.enabled == 1,
            account.c.enabled == 1,
        )
    )
    row = transaction.connection.execute(query).one_or_none()
    if row is None:
        return None
    fields = dict(row._mapping)
    fields["role"], fields["operator"] = Role(fields["role"]), bool(fields["operator"])
    fields["second_factor_needed"] = bool(fields["second_factor_needed"])
    return Session(**fields)


def touch_session(transaction: Transaction, token_hash: bytes, now_wall: float) -> None:
    """It was used just now."""
    transaction.connection.execute(
        panel_session.update().where(panel_session.c.token_hash == token_hash).values(seen_at=now_wall)
    )


def replace_token(transaction: Transaction, token_hash: bytes, new_hash: bytes) -> bool:
    """The session goes on under another token; False where there is none any more."""
    changed = transaction.connection.execute(
        panel_session.update().where(panel_session.c.token_hash == token_hash).values(token_hash=new_hash)
    )
    return bool(changed.rowcount)


def delete_session(transaction: Transaction, token_hash: bytes) -> None:
    """Ends one; nothing where there is none."""
    transaction.connection.execute(panel_session.delete().where(panel_session.c.token_hash == token_hash))


def delete_expired_sessions(transaction: Transaction, now_wall: float, seen_after: float) -> int:
    """Deletes those that are over; gives how many."""
    ended = (panel_session.c.expires_at <= now_wall) | (panel_session.c.seen_at <= seen_after)
    return transaction.connection.execute(panel_session.delete().where(ended)).rowcount


def set_preferences(transaction: Transaction, person_id: int, **wanted: str) -> None:
    """Sets `language` or `theme` of a person."""
    transaction.connection.execute(person.update().where(person.c.id == person_id).values(**wanted))
