"""Call records: written in groups, read page by page.

Writing is the only hot path of the store, so it uses one parametrised multi-row INSERT for each table instead of an
expression a row: with hundreds of calls a second the interpreter lock changes hands once a group, not once a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Table, or_, select

from sealtone.model import (
    DEFAULT_KEEP_CALLS_DAYS,
    CallState,
    KeyExchange,
    LegSecurity,
    MediaPath,
    Protection,
    ZrtpFacts,
    ZrtpStage,
)
from sealtone.model.record import CallRecord, LegRecord
from sealtone.srtp_keys import suite_named
from sealtone.store.call_filter import CallFilter as CallFilter
from sealtone.store.call_filter import newest
from sealtone.store.recordings import recordings_of
from sealtone.store.statements import begins_with, run
from sealtone.store.tables import account, call_ladder, call_leg, call_record

_ROWS_A_STATEMENT = 32  # SQLite takes 32,766 parameters, and few statement lengths keep the statement cache small
PURGED_AT_ONCE = 200
_DAY_S = 86_400.0


class CallPage(NamedTuple):
    """Some records, newest first, and where the next page begins (None at the end)."""

    records: tuple[CallRecord, ...]
    next_page: tuple[float, str] | None


def insert_calls(connection: sqlalchemy.Connection, records: Sequence[CallRecord]) -> None:
    """Writes records with their legs. A record that is there already is left as it is."""
    _insert(connection, call_record, [_call_row(record) for record in records])
    _insert(
        connection,
        call_leg,
        [_leg_row(record.id, number, leg) for record in records for number, leg in enumerate(record.legs)],
    )


def read_calls(connection: sqlalchemy.Connection, wanted: CallFilter) -> CallPage:
    """One page of records, newest first."""
    rows = newest(connection, wanted, wanted.limit + 1)
    page = rows[: wanted.limit]
    records = tuple(_calls_of(connection, page))
    last = page[-1] if len(rows) > wanted.limit else None
    return CallPage(records, (last.started_at, last.id) if last is not None else None)


def find_call(connection: sqlalchemy.Connection, call_id: str) -> CallRecord | None:
    """One record by its whole id."""
    row = connection.execute(select(call_record).where(call_record.c.id == call_id)).first()
    return next(_calls_of(connection, [row])) if row is not None else None


def read_call(connection: sqlalchemy.Connection, call_id: str) -> CallRecord | None:
    """One record by its id, or by the beginning of it when that is unambiguous, or by a leg's Call-ID."""
    by_id = or_(call_record.c.id == call_id, begins_with(call_record.c.id, call_id))
    # No index has the Call-IDs, so that they are looked through only where nothing else is found.
    by_leg = call_record.c.id.in_(select(call_leg.c.call_id).where(call_leg.c.sip_call_id == call_id))
    for condition in (by_id, by_leg):
        rows = connection.execute(select(call_record).where(condition).order_by(call_record.c.id).limit(2)).all()
        exact = [row for row in rows if row.id == call_id] or rows
        if len(exact) == 1:
            return next(_calls_of(connection, exact))
        if exact:
            return None
    return None


def delete_outdated_calls(connection: sqlalchemy.Connection, now_wall: float, limit: int = PURGED_AT_ONCE) -> int:
    """Deletes records that started longer ago than their account keeps them, the oldest first; gives how many.

    At most `limit`, so that nothing waits long behind it. Records of no account are kept as long as by default.
    """
    kept = connection.execute(select(account.c.id, account.c.keep_calls_days).order_by(account.c.id)).all()
    ids: list[str] = []
    for account_id, days in [*kept, (None, DEFAULT_KEEP_CALLS_DAYS)]:
        if days is None or len(ids) >= limit:
            continue
        outdated = select(call_record.c.id).order_by(call_record.c.started_at).limit(limit - len(ids))
        outdated = outdated.where(
            call_record.c.account_id == account_id, call_record.c.started_at < now_wall - days * _DAY_S
        )
        ids += connection.execute(outdated).scalars()
    connection.execute(call_ladder.delete().where(call_ladder.c.call_id.in_(ids)))
    connection.execute(call_leg.delete().where(call_leg.c.call_id.in_(ids)))
    connection.execute(call_record.delete().where(call_record.c.id.in_(ids)))
    return len(ids)


