"""`sealtone service`: settings of the whole service."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin.person_fields import email as email_field
from sealtone.admin.service import (
    MailForm,
    ServiceChange,
    ServiceSettings,
    remove_mail,
    service_settings,
    set_mail,
    update_service,
)
from sealtone.admin.webhook_targets import TargetRules, read_target_rules, set_target_rules
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, change, console, look, print_json, printable
from sealtone.net.mail import Mail, MailError, MailSecurity, send_mail
from sealtone.store import Transaction

app = typer.Typer(
    help="Settings of the service: sign-up, public name, zone, e-mail, where webhooks may go.", no_args_is_help=True
)
_PASSWORD = "SEALTONE_MAIL_PASSWORD"


@app.command()
def show(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All settings of the service."""
    _show(look(data, service_settings), as_json)


@app.command("set")
def set_fields(
    sign_up: Annotated[str | None, typer.Option(help="Who may make an account: open, invited or closed.")] = None,
    public_name: Annotated[
        str | None, typer.Option(help="The name by which people and phones reach the service; empty: none.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The domain under which accounts get subdomains of their own; empty: none.")
    ] = None,
    most_sip_users: Annotated[str | None, typer.Option(metavar="NUMBER", help="Of one account.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change settings of the service; what is not named stays."""
    form = ServiceChange(sign_up, public_name, zone, most_sip_users)
    _show(change(data, lambda t, who, now: update_service(t, who, now, form)), as_json)


@app.command()
def mail(
    host: Annotated[str | None, typer.Option(help="The mail server.")] = None,
    port: Annotated[str, typer.Option(metavar="PORT", help="Without it, the usual one.")] = "",
    security: Annotated[str, typer.Option(help="starttls, tls or none.")] = MailSecurity.STARTTLS.value,
    username: Annotated[str, typer.Option(help="Empty: without signing in.")] = "",
    sender: Annotated[str, typer.Option(help="The address that e-mail comes from.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Send no e-mail any more.")] = False,
    to: Annotated[str | None, typer.Option("--test", metavar="E-MAIL", help="Send a test message there.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Say how e-mail is sent, or send a test message. The password is asked for, or SEALTONE_MAIL_PASSWORD has it."""
    if remove:
        change(data, remove_mail)
    elif host is not None:
        form = MailForm(host, port, security, username, _password() if username else None, sender)
        change(data, lambda t, who, now: set_mail(t, who, now, form))
    settings = look(data, service_settings)
    if to is not None:
        _send_test(settings, email_field(to, "test"))
    elif as_json:
        print_json(_row(settings)["mail"])
    else:
        _show(settings, as_json=False)


@app.command("webhook-targets")
def webhook_targets(
    network: Annotated[
        list[str] | None, typer.Option(help="Repeatable: permitted although it is not public, such as 10.20.0.0/16.")
    ] = None,
    port: Annotated[list[int] | None, typer.Option(min=1, max=65_535, help="Repeatable.")] = None,
    http: Annotated[bool | None, typer.Option("--http/--https-only", help="Whether events may go unencrypted.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to https on 443 or 8443 of public addresses.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show or say where webhooks may go. Everybody who may make webhooks may then reach these networks."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> TargetRules:
        present = TargetRules() if reset else read_target_rules(transaction)
        wanted = TargetRules(
            tuple(_network(text) for text in network) if network else present.networks,
            tuple(port) if port else present.ports,
            present.http if http is None else http,
        )
        return set_target_rules(transaction, who, now_wall, wanted)

    asked = bool(network or port or reset or http is not None)
    rules = change(data, use_case) if asked else look(data, read_target_rules)
    if as_json:
        print_json({"networks": [str(one) for one in rules.networks], "ports": list(rules.ports), "http": rules.http})
        return
    networks = ", ".join(str(one) for one in rules.networks)
    console().print(f"Networks beside public addresses: {networks or 'none'}")
    console().print(f"Ports: {', '.join(str(one) for one in rules.ports) or 'every one'}")
    console().print("http and https" if rules.http else "https only")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text} is no network.", param_hint="--network") from None


def _password() -> str:
    given = os.environ.get(_PASSWORD)
    if given:
        return given
    if not sys.stdin.isatty():
        raise admin.InvalidInput("password", f"There is nobody to ask for the password. Set {_PASSWORD}.")
    answer: str = typer.prompt("Password at the mail server", hide_input=True)
    return answer


def _send_test(settings: ServiceSettings, to: str) -> None:
    if settings.mail is None:
        raise admin.Conflict("No mail server is set: sealtone service mail --host NAME --sender E-MAIL")
    try:
        send_mail(settings.mail, Mail(to, "Sealtone: test message", "This server can send e-mail.\n"))
    except MailError as error:
        raise admin.Conflict(str(error)) from error
    console().print(f"The mail server took a message for {to}.")


def _show(settings: ServiceSettings, as_json: bool) -> None:
    row = _row(settings)
    if as_json:
        print_json(row)
        return
    table = Table(show_header=False, box=None)
    table.add_row("Sign-up", row["sign_up"])
    table.add_row("Public name", row["public_name"] or "none")
    table.add_row("Zone for subdomains", row["zone"] or "none")
    table.add_row("SIP users of an account, at most", str(row["most_sip_users"]))
    mail_words = "none is sent"
    if settings.mail is not None:
        mail_words = (
            f"{settings.mail.host}:{settings.mail.port} ({settings.mail.security}), from {settings.mail.sender}"
        )
    table.add_row("E-mail", Text(printable(mail_words)))
    console().print(table)


def _row(settings: ServiceSettings) -> dict[str, Any]:
    """Without the mail server's password."""
    mail: dict[str, Any] | None = None
    if settings.mail is not None:
        mail = {name: value for name, value in settings.mail._asdict().items() if name != "password"}
    return settings._asdict() | {"mail": mail}
