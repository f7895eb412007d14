"""Accounts, domains and SIP users as rows, and the `Snapshot` made of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select

from sealtone.model import (
    Account,
    CertificateSource,
    ConsentNotice,
    Domain,
    DomainKind,
    DomainRecording,
    LegPolicy,
    MediaPath,
    Protection,
    RecordingFormat,
    RecordingPolicy,
    RecordingTerms,
    SipUser,
    Snapshot,
    Strictness,
)
from sealtone.model.announcements import Announcements, Language, NoticeTo, OpenNotice
from sealtone.model.ladder import KeepLadders
from sealtone.store.database import Transaction
from sealtone.store.tables import account, change_log, domain, setting, sip_user

_ZID = 12  # octets of a ZRTP identifier (RFC 6189 4.9)
_ROWS_AT_ONCE, _STEP_BACK_S = 100, 0.0002
USER_COLUMNS = (
    sip_user,
    domain.c.account_id,
    domain.c.name.label("domain_name"),
    domain.c.language.label("domain_language"),
    domain.c.music_on_hold,
    domain.c.open_notice,
    domain.c.open_notice_to,
    account.c.zid,
    account.c.recording_recipient,
    domain.c.recording.label("domain_recording"),
    domain.c.recording_notice,
    domain.c.recording_format,
    domain.c.keep_recordings_days,
)


class Digests(NamedTuple):
    """What is kept of a secret: HA1 in lower-case hex (RFC 8760 2.4), as good as the secret, hence encrypted."""

    md5: str
    sha256: str


class Change(NamedTuple):
    """A row of the change log. `before` and `after` map fields to what a person may see; secrets come masked."""

    at: float
    account_id: int | None
    actor: str
    origin: str
    action: str
    subject: str
    before: dict[str, str]
    after: dict[str, str]


def load_snapshot(
    transaction: Transaction, local_names: Iterable[str] = (), version: int = 0, users: Iterable[SipUser] | None = None
) -> Snapshot:
    """Everything that calls and registrations are decided on, as it is now; `users` where they have been read."""
    return Snapshot(
        read_accounts(transaction),
        read_domains(transaction),
        read_users(transaction) if users is None else users,
        local_names=local_names,
        version=version,
    )


def read_accounts(transaction: Transaction) -> tuple[Account, ...]:
    """Every account, oldest first."""
    rows = transaction.connection.execute(select(account).order_by(account.c.id))
    return tuple(_account_of(row) for row in rows)


def find_account(transaction: Transaction, account_id: int) -> Account | None:
    """By its id."""
    row = transaction.connection.execute(select(account).where(account.c.id == account_id)).one_or_none()
    return _account_of(row) if row is not None else None


def insert_account(transaction: Transaction, name: str, now_wall: float) -> int:
    """Gives the new account's id."""
    return _inserted(
        transaction, account.insert().values(name=name, enabled=1, created_at=now_wall, zid=os.urandom(_ZID))
    )


def update_account(transaction: Transaction, account_id: int, *, keep_calls_days: int | None) -> None:
    """Sets how long its call records are kept."""
    values = {"keep_calls_days": keep_calls_days}
    transaction.connection.execute(account.update().where(account.c.id == account_id).values(**values))


def set_recording_recipient(transaction: Transaction, account_id: int, recipient: str) -> None:
    """Sets the public key that an account's recordings are sealed to from now on."""
    transaction.connection.execute(
        account.update().where(account.c.id == account_id).values(recording_recipient=recipient)
    )


def set_keep_ladders(transaction: Transaction, account_id: int, keep: KeepLadders) -> None:
    """Of which calls an account's SIP messages are kept from now on."""
    transaction.connection.execute(account.update().where(account.c.id == account_id).values(keep_ladders=keep.value))


def read_domains(transaction: Transaction, account_id: int | None = None) -> tuple[Domain, ...]:
    """Every domain, or an account's, oldest first."""
    query = select(domain).order_by(domain.c.id)
    if account_id is not None:
        query = query.where(domain.c.account_id == account_id)
    return tuple(_domain_of(row) for row in transaction.connection.execute(query))


def find_domain(transaction: Transaction, name: str) -> Domain | None:
    """By its name in lower case."""
    row = transaction.connection.execute(select(domain).where(domain.c.name == name)).one_or_none()
    return _domain_of(row) if row is not None else None


def insert_domain(
    transaction: Transaction,
    account_id: int,
    name: str,
    now_wall: float,
    kind: DomainKind = DomainKind.OPERATOR,
    ownership_token: str = "",
) -> int:
    """Gives the new domain's id."""
    values = {"account_id": account_id, "name": name, "enabled": 1, "created_at": now_wall}
    values |= {"kind": kind.value, "ownership_token": ownership_token}
    return _inserted(transaction, domain.insert().values(**values))


