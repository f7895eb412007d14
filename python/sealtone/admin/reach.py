"""Where phones reach this server: what DNS records have to say, and what pages and links name."""

from __future__ import annotations

import json
from typing import NamedTuple

from sealtone.admin.service import service_settings
from sealtone.store import Transaction
from sealtone.store import directory as rows

_SETTING = "reach"


class Reach(NamedTuple):
    """As the server last started. Written by it alone; the name is the service's setting."""

    name: str = ""
    """The service's public host name; empty where it has none, and each domain's own name stands for it."""
    addresses: tuple[str, ...] = ()
    """IP literals, the best first."""
    sip_port: int = 5060
    tls_port: int = 5061
    shared_tls_port: int = 0
    """TLS too, usually 443; 0: none."""


def read_reach(transaction: Transaction) -> Reach:
    """Where phones reach this server; the usual ports before it was ever started."""
    text = rows.read_setting(transaction, _SETTING)
    name = service_settings(transaction).public_name
    if text is None:
        return Reach(name)
    stored = json.loads(text)
    return Reach(name, tuple(stored["addresses"]), stored["sip_port"], stored["tls_port"], stored["shared_tls_port"])


def save_reach(transaction: Transaction, reach: Reach) -> None:
    """Told by the server at its start; writes only what has changed."""
    values = reach._asdict()
    del values["name"]
    text = json.dumps(values)
    if rows.read_setting(transaction, _SETTING) != text:
        rows.write_setting(transaction, _SETTING, text)
