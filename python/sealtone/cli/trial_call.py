"""`sealtone test-call`: what a call would come to, and who could listen, without anything ringing."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sealtone import admin
from sealtone.admin.listening import SCHEMES, who_could_listen_in_words
from sealtone.admin.rehearsal import Outlook
from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, console, look, print_json, printable
from sealtone.net import ControlError
from sealtone.net.control import ask

Transport = typer.Option(help="Suppose this connection: tls, tcp or udp.")
Protection = typer.Option(help="Suppose this setting of the phone: none, srtp, srtp-mandatory or zrtp.")
Codecs = typer.Option(help="Suppose these codecs of the phone.")


def trial_call(
    caller: Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Who calls.", show_default=False)],
    dialled: Annotated[str, typer.Argument(metavar="NUMBER", help="What is dialled.", show_default=False)],
    caller_transport: Annotated[str, Transport] = "",
    caller_protection: Annotated[str, Protection] = "",
    caller_codecs: Annotated[str, Codecs] = "",
    callee_transport: Annotated[str, Transport] = "",
    callee_protection: Annotated[str, Protection] = "",
    callee_codecs: Annotated[str, Codecs] = "",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """If CALLER called NUMBER now: would it be refused, which codecs, and who could listen. Nothing rings.

    How a phone itself is set up cannot be known here: it is taken to be set up as its user is.
    """
    try:
        registrations, codecs = ask(data, "registrations"), ask(data, "status").get("codecs") or {}
        is_running = True
    except ControlError:
        registrations, codecs, is_running = [], {}, False
    tried = look(
        data,
        lambda transaction: admin.try_call(
            transaction,
            actor(),
            caller,
            dialled,
            admin.registrations_by_aor(registrations),
            codecs,
            admin.PhoneForm(caller_transport, caller_protection, caller_codecs),
            admin.PhoneForm(callee_transport, callee_protection, callee_codecs),
        ),
    )
    if as_json:
        print_json(
            {
                "server_is_running": is_running,
                "caller_is_registered": tried.caller_is_registered,
                "callee_is_registered": tried.callee_is_registered,
                **_row(tried.outlook, tried),
                "if_registered": _row(tried.if_registered, tried) if tried.if_registered is not None else None,
            }
        )
        return
    if not is_running:
        console().print(Text("No server is running: nobody counts as registered, no codec as convertible.", "yellow"))
    _print(tried.outlook, tried)
    if tried.if_registered is not None:
        console().print("If a phone of that user were registered over TLS:")
        _print(tried.if_registered, tried)


def _names(tried: admin.TrialCall) -> tuple[str, str]:
    return tried.caller.username, tried.callee.username if tried.callee is not None else tried.dialled


def _print(outlook: Outlook, tried: admin.TrialCall) -> None:
    out = console()
    if outlook.audience is None:
        out.print(Text("Refused: ", "bold red").append(f"{printable(outlook.reason)} ({outlook.status})", "default"))
        if outlook.is_cut_off:
            out.print("The phone would be answered, hear nothing, and be hung up on after half a minute.")
        return
    state = outlook.audience.state
    out.print(Text(f"{state.icon} {state.words}", "bold").append(f"   {printable(outlook.drawn)}", "default"))
    out.print(f"Scheme {outlook.audience.scheme.number}: {SCHEMES[outlook.audience.scheme]}")
    for sentence in who_could_listen_in_words(outlook.audience, *_names(tried)):
        out.print(printable(str(sentence)))
    table = Table("Side", "Connection", "Protection", "Codec", "Note")
    for leg in outlook.legs:
        table.add_row(leg.aor, leg.transport, leg.security.protection.value, leg.codec, leg.security.note)
    out.print(table)
    for note in (outlook.transcoding, outlook.announced, outlook.recording):
        if note:
            out.print(printable(note))


def _row(outlook: Outlook, tried: admin.TrialCall) -> dict[str, Any]:
    audience = outlook.audience
    return {
        "status": outlook.status,
        "reason": outlook.reason,
        "scheme": audience.scheme.number if audience is not None else None,
        "state": audience.state.value if audience is not None else None,
        "listeners": [one.value for one in audience.listeners] if audience is not None else None,
        "compare_sas_with": audience.compare.value if audience is not None else None,
        "addresses_shown": audience.addresses_shown if audience is not None else None,
        "words": [str(one) for one in who_could_listen_in_words(audience, *_names(tried))] if audience else [],
        "drawn": outlook.drawn,
        "transcoding": outlook.transcoding,
        "service": outlook.service,
        "announced": outlook.announced,
        "recording": outlook.recording,
        "legs": [
            {
                "aor": leg.aor,
                "transport": leg.transport,
                "protection": leg.security.protection.value,
                "media_path": leg.security.media_path.value,
                "codec": leg.codec,
                "note": leg.security.note,
            }
            for leg in outlook.legs
        ],
    }
