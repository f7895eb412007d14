"""Where webhooks may go: https to public addresses, unless the operator of the service permits more.

Without this, whoever may make a webhook could have this server send requests into its own network (SSRF).
An address is judged where the connection is made, after the only resolution of the name; judging the URL alone would
leave names that resolve to something else a moment later.
"""

from __future__ import annotations

import ipaddress
import json
from typing import NamedTuple
from urllib.parse import urlsplit

from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput
from sealtone.store import Transaction, directory

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SETTING = "webhook_targets"
_LONGEST_URL = 2000
_LONGEST_HOST = 253
_USUAL_PORTS = (443, 8443)
_DEFAULT_PORTS = {"https": 443, "http": 80}

# IANA's registries of special-purpose addresses, of which Python's is_global knows a part, by version.
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_V4_MASK = 0xFFFF_FFFF
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class TargetRules(NamedTuple):
    """What the operator of the service permits beyond https to public addresses."""

    networks: tuple[Network, ...] = ()
    """Addresses that are permitted although they are not public."""
    ports: tuple[int, ...] = _USUAL_PORTS
    """Empty: every port."""
    http: bool = False
    """Whether what is sent may go unencrypted."""


class Target(NamedTuple):
    """A checked URL, taken apart."""

    scheme: str
    host: str
    """A name in its ASCII form, or an address without brackets."""
    port: int
    path: str
    """With the query."""


def read_target_rules(transaction: Transaction) -> TargetRules:
    """As the operator set them."""
    text = directory.read_setting(transaction, _SETTING)
    if text is None:
        return TargetRules()
    value = json.loads(text)
    networks = tuple(ipaddress.ip_network(network) for network in value["networks"])
    return TargetRules(networks, tuple(value["ports"]), value["http"])


def set_target_rules(transaction: Transaction, actor: Actor, now_wall: float, rules: TargetRules) -> TargetRules:
    """For an office whose receivers are in its own network. Raises `Forbidden`."""
    actor.authorise_operating()
    before, after = _shown(read_target_rules(transaction)), _shown(rules)
    if before != after:
        value = {"networks": [str(one) for one in rules.networks], "ports": list(rules.ports), "http": rules.http}
        directory.write_setting(transaction, _SETTING, json.dumps(value))
        change = directory.Change(
            now_wall, actor.account_id, actor.name, actor.origin, "change", "service webhooks", before, after
        )
        directory.append_change(transaction, change)
    return rules


def check_url(url: str, rules: TargetRules) -> str:
    """The URL, if it may be one of a webhook. Names are not resolved here. Raises `InvalidInput`."""
    target = target_of(url, rules)
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        return url.strip()
    why = why_refused(address, rules)
    if why:
        raise InvalidInput("url", "Nothing is sent to {host}: it is not a public address.", host=target.host)
    return url.strip()


def target_of(url: str, rules: TargetRules) -> Target:
    """The parts of a webhook's URL. Raises `InvalidInput`."""
    text = url.strip()
    if not text or len(text) > _LONGEST_URL or not text.isprintable() or not text.isascii() or " " in text:
        raise InvalidInput("url", "Write an https URL of at most {most} characters, without spaces.", most=_LONGEST_URL)
    if "\\" in text:
        raise InvalidInput("url", "A URL has no backslash.")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise InvalidInput("url", "This is not a URL. Write it like https://office.example/events.") from None
    scheme = parts.scheme
    if scheme not in ("https", "http") or not host:
        raise InvalidInput("url", "This is not an https URL. Write it like https://office.example/events.")
    if scheme == "http" and not rules.http:
        raise InvalidInput("url", "Events are sent over https only.")
    if "@" in parts.netloc:
        raise InvalidInput("url", "A URL with a user name or password cannot be used: the signature proves the sender.")
    if parts.fragment or "#" in text:
        raise InvalidInput("url", "A URL with a # cannot be used: what follows it is never sent.")
    if "%" in host or len(host) > _LONGEST_HOST:
        raise InvalidInput("url", "This host name cannot be used.")
    number = port if port is not None else _DEFAULT_PORTS[scheme]
    if rules.ports and number not in rules.ports:
        allowed = ", ".join(str(one) for one in rules.ports)
        raise InvalidInput(
            "url", "Events are not sent to port {port}; the ports are {allowed}.", port=number, allowed=allowed
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, number, path)


def why_refused(address: Address, rules: TargetRules = TargetRules()) -> str:  # noqa: B008
    """Why nothing is sent to an address, as part of a sentence; empty where it may be."""
    if getattr(address, "scope_id", None):
        return "it is an address of one link"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return why_refused(address.ipv4_mapped, rules)
    if any(address.version == network.version and address in network for network in rules.networks):
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        if not address.is_global or any(address in network for network in _REFUSED_V4):
            return "it is not a public address"
        return ""
    return _why_refused_v6(address, rules)


def _why_refused_v6(address: ipaddress.IPv6Address, rules: TargetRules) -> str:
    number = int(address)
    if address in _NAT64:
        return why_refused(ipaddress.IPv4Address(number & _V4_MASK), rules)
    if address not in _GLOBAL_V6 or any(address in network for network in _REFUSED_V6):
        return "it is not a public address"
    if address in _6TO4:
        return why_refused(ipaddress.IPv4Address((number >> 80) & _V4_MASK), rules)
    if (number >> 32) & _V4_MASK in _ISATAP:
        return why_refused(ipaddress.IPv4Address(number & _V4_MASK), rules)
    return "" if address.is_global else "it is not a public address"


def _shown(rules: TargetRules) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {
        "networks": ", ".join(str(one) for one in rules.networks),
        "ports": ", ".join(str(one) for one in rules.ports) or "all",
        "http": "yes" if rules.http else "no",
    }
