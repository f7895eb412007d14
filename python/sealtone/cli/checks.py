"""`sealtone checks`: what can be seen from this machine of domains, certificates, ports, phones and the disk."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sealtone.cli.output import DEFAULT_DATA, DataOption, JsonOption, actor, console, look, print_json, printable
from sealtone.net import ControlError
from sealtone.net.control import ask

if TYPE_CHECKING:
    from sealtone.web.api.schemas.checks import ChecksOut, DomainChecked

_SOON_DAYS = 14
_PORTS = {
    "ok": "answers",
    "refused": "nothing listens there",
    "silent": "no answer",
    "no-tls": "something else answers",
}
_DNS = {
    "ok": "records as phones need them",
    "needs-care": "records missing or different",
    "not-checked": "not looked at",
}


def checks(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Domains, their certificates, ports for TLS, registered phones and the routers before them, room on the disk."""
    # The panel's modules take long to load: no other command is to wait for them.
    from sealtone.web.api.schemas.checks import checks_out
    from sealtone.web.checked import look_around, read_stored

    stored = look(data, lambda transaction: read_stored(transaction, actor(), time.time()))
    try:
        status = ask(data, "status")
    except ControlError:
        status = None
    found = checks_out(asyncio.run(look_around(stored, data.absolute(), status, ports=True, with_disk=True)))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)


def _show(found: ChecksOut) -> None:
    out = console()
    out.print("The server runs." if found.running else Text("The server does not run.", "bold red"))
    domains = Table("Domain", "State", "DNS", "Certificate")
    for one in found.domains:
        domains.add_row(one.name, one.status, _DNS[one.dns], Text(printable(_certificate(one))))
    out.print(domains)
    for port in found.ports:
        out.print(f"{port.host}:{port.port}  {_PORTS[port.state]} {port.tls_version}")
    if found.phones:
        phones = Table("Phone", "Says it is at", "Seen from", "NAT", "SIP ALG")
        for phone in found.phones:
            cells = (phone.aor, phone.says or "–", phone.seen, phone.nat.value, phone.sip_alg.value)
            phones.add_row(*(Text(printable(cell)) for cell in cells))
        out.print(phones)
    for codec, why in found.codecs_missing.items():
        out.print(Text(printable(f"The codec {codec} is not offered: {why}")))
    if found.disk is not None:
        room = f"Free on the disk of the data: {found.disk.free / 1e9:.1f} GB of {found.disk.total / 1e9:.1f} GB"
        out.print(Text(room, "bold red" if found.disk.is_little else "default"))


def _certificate(one: DomainChecked) -> str:
    if one.certificate is None or one.certificate_days_left is None:
        return one.certificate_error or "none yet"
    days = one.certificate_days_left
    state = "has ended" if days < 0 else f"{days} days left"
    by = {"public": "a public authority", "own": "this server's own authority"}.get(
        one.certificate.trusted_by.value, "an authority that is not known here"
    )
    soon = ", renew it" if 0 <= days < _SOON_DAYS else ""
    covers = "" if one.certificate.covers.value == "domain" else ", does not name the domain"
    return f"{state}{soon}, by {by}{covers}" + (f"; {one.certificate_error}" if one.certificate_error else "")
