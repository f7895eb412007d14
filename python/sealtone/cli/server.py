"""`sealtone serve`: only its options and what it prints; what it does stands in `sealtone.app`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sealtone.admin import secrets_shown
from sealtone.cli.output import JsonOption, console, opened, print_json
from sealtone.cli.welcome import Welcome, show
from sealtone.config import load_config

_DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder; made at the first start.")]


def serve(
    data: _DataOption = None,
    listen: Annotated[str | None, typer.Option(help="IP addresses, separated by commas.")] = None,
    sip_port: Annotated[str | None, typer.Option(help="UDP and TCP.", metavar="PORT")] = None,
    tls_port: Annotated[str | None, typer.Option(metavar="PORT")] = None,
    shared_tls_port: Annotated[str | None, typer.Option(help="A second TLS port; 0 for none.", metavar="PORT")] = None,
    advertise: Annotated[str | None, typer.Option(help="Address that phones outside reach this machine by.")] = None,
    media_ports: Annotated[str | None, typer.Option(help="Such as 20000-29999.", metavar="FIRST-LAST")] = None,
    workers: Annotated[str | None, typer.Option(help="Media threads; 0 for one a core.", metavar="NUMBER")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    domain: Annotated[str | None, typer.Option(help="Name of the domain that the first start makes.")] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Plain HTTP, for redirects and certificates; 0 for none.")
    ] = None,
    panel: Annotated[bool | None, typer.Option("--panel/--no-panel", help="Serve the panel and the API.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Log every SIP message, secrets masked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the server until Ctrl-C, which ends its calls properly."""
    from sealtone import app  # the other commands start quicker without the server's parts

    given = {
        "data": data,
        "listen": listen,
        "sip_port": sip_port,
        "tls_port": tls_port,
        "shared_tls_port": shared_tls_port,
        "advertise": advertise,
        "media_ports": media_ports,
        "workers": workers,
        "log_level": log_level,
        "domain": domain,
        "http_port": http_port,
        "panel": panel,
    }
    out = console()

    def ready(state: app.Ready) -> None:
        welcome = Welcome(
            state.domains,
            state.addresses,
            state.listening,
            state.ca_file,
            state.ca_fingerprint,
            state.first,
            state.notes,
            state.data,
            state.panel,
            state.owner_link,
        )
        if as_json:
            print_json(_as_json(welcome))
        else:
            show(out, welcome)
        sys.stdout.flush()
        if state.first is not None:
            with opened(state.data) as database, database.write() as transaction:
                secrets_shown(transaction)

    def stopping() -> None:
        if not as_json:
            out.print("Ending calls and writing their records …")

    app.serve(load_config(given), ready, trace=trace, on_stopping=stopping)


def _as_json(welcome: Welcome) -> dict[str, object]:
    first = welcome.first
    return {
        "domains": list(welcome.domains),
        "addresses": list(welcome.addresses),
        "listening": [place._asdict() for place in welcome.listening],
        "certificate": str(welcome.ca_file),
        "fingerprint": welcome.ca_fingerprint,
        "notes": list(welcome.notes),
        "panel": welcome.panel,
        "owner_link": welcome.owner_link,
        "users": [{"user": made.user.aor, "secret": made.secret} for made in first.users] if first else [],
    }
