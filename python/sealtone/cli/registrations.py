"""`sealtone registrations`: which phones are registered, and how they are connected."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, console, duration, look, print_json, printable
from sealtone.net import NotRunning
from sealtone.net.control import ask
from sealtone.registrar import Binding
from sealtone.sip.flow import host_port
from sealtone.store.bindings import read_bindings


def registrations(
    user: Annotated[str, typer.Option("--user", help="Of this number or address only.")] = "",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Registered phones. Without a running server: what it will know again when it starts."""
    rows, running = _rows(data)
    rows = [row for row in rows if not user or user in (row["aor"], row["aor"].partition("@")[0])]
    if as_json:
        print_json(rows)
        return
    out = console()
    if not running:
        out.print(Text("No server is running: this is what it had stored.", "yellow"))
    if not rows:
        out.print("No phone is registered.")
        return
    now = time.time()
    table = Table("SIP user", "Connection", "Address", "Expires in", "Phone")
    for row in sorted(rows, key=lambda row: (row["aor"], row["received"])):
        how = row["transport"].upper() + (f" {row['tls_version']}" if row["tls_version"] else "")
        table.add_row(
            Text(printable(row["aor"])),
            how if row["reachable"] else f"{how}, not reachable",
            row["received"],
            duration(row["expires_at"] - now),
            Text(printable(row["user_agent"])),
        )
    out.print(table)


def _rows(data: Path) -> tuple[list[dict[str, Any]], bool]:
    try:
        return ask(data, "registrations"), True
    except NotRunning:
        now = time.time()
        bindings = look(data, lambda transaction: read_bindings(transaction.connection, now))
        return [_row(binding) for binding in bindings], False


def _row(binding: Binding) -> dict[str, Any]:
    """The same fields as a running server gives."""
    return {
        "aor": binding.aor,
        "contact": binding.contact,
        "transport": binding.transport,
        "received": host_port(*binding.received),
        "tls_version": "",
        "expires_at": binding.expires_at,
        "registered_at": binding.registered_at,
        "q": binding.q / 1000,
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "user_agent": binding.user_agent,
        "reachable": binding.hop_hint is not None,
    }
