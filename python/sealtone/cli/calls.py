"""`sealtone calls`: past and live calls, with who could have listened."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from sealtone import admin
from sealtone.admin.calls import LiveRequest
from sealtone.admin.ladders import CallLadder
from sealtone.cli.call_view import call_details, call_lines, call_row
from sealtone.cli.output import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    actor,
    change,
    console,
    look,
    print_json,
    printable,
)
from sealtone.cli.period import page_of, since_of
from sealtone.model import CallState
from sealtone.net.control import ask
from sealtone.store import CallFilter, Transaction
from sealtone.store.records import read_call, read_calls

_REFRESH_S = 1.0


def calls(
    call: Annotated[str | None, typer.Argument(help="Everything about one call: its id or a Call-ID.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Calls in progress, until Ctrl-C.")] = False,
    hang_up: Annotated[bool, typer.Option("--hang-up", help="End the live call that is named.")] = False,
    sas: Annotated[
        str | None,
        typer.Option("--sas", help="matches or differs: the live call's SAS was compared with its phone's (--user)."),
    ] = None,
    record: Annotated[
        str | None, typer.Option("--record", help="start or stop: have the live call that is named recorded, or not.")
    ] = None,
    ladder: Annotated[bool, typer.Option("--ladder", help="The SIP messages of the call that is named.")] = False,
    user: Annotated[str, typer.Option("--user", help="With this number or address on either side.")] = "",
    since: Annotated[str | None, typer.Option(help="Started within: 30m, 12h, 7d.")] = None,
    state: Annotated[str | None, typer.Option(help="Only open, protected-to-server or end-to-end calls.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    after: Annotated[str | None, typer.Option(help="The next page: the value printed below the last one.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Calls, newest first: both legs drawn, and the state of the weaker one."""
    if call is not None and hang_up:
        _hang_up(data, call, as_json)
    elif call is not None and record is not None:
        _record(data, call, record, as_json)
    elif call is not None and sas is not None:
        _verify(data, call, user, sas, as_json)
    elif call is not None and ladder:
        _show_ladder(data, call, as_json)
    elif live:
        _show_live(data, as_json)
    elif call is not None:
        _show_one(data, call, as_json)
    else:
        wanted = CallFilter(
            party=user, since=since_of(since), state=_state(state), before_id=page_of(after), limit=limit
        )
        _show_past(data, wanted, as_json)


def _hang_up(data: DataOption, call: str, as_json: bool) -> None:
    live = _live_call(data, call)
    _asked(data, admin.hang_up(actor(), call))
    change(data, lambda transaction, who, now_wall: admin.note_hang_up(transaction, who, now_wall, live))
    print_json({"ended": call}) if as_json else console().print("The call is being ended.")


def _record(data: DataOption, call: str, record: str, as_json: bool) -> None:
    if record not in ("start", "stop"):
        raise typer.BadParameter("Say start or stop.", param_hint="--record")
    start = record == "start"
    live = _live_call(data, call)
    _asked(data, admin.record_call(actor(), call, start=start))
    change(data, lambda transaction, who, now_wall: admin.note_recording(transaction, who, now_wall, live, start=start))
    if as_json:
        print_json({"call": call, "record": record})
    else:
        console().print("The call is being recorded." if start else "The recording is being ended.")


def _asked(data: DataOption, wanted: LiveRequest) -> Any:
    return ask(data, wanted.action, **wanted.arguments)


def _live_call(data: DataOption, call: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = _asked(data, admin.live_calls(actor(), call))
    for row in rows:
        if row["id"] == call:
            return row
    raise admin.NotFound(f"There is no live call {call}. `sealtone calls --live` shows them.")


def _verify(data: DataOption, call: str, user: str, sas: str, as_json: bool) -> None:
    if sas not in ("matches", "differs"):
        raise typer.BadParameter("Say matches or differs.", param_hint="--sas")
    done = ask(data, "calls.verify", call=call, user=user, matches=sas == "matches")
    change(data, lambda transaction, who, now_wall: admin.note_comparison(transaction, who, now_wall, done))
    if as_json:
        print_json(done)
    elif done["matches"]:
        console().print(
            f"The SAS {done['sas']} of {done['aor']} is noted as compared, for this call and the next ones."
        )
    else:
        console().print(f"The SAS of {done['aor']} differs: the call is ended, and what was retained is forgotten.")


def _show_past(data: DataOption, wanted: CallFilter, as_json: bool) -> None:
    page = look(data, lambda transaction: read_calls(transaction.connection, wanted))
    rows = [call_row(record) for record in page.records]
    following = f"{page.next_page[0]!r}/{page.next_page[1]}" if page.next_page is not None else None
    if as_json:
        print_json({"calls": rows, "after": following})
        return
    out = console()
    for row in rows:
        out.print(call_lines(row, time.time()))
    if not rows:
        out.print("No calls yet." if wanted == CallFilter(limit=wanted.limit) else "No such calls.")
    if following is not None:
        out.print(Text(f"More: --after {following}", "dim"))


def _show_one(data: DataOption, call: str, as_json: bool) -> None:
    record = look(data, lambda transaction: read_call(transaction.connection, call))
    if record is None:
        raise admin.NotFound(f"There is no past call {call}. `sealtone calls --json` shows their ids.")
    row = call_row(record)
    print_json(row) if as_json else console().print(call_details(row, time.time()))


def _show_ladder(data: DataOption, call: str, as_json: bool) -> None:
    def query(transaction: Transaction) -> CallLadder:
        record = read_call(transaction.connection, call)
        if record is None:
            raise admin.NotFound(f"There is no past call {call}. `sealtone calls --json` shows their ids.")
        return admin.ladder_of(transaction, actor(), record.id)

    found = look(data, query)
    messages = found.ladder.messages if found.ladder is not None else ()
    if as_json:
        shown = {"call": found.record.id, "verdict": str(found.verdict), "kept": found.ladder is not None}
        print_json({**shown, "messages": [message._asdict() for message in messages]})
        return
    out = console()
    out.print(Text(printable(str(found.verdict)), "bold"))
    names = {leg.sip_call_id: leg.aor for leg in found.record.legs}
    for message in messages:
        name = names.get(message.leg, "?")
        way = f"{name} → server" if message.incoming else f"server → {name}"
        offset = message.at - messages[0].at
        out.print(Text(f"\n+{offset:.3f} s  {printable(way)}  {message.transport} {message.remote}", "cyan"))
        out.print(Text(printable(message.text)))
    if found.ladder is None:
        out.print("The messages of this call are not kept.")
    elif found.ladder.left_out:
        out.print(f"{found.ladder.left_out} more are not kept.")


def _show_live(data: DataOption, as_json: bool) -> None:
    rows = ask(data, "calls.live")
    out = console()
    if as_json:
        print_json(rows)
        return
    if not out.is_terminal:
        out.print(_live_view(rows))
        return
    with Live(_live_view(rows), console=out, auto_refresh=False, screen=False) as view:
        while True:
            time.sleep(_REFRESH_S)
            view.update(_live_view(ask(data, "calls.live")), refresh=True)


def _live_view(rows: list[dict[str, Any]]) -> RenderableType:
    if not rows:
        return Text("No calls in progress.")
    now = time.time()
    return Group(*(call_lines(row, now) for row in sorted(rows, key=lambda row: -row["started_at"])))


def _state(text: str | None) -> CallState | None:
    if text is None:
        return None
    try:
        return CallState(text)
    except ValueError:
        known = ", ".join(state.value for state in CallState)
        raise typer.BadParameter(f"The states are {known}.", param_hint="--state") from None
