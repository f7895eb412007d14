"""All commands in one tree, and the one place where errors become words and exit codes.

Exit codes: 0 done; 1 refused or not found; 2 wrong usage; 3 no server is running; 4 configuration, database, key files
or certificates cannot be used; 130 interrupted.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.text import Text

from sealtone.admin import AdminError
from sealtone.cli import (
    account,
    api_key,
    backup,
    calls,
    changes,
    checks,
    config,
    connect,
    domain,
    domain_names,
    person,
    recordings,
    registrations,
    retention,
    server,
    service,
    status,
    trial_call,
    user,
    webhook,
)
from sealtone.cli.output import NoData, printable
from sealtone.config import ConfigError
from sealtone.demo import main as demo_main
from sealtone.net import ControlError, NetError, NotRunning
from sealtone.phone import main as phone_main
from sealtone.pki import CertificateError
from sealtone.store import StoreError

app = typer.Typer(
    name="sealtone",
    help="Self-hosted SIP telephony that can say, for every call, who could have listened.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(server.serve)
app.add_typer(domain.app, name="domain")
app.command("authority")(domain_names.authority)
app.add_typer(user.app, name="user")
app.command("connect")(connect.connect)
app.command("ring")(connect.ring)
app.command("calls")(calls.calls)
app.command("test-call")(trial_call.trial_call)
app.add_typer(changes.app, name="changes")
app.add_typer(recordings.app, name="recordings")
app.add_typer(person.app, name="person")
app.add_typer(account.app, name="account")
app.command("owner-link")(person.owner_link)
app.add_typer(api_key.app, name="api-key")
app.add_typer(webhook.app, name="webhook")
app.add_typer(service.app, name="service")
app.add_typer(config.app, name="config")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("retention")(retention.retention)
app.command("registrations")(registrations.registrations)
app.command("status")(status.status)
app.command("checks")(checks.checks)
app.command("demo")(demo_main)
app.command("phone")(phone_main)

REFUSED, NOT_RUNNING, UNUSABLE, INTERRUPTED = 1, 3, 4, 130


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        app()
    except NotRunning as error:
        _fail(error, NOT_RUNNING)
    except (AdminError, ControlError) as error:
        _fail(error, REFUSED)
    except (ConfigError, StoreError, CertificateError, NetError, NoData) as error:
        _fail(error, UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fail(error: Exception, code: int) -> None:
    Console(stderr=True, highlight=False).print(Text("Error: ", "bold red").append(printable(str(error)), "default"))
    sys.exit(code)
