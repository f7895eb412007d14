"""`sealtone status`: whether the server runs, where it listens, and what it has counted."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, console, duration, print_json
from sealtone.net.control import ask
from sealtone.sdp.catalogue import listed

_WORDS = {"sip_users": "SIP users", "not_looked_at": "not looked at"}
_APART = frozenset({"version", "uptime_s", "listening"})


def status(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """The running server; exit code 3 when there is none."""
    state: dict[str, Any] = ask(data, "status")
    if as_json:
        print_json(state)
        return
    out = console()
    running = Text("● Running", "green").append(f", version {state['version']}, for {duration(state['uptime_s'])}", "")
    out.print(running)
    table = Table.grid(padding=(0, 2))
    for name, value in _flat(state):
        table.add_row(Text(name, "dim"), value)
    out.print(table)


def _flat(state: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for place in state["listening"]:
        host = f"[{place['host']}]" if ":" in place["host"] else place["host"]
        rows.append(("listening", f"{place['transport'].upper()} {host}:{place['port']}"))
    for name, value in state.items():
        if name in _APART:
            continue
        if name == "codecs":
            rows += _codec_rows(value)
        elif isinstance(value, dict):
            shown = ", ".join(f"{_words(part)} {number}" for part, number in value.items() if number != "")
            rows.append((_words(name), shown))
        else:
            rows.append((_words(name), str(value)))
    return rows


def _codec_rows(codecs: dict[str, str]) -> list[tuple[str, str]]:
    """Which codecs this machine can convert, and why it cannot the others."""
    here = [name for name, why_not in codecs.items() if not why_not]
    rows = [("codecs", f"{listed(here)} can be converted" if here else "none can be converted")]
    rows += [("codec missing", f"{name}: {why_not}") for name, why_not in codecs.items() if why_not]
    return rows


def _words(name: str) -> str:
    return _WORDS.get(name, name.replace("_", " "))
