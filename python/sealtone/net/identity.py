"""Whether a TLS peer's certificate belongs to the SIP domain that was to be reached (RFC 5922 7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from sealtone.net.errors import IdentityError


def check_identity(certificate: Mapping[str, Any] | None, domain: str) -> None:
    """Raises `IdentityError` unless the certificate (as `ssl` gives it, its chain verified already) covers `domain`.

    `sip:` URIs count alone where there are any, else DNS names (RFC 5922 7.1). Wildcards never match (7.2). For an IP
    literal the certificate has to name that address.
    """
    names = certificate.get("subjectAltName", ()) if certificate else ()
    if _is_ip(domain):
        wanted = ipaddress.ip_address(domain)
        if any(kind == "IP Address" and ipaddress.ip_address(name.strip()) == wanted for kind, name in names):
            return
    else:
        identities = _sip_identities(names)
        if domain.lower().rstrip(".") in identities:
            return
    shown = ", ".join(sorted({str(name) for _, name in names})) or "no name at all"
    raise IdentityError(f"The certificate is for {shown}, not for {domain}.")


def _sip_identities(names: Any) -> set[str]:
    from_uris: set[str] = set()
    has_sip_uri = False
    for kind, name in names:
        if kind != "URI" or not name.lower().startswith("sip:"):
            continue
        has_sip_uri = True
        host = name[4:]
        # A user part makes it a person's identity, which does not speak for the domain.
        if "@" not in host:
            from_uris.add(host.partition(";")[0].lower())
    if has_sip_uri:
        return from_uris
    return {name.lower().rstrip(".") for kind, name in names if kind == "DNS"}


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
