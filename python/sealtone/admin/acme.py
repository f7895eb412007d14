"""How certificates of a public authority are got: settings of the service (RFC 8555)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sealtone.admin import fields, person_fields
from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput
from sealtone.pki.acme_words import LETS_ENCRYPT, LETS_ENCRYPT_STAGING
from sealtone.store import Transaction
from sealtone.store import directory as rows

_SETTING = "acme"
_LONGEST_ADDRESS = 500
_LABEL_DIGITS = 24
DIRECTORIES = {"production": LETS_ENCRYPT, "staging": LETS_ENCRYPT_STAGING}


class AcmeSettings(NamedTuple):
    """What the operator has chosen."""

    directory: str = LETS_ENCRYPT
    email: str = ""
    agreed_at: float = 0.0
    """When the authority's terms were accepted; 0: not yet, and nothing is ordered."""
    trusted: str = ""
    """A file on this machine: the certificate by which the directory's own is checked; empty: the system's."""
    dns_zone: str = ""
    """The zone that is delegated to this server, for checks by DNS; empty: none."""
    dns_port: int = 53
    """Where it answers for the zone."""

    @property
    def may_order(self) -> bool:
        """Whether somebody accepted the terms."""
        return self.agreed_at > 0


class AcmeForm(NamedTuple):
    """The fields of a form as text; None leaves a field as it is."""

    directory: str | None = None
    """``production``, ``staging`` (both of Let's Encrypt), or an address."""
    email: str | None = None
    agreed: bool | None = None
    trusted: str | None = None
    dns_zone: str | None = None
    dns_port: str | None = None


def acme_settings(transaction: Transaction) -> AcmeSettings:
    """The settings as they are."""
    text = rows.read_setting(transaction, _SETTING)
    return AcmeSettings(**json.loads(text)) if text else AcmeSettings()


def acme_target(domain: str, dns_zone: str) -> str:
    """The name in this server's zone that `_acme-challenge` of a domain is to lead to."""
    return f"{hashlib.sha256(domain.encode()).hexdigest()[:_LABEL_DIGITS]}.{dns_zone}"


def set_acme(transaction: Transaction, actor: Actor, now_wall: float, form: AcmeForm) -> AcmeSettings:
    """Changes what the form names. Raises `Forbidden`, `InvalidInput`."""
    actor.authorise_operating()
    present = acme_settings(transaction)
    directory = present.directory if form.directory is None else _directory(form.directory)
    agreed_at = present.agreed_at
    if directory != present.directory:
        agreed_at = 0.0  # another authority, other terms
    if form.agreed is not None:
        agreed_at = (agreed_at or now_wall) if form.agreed else 0.0
    changed = AcmeSettings(
        directory,
        present.email if form.email is None else _email(form.email),
        agreed_at,
        present.trusted if form.trusted is None else _file(form.trusted),
        present.dns_zone if form.dns_zone is None else _zone(form.dns_zone),
        present.dns_port if form.dns_port is None else _port("dns_port", form.dns_port),
    )
    before, after = _shown(present), _shown(changed)
    names = [name for name in before if before[name] != after[name]]
    if names:
        rows.write_setting(transaction, _SETTING, json.dumps(changed._asdict()))
        was, is_now = ({name: shown[name] for name in names} for shown in (before, after))
        change = rows.Change(now_wall, None, actor.name, actor.origin, "change", "certificate authority", was, is_now)
        rows.append_change(transaction, change)
    return changed


def _directory(text: str) -> str:
    text = text.strip()
    address = DIRECTORIES.get(text, text)
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname or len(address) > _LONGEST_ADDRESS or not address.isprintable():
        raise InvalidInput("directory", "Enter the address of the authority's directory; it begins with https://.")
    return address


def _email(text: str) -> str:
    return person_fields.email(text) if text.strip() else ""


def _file(text: str) -> str:
    path = text.strip()
    if path and not Path(path).is_file():
        raise InvalidInput("trusted", "There is no such file on the server.")
    return path


def _zone(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return fields.domain_name(text)
    except InvalidInput as error:
        raise InvalidInput("dns_zone", error.template, **error.values) from None


def _port(field: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65_536):
        raise InvalidInput(field, "A port is a number from 1 to 65535.")
    return int(text)


def _shown(settings: AcmeSettings) -> dict[str, str]:
    """The fields as the change log shows them."""
    return {
        "directory": settings.directory,
        "email": settings.email,
        "terms_accepted": "yes" if settings.may_order else "no",
        "trusted": settings.trusted,
        "dns_zone": settings.dns_zone,
        "dns_port": str(settings.dns_port),
    }
