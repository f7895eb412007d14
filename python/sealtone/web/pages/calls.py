"""Calls: those that are up, which update by themselves, past ones, and each with all that is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sealtone import admin
from sealtone.admin import Actor, InvalidInput, NotFound
from sealtone.admin.call_facts import call_row
from sealtone.admin.calls import Comparison, LiveRequest
from sealtone.admin.ladders import CallLadder
from sealtone.model import CallState, Role
from sealtone.model.ladder import KeepLadders
from sealtone.model.listeners import who_could_listen
from sealtone.model.record import CallRecord
from sealtone.store import Transaction
from sealtone.store.records import CallFilter
from sealtone.web import shown
from sealtone.web.asking import (
    Pages,
    actor_of,
    address_of,
    change,
    flash,
    go,
    now,
    page,
    read,
    server,
    server_or_none,
    signed_in,
)
from sealtone.web.call_lines import call_lines
from sealtone.web.sections import Section

router = Pages(area="calls")

PAGE = 50
_JUST_ENDED_S = 0.35
_DAY_S = 86_400.0
Who = Annotated[Actor, Depends(signed_in)]
_SHOWN: dict[str, Any] = {
    "duration": shown.duration,
    "party": shown.party,
    "decimal": shown.decimal,
    "ends": shown.ends,
    "is_service": shown.is_service,
}


class Wanted(NamedTuple):
    """The filter as a form has it."""

    party: str = ""
    domain: str = ""
    state: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""

    def parsed(self) -> CallFilter:
        """Raises `InvalidInput`."""
        if self.state not in ("", "protected", *CallState):
            raise InvalidInput("state", "There is no such state.")
        if self.outcome not in ("", "answered", "failed"):
            raise InvalidInput("outcome", "Say answered or failed.")
        until = day("until", self.until)
        return CallFilter(
            party=self.party.strip()[:200],
            domain=self.domain.strip().lower()[:255],
            state=CallState(self.state) if self.state in set(CallState) else None,
            encrypted=True if self.state == "protected" else None,
            answered={"answered": True, "failed": False}.get(self.outcome),
            since=day("since", self.since),
            until=None if until is None else until + _DAY_S,
            limit=PAGE,
        )

    def query(self, **more: str) -> str:
        """As the end of an address."""
        given = {name: value for name, value in {**self._asdict(), **more}.items() if value}
        return f"?{urlencode(given)}" if given else ""


def day(field: str, text: str) -> float | None:
    """The beginning of a day, UTC. Raises `InvalidInput`."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InvalidInput(field, "Write the day as 2026-01-31.") from None


def wanted(
    party: Annotated[str, Query(max_length=200)] = "",
    domain: Annotated[str, Query(max_length=255)] = "",
    state: Annotated[str, Query(max_length=40)] = "",
    outcome: Annotated[str, Query(max_length=20)] = "",
    since: Annotated[str, Query(max_length=20)] = "",
    until: Annotated[str, Query(max_length=20)] = "",
) -> Wanted:
    """The filter of a request."""
    return Wanted(party, domain, state, outcome, since, until)


Filter = Annotated[Wanted, Depends(wanted)]


# The list


@router.get("/calls")
async def call_list(request: Request, actor: Who, wanted: Filter, after: str = "") -> Response:
    """Live calls, and a page of past ones."""
    error, rows, following = None, [], ""
    try:
        criteria = wanted.parsed()._replace(before_id=place_of(after))
        found = await read(request, lambda transaction: admin.list_calls(transaction, actor, criteria))
        rows = [call_row(record) for record in found.records]
        if found.next_page is not None:
            following = "/calls" + wanted.query(after=f"{found.next_page[0]!r}/{found.next_page[1]}")
    except InvalidInput as invalid:
        error = invalid
    domains = await read(request, lambda transaction: admin.list_domains(transaction, actor))
    live = None if after else await _live(request, actor)
    return await page(
        request,
        "calls/list.html",
        422 if error else 200,
        calls=rows,
        live=live,
        is_first=not after,
        wanted=wanted,
        form=wanted._asdict(),
        error=error,
        domains=[domain.name for domain in domains],
        following=following,
        now=now(),
        **_SHOWN,
    )


@router.get("/calls/live")
async def live_list(request: Request, actor: Who) -> Response:
    """The live calls alone, for the list that updates itself."""
    return await page(request, "calls/_live.html", live=await _live(request, actor), now=now(), **_SHOWN)


@router.get("/calls/figures")
async def figures(request: Request, actor: Who) -> Response:
    """What the last day's calls came to, for the overview, where they update themselves."""
    return await page(request, "calls/_figures.html", **await _figures(request, actor))