def update_domain(transaction: Transaction, domain_id: int, *, enabled: bool) -> None:
    """Switches a domain on or off."""
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(enabled=int(enabled)))


def set_domain_recording(transaction: Transaction, domain_id: int, recording: DomainRecording) -> None:
    """Sets what is recorded in a domain where its users do not say."""
    values = {
        "recording": recording.policy.value,
        "recording_notice": recording.notice.value,
        "recording_format": recording.format.value,
        "keep_recordings_days": recording.keep_days,
    }
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(**values))


def update_announcements(transaction: Transaction, domain_id: int, announcements: Announcements) -> None:
    """Sets what a domain's phones are told and played."""
    values = {
        "language": announcements.language.value,
        "music_on_hold": int(announcements.music_on_hold),
        "open_notice": announcements.open_notice.value,
        "open_notice_to": announcements.open_notice_to.value,
    }
    transaction.connection.execute(domain.update().where(domain.c.id == domain_id).values(**values))


def delete_domain(transaction: Transaction, domain_id: int) -> None:
    """Deletes a domain that has no users any more."""
    transaction.connection.execute(domain.delete().where(domain.c.id == domain_id))


def read_users(transaction: Transaction, domain_name: str | None = None) -> tuple[SipUser, ...]:
    """Every SIP user, or a domain's, by domain and name. Raises `KeyFileError` when their secrets do not open."""
    query = (
        select(*USER_COLUMNS)
        .join(domain, sip_user.c.domain_id == domain.c.id)
        .join(account)
        .order_by(domain.c.name, sip_user.c.username)
    )
    if domain_name is not None:
        query = query.where(domain.c.name == domain_name)
    return tuple(user_of_row(transaction, row) for row in transaction.connection.execute(query))


KnownUsers = dict[int, tuple[tuple[Any, ...], SipUser]]
"""By a user's id: the values that it was made of, and what was made of them."""


def read_users_again(transaction: Transaction, known: KnownUsers) -> KnownUsers:
    """Every SIP user; only what is not as it was is decrypted and made anew, as that is most of the work.

    Beside an event loop: after some rows this thread steps back, so that the loop waits for a few of them at most.
    Raises `KeyFileError` when their secrets do not open.
    """
    query = select(*USER_COLUMNS).join(domain, sip_user.c.domain_id == domain.c.id).join(account)
    found: KnownUsers = {}
    for rows in transaction.connection.execute(query).partitions(_ROWS_AT_ONCE):
        for row in rows:
            values = tuple(row)
            before = known.get(row.id)
            found[row.id] = (
                before if before is not None and before[0] == values else (values, user_of_row(transaction, row))
            )
        time.sleep(_STEP_BACK_S)
    return found


def find_user(transaction: Transaction, domain_id: int, username: str) -> SipUser | None:
    """By domain and exact user part."""
    query = select(*USER_COLUMNS).join(domain, sip_user.c.domain_id == domain.c.id).join(account)
    query = query.where(sip_user.c.domain_id == domain_id, sip_user.c.username == username)
    row = transaction.connection.execute(query).one_or_none()
    return user_of_row(transaction, row) if row is not None else None


def insert_user(transaction: Transaction, user: SipUser, now_wall: float) -> int:
    """Gives the new user's id; the one in `user` is not looked at."""
    values = _user_values(transaction, user)
    return _inserted(transaction, sip_user.insert().values(created_at=now_wall, secret_set_at=now_wall, **values))


def update_user(transaction: Transaction, user: SipUser, *, secret_set_at: float | None = None) -> None:
    """Saves everything of a user whose id stays."""
    values = _user_values(transaction, user)
    if secret_set_at is not None:
        values["secret_set_at"] = secret_set_at
    transaction.connection.execute(sip_user.update().where(sip_user.c.id == user.id).values(**values))


def delete_user(transaction: Transaction, user_id: int) -> None:
    """Deletes a user; call records that name it stay."""
    transaction.connection.execute(sip_user.delete().where(sip_user.c.id == user_id))


def user_made_at(transaction: Transaction, user_id: int) -> float | None:
    """When a user was made, Unix seconds. An id alone names no user for good: it may be given again."""
    query = select(sip_user.c.created_at).where(sip_user.c.id == user_id)
    made_at: float | None = transaction.connection.execute(query).scalar()
    return made_at


def append_change(transaction: Transaction, change: Change) -> None:
    """Writes a row of the change log, to be committed with the change itself."""
    values = change._asdict()
    values["before"] = json.dumps(change.before, ensure_ascii=False)
    values["after"] = json.dumps(change.after, ensure_ascii=False)
    transaction.connection.execute(change_log.insert().values(**values))


