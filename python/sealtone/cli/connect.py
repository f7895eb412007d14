"""`sealtone connect` and `sealtone ring`: links that set up a phone, and a call to it from the server."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import segno
import typer

from sealtone.admin import Standing, dns_resolvers, look_up, record_check, standing_of
from sealtone.admin.domain_checks import leads_here
from sealtone.admin.errors import Conflict
from sealtone.admin.phone_calls import phone_to_call
from sealtone.admin.phone_links import list_phone_links, make_phone_link, phone_host, revoke_phone_link
from sealtone.admin.reach import read_reach
from sealtone.admin.sip_users import user_of
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, moment, print_json
from sealtone.model.directory import WHO_CAN_HEAR_SERVICE
from sealtone.net.control import ask
from sealtone.net.dns_lookup import DnsLookup
from sealtone.provisioning import ServerPlace
from sealtone.store import Transaction

Aor = Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Such as 1000@office.example.", show_default=False)]
_SAY_A_NAME = (
    "Set one with: sealtone service set --public-name NAME, or name one with --host; "
    "or have the domain's DNS lead here: sealtone domain records DOMAIN"
)


def connect(
    aor: Aor,
    revoke: Annotated[str | None, typer.Option(metavar="NUMBER", help="End a link instead.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the links that still work instead.")] = False,
    host: Annotated[str | None, typer.Option(help="Name by which the phone reaches the server.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make a link and QR code that sets up one phone: it works once, for ten minutes."""
    if revoke is not None:
        change(data, lambda t, who, now: revoke_phone_link(t, who, now, aor, revoke))
        console().print(f"The link {revoke} was revoked.")
    elif show:
        _list(data, aor, as_json)
    else:
        _make(data, aor, host, as_json)


def _make(data: Path, aor: str, host: str | None, as_json: bool) -> None:
    if host is None and (unsure := look(data, lambda transaction: _unsure_domain(transaction, aor))) is not None:
        standing, resolvers = unsure
        findings = asyncio.run(look_up(DnsLookup(resolvers), standing))
        if any(finding.state != "unknown" for finding in findings):  # DNS that does not answer changes nothing
            change(data, lambda t, who, now: record_check(t, who, now, standing, findings))
    place = look(data, lambda transaction: _place(transaction, aor, host))
    made = change(data, lambda t, who, now: make_phone_link(t, who, now, aor))
    url = place.url(f"/p/{made.token}")
    if as_json:
        print_json({"number": made.link.number, "url": url, "expires_at": made.link.expires_at})
        return
    if sys.stdout.isatty():
        segno.make(url, error="m", micro=False).terminal(compact=True)
    console().print(url, soft_wrap=True)
    console().print(
        f"In Linphone: scan it, or fetch the remote configuration. It works once, until "
        f"{moment(made.link.expires_at)}; to end it before: sealtone connect {aor} --revoke {made.link.number}",
        soft_wrap=True,
    )
    if place.is_by_address:
        console().print(
            "It names an address, which Linphone does not accept: it compares the certificate with a name. "
            f"{_SAY_A_NAME}.",
            soft_wrap=True,
        )


def _list(data: Path, aor: str, as_json: bool) -> None:
    links = look(data, lambda transaction: list_phone_links(transaction, actor(), time.time(), aor))
    if as_json:
        print_json([link._asdict() for link in links])
    for link in () if as_json else links:
        console().print(f"{link.number}  made by {link.created_by}, works until {moment(link.expires_at)}")
    if not links and not as_json:
        console().print(f"No link for {aor} is open.")


def _unsure_domain(transaction: Transaction, aor: str) -> tuple[Standing, tuple[tuple[str, int], ...]] | None:
    """The user's domain and whom to ask, where DNS has to say whether phones reach this server by its name."""
    domain, reach = user_of(transaction, actor(), aor).domain, read_reach(transaction)
    if reach.name or not reach.addresses or leads_here(transaction, domain):
        return None
    if domain.endswith(".local") or "." not in domain:  # no name that DNS knows (RFC 6762, 3)
        return None
    return standing_of(transaction, actor(), domain), dns_resolvers(transaction)


def _place(transaction: Transaction, aor: str, host: str | None) -> ServerPlace:
    """Where the phone reaches the panel. Raises `NotFound`, `Conflict` where nothing tells."""
    user, reach = user_of(transaction, actor(), aor), read_reach(transaction)
    named = host or phone_host(transaction, user.domain)
    if not named:
        raise Conflict("It is not known by what name or address phones reach this server. {what}.", what=_SAY_A_NAME)
    return ServerPlace(named.strip("[]"), reach.shared_tls_port or reach.tls_port)


def ring(
    aor: Aor,
    service: Annotated[str, typer.Option(help="What is played: who-can-hear or echo.")] = WHO_CAN_HEAR_SERVICE,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Have the server call a phone of this user, to hear that it works."""
    user = look(data, lambda transaction: phone_to_call(transaction, actor(), aor, service))
    ask(data, "calls.test", user=user.aor, service=service)
    console().print(f"The phone of {user.aor} rings now. Pick it up and listen.")