async def overview_section(request: Request) -> Section | None:
    """The same as a part of the overview."""
    session = request.state.session
    if session is None:
        return None
    return Section("calls/_overview.html", await _figures(request, actor_of(session, address_of(request))), order=20)


async def _figures(request: Request, actor: Actor) -> dict[str, Any]:
    since = now() - _DAY_S
    found = await read(request, lambda transaction: admin.call_figures(transaction, actor, since))
    return {
        "figures": found,
        "live": await _live(request, actor),
        "open": CallState.OPEN,
        "sealed": CallState.END_TO_END,
    }


@router.get("/calls.csv")
async def as_csv(request: Request, actor: Who, wanted: Filter) -> Response:
    """All calls that the filter finds, a page of the database at a time."""
    criteria = wanted.parsed()

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff"  # by which spreadsheets know that it is UTF-8
        async for line in call_lines(request, actor, criteria):
            yield line

    name = f"calls-{datetime.fromtimestamp(now(), UTC):%Y-%m-%d}.csv"
    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


# Settings


@router.get("/calls/settings")
async def settings(request: Request, actor: Who) -> Response:
    """How long calls are kept, and of which the messages."""
    return await _settings(request, actor)


@router.post("/calls/settings")
async def save_settings(
    request: Request,
    actor: Who,
    keep_days: Annotated[str, Form(max_length=20)] = "",
    keep_ladders: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Takes the form up whole, or shows what is wrong with it."""
    account_id = actor.account_id or 0
    days = keep_days.strip() or "forever"

    def operation(transaction: Transaction) -> None:
        admin.set_call_retention(transaction, actor, now(), account_id, days)
        admin.set_keep_ladders(transaction, actor, now(), account_id, keep_ladders)

    try:
        await change(request, operation)
    except InvalidInput as error:
        field = "keep_days" if error.field not in ("keep_ladders",) else error.field
        form = {"keep_days": keep_days, "keep_ladders": keep_ladders}
        return await _settings(request, actor, 422, form, {field: error})
    response = go(request, "/calls/settings")
    flash(response, "good", request.state.translate("Saved."))
    return response


async def _settings(
    request: Request,
    actor: Actor,
    status: int = 200,
    form: dict[str, str] | None = None,
    error: dict[str, InvalidInput] | None = None,
) -> Response:
    accounts = await read(request, lambda transaction: admin.list_accounts(transaction, actor))
    return await page(
        request,
        "calls/settings.html",
        status,
        account=accounts[0],
        keeps=list(KeepLadders),
        may_change=actor.role.covers(Role.ADMIN),
        form=form or {},
        error=error,
    )


# One call


@router.get("/calls/{call_id}")
async def show(request: Request, actor: Who, call_id: str) -> Response:
    """A call that is up, or what its record says."""
    live = await _live(request, actor, call_id)
    if live:
        return await _show_live(request, actor, live[0])
    ladder = await _ladder(request, actor, call_id)
    record = ladder.record
    compared = await _comparisons(request, actor, [leg.aor for leg in record.legs if _has_sas(leg.security.zrtp)])
    return await page(
        request,
        "calls/show.html",
        call=call_row(record),
        verdict=ladder.verdict,
        audience=_audience(record),
        compared=compared,
        is_live=False,
        ladder=ladder,
        may_act=False,
        **_SHOWN,
    )


@router.get("/calls/{call_id}/now")
async def show_now(request: Request, actor: Who, call_id: str) -> Response:
    """The part of a live call's page that updates itself; the whole page anew once the call is over."""
    live = await _live(request, actor, call_id)
    if not live:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return await _show_live(request, actor, live[0], "calls/_now.html")


@router.get("/calls/{call_id}/ladder")
async def show_ladder(request: Request, actor: Who, call_id: str) -> Response:
    """The call's SIP messages."""
    found = await _ladder(request, actor, call_id)
    legs = {leg.sip_call_id: number for number, leg in enumerate(found.record.legs) if leg.sip_call_id}
    messages = found.ladder.messages if found.ladder is not None else ()
    return await page(
        request,
        "calls/ladder.html",
        call=call_row(found.record),
        verdict=found.verdict,
        found=found,
        legs=legs,
        began=messages[0].at if messages else 0.0,
        **_SHOWN,
    )


@router.post("/calls/{call_id}/hang-up")
async def hang_up(request: Request, actor: Who, call_id: str) -> Response:
    """Ends a live call."""
    asked = admin.hang_up(actor, call_id)
    live = await _live_one(request, actor, call_id)
    await server(request, asked.action, **asked.arguments)
    await change(request, lambda transaction: admin.note_hang_up(transaction, actor, now(), live))
    response = go(request, f"/calls/{call_id}")
    flash(response, "good", request.state.translate("The call was ended."))
    return response


@router.post("/calls/{call_id}/recording")
async def record(
    request: Request, actor: Who, call_id: str, start: Annotated[str, Form(max_length=5)] = ""
) -> Response:
    """Begins or ends a recording of a live call."""
    starts = start == "yes"
    asked = admin.record_call(actor, call_id, start=starts)
    live = await _live_one(request, actor, call_id)
    await server(request, asked.action, **asked.arguments)
    await change(request, lambda transaction: admin.note_recording(transaction, actor, now(), live, start=starts))
    return go(request, f"/calls/{call_id}")


@router.post("/calls/{call_id}/sas")
async def compare(
    request: Request,
    actor: Who,
    call_id: str,
    aor: Annotated[str, Form(max_length=400)],
    found: Annotated[str, Form(max_length=10)],
) -> Response:
    """Somebody compared the SAS that a phone shows with the one on the page."""
    if found not in ("matches", "differs"):
        raise InvalidInput("found", "Say matches or differs.")
    asked = admin.compare_sas(actor, call_id, aor, matches=found == "matches")
    await _live_one(request, actor, call_id)
    answer = await server(request, asked.action, **asked.arguments)
    await change(request, lambda transaction: admin.note_comparison(transaction, actor, now(), answer))
    response = go(request, f"/calls/{call_id}")
    if answer["matches"]:
        said = request.state.translate("Noted: the codes match. This phone counts as checked, also in later calls.")
        flash(response, "good", said)
    return response


async def _show_live(
    request: Request, actor: Actor, row: dict[str, Any], template: str = "calls/show.html"
) -> Response:
    compared = await _comparisons(request, actor, [leg["aor"] for leg in row["legs"] if (leg["zrtp"] or {}).get("sas")])
    return await page(
        request,
        template,
        call=row,
        verdict=None,
        audience=row["audience"],
        compared=compared,
        is_live=True,
        ladder=None,
        may_act=actor.role.covers(Role.ADMIN),
        now=now(),
        **_SHOWN,
    )


async def _live(request: Request, actor: Actor, call_id: str = "") -> list[dict[str, Any]] | None:
    """Live calls, the latest first; None where the server does not answer."""
    asked: LiveRequest = admin.live_calls(actor, call_id)
    rows: list[dict[str, Any]] | None = await server_or_none(request, asked.action, **asked.arguments)
    return None if rows is None else sorted(rows, key=lambda row: -row["started_at"])


async def _live_one(request: Request, actor: Actor, call_id: str) -> dict[str, Any]:
    """A live call that the actor may see. Raises `NotFound`, `ServerAway`."""
    asked = admin.live_calls(actor, call_id)
    rows = await server(request, asked.action, **asked.arguments)
    if not rows:
        raise NotFound("There is no such live call; it may have ended a moment ago.")
    found: dict[str, Any] = rows[0]
    return found


async def _ladder(request: Request, actor: Actor, call_id: str) -> CallLadder:
    """A past call. One that ended a moment ago is being written down: it is looked for twice."""
    try:
        return await read(request, lambda transaction: admin.ladder_of(transaction, actor, call_id))
    except NotFound:
        await asyncio.sleep(_JUST_ENDED_S)
        return await read(request, lambda transaction: admin.ladder_of(transaction, actor, call_id))


async def _comparisons(request: Request, actor: Actor, aors: list[str]) -> dict[str, Comparison]:
    if not aors:
        return {}

    def query(transaction: Transaction) -> dict[str, Comparison]:
        found = {aor: admin.last_comparison(transaction, actor, aor) for aor in aors}
        return {aor: comparison for aor, comparison in found.items() if comparison is not None}

    return await read(request, query)


def _has_sas(facts: Any) -> bool:
    return facts is not None and bool(facts.sas)


def _audience(record: CallRecord) -> dict[str, Any] | None:
    """Who could listen at the end of the call; None where nobody answered."""
    if record.answered_at is None:
        return None
    chosen = [leg for leg in record.legs if leg.chosen]
    first = next((leg for leg in chosen if leg.role == "caller"), None)
    second = next((leg for leg in chosen if leg.role == "callee"), None)
    if first is None:
        return None
    found = who_could_listen(first.security, second.security if second is not None else None)
    return {
        "listeners": [listener.value for listener in found.listeners],
        "compare": found.compare.value,
        "addresses_shown": found.addresses_shown,
        "was_open": record.state is CallState.OPEN and found.state is not CallState.OPEN,
    }


def place_of(text: str) -> tuple[float, str] | None:
    """Where a page begins. Raises `NotFound` for what is no such place."""
    if not text:
        return None
    at, _, call_id = text.partition("/")
    try:
        return float(at), call_id
    except ValueError:
        raise NotFound("There is no such page.") from None
