"""People as rows: who they are, their passwords' hashes, their TOTP."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import func, select

from sealtone.model.people import Person, Role
from sealtone.store.database import Transaction
from sealtone.store.tables import (
    account,
    domain,
    one_time_link,
    panel_session,
    passkey,
    person,
    recovery_code,
    sip_user,
)

_HANDLE = 32  # octets; WebAuthn 5.4.3 allows 64, and wants nothing in it that tells who it is


def find_person(transaction: Transaction, person_id: int) -> Person | None:
    """By their id."""
    return _one(transaction, person.c.id == person_id)


def find_person_by_email(transaction: Transaction, email: str) -> Person | None:
    """By their address in lower case."""
    return _one(transaction, person.c.email == email)


def read_people(transaction: Transaction, account_id: int | None = None) -> tuple[Person, ...]:
    """Everybody, or an account's people, oldest first."""
    query = select(person).order_by(person.c.id)
    if account_id is not None:
        query = query.where(person.c.account_id == account_id)
    return tuple(_person_of(row) for row in transaction.connection.execute(query))


def count_people(transaction: Transaction) -> dict[int, int]:
    """How many people each account has; accounts without any are missing."""
    query = select(person.c.account_id, func.count().label("people")).group_by(person.c.account_id)
    return {row.account_id: row.people for row in transaction.connection.execute(query)}


def count_domains(transaction: Transaction) -> dict[int, int]:
    """How many domains each account has."""
    query = select(domain.c.account_id, func.count().label("domains")).group_by(domain.c.account_id)
    return {row.account_id: row.domains for row in transaction.connection.execute(query)}


def count_sip_users(transaction: Transaction) -> dict[int, int]:
    """How many SIP users each account has."""
    query = select(domain.c.account_id, func.count().label("users")).join(sip_user, sip_user.c.domain_id == domain.c.id)
    return {row.account_id: row.users for row in transaction.connection.execute(query.group_by(domain.c.account_id))}


def count_owners(transaction: Transaction, account_id: int) -> int:
    """How many owners of an account can sign in."""
    query = select(func.count()).where(
        person.c.account_id == account_id, person.c.role == Role.OWNER.value, person.c.enabled == 1
    )
    return int(transaction.connection.execute(query).scalar_one())


def count_operators(transaction: Transaction, besides_account: int | None = None) -> int:
    """How many people operate the service: not counting those of one account, where it is named."""
    query = select(func.count()).where(person.c.operator == 1, person.c.role == Role.OWNER.value, person.c.enabled == 1)
    if besides_account is not None:
        query = query.where(person.c.account_id != besides_account)
    return int(transaction.connection.execute(query).scalar_one())


def new_handle() -> bytes:
    """A new random name for somebody's passkeys."""
    return os.urandom(_HANDLE)


def insert_person(transaction: Transaction, new: Person, password_hash: str) -> int:
    """Gives the new person's id; the one in `new`, and whether they have TOTP, is not looked at."""
    key = transaction.connection.execute(
        person.insert().values(
            account_id=new.account_id,
            email=new.email,
            name=new.name,
            role=new.role.value,
            operator=int(new.operator),
            enabled=int(new.enabled),
            password_hash=password_hash,
            email_verified_at=new.email_verified_at,
            webauthn_handle=new.webauthn_handle or new_handle(),
            language=new.language,
            theme=new.theme,
            created_at=new.created_at,
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def update_person(transaction: Transaction, changed: Person) -> None:
    """Saves what people see of somebody whose id, account and ways to sign in stay."""
    values = {
        "email": changed.email,
        "name": changed.name,
        "role": changed.role.value,
        "operator": int(changed.operator),
        "enabled": int(changed.enabled),
        "email_verified_at": changed.email_verified_at,
        "language": changed.language,
        "theme": changed.theme,
    }
    transaction.connection.execute(person.update().where(person.c.id == changed.id).values(**values))


def delete_person(transaction: Transaction, person_id: int) -> None:
    """Deletes somebody with their sessions, passkeys, recovery codes and links."""
    for table in (panel_session, passkey, recovery_code, one_time_link):
        transaction.connection.execute(table.delete().where(table.c.person_id == person_id))
    transaction.connection.execute(person.delete().where(person.c.id == person_id))


def read_password_hash(transaction: Transaction, person_id: int) -> str:
    """The argon2id hash in its own notation; empty where there is no password."""
    query = select(person.c.password_hash).where(person.c.id == person_id)
    return transaction.connection.execute(query).scalar() or ""


def set_password_hash(transaction: Transaction, person_id: int, password_hash: str) -> None:
    """Replaces it; empty: no password."""
    transaction.connection.execute(person.update().where(person.c.id == person_id).values(password_hash=password_hash))


def read_totp(transaction: Transaction, person_id: int) -> str:
    """The TOTP secret in Base32; empty where there is none."""
    sealed = transaction.connection.execute(select(person.c.totp).where(person.c.id == person_id)).scalar()
    return transaction.vault.open_sealed(sealed, _totp_context(person_id)) if sealed is not None else ""


def set_totp(transaction: Transaction, person_id: int, secret: str) -> None:
    """Saves a TOTP secret, sealed; empty: none. The last step taken stays, so that no code is taken twice."""
    sealed = transaction.vault.seal(secret, _totp_context(person_id)) if secret else None
    transaction.connection.execute(person.update().where(person.c.id == person_id).values(totp=sealed))


def take_totp_step(transaction: Transaction, person_id: int, step: int) -> bool:
    """Remembers the time step of a code that was right; False where it, or a later one, was taken before."""
    taken = transaction.connection.execute(
        person.update().where(person.c.id == person_id, person.c.totp_step < step).values(totp_step=step)
    )
    return taken.rowcount == 1


def needs_second_factor(transaction: Transaction, account_id: int) -> bool:
    """Whether an account wants a second factor of all its people."""
    query = select(account.c.second_factor).where(account.c.id == account_id)
    return bool(transaction.connection.execute(query).scalar())


def set_second_factor(transaction: Transaction, account_id: int, *, needed: bool) -> None:
    """Switches that."""
    transaction.connection.execute(account.update().where(account.c.id == account_id).values(second_factor=int(needed)))


def set_account(transaction: Transaction, account_id: int, *, name: str, enabled: bool) -> None:
    """Renames an account, or switches it on or off."""
    values = {"name": name, "enabled": int(enabled)}
    transaction.connection.execute(account.update().where(account.c.id == account_id).values(**values))


def _one(transaction: Transaction, condition: Any) -> Person | None:
    row = transaction.connection.execute(select(person).where(condition)).one_or_none()
    return _person_of(row) if row is not None else None


def _totp_context(person_id: int) -> str:
    return f"person-{person_id} totp"


def _person_of(row: Any) -> Person:
    return Person(
        id=row.id,
        account_id=row.account_id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        operator=bool(row.operator),
        enabled=bool(row.enabled),
        has_password=bool(row.password_hash),
        has_totp=row.totp is not None,
        email_verified_at=row.email_verified_at,
        language=row.language,
        theme=row.theme,
        created_at=row.created_at,
        webauthn_handle=row.webauthn_handle,
    )