def _insert(connection: sqlalchemy.Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        parameters = tuple(value for row in some for value in row)
        run(connection, _insert_statement(table, len(some)), parameters)


@lru_cache(maxsize=4 * _ROWS_A_STATEMENT)
def _insert_statement(table: Table, rows: int) -> str:
    names = ", ".join(column.name for column in table.columns)
    row = f"({', '.join('?' * len(table.columns))})"
    # Only names of our own tables stand in the text; every value is a parameter.
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"  # noqa: S608


def _call_row(record: CallRecord) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    return (
        record.id,
        record.account_id,
        record.caller,
        record.caller_name,
        record.dialled,
        record.callee,
        record.started_at,
        record.answered_at,
        record.ended_at,
        record.duration_s,
        record.ended_by,
        record.status,
        record.reason,
        record.state.value,
        record.recording_note,
        record.announced,
    )


def _leg_row(call_id: str, number: int, leg: LegRecord) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    security = leg.security
    return (
        call_id,
        number,
        leg.role,
        leg.aor,
        leg.status,
        int(leg.chosen),
        security.transport,
        security.tls_version,
        security.tls_cipher,
        security.protection.value,
        security.key_exchange.value,
        security.media_path.value,
        int(security.sas_verified),
        security.suite_rx.value if security.suite_rx is not None else "",
        security.suite_tx.value if security.suite_tx is not None else "",
        security.note,
        leg.codec,
        leg.packets_rx,
        leg.packets_tx,
        leg.octets_rx,
        leg.octets_tx,
        leg.lost,
        leg.jitter_ms,
        leg.rtt_ms,
        leg.remote_signalling,
        leg.remote_media,
        leg.user_agent,
        leg.sip_call_id,
        json.dumps(security.zrtp._asdict(), ensure_ascii=False) if security.zrtp is not None else "",
        leg.codec_tx,
        leg.ptime_ms,
        int(leg.transcoded),
        leg.reported_lost,
        leg.reported_jitter_ms,
        leg.mos_rx,
        leg.mos_tx,
    )


def _zrtp_of(text: str) -> ZrtpFacts | None:
    """Facts that an older version did not know of have their defaults; those of a newer one are passed over."""
    if not text:
        return None
    kept = {name: value for name, value in json.loads(text).items() if name in ZrtpFacts._fields}
    return ZrtpFacts(**kept)._replace(
        stage=ZrtpStage(kept.get("stage", ZrtpStage.ABSENT)), warnings=tuple(kept.get("warnings", ()))
    )


def _legs_of(connection: sqlalchemy.Connection, call_ids: list[str]) -> dict[str, tuple[LegRecord, ...]]:
    query = select(call_leg).where(call_leg.c.call_id.in_(call_ids)).order_by(call_leg.c.call_id, call_leg.c.number)
    found: dict[str, tuple[LegRecord, ...]] = {}
    for row in connection.execute(query):
        found[row.call_id] = (*found.get(row.call_id, ()), _leg_of(row))
    return found


def _calls_of(connection: sqlalchemy.Connection, rows: Sequence[Any]) -> Iterator[CallRecord]:
    ids = [row.id for row in rows]
    legs, recordings = _legs_of(connection, ids), recordings_of(connection, ids)
    return (_call_of(row, legs.get(row.id, ()), recordings.get(row.id, ())) for row in rows)


def _call_of(row: Any, legs: tuple[LegRecord, ...], recordings: tuple[str, ...]) -> CallRecord:
    return CallRecord(
        id=row.id,
        account_id=row.account_id,
        caller=row.caller,
        dialled=row.dialled,
        callee=row.callee,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        status=row.status,
        reason=row.reason,
        state=CallState(row.state),
        legs=legs,
        caller_name=row.caller_name,
        answered_at=row.answered_at,
        recordings=recordings,
        recording_note=row.recording_note,
        announced=row.announced,
    )


def _leg_of(row: Any) -> LegRecord:
    security = LegSecurity(
        transport=row.transport,
        tls_version=row.tls_version,
        tls_cipher=row.tls_cipher,
        protection=Protection(row.protection),
        suite_rx=suite_named(row.suite_rx) if row.suite_rx else None,
        suite_tx=suite_named(row.suite_tx) if row.suite_tx else None,
        key_exchange=KeyExchange(row.key_exchange),
        media_path=MediaPath(row.media_path),
        sas_verified=bool(row.sas_verified),
        note=row.note,
        zrtp=_zrtp_of(row.zrtp),
    )
    return LegRecord(
        role=row.role,
        aor=row.aor,
        security=security,
        status=row.status,
        chosen=bool(row.chosen),
        codec=row.codec,
        packets_rx=row.packets_rx,
        packets_tx=row.packets_tx,
        octets_rx=row.octets_rx,
        octets_tx=row.octets_tx,
        lost=row.lost,
        jitter_ms=row.jitter_ms,
        rtt_ms=row.rtt_ms,
        remote_signalling=row.remote_signalling,
        remote_media=row.remote_media,
        user_agent=row.user_agent,
        sip_call_id=row.sip_call_id,
        codec_tx=row.codec_tx,
        ptime_ms=row.ptime_ms,
        transcoded=bool(row.transcoded),
        reported_lost=row.reported_lost,
        reported_jitter_ms=row.reported_jitter_ms,
        mos_rx=row.mos_rx,
        mos_tx=row.mos_tx,
    )
