"""`sealtone webhook`: endpoints that are told of events, and what became of each telling."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin import webhooks
from sealtone.admin.webhooks import EventKind, NewWebhook, WebhookChange
from sealtone.cli.account_choice import AccountOption, chosen_account
from sealtone.cli.output import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    actor,
    change,
    console,
    look,
    moment,
    opened,
    print_json,
    printable,
)
from sealtone.store import Transaction
from sealtone.store.webhooks import Delivery, Webhook, find_delivery

app = typer.Typer(help="Webhooks: add, list, set, new secret, test, deliveries, delete.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `sealtone webhook list` has it.", show_default=False)]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help=f"Repeatable: {', '.join(EventKind)}.", show_default=False),
]
_WAIT_S = 15.0
_LOOK_S = 0.2


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="https, of a public address.", show_default=False)],
    event: Events = None,
    account: AccountOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Add an endpoint; prints the secret that signs what is sent to it, once. Without --event: when a call ends."""

    def use_case(transaction: Transaction, who: admin.Actor, now_wall: float) -> NewWebhook:
        owner = chosen_account(transaction, who, account)
        return webhooks.create_webhook(transaction, who, now_wall, owner.id, url, event or [EventKind.CALL_ENDED])

    _show_secret(change(data, use_case), "added", as_json)


@app.command("list")
def list_webhooks(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """All endpoints, and whether what is sent arrives."""
    found = look(data, lambda transaction: webhooks.list_webhooks(transaction, actor()))
    if as_json:
        print_json([_row(hook) for hook in found])
        return
    table = Table("Number", "Account", "URL", "Events", "State")
    for hook in found:
        table.add_row(str(hook.id), str(hook.account_id), Text(hook.url), ", ".join(hook.events), _state(hook))
    console().print(table if found else "There is no webhook yet. Add one with: sealtone webhook add URL")


@app.command("set")
def set_fields(
    number: Number,
    url: Annotated[str | None, typer.Option(help="Where to.")] = None,
    event: Events = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether anything is sent.")] = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change an endpoint; what is not named stays. Switched on again, it begins afresh."""
    form = WebhookChange(url, tuple(event) if event else None, enabled)
    _say(change(data, lambda t, who, now: webhooks.update_webhook(t, who, now, number, form)), "changed", as_json)


@app.command()
def secret(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Another secret; prints it, once. For a day, what is sent is signed with the one before as well."""
    made = change(data, lambda t, who, now: webhooks.rotate_webhook_secret(t, who, now, number))
    _show_secret(made, "has a new secret", as_json)


@app.command()
def delete(number: Number, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Delete an endpoint, with what was to be sent to it."""
    _say(change(data, lambda t, who, now: webhooks.delete_webhook(t, who, now, number)), "deleted", as_json)


@app.command("test")
def send_test(
    number: Number,
    wait: Annotated[float, typer.Option(min=0, max=300, help="Seconds to wait for what becomes of it.")] = _WAIT_S,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Send an event that stands for nothing, and say what the endpoint answered. The panel has to be running."""
    sent = change(data, lambda t, who, now: webhooks.send_test(t, who, now, number))
    _show_outcome(_outcome(data, sent, wait), as_json)


@app.command()
def deliveries(
    number: Number,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What was or is to be sent to an endpoint, newest first."""
    found = look(data, lambda transaction: webhooks.list_deliveries(transaction, actor(), number, limit))
    if as_json:
        print_json([_delivery_row(one) for one in found])
        return
    table = Table("Number", "Event", "Happened", "Tries", "Outcome")
    for one in found:
        table.add_row(str(one.id), one.event, moment(one.created_at), str(one.tries), Text(_outcome_words(one)))
    console().print(table if found else "Nothing was sent yet. Try it with: sealtone webhook test NUMBER")


@app.command()
def redeliver(
    number: Number,
    delivery: Annotated[int, typer.Argument(help="As `sealtone webhook deliveries` has it.", show_default=False)],
    wait: Annotated[float, typer.Option(min=0, max=300, help="Seconds to wait for what becomes of it.")] = _WAIT_S,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Send an event once more, under the same event id."""
    sent = change(data, lambda t, who, now: webhooks.redeliver(t, who, now, number, delivery))
    _show_outcome(_outcome(data, sent, wait), as_json)


def _outcome(data: Path, sent: Delivery, wait_s: float) -> Delivery:
    """The delivery once it was tried, or as it is when there was no time left."""
    end = time.monotonic() + wait_s
    with opened(data) as database:
        while True:
            with database.read() as transaction:
                found = find_delivery(transaction, sent.id) or sent
            if found.tries or time.monotonic() >= end:
                return found
            time.sleep(_LOOK_S)


def _show_outcome(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(_delivery_row(delivery))
        return
    console().print(Text(printable(f"Delivery {delivery.id}: {_outcome_words(delivery)}")))
    if not delivery.tries:
        console().print("It is sent while the server runs with its panel.")


def _outcome_words(delivery: Delivery) -> str:
    if not delivery.tries:
        return "waits to be sent"
    if not delivery.failure:
        return f"arrived (HTTP {delivery.status})"
    again = f"; again at {moment(delivery.next_try_at)}" if delivery.next_try_at is not None else "; given up"
    return printable(f"failed: {delivery.failure}{again}")


def _show_secret(made: NewWebhook, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_row(made.webhook) | {"secret": made.secret})
        return
    _say(made.webhook, done, as_json)
    console().print(Text(made.secret, "bold").append("   (shown only now)", "dim"))


def _say(hook: Webhook, done: str, as_json: bool) -> None:
    if as_json:
        print_json(_row(hook))
    else:
        console().print(Text(f"Webhook {hook.id} ({hook.url}) {done}."), soft_wrap=True)


def _state(hook: Webhook) -> str:
    if not hook.enabled:
        return hook.note or "off"
    return f"nothing arrives since {moment(hook.failing_since)}" if hook.failing_since is not None else "on"


def _row(hook: Webhook) -> dict[str, Any]:
    return hook._asdict() | {"events": list(hook.events)}


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    return delivery._asdict()
