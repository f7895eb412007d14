"""The demonstration from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sealtone.admin import AdminError
from sealtone.demo import show
from sealtone.demo.outcome import outcomes
from sealtone.demo.scenes import SCENES, Scene, ServerAccess, View, play
from sealtone.demo.server import NoServer, cli, own_server, running_server
from sealtone.phone import CallFailed, ConnectError, RegistrationFailed
from sealtone.store import StoreError


def main(
    data: Annotated[Path | None, typer.Option(help="Data folder of a running server; without it, its own.")] = None,
    seconds: Annotated[float, typer.Option(min=1.5, help="How long each call lasts.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="Only the outcome, as JSON.")] = False,
) -> None:
    """Place a call in each protection scheme, and show what each side, the server and a wiretap can see."""
    raise typer.Exit(run(data, seconds, as_json=as_json))


def run(
    data: Path | None = None, seconds: float = 3.0, console: Console | None = None, *, as_json: bool = False
) -> int:
    """The demonstration against the server that runs on `data`, or against one of its own.

    Returns 0 when all calls came about, and the wiretap and the server had of each what they should, else 1.
    """
    console = console or Console(highlight=False, markup=False, emoji=False, quiet=as_json)
    show.introduction(console)
    try:
        with running_server(data) if data else own_server() as (access, folder):
            with contextlib.suppress(KeyboardInterrupt):
                return asyncio.run(_play_all(access, folder, seconds, console, as_json))
            return 130
    except (NoServer, StoreError, AdminError, ConnectError, RegistrationFailed, CallFailed, TimeoutError) as error:
        reason = str(error) or "nobody answered in time"
        if as_json:
            print(json.dumps({"error": reason}))
        console.print(Text("The demonstration failed: ", "red").append(reason, "default"))
        return 1


async def _play_all(access: ServerAccess, folder: Path, seconds: float, console: Console, as_json: bool) -> int:
    played: list[tuple[Scene, View]] = []
    for scene in SCENES:
        console.rule(Text(f"Scheme {scene.scheme}: {scene.title}", "bold"), align="left")
        played.append((scene, await _play_one(scene, access, seconds, console)))
    records = await asyncio.to_thread(_records, folder)
    found = outcomes(played, records)
    console.print(show.summary(found))
    if as_json:
        print(json.dumps([each.row() for each in found], indent=2, ensure_ascii=False))
    return 0 if all(each.works and each.as_expected for each in found) else 1


async def _play_one(scene: Scene, access: ServerAccess, seconds: float, console: Console) -> View:
    if not console.is_terminal:
        view = await play(scene, access, seconds, lambda _: None)
        console.print(show.live(scene, view), show.told(view))
        return view
    with Live(console=console, auto_refresh=False) as screen:
        view = await play(scene, access, seconds, lambda now: screen.update(show.live(scene, now), refresh=True))
    console.print(show.told(view))
    return view


def _records(folder: Path) -> list[dict[str, Any]]:
    """What the server itself wrote down of the calls; nothing where it cannot be asked."""
    try:
        found = cli("calls", "--data", str(folder))
    except NoServer:
        return []
    return list(found["calls"] if isinstance(found, dict) else found)
