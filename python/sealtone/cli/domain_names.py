"""`sealtone domain park`, `records`, `check`, `resolvers`, `certificate`; and `sealtone authority`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import certificates
from sealtone.admin.acme import AcmeForm, AcmeSettings, acme_settings, set_acme
from sealtone.admin.domain_records import as_zone_file
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.domain import Name, app
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, change, console, look, print_json
from sealtone.model import CertificateSource
from sealtone.net import ControlError
from sealtone.net.control import ask
from sealtone.net.dns_lookup import DnsLookup
from sealtone.pki.certificates import read_chain
from sealtone.pki.facts import cover_of, days_left, facts_of
from sealtone.store import Transaction

_SIGNS = {"ok": "found", "missing": "missing", "differs": "different", "unknown": "not checked"}


@app.command()
def park(
    name: Name, account: AccountOption = None, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """Claim a name that is to be proven by a record in its DNS, as people do in the panel."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> admin.Standing:
        claim = admin.park_domain(transaction, who, now_wall, name, chosen_account(transaction, who, account).id)
        return admin.standing_of(transaction, who, claim.name)

    _show(change(data, use_case), as_json)


@app.command()
def records(
    name: Name,
    zone_file: Annotated[bool, typer.Option("--zone-file", help="As lines of a zone file.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The DNS records that a domain should have, and what was last found."""
    standing = look(data, lambda transaction: admin.standing_of(transaction, actor(), name))
    if zone_file:
        typer.echo(as_zone_file(standing.findings), nl=False)
    else:
        _show(standing, as_json)


@app.command()
def check(name: Name, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Ask DNS now; a name whose record is there becomes a domain."""
    standing, resolvers = look(
        data,
        lambda transaction: (admin.standing_of(transaction, actor(), name), admin.dns_resolvers(transaction)),
    )
    findings = asyncio.run(_found(resolvers, standing))
    after = change(data, lambda t, who, now: admin.record_check(t, who, now, standing, findings))
    _show(after, as_json)


async def _found(resolvers: tuple[tuple[str, int], ...], standing: admin.Standing) -> Any:
    return await admin.look_up(DnsLookup(resolvers), standing)


@app.command()
def resolvers(
    servers: Annotated[
        str | None, typer.Argument(help="Such as 192.0.2.53 or 127.0.0.1:5353, …; system for the system's.")
    ] = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Show or set the name servers that are asked for records of domains."""
    if servers is not None:
        text = "" if servers == "system" else servers
        change(data, lambda t, who, now: admin.set_dns_resolvers(t, who, now, text))
    found = look(data, admin.dns_resolvers)
    console().print(", ".join(f"{host} port {port}" for host, port in found) or "The system's name servers are asked.")


@app.command()
def certificate(
    name: Name,
    own: Annotated[bool, typer.Option("--own", help="From now on this server's authority issues it.")] = False,
    acme: Annotated[
        str | None,
        typer.Option(help="A public authority does, checking by http-01, tls-alpn-01 or dns-01.", metavar="CHALLENGE"),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Use this one: PEM with its chain, or PKCS #12.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key, where that is a file of its own.")] = None,
    ask_passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for the key's passphrase.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show a domain's certificate, or change who issues it."""
    if sum((own, acme is not None, file is not None)) > 1:
        raise typer.BadParameter("Choose one of --own, --acme and --file.")
    if own:
        change(data, lambda t, who, now: certificates.use_own_certificate(t, who, now, name))
    elif acme is not None:
        domain = change(data, lambda t, who, now: certificates.use_acme_certificate(t, who, now, name, acme))
        _order(data, domain.name)
    elif file is not None:
        secret = typer.prompt("Passphrase", hide_input=True) if ask_passphrase else ""
        content, private = _read(file), _read(key) if key is not None else b""
        brought = look(data, lambda t: certificates.check_upload(t, actor(), name, content, private, secret))
        change(data, lambda t, who, now: certificates.save_upload(t, who, now, data, name, brought))
    _show_certificate(data, name, as_json)


def _order(data: Path, name: str) -> None:
    """Waits for the order's end, where a server runs to place it."""
    try:
        ask(data, "certificates.order", domain=name)
        while (state := ask(data, "certificates.state", domain=name))["ended_at"] is None:
            time.sleep(0.5)
    except ControlError as error:
        console().print(f"It is ordered once the server runs: {error}")
        return
    if state["error"]:
        raise admin.Conflict(state["error"])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise admin.InvalidInput("certificate", f"{path} cannot be read: {error.strerror}.") from error


def _show_certificate(data: Path, name: str, as_json: bool) -> None:
    standing = look(data, lambda transaction: admin.standing_of(transaction, actor(), name))
    if standing.domain is None:
        raise admin.NotFound("There is no domain {name}.", name=standing.name)
    chain = read_chain(data / certificates.FOLDER, standing.name)
    row: dict[str, Any] = {
        "domain": standing.name,
        "source": standing.domain.certificate_source.value,
        "challenge": standing.certificate_challenge,
        "error": standing.certificate_error,
    }
    if chain:
        facts = facts_of(chain)
        row |= facts._asdict() | {"days_left": days_left(facts), "covers": cover_of(chain[0], standing.name).value}
    if as_json:
        print_json(row)
        return
    table = Table(show_header=False, box=None)
    for label in ("domain", "source", "challenge", "issuer", "names", "days_left", "covers", "fingerprint", "error"):
        value = row.get(label)
        if value not in (None, "", ()):
            table.add_row(label.replace("_", " "), Text(", ".join(value) if isinstance(value, tuple) else str(value)))
    console().print(table)
    if not chain and standing.domain.certificate_source is CertificateSource.OWN:
        console().print("The server makes one when it takes the domain up.")


def authority(
    directory: Annotated[str | None, typer.Option(help="production, staging (Let's Encrypt), or an address.")] = None,
    accept_terms: Annotated[
        bool | None, typer.Option("--accept-terms/--withdraw", help="You have read its terms and accept them.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Where it may write.")] = None,
    trusted: Annotated[str | None, typer.Option(help="File by which its own certificate is checked.")] = None,
    dns_zone: Annotated[str | None, typer.Option(help="Zone that is delegated to this server, for dns-01.")] = None,
    dns_port: Annotated[str | None, typer.Option(help="Where this server answers for it.", metavar="PORT")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show or set which public authority issues certificates (ACME), and how it checks names."""
    form = AcmeForm(directory, email, accept_terms, trusted, dns_zone, dns_port)
    if form == AcmeForm():
        settings: AcmeSettings = look(data, acme_settings)
    else:
        settings = change(data, lambda t, who, now: set_acme(t, who, now, form))
    if as_json:
        print_json(settings._asdict())
        return
    terms = "accepted" if settings.may_order else "not accepted yet: sealtone authority --accept-terms"
    console().print(f"Authority: {settings.directory}\nTerms: {terms}")
    if settings.dns_zone:
        console().print(f"Zone for checks by DNS: {settings.dns_zone}, port {settings.dns_port}")


def _show(standing: admin.Standing, as_json: bool) -> None:
    if as_json:
        findings = [one._asdict() for one in standing.findings]
        print_json(
            {
                "name": standing.name,
                "kind": standing.kind.value,
                "status": standing.status,
                "checked_at": standing.checked_at,
                "records": findings,
            }
        )
        return
    console().print(Text(f"{standing.name}: {standing.status}"))
    table = Table("", "Type", "Name", "Value", "Found")
    for one in standing.findings:
        found = ", ".join(one.found) if one.state == "differs" else ""
        state = _SIGNS[one.state] + ("" if one.required or one.state == "ok" else " (optional)")
        table.add_row(*(Text(text) for text in (state, one.kind, one.name, one.expected, found)))
    console().print(table)
