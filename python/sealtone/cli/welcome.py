"""What `sealtone serve` prints when it is ready: where it listens, who may call, and how to place the first call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sealtone.admin import FirstUse
from sealtone.net import Listening

_INDENT = (0, 0, 0, 2)


class Welcome(NamedTuple):
    """The facts of a start."""

    domains: Sequence[str]
    addresses: Sequence[str]
    """By which phones reach this machine, the best first."""
    listening: Sequence[Listening]
    ca_file: Path
    ca_fingerprint: str
    first: FirstUse | None = None
    """What the first start made; its secrets are printed now and never again."""
    notes: Sequence[str] = ()
    """Sentences on what is not as configured, such as a port that was taken."""
    data: Path = Path("data")
    panel: str = ""
    """The panel's address; empty without one."""
    owner_link: str = ""
    """Makes the first owner; empty when there is one."""


def show(console: Console, welcome: Welcome) -> None:
    """Prints the block."""
    console.rule(Text("Sealtone is ready", "bold green"), align="left", characters="─")
    for note in welcome.notes:
        console.print(Text(f"  ! {note}", "yellow"))
    console.print(Padding(_where(welcome), _INDENT))
    if welcome.panel:
        console.print(_panel(welcome), soft_wrap=True)
    if welcome.first is not None:
        console.print(Text("SIP users", "bold"))
        console.print(Padding(_users(welcome.first), _INDENT))
        hint = Text("The secrets are shown only now. A new one: sealtone user secret USER@DOMAIN", "dim")
        console.print(Padding(hint, _INDENT))
    console.print(_first_call(welcome))
    console.rule(characters="─", style="dim")


def _where(welcome: Welcome) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("Server", Text(", ".join(welcome.addresses), "bold"))
    ports = _ports(welcome.listening)
    for kind, note in (("tls", "encrypted: use this one"), ("udp", "not encrypted"), ("tcp", "not encrypted")):
        if ports.get(kind):
            numbers = " and ".join(str(port) for port in ports[kind])
            table.add_row(kind.upper(), Text.assemble((f"port {numbers}", "bold"), (f"   {note}", "dim")))
    table.add_row("Domain", Text(", ".join(welcome.domains), "bold"))
    table.add_row("Certificate", Text(str(welcome.ca_file)).append("   import it into the phones as trusted", "dim"))
    table.add_row("", Text(f"SHA-256 {welcome.ca_fingerprint}", "dim", overflow="fold"))
    return table


def _panel(welcome: Welcome) -> Text:
    """Lines that are never wrapped, so that the link can be copied whole."""
    text = Text.assemble(("The panel", "bold"), "\n  ", (welcome.panel, "bold cyan"), "\n")
    if welcome.owner_link:
        text.append("  Your account, made once with this link, within a day (a new one: sealtone owner-link):\n  ")
        text.append(f"{welcome.owner_link}\n", "bold cyan")
    text.append(f"  The browser warns of the certificate until {welcome.ca_file} is trusted.", "dim")
    return text


def _ports(listening: Iterable[Listening]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place in listening:
        ports = found.setdefault(place.transport, [])
        if place.port not in ports:
            ports.append(place.port)
    return found


def _users(first: FirstUse) -> Table:
    table = Table("SIP user", "Secret")
    for made in first.users:
        table.add_row(made.user.aor, Text(made.secret, "bold"))
    return table


def _first_call(welcome: Welcome) -> RenderableType:
    address = welcome.addresses[0] if welcome.addresses else "127.0.0.1"
    host = f"[{address}]" if ":" in address else address
    tls = _ports(welcome.listening).get("tls", [5061])[0]
    users = [made.user.username for made in welcome.first.users] if welcome.first is not None else ["1000", "1001"]
    domain = welcome.domains[0] if welcome.domains else "your domain"
    steps = (
        f"Set up a phone as {users[0]}: domain {domain}, outbound proxy {host}:{tls}, transport TLS, SRTP on.",
        f"Set up another as {users[1]}, and call {users[1]} from {users[0]}. Alone, call *43 for the echo test, "
        "or *42 to be told who can hear you.",
        f"See who could have listened: sealtone calls --data {quote(str(welcome.data))}",
    )
    table = Table.grid(padding=(0, 1, 0, 0))
    for number, step in enumerate(steps, 1):
        table.add_row(f"{number}.", step)
    table.add_row("", Text("Without a phone at hand: make demo", "dim"))
    return Group(Text("The first call", "bold"), Padding(table, _INDENT))
