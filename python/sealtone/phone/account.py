"""Accounts that the phone was given by a one-time link: fetched once, then kept for itself alone.

A file an account, `<aor>.account.json`, in the folder where the phone keeps what ZRTP remembers; readable by its owner
only, since HA1 is as good as the secret.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sealtone.provisioning import PhoneSettings, UnreadableSettings, own_phone_settings, read_own_phone_settings
from sealtone.provisioning.own_phone import MEDIA_TYPE

_LARGEST = 65_536
_TIMEOUT_S = 15.0


class NoAccount(Exception):
    """The settings could not be had; the text says why, and what to do."""


class KeptAccount(NamedTuple):
    """What a phone is set up with. `ca_file`: what it trusts besides the system's authorities."""

    settings: PhoneSettings
    ca_file: Path | None


def fetch_account(url: str, context: ssl.SSLContext, folder: Path) -> KeptAccount:
    """Take the settings from a link, which works once, and keep them. Raises `NoAccount`."""
    parsed = urlsplit(url)
    if parsed.scheme != "https" or not parsed.hostname:
        raise NoAccount(f"“{url}” is no link to settings: it begins with https://.")
    connection = http.client.HTTPSConnection(parsed.hostname, parsed.port or 443, timeout=_TIMEOUT_S, context=context)
    try:
        connection.request("GET", parsed.path or "/", headers={"Accept": MEDIA_TYPE})
        answer = connection.getresponse()
        data = answer.read(_LARGEST + 1)
    except ssl.SSLCertVerificationError as error:
        raise NoAccount(
            f"The certificate of {parsed.hostname} is not trusted ({error.verify_message}). "
            f"Name the server's authority with --ca."
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAccount(f"{parsed.hostname} cannot be reached: {error}.") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise NoAccount("The link does not work: it was used, it has expired, or it was revoked. Have a new one made.")
    if len(data) > _LARGEST:
        raise NoAccount("These are no settings of a phone.")
    try:
        settings = read_own_phone_settings(data)
    except UnreadableSettings as error:
        raise NoAccount(str(error)) from None
    return _keep(settings, folder)


def kept_account(aor: str, folder: Path) -> KeptAccount:
    """What was fetched before for an address of record. Raises `NoAccount`."""
    try:
        settings = read_own_phone_settings(_file(folder, aor).read_bytes())
    except OSError:
        raise NoAccount(f"There is no account {aor} here. Take it from a link with --provision.") from None
    except UnreadableSettings as error:
        raise NoAccount(f"{_file(folder, aor)}: {error}") from None
    return KeptAccount(settings, _authority(settings, folder))


def _keep(settings: PhoneSettings, folder: Path) -> KeptAccount:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(_file(folder, settings.aor), own_phone_settings(settings))
        if settings.server.authority:
            _write(_authority_file(folder, settings.aor), settings.server.authority.encode())
    except OSError as error:
        raise NoAccount(f"{folder} cannot be written: {error.strerror}.") from None
    return KeptAccount(settings, _authority(settings, folder))


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def _authority(settings: PhoneSettings, folder: Path) -> Path | None:
    return _authority_file(folder, settings.aor) if settings.server.authority else None


def _file(folder: Path, aor: str) -> Path:
    return folder / f"{_safe(aor)}.account.json"


def _authority_file(folder: Path, aor: str) -> Path:
    return folder / f"{_safe(aor)}.authority.pem"


def _safe(aor: str) -> str:
    return re.sub(r"[^A-Za-z0-9@._-]", "_", aor)
