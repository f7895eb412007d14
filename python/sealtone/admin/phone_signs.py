"""What registrations tell of the routers that phones sit behind: NAT, and a SIP ALG that rewrites what passes.

A phone writes into its Contact the address it knows of itself; the server sees where the request really came from.
Under TLS no router can have changed the one; without TLS it can, which is what a SIP ALG does, mostly to ill effect.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from sealtone.admin.actor import Actor
from sealtone.sip.errors import SipParseError
from sealtone.sip.flow import host_port
from sealtone.sip.uri import SipUri
from sealtone.store import Transaction
from sealtone.store.domains import PhoneRow, read_phones

_MOST_PHONES = 200


class Nat(StrEnum):
    """How a phone is connected."""

    NONE = "none"
    """It knows the address that it is seen from."""
    KEEPS_PORT = "keeps-port"
    """Behind NAT that sends from the phone's own port."""
    CHANGES_PORT = "changes-port"
    """Behind NAT that sends from a port of its choice."""
    UNKNOWN = "unknown"
    """Its Contact holds no address; or the port says nothing, as over TCP and TLS."""


class Alg(StrEnum):
    """Whether a router seems to rewrite its messages."""

    IMPOSSIBLE = "impossible"
    """It registers over TLS."""
    NO_SIGN = "no-sign"
    POSSIBLE = "possible"
    """Its Contact, sent without TLS, names the outside address: the phone (by STUN) or a router has put it there."""
    LIKELY = "likely"
    """The same phone's user tells the inside address over TLS, and the outside one without."""


class PhoneSigns(NamedTuple):
    """One registered phone."""

    aor: str
    user_agent: str
    transport: str
    says: str
    """Where it says that it is."""
    seen: str
    """Where it was seen."""
    nat: Nat
    alg: Alg


def phone_signs(transaction: Transaction, actor: Actor, now_wall: float) -> tuple[PhoneSigns, ...]:
    """Of the phones that are registered now and that the actor may see: the newest 200."""
    return judge(read_phones(transaction, actor.account_id, now_wall, _MOST_PHONES))


def judge(phones: Iterable[PhoneRow]) -> tuple[PhoneSigns, ...]:
    """What each phone's registration tells, beside the others of its user."""
    listed = tuple(phones)
    inside = {(one.aor, one.received_host) for one in listed if one.transport in ("tls", "wss") and _is_behind(one)}
    return tuple(_judged(one, (one.aor, one.received_host) in inside) for one in listed)


def _judged(phone: PhoneRow, hides_under_tls: bool) -> PhoneSigns:
    host, port = _contact(phone)
    seen = host_port(phone.received_host, phone.received_port)
    says = host_port(host, port) if host else ""
    signs = PhoneSigns(phone.aor, phone.user_agent, phone.transport, says, seen, Nat.UNKNOWN, Alg.NO_SIGN)
    same_host = host == phone.received_host
    if not host:
        nat = Nat.UNKNOWN
    elif same_host:
        nat = Nat.NONE
    elif phone.transport == "udp":
        nat = Nat.KEEPS_PORT if port == phone.received_port else Nat.CHANGES_PORT
    else:
        nat = Nat.UNKNOWN
    if phone.transport in ("tls", "wss"):
        return signs._replace(nat=nat, alg=Alg.IMPOSSIBLE)
    if not same_host or not _is_outside(phone.received_host):
        return signs._replace(nat=nat)
    if hides_under_tls:
        return signs._replace(nat=Nat.UNKNOWN, alg=Alg.LIKELY)
    # A phone with an outside address of its own looks the same, unless the port was changed on the way.
    rewritten = phone.transport == "udp" and port != phone.received_port
    return signs._replace(nat=Nat.UNKNOWN if rewritten else nat, alg=Alg.POSSIBLE if rewritten else Alg.NO_SIGN)


def _is_behind(phone: PhoneRow) -> bool:
    host, _ = _contact(phone)
    return bool(host) and host != phone.received_host


def _contact(phone: PhoneRow) -> tuple[str, int]:
    """Address and port; empty where it is a name."""
    try:
        uri = SipUri.parse(phone.contact)
        host = str(ipaddress.ip_address(uri.host.strip("[]")))
    except (SipParseError, ValueError):
        return "", 0
    return host, uri.port or (5061 if phone.transport == "tls" else 5060)


def _is_outside(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False
