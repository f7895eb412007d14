"""What the calls of a while came to, in one pass over an index."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy
from sqlalchemy import func, select

from sealtone.model import CallState
from sealtone.store.tables import call_leg, call_record

_MOST_HEARD = 200
"""Calls, the latest, that the average of their quality is taken of."""


class CallFigures(NamedTuple):
    """Of the calls that began in a time."""

    calls: int
    answered: int
    by_state: dict[CallState, int]
    """Of those that were answered."""
    mos: float | None
    """The average of the worse side of the latest answered calls, 1 to 4.5; None where nothing is known."""

    def share(self, state: CallState) -> float:
        """Of the answered calls, 0 to 1."""
        return self.by_state.get(state, 0) / self.answered if self.answered else 0.0


def read_figures(connection: sqlalchemy.Connection, account_id: int | None, since: float) -> CallFigures:
    """The figures of an account (None: of all)."""
    columns = call_record.c
    conditions = [columns.started_at >= since]
    if account_id is not None:
        conditions.append(columns.account_id == account_id)
    was_answered = columns.answered_at.is_not(None)
    counted = select(columns.state, was_answered.label("answered"), func.count()).where(*conditions)
    calls = answered = 0
    by_state: dict[CallState, int] = {}
    for state, is_answered, number in connection.execute(counted.group_by(columns.state, was_answered)):
        calls += number
        if is_answered:
            answered += number
            by_state[CallState(state)] = by_state.get(CallState(state), 0) + number
    latest = select(columns.id).where(*conditions, was_answered).order_by(columns.started_at.desc()).limit(_MOST_HEARD)
    worse = (
        select(func.min(call_leg.c.mos_tx).label("mos"))
        .where(call_leg.c.call_id.in_(latest), call_leg.c.mos_tx.is_not(None))
        .group_by(call_leg.c.call_id)
        .subquery()
    )
    mos = connection.execute(select(func.avg(worse.c.mos))).scalar()
    return CallFigures(calls, answered, by_state, float(mos) if mos is not None else None)
