"""Calls as CSV, for a spreadsheet: a cell that one would take for a formula is written with an apostrophe before it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from sealtone.admin.call_facts import drawn
from sealtone.model.record import CallRecord, LegRecord

COLUMNS = (
    "id",
    "started (UTC)",
    "answered (UTC)",
    "ended (UTC)",
    "seconds",
    "caller",
    "caller name",
    "dialled",
    "callee",
    "status",
    "ended by",
    "reason",
    "state",
    "legs",
    "caller transport",
    "caller protection",
    "caller codec",
    "caller MOS",
    "callee transport",
    "callee protection",
    "callee codec",
    "callee MOS",
    "recordings",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_head() -> str:
    """The line with the names of the columns."""
    return _line(COLUMNS)


def csv_lines(records: Iterable[CallRecord]) -> str:
    """A line for each call."""
    return "".join(_line(_cells(record)) for record in records)


def _cells(record: CallRecord) -> tuple[object, ...]:
    first = next((leg for leg in record.legs if leg.role == "caller"), None)
    second = next((leg for leg in record.legs if leg.role == "callee" and leg.chosen), None)
    return (
        record.id,
        _moment(record.started_at),
        _moment(record.answered_at),
        _moment(record.ended_at),
        round(record.duration_s, 1),
        record.caller,
        record.caller_name,
        record.dialled,
        record.callee,
        record.status,
        record.ended_by,
        record.reason,
        record.state.value,
        drawn(record),
        *_leg(first),
        *_leg(second),
        " ".join(record.recordings),
    )


def _leg(leg: LegRecord | None) -> tuple[object, ...]:
    if leg is None:
        return ("", "", "", "")
    mos = "" if leg.mos_tx is None else round(leg.mos_tx, 2)
    return (leg.security.transport, leg.security.protection.value, leg.codec, mos)


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_safe(cell) for cell in cells])
    return out.getvalue()


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
