"""The change log: what was changed, how far it has been taken up, and taking it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from sealtone import admin
from sealtone.admin import Actor, AdminError
from sealtone.store import Transaction
from sealtone.store.changes import ACTIONS, STATES, ChangeFilter, LoggedChange
from sealtone.web.asking import Pages, change, flash, go, now, page, read, signed_in
from sealtone.web.pages.sip_user_lists import may_change
from sealtone.web.user_words import ACTION_NAMES, FIELD_NAMES, STATE_NAMES, VALUE_NAMES

router = Pages(prefix="/changes", area="users")
Who = Annotated[Actor, Depends(signed_in)]

_MOST_EXPORTED = 100_000
_DAY_S = 86_400.0
_WORDS: dict[str, Any] = {
    "state_names": STATE_NAMES,
    "action_names": ACTION_NAMES,
    "field_names": FIELD_NAMES,
    "value_names": VALUE_NAMES,
}


@router.get("")
async def listing(
    request: Request,
    actor: Who,
    q: str = "",
    state: str = "",
    action: str = "",
    since: str = "",
    until: str = "",
    before: int = 0,
) -> Response:
    """A page of changes, newest first."""
    wanted = _filter(q, state, action, since, until, before)
    found = await read(request, lambda transaction: admin.page_of_changes(transaction, actor, wanted))
    narrowed = {"q": q, "state": state, "action": action, "since": since, "until": until}
    chosen = {name: value for name, value in narrowed.items() if value}
    return await page(
        request,
        "users/changes.html",
        changes=found.changes,
        form=narrowed,
        is_narrowed=bool(chosen),
        first=f"/changes?{urlencode(chosen)}" if before else "",
        next=f"/changes?{urlencode({**chosen, 'before': found.before_id})}" if found.before_id else "",
        export=f"/changes/export.csv?{urlencode(chosen)}",
        subject_url=subject_url,
        newest=found.changes[0].id if found.changes and not before else 0,
        newer=f"/changes/newer?{urlencode(chosen)}",
        **_WORDS,
    )


def _filter(q: str, state: str, action: str, since: str, until: str, before: int = 0) -> ChangeFilter:
    ends = _day(until)
    return ChangeFilter(
        state=state if state in STATES else "",
        action=action if action in ACTIONS else "",
        text=q.replace("\0", "").strip()[:100],
        since=_day(since),
        until=ends + _DAY_S if ends is not None else None,
        before_id=before if 0 < before < 2**63 else None,
    )


def _day(text: str) -> float | None:
    """The beginning of a day (UTC) such as ``2026-01-31``; None where it is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def subject_url(change: LoggedChange) -> str:
    """Where what was changed can be looked at; empty where it cannot, or is gone."""
    if change.action == "delete":
        return ""
    kind, _, name = change.subject.rpartition(" ")
    where = {"SIP user": "/sip-users", "domain": "/domains"}.get(kind)
    return f"{where}/{quote(name, safe='@+')}" if where else ""


@router.get("/newer")
async def newer(
    request: Request,
    actor: Who,
    than: int = 0,
    q: str = "",
    state: str = "",
    action: str = "",
    since: str = "",
    until: str = "",
) -> Response:
    """Whether there is anything newer than the top of a list that is being looked at."""
    wanted = _filter(q, state, action, since, until)._replace(limit=100)
    found = await read(request, lambda transaction: admin.page_of_changes(transaction, actor, wanted))
    count = sum(1 for one in found.changes if one.id > than)
    url = f"/changes?{urlencode({k: v for k, v in {'q': q, 'state': state, 'action': action}.items() if v})}"
    return await page(request, "users/newer.html", count=count, than=than, back=url, newer=str(request.url.query))


@router.get("/export.csv")
async def export(
    request: Request, actor: Who, q: str = "", state: str = "", action: str = "", since: str = "", until: str = ""
) -> Response:
    """What the list shows, as CSV."""
    wanted = _filter(q, state, action, since, until)

    def query(transaction: Transaction) -> str:
        changes: list[LoggedChange] = []
        before = None
        while len(changes) < _MOST_EXPORTED:
            found = admin.page_of_changes(transaction, actor, wanted._replace(before_id=before, limit=200))
            changes += found.changes
            before = found.before_id
            if before is None:
                break
        return admin.changes_csv(changes)

    return Response(
        f"\ufeff{await read(request, query)}",
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="changes.csv"', "Cache-Control": "no-store"},
    )


@router.get("/{number}/state")
async def state_of(request: Request, actor: Who, number: int) -> Response:
    """How far one change has come, for a page that follows it."""
    found = await read(request, lambda transaction: admin.change_of(transaction, actor, _number(number)))
    return await page(request, "users/change_state.html", change=found, **_WORDS)


@router.get("/{number}")
async def one(request: Request, actor: Who, number: int) -> Response:
    """One change, with what taking it back would do."""

    def query(transaction: Transaction) -> tuple[LoggedChange, admin.Reversal]:
        found = admin.change_of(transaction, actor, _number(number))
        return found, admin.reversal_of(transaction, actor, found)

    found, reversal = await read(request, query)
    return await page(
        request,
        "users/change.html",
        change=found,
        reversal=reversal,
        obstacles=[_said(request, obstacle) for obstacle in reversal.obstacles],
        may_change=may_change(actor),
        subject_url=subject_url,
        **_WORDS,
    )


@router.post("/{number}/revert")
async def revert(request: Request, actor: Who, number: int) -> Response:
    """Takes it back."""
    try:
        made = await change(
            request, lambda transaction: admin.revert_change(transaction, actor, now(), _number(number))
        )
    except admin.Conflict as error:
        response = go(request, f"/changes/{number}")
        flash(response, "bad", _said(request, error))
        return response
    response = go(request, f"/changes/{made}")
    flash(response, "good", request.state.translate("Change %(number)s was taken back.", number=number))
    return response


def _said(request: Request, error: AdminError) -> str:
    """A reason in the reader's language, in which fields and their values have the names of the pages."""
    translate = request.state.translate
    values = dict(error.values)
    field = str(values.get("field", ""))
    for name in ("value", "now", "after"):
        if name in values and (field, values[name]) in VALUE_NAMES:
            values[name] = translate(VALUE_NAMES[field, str(values[name])])
    if field in FIELD_NAMES:
        values["field"] = f"“{translate(FIELD_NAMES[field])}”"
    said: str = translate(error.template)
    return said.format(**values) if values else said


def _number(number: int) -> int:
    """One that a database can hold; any other is no change's."""
    return number if 0 < number < 2**63 else 0
