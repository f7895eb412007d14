"""The demonstration from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from sealtone.demo import show
from sealtone.demo.scenes import SCENES, Scene, ServerAccess, View, play
from sealtone.demo.server import NoServer, cli, own_server, running_server
from sealtone.phone import CallFailed, ConnectError, RegistrationFailed


def main(
    data: Annotated[Path | None, typer.Option(help="Data folder of a running server; without it, its own.")] = None,
    seconds: Annotated[float, typer.Option(min=1.5, help="How long each call lasts.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Only the outcome, as JSON.")] = False,
) -> None:
    """Place calls between two phones, and show what each side and a wiretap on the path can see."""
    raise typer.Exit(run(data, seconds, as_json=as_json))


def run(
    data: Path | None = None, seconds: float = 5.0, console: Console | None = None, *, as_json: bool = False
) -> int:
    """The demonstration against the server that runs on `data`, or against one of its own.

    Returns 0 when all calls came about and the wiretap saw of each what it should, else 1.
    """
    console = console or Console(highlight=False, quiet=as_json)
    show.introduction(console)
    try:
        with running_server(data) if data else own_server() as (access, folder):
            with contextlib.suppress(KeyboardInterrupt):
                return asyncio.run(_play_all(access, folder, seconds, console, as_json))
            return 130
    except (NoServer, ConnectError, RegistrationFailed, CallFailed, TimeoutError) as error:
        reason = str(error) or "nobody answered in time"
        if as_json:
            print(json.dumps({"error": reason}))
        console.print(f"[red]The demonstration failed:[/red] {reason}")
        return 1


async def _play_all(access: ServerAccess, folder: Path, seconds: float, console: Console, as_json: bool) -> int:
    results: list[tuple[Scene, View]] = []
    for number, scene in enumerate(SCENES, 1):
        console.rule(f"[bold]{number}. {scene.title}", align="left")
        results.append((scene, await _play_one(scene, access, seconds, console)))
    states = _states(access, folder, len(results))
    console.print(show.summary(results, states))
    if as_json:
        print(json.dumps([_outcome(*result, state) for result, state in zip(results, states, strict=True)], indent=2))
    return 0 if all(view.works and _as_expected(scene, view) for scene, view in results) else 1


def _outcome(scene: Scene, view: View, state: str) -> dict[str, object]:
    lines = {
        name: {"signalling_read": bool(line.signalling.messages), "voice_heard": line.tapped, "told": line.told}
        for name, line in (("a", view.a), ("b", view.b))
    }
    return {"call": scene.title, "works": view.works, "as_expected": _as_expected(scene, view), "state": state, **lines}


async def _play_one(scene: Scene, access: ServerAccess, seconds: float, console: Console) -> View:
    if not console.is_terminal:
        view = await play(scene, access, seconds, lambda _: None)
        console.print(show.live(scene, view), show.told(view))
        return view
    with Live(console=console, auto_refresh=False) as screen:
        view = await play(scene, access, seconds, lambda now: screen.update(show.live(scene, now), refresh=True))
    console.print(show.told(view))
    return view


def _states(access: ServerAccess, folder: Path, count: int) -> list[str]:
    """What the server itself wrote down of the calls, oldest first; "" where it cannot be asked."""
    try:
        found = cli("calls", "--data", str(folder))
    except NoServer:
        return [""] * count
    rows = found["calls"] if isinstance(found, dict) else found
    caller = f"{access.users[0][0]}@{access.domain}"
    states = [str(row["state"]) for row in rows if row["caller"] == caller][:count]
    return [*reversed(states), *[""] * (count - len(states))]


def _as_expected(scene: Scene, view: View) -> bool:
    """Whether the wiretap was blind on encrypted lines, and (which proves that it works) not on open ones."""
    return all(
        (bool(line.signalling.messages), line.tapped) == ((False, False) if side.transport == "tls" else (True, True))
        for side, line in ((scene.a, view.a), (scene.b, view.b))
    )
