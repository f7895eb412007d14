"""Links into the panel, for a person to open: made on the command line, shown once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from sealtone import admin
from sealtone.admin.links import NewLink
from sealtone.cli.output import console, look, moment, print_json
from sealtone.net import ControlError
from sealtone.net.control import ask

_HTTPS = 443
_LOOPBACK = "127.0.0.1"


def panel_address(data: Path) -> str:
    """As the running server has it; else as it was when it last ran: the public name, or an address of the machine."""
    try:
        address = str(ask(data, "status").get("panel", {}).get("address", ""))
    except ControlError:
        address = ""
    if address:
        return address
    reach = look(data, admin.read_reach)
    host = reach.name or next(iter(reach.addresses), _LOOPBACK)
    has_run = bool(reach.addresses)
    port = _HTTPS if reach.name and not has_run else reach.shared_tls_port or reach.tls_port
    named = f"[{host}]" if ":" in host else host
    return f"https://{named}{'' if port == _HTTPS else f':{port}'}/"


def show_link(
    data: Path, path: str, made: NewLink, words: str, as_json: bool, row: dict[str, Any] | None = None
) -> None:
    """Prints a link. `row`: what else a program is told."""
    url = panel_address(data) + path
    if as_json:
        print_json({"link": url, "expires_at": made.link.expires_at} | (row or {}))
        return
    out = console()
    out.print(words)
    out.print(Text(url, "bold cyan"), soft_wrap=True)
    out.print(Text(f"Shown only now; works once, until {moment(made.link.expires_at)}.", "dim"))
