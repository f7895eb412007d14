"""Passkeys and recovery codes as rows, and the list of a person's sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.store.database import Transaction
from sealtone.store.tables import panel_session, passkey, recovery_code


class Passkey(NamedTuple):
    """A public key credential (WebAuthn Level 3). Times are Unix seconds."""

    credential_id: bytes
    person_id: int
    public_key: bytes
    """COSE (RFC 9052)."""
    sign_count: int
    """What the authenticator said last; 0 where it does not count."""
    name: str
    created_at: float
    used_at: float | None = None


class SessionRow(NamedTuple):
    """A session as its person may see it."""

    number: str
    signed_in_by: str
    created_at: float
    seen_at: float
    address: str
    user_agent: str
    token_hash: bytes


def read_passkeys(transaction: Transaction, person_id: int) -> tuple[Passkey, ...]:
    """A person's, oldest first."""
    query = select(passkey).where(passkey.c.person_id == person_id).order_by(passkey.c.created_at)
    return tuple(_passkey_of(row) for row in transaction.connection.execute(query))


def find_passkey(transaction: Transaction, credential_id: bytes) -> Passkey | None:
    """By the id that its authenticator chose."""
    query = select(passkey).where(passkey.c.credential_id == credential_id)
    row = transaction.connection.execute(query).one_or_none()
    return _passkey_of(row) if row is not None else None


def insert_passkey(transaction: Transaction, new: Passkey) -> None:
    """Writes a new one, of which nobody may have the id yet."""
    transaction.connection.execute(passkey.insert().values(**new._asdict()))


def rename_passkey(transaction: Transaction, credential_id: bytes, name: str) -> None:
    """What its person calls it."""
    transaction.connection.execute(passkey.update().where(passkey.c.credential_id == credential_id).values(name=name))


def use_passkey(transaction: Transaction, credential_id: bytes, sign_count: int, now_wall: float) -> bool:
    """Remembers its counter; False where it has not grown since, as of a copy (WebAuthn 6.1.1)."""
    unchanged_or_grown = (passkey.c.sign_count < sign_count) | ((passkey.c.sign_count == 0) & (sign_count == 0))
    used = transaction.connection.execute(
        passkey.update()
        .where(passkey.c.credential_id == credential_id, unchanged_or_grown)
        .values(sign_count=sign_count, used_at=now_wall)
    )
    return used.rowcount == 1


def delete_passkey(transaction: Transaction, credential_id: bytes) -> None:
    """Forgets it."""
    transaction.connection.execute(passkey.delete().where(passkey.c.credential_id == credential_id))


def count_recovery_codes(transaction: Transaction, person_id: int) -> int:
    """How many are left."""
    query = select(func.count()).where(recovery_code.c.person_id == person_id)
    return int(transaction.connection.execute(query).scalar_one())


def replace_recovery_codes(transaction: Transaction, person_id: int, hashes: Iterable[bytes]) -> None:
    """Those of before work no longer."""
    transaction.connection.execute(recovery_code.delete().where(recovery_code.c.person_id == person_id))
    for code_hash in hashes:
        transaction.connection.execute(recovery_code.insert().values(person_id=person_id, code_hash=code_hash))


def use_recovery_code(transaction: Transaction, person_id: int, code_hash: bytes) -> bool:
    """Uses one up; False where there is none such."""
    used = transaction.connection.execute(
        recovery_code.delete().where(recovery_code.c.person_id == person_id, recovery_code.c.code_hash == code_hash)
    )
    return used.rowcount == 1


def read_sessions(
    transaction: Transaction, person_id: int, now_wall: float, seen_after: float
) -> tuple[SessionRow, ...]:
    """A person's sessions that go on, the latest used first."""
    query = (
        select(
            panel_session.c.number,
            panel_session.c.signed_in_by,
            panel_session.c.created_at,
            panel_session.c.seen_at,
            panel_session.c.address,
            panel_session.c.user_agent,
            panel_session.c.token_hash,
        )
        .where(
            panel_session.c.person_id == person_id,
            panel_session.c.expires_at > now_wall,
            panel_session.c.seen_at > seen_after,
        )
        .order_by(panel_session.c.seen_at.desc(), panel_session.c.number)
    )
    return tuple(SessionRow(*row) for row in transaction.connection.execute(query))


def delete_sessions(
    transaction: Transaction, person_id: int, *, number: str | None = None, besides: bytes | None = None
) -> int:
    """Ends a person's sessions: one by its number, all, or all besides the one of a token's hash. Gives how many."""
    statement = panel_session.delete().where(panel_session.c.person_id == person_id)
    if number is not None:
        statement = statement.where(panel_session.c.number == number)
    if besides is not None:
        statement = statement.where(panel_session.c.token_hash != besides)
    return transaction.connection.execute(statement).rowcount


def confirm_session(transaction: Transaction, token_hash: bytes, now_wall: float) -> None:
    """Its person has just proved again who they are."""
    transaction.connection.execute(
        panel_session.update().where(panel_session.c.token_hash == token_hash).values(confirmed_at=now_wall)
    )


def strengthen_session(transaction: Transaction, token_hash: bytes, signed_in_by: str) -> None:
    """Its person has set up, and used, a second factor since they signed in."""
    transaction.connection.execute(
        panel_session.update().where(panel_session.c.token_hash == token_hash).values(signed_in_by=signed_in_by)
    )


def _passkey_of(row: Any) -> Passkey:
    return Passkey(
        row.credential_id, row.person_id, row.public_key, row.sign_count, row.name, row.created_at, row.used_at
    )