def read_changes(transaction: Transaction, limit: int = 100, subject: str = "") -> tuple[Change, ...]:
    """The latest changes, newest first."""
    query = select(change_log).order_by(change_log.c.id.desc()).limit(limit)
    if subject:
        query = query.where(change_log.c.subject == subject)
    return tuple(
        Change(
            row.at,
            row.account_id,
            row.actor,
            row.origin,
            row.action,
            row.subject,
            json.loads(row.before),
            json.loads(row.after),
        )
        for row in transaction.connection.execute(query)
    )


def last_change(transaction: Transaction) -> int:
    """The id of the newest row of the change log; 0 when it is empty. It tells cheaply whether anything changed."""
    return transaction.connection.execute(select(func.max(change_log.c.id))).scalar() or 0


def read_setting(transaction: Transaction, name: str) -> str | None:
    """A setting's value; None when it was never set."""
    query = select(setting.c.value).where(setting.c.name == name)
    value: str | None = transaction.connection.execute(query).scalar()
    return value


def write_setting(transaction: Transaction, name: str, value: str) -> None:
    """Sets or replaces a setting."""
    delete_setting(transaction, name)
    transaction.connection.execute(setting.insert().values(name=name, value=value))


def delete_setting(transaction: Transaction, name: str) -> None:
    """Forgets a setting."""
    transaction.connection.execute(setting.delete().where(setting.c.name == name))


def _inserted(transaction: Transaction, insert: Any) -> int:
    key = transaction.connection.execute(insert).inserted_primary_key
    assert key is not None
    return int(key[0])


def _account_of(row: Any) -> Account:
    return Account(
        row.id,
        row.name,
        bool(row.enabled),
        row.keep_calls_days,
        row.zid,
        row.recording_recipient,
        KeepLadders(row.keep_ladders),
    )


def _domain_of(row: Any) -> Domain:
    return Domain(
        row.id,
        row.account_id,
        row.name,
        bool(row.enabled),
        recording=_domain_recording(row, row.recording),
        announcements=_announcements_of(row, row.language),
        kind=DomainKind(row.kind),
        certificate_source=CertificateSource(row.certificate_source),
    )


def _domain_recording(row: Any, policy: str) -> DomainRecording:
    return DomainRecording(
        RecordingPolicy(policy),
        ConsentNotice(row.recording_notice),
        RecordingFormat(row.recording_format),
        row.keep_recordings_days,
    )


def _announcements_of(row: Any, language: str) -> Announcements:
    notice = OpenNotice(row.open_notice), NoticeTo(row.open_notice_to)
    return Announcements(Language(language), bool(row.music_on_hold), *notice)


def user_of_row(transaction: Transaction, row: Any) -> SipUser:
    """From a row of `USER_COLUMNS`. Raises `KeyFileError` when its secrets do not open."""
    aor = f"{row.username}@{row.domain_name}"
    vault = transaction.vault
    return SipUser(
        id=row.id,
        account_id=row.account_id,
        domain_id=row.domain_id,
        username=row.username,
        domain=row.domain_name,
        ha1_md5=vault.open_sealed(row.ha1_md5, f"{aor} ha1_md5"),
        ha1_sha256=vault.open_sealed(row.ha1_sha256, f"{aor} ha1_sha256"),
        display_name=row.display_name,
        enabled=bool(row.enabled),
        policy=LegPolicy(Protection(row.protection), Strictness(row.strictness), MediaPath(row.path)),
        codecs=tuple(row.codecs.split(",")) if row.codecs else (),
        max_contacts=row.max_contacts,
        zid=row.zid,
        recording=RecordingTerms(
            RecordingPolicy(row.recording) if row.recording else None,
            _domain_recording(row, row.domain_recording),
            row.recording_recipient,
        ),
        own_language=Language(row.language) if row.language else None,
        announcements=_announcements_of(row, row.domain_language),
    )


def _user_values(transaction: Transaction, user: SipUser) -> dict[str, Any]:
    vault = transaction.vault
    return {
        "domain_id": user.domain_id,
        "username": user.username,
        "ha1_md5": vault.seal(user.ha1_md5, f"{user.aor} ha1_md5"),
        "ha1_sha256": vault.seal(user.ha1_sha256, f"{user.aor} ha1_sha256"),
        "display_name": user.display_name,
        "enabled": int(user.enabled),
        "protection": user.policy.protection.value,
        "strictness": user.policy.strictness.value,
        "path": user.policy.path.value,
        "codecs": ",".join(user.codecs),
        "max_contacts": user.max_contacts,
        "recording": user.recording.own.value if user.recording.own is not None else "",
        "language": user.own_language.value if user.own_language is not None else "",
    }
