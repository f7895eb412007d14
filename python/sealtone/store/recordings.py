"""Recordings as rows. The files they stand for are the business of `admin.recording_files`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, and_, func, or_, select

from sealtone.model import (
    DEFAULT_KEEP_RECORDINGS_DAYS,
    ConsentNotice,
    RecordingFacts,
    RecordingFormat,
)
from sealtone.store.statements import begins_with, upsert
from sealtone.store.tables import domain, recording

_DAY_S = 86_400.0


class RecordingFilter(NamedTuple):
    """Which recordings to read. What is None or empty does not restrict."""

    party: str = ""
    """An AOR or a user part: matches either side."""
    call_id: str = ""
    since: float | None = None
    """Started at or after, Unix seconds."""
    until: float | None = None
    """Started before."""
    account_id: int | None = None
    recipient: str | None = None
    """Sealed to this key."""
    before_id: tuple[float, str] | None = None
    """Page on: `RecordingPage.next_page` of the page before."""
    limit: int = 50


class RecordingPage(NamedTuple):
    """Some recordings, newest first, and where the next page begins (None at the end)."""

    recordings: tuple[RecordingFacts, ...]
    next_page: tuple[float, str] | None


def save_recording(connection: sqlalchemy.Connection, facts: RecordingFacts) -> None:
    """Writes a recording that has begun, or has ended."""
    values = facts._asdict() | {"format": facts.format.value, "notice": facts.notice.value}
    changed = {name: values[name] for name in ("started_at", "ended_at", "seconds", "octets", "reason")}
    insert = upsert(connection, recording).values(values)
    connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))


def set_recipient(connection: sqlalchemy.Connection, recording_id: str, recipient: str) -> None:
    """A recording is sealed to another key now."""
    connection.execute(recording.update().where(recording.c.id == recording_id).values(recipient=recipient))


def read_recordings(connection: sqlalchemy.Connection, wanted: RecordingFilter) -> RecordingPage:
    """One page, newest first. What is being deleted is gone."""
    query = select(recording).order_by(recording.c.started_at.desc(), recording.c.id.desc())
    rows = connection.execute(query.where(*_conditions(wanted)).limit(wanted.limit + 1)).all()
    page = rows[: wanted.limit]
    last = page[-1] if len(rows) > wanted.limit else None
    return RecordingPage(tuple(map(_facts_of, page)), (last.started_at, last.id) if last is not None else None)


def find_recordings(
    connection: sqlalchemy.Connection, beginning: str, account_id: int | None = None
) -> tuple[RecordingFacts, ...]:
    """Those of an account (None: of any) whose id begins so, two at most; the one alone that is equal to it."""
    query = select(recording).where(recording.c.deleting == 0, begins_with(recording.c.id, beginning))
    if account_id is not None:
        query = query.where(recording.c.account_id == account_id)
    found = tuple(map(_facts_of, connection.execute(query.limit(2))))
    return tuple(facts for facts in found if facts.id == beginning) or found


def running_recordings(connection: sqlalchemy.Connection) -> tuple[RecordingFacts, ...]:
    """Those that have not ended, as far as is known."""
    query = select(recording).where(recording.c.ended_at.is_(None))
    return tuple(map(_facts_of, connection.execute(query)))


def mark_deleting(connection: sqlalchemy.Connection, ids: Sequence[str]) -> None:
    """From now on nobody sees them; their files are deleted next, then their rows."""
    connection.execute(recording.update().where(recording.c.id.in_(ids)).values(deleting=1))


def mark_outdated(connection: sqlalchemy.Connection, now_wall: float, limit: int) -> None:
    """Marks for deletion what has ended and is kept no longer: by the domain of the user for whom it was made."""
    days = sqlalchemy.case((domain.c.id.is_(None), DEFAULT_KEEP_RECORDINGS_DAYS), else_=domain.c.keep_recordings_days)
    query = (
        select(recording.c.id)
        .outerjoin(domain, recording.c.domain_id == domain.c.id)
        .where(
            recording.c.deleting == 0,
            recording.c.ended_at.is_not(None),
            days.is_not(None),
            recording.c.started_at < now_wall - days * _DAY_S,
        )
        .order_by(recording.c.started_at)
        .limit(limit)
    )
    mark_deleting(connection, list(connection.execute(query).scalars()))


def deleting_recordings(connection: sqlalchemy.Connection, limit: int) -> tuple[RecordingFacts, ...]:
    """Those whose files are to be deleted."""
    query = select(recording).where(recording.c.deleting == 1).limit(limit)
    return tuple(map(_facts_of, connection.execute(query)))


def delete_recordings(connection: sqlalchemy.Connection, ids: Sequence[str]) -> None:
    """Forgets recordings whose files are gone."""
    connection.execute(recording.delete().where(recording.c.id.in_(ids)))


def known_paths(connection: sqlalchemy.Connection) -> frozenset[str]:
    """The files of all recordings, also of those being deleted."""
    return frozenset(connection.execute(select(recording.c.path)).scalars())


def longest_kept_days(connection: sqlalchemy.Connection) -> int | None:
    """For how many days any domain keeps recordings at most; None: for ever."""
    kept = select(func.count(), func.count(domain.c.keep_recordings_days), func.max(domain.c.keep_recordings_days))
    domains, limited, longest = connection.execute(kept.select_from(domain)).one()
    if limited < domains:
        return None
    return max(DEFAULT_KEEP_RECORDINGS_DAYS, longest or 0)


def recordings_of(connection: sqlalchemy.Connection, call_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The ids of calls' recordings, in order."""
    query = select(recording.c.call_id, recording.c.id).order_by(recording.c.started_at)
    query = query.where(recording.c.call_id.in_(call_ids), recording.c.deleting == 0)
    found: dict[str, tuple[str, ...]] = {}
    for call_id, recording_id in connection.execute(query):
        found[call_id] = (*found.get(call_id, ()), recording_id)
    return found


def _conditions(wanted: RecordingFilter) -> Iterable[ColumnElement[bool]]:
    columns = recording.c
    yield columns.deleting == 0
    if wanted.party:
        sides = (columns.caller, columns.callee)
        if "@" in wanted.party:
            yield or_(*(side == wanted.party for side in sides))
        else:
            yield or_(*(begins_with(side, f"{wanted.party}@") for side in sides))
    if wanted.call_id:
        yield begins_with(columns.call_id, wanted.call_id)
    if wanted.since is not None:
        yield columns.started_at >= wanted.since
    if wanted.until is not None:
        yield columns.started_at < wanted.until
    if wanted.account_id is not None:
        yield columns.account_id == wanted.account_id
    if wanted.recipient is not None:
        yield columns.recipient == wanted.recipient
    if wanted.before_id is not None:
        started_at, recording_id = wanted.before_id
        yield or_(columns.started_at < started_at, and_(columns.started_at == started_at, columns.id < recording_id))


def _facts_of(row: Any) -> RecordingFacts:
    values = {name: getattr(row, name) for name in RecordingFacts._fields}
    values |= {"format": RecordingFormat(row.format), "notice": ConsentNotice(row.notice)}
    return RecordingFacts(**values)
