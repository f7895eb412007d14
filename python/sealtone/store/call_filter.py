"""Which call records a page shows, found so that what it costs depends on the page, not on how many records there are.

How it works: each index of `call_record` begins with the account, then has what is looked for, then the time. A
question that no single index answers in the order of time is asked as several that one does (each side that a party or
a domain may have been on, each state), of which the newest are taken together. Without an account, which only the
operator's commands leave out, records are looked through from the newest on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, String, and_, func, literal_column, or_, select, union

from sealtone.model import CallState
from sealtone.store.statements import LAST, begins_with
from sealtone.store.tables import call_record, domain_of

_MOST_AORS = 20
"""Addresses of one user part that are looked for one by one; more are in no account but the operator's."""
_COLUMNS = call_record.c
# Without parameters, as they stand in the indexes.
_caller_domain: ColumnElement[str] = literal_column(domain_of("call_record.caller"), String)
_callee_domain: ColumnElement[str] = literal_column(domain_of("call_record.callee"), String)
_ELSEWHERE = _callee_domain != _caller_domain
_NEWEST = (_COLUMNS.started_at.desc(), _COLUMNS.id.desc())


class CallFilter(NamedTuple):
    """Which records to read. What is None or empty does not restrict."""

    party: str = ""
    """An AOR, a user part or the dialled number: matches either side."""
    since: float | None = None
    """Started at or after, Unix seconds."""
    until: float | None = None
    """Started before."""
    state: CallState | None = None
    account_id: int | None = None
    answered: bool | None = None
    domain: str = ""
    """Of either side."""
    encrypted: bool | None = None
    """Whether the call was protected at least to the server."""
    before_id: tuple[float, str] | None = None
    """Page on: `CallPage.next_page` of the page before."""
    limit: int = 50


def newest(connection: sqlalchemy.Connection, wanted: CallFilter, limit: int) -> list[Any]:
    """Rows of `call_record`, newest first."""
    branches = _branches(connection, wanted)
    if len(branches) == 1:
        query = select(call_record).where(*_conditions(wanted), *branches[0])
        return list(connection.execute(query.order_by(*_NEWEST).limit(limit)))
    if not branches:
        return []
    parts = [
        select(_COLUMNS.id, _COLUMNS.started_at)
        .where(*_conditions(wanted), *branch)
        .order_by(*_NEWEST)
        .limit(limit)
        .subquery()
        for branch in branches
    ]
    # UNION leaves out what several have found.
    found = union(*(select(part.c.id, part.c.started_at) for part in parts)).subquery()
    ids = connection.execute(select(found.c.id).order_by(found.c.started_at.desc(), found.c.id.desc()).limit(limit))
    rows = connection.execute(select(call_record).where(_COLUMNS.id.in_(ids.scalars().all())).order_by(*_NEWEST))
    return list(rows)


def _branches(connection: sqlalchemy.Connection, wanted: CallFilter) -> list[tuple[ColumnElement[bool], ...]]:
    states = _states(wanted)
    if wanted.party:
        any_state = () if states is None else (_COLUMNS.state.in_(states),)
        return [(side, *any_state) for side in _sides(connection, wanted)]
    if wanted.domain and wanted.account_id is not None:
        sides = ((_caller_domain == wanted.domain,), (_callee_domain == wanted.domain, _ELSEWHERE))
        return [
            (*side, _COLUMNS.state == state) for side in sides for state in (CallState if states is None else states)
        ]
    if states is None:
        return [()]
    if wanted.account_id is None:
        return [(_COLUMNS.state.in_(states),)] if states else []
    return [(_COLUMNS.state == state,) for state in states]


def _states(wanted: CallFilter) -> list[CallState] | None:
    """Those that are wanted; None: all."""
    if wanted.state is None and wanted.encrypted is None:
        return None
    some = CallState if wanted.state is None else (wanted.state,)
    return [state for state in some if wanted.encrypted in (None, state is not CallState.OPEN)]


def _sides(connection: sqlalchemy.Connection, wanted: CallFilter) -> list[ColumnElement[bool]]:
    """Where the party may stand, one condition an index entry."""
    # What was dialled is mostly who was reached; an index has the others.
    elsewhere = _COLUMNS.dialled != _COLUMNS.callee
    columns: tuple[tuple[ColumnElement[str], tuple[ColumnElement[bool], ...]], ...] = (
        (_COLUMNS.caller, ()),
        (_COLUMNS.callee, ()),
        (_COLUMNS.dialled, (elsewhere,)),
    )
    if "@" in wanted.party:
        return [and_(column == wanted.party, *more) for column, more in columns]
    sides: list[ColumnElement[bool]] = []
    for column, more in columns:
        aors = None
        if wanted.account_id is not None:
            aors = _aors(connection, wanted.account_id, column, wanted.party, more)
        if aors is None:
            return [or_(*(_is_party(column, wanted.party) for column, _ in columns))]
        sides += [and_(column == aor, *more) for aor in (wanted.party, *aors)]
    return sides


def _is_party(column: ColumnElement[str], party: str) -> ColumnElement[bool]:
    return or_(column == party, begins_with(column, f"{party}@"))


def _aors(
    connection: sqlalchemy.Connection,
    account_id: int,
    column: ColumnElement[str],
    user: str,
    more: tuple[ColumnElement[bool], ...],
) -> list[str] | None:
    """The addresses of that user part in an account's records, each by one look into the index; None: too many."""
    mine = (_COLUMNS.account_id == account_id, *more)
    low, high = f"{user}@", f"{user}@{LAST}"
    first = select(func.min(column).label("aor")).where(*mine, column >= low, column < high)
    found = first.cte("found", recursive=True)
    following = select(func.min(column)).where(*mine, column > found.c.aor, column < high)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.aor.is_not(None)))
    query = select(found.c.aor).where(found.c.aor.is_not(None)).limit(_MOST_AORS + 1)
    aors = list(connection.execute(query).scalars())
    return aors if len(aors) <= _MOST_AORS else None


def _conditions(wanted: CallFilter) -> Iterable[ColumnElement[bool]]:
    columns = _COLUMNS
    if wanted.account_id is not None:
        yield columns.account_id == wanted.account_id
    if wanted.since is not None:
        yield columns.started_at >= wanted.since
    if wanted.until is not None:
        yield columns.started_at < wanted.until
    if wanted.answered is not None:
        yield columns.answered_at.is_not(None) if wanted.answered else columns.answered_at.is_(None)
    if wanted.domain and (wanted.party or wanted.account_id is None):
        yield or_(_caller_domain == wanted.domain, _callee_domain == wanted.domain)
    if wanted.before_id is not None:
        started_at, call_id = wanted.before_id
        # The first of the two is what an index can begin at.
        yield columns.started_at <= started_at
        yield or_(columns.started_at < started_at, columns.id < call_id)
