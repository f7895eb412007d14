"""Backups that are asked for in the panel or by the API: always sealed, made beside other work, fetched and deleted.

They lie in a folder of the data folder that no backup takes along. `backup` makes and reads the files themselves.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

import pyrage
from pyrage import x25519

from sealtone.admin.actor import Actor
from sealtone.admin.backup import BACKUPS_FOLDER
from sealtone.admin.errors import InvalidInput, NotFound
from sealtone.store import Transaction
from sealtone.store import directory as rows

SHORTEST_PASSPHRASE = 12
MOST_KEPT = 5
_LONGEST = 1024
_NAME = re.compile(r"sealtone-\d{8}T\d{6}Z\.zip")


class BackupWish(NamedTuple):
    """How a backup is to be sealed: to a public key, or by a passphrase; and what goes in."""

    recipient: str
    passphrase: str
    recordings: bool

    def __repr__(self) -> str:
        return f"BackupWish(recipient={self.recipient!r}, recordings={self.recordings!r})"


class BackupFile(NamedTuple):
    """One that lies here."""

    name: str
    made_at: float
    """Unix seconds."""
    octets: int


def read_wish(actor: Actor, recipient: str, passphrase: str, *, recordings: bool) -> BackupWish:
    """What was asked for. Raises `Forbidden`; `InvalidInput` where it could not be sealed."""
    actor.authorise_operating()
    recipient = recipient.strip()
    if recipient and passphrase:
        raise InvalidInput("recipient", "Seal it to a public key or by a passphrase, not both.")
    if recipient:
        if len(recipient) > _LONGEST or not _is_public_key(recipient):
            raise InvalidInput("recipient", "This is no public key of age: it begins with age1.")
    else:
        check_passphrase(passphrase)
    return BackupWish(recipient, passphrase, recordings)


def check_passphrase(passphrase: str) -> None:
    """Raises `InvalidInput` for one that could be guessed."""
    if not SHORTEST_PASSPHRASE <= len(passphrase) <= _LONGEST:
        raise InvalidInput(
            "passphrase",
            "A passphrase has at least {least} characters: the backup holds every key of the service. Take some words "
            "that only you would put together.",
            least=SHORTEST_PASSPHRASE,
        )


def note_backup(transaction: Transaction, actor: Actor, now_wall: float, name: str, wish: BackupWish) -> None:
    """Writes down who took everything along. Raises `Forbidden`."""
    actor.authorise_operating()
    after = {"sealed_to": wish.recipient or "passphrase", "recordings": "yes" if wish.recordings else "no"}
    change = rows.Change(now_wall, None, actor.name, actor.origin, "create", f"backup {name}", {}, after)
    rows.append_change(transaction, change)


def backup_name(now_wall: float) -> str:
    """Of a backup made at this moment, to the second of UTC."""
    return time.strftime("sealtone-%Y%m%dT%H%M%SZ.zip", time.gmtime(now_wall))


def list_backups(data: Path, actor: Actor) -> tuple[BackupFile, ...]:
    """Those that lie in the data folder, newest first. Raises `Forbidden`."""
    actor.authorise_operating()
    found = []
    for path in (data / BACKUPS_FOLDER).glob("sealtone-*.zip"):
        if _NAME.fullmatch(path.name):
            seen = path.stat()
            found.append(BackupFile(path.name, seen.st_mtime, seen.st_size))
    return tuple(sorted(found, reverse=True))


def backup_path(data: Path, actor: Actor, name: str) -> Path:
    """The file of that name. Raises `Forbidden`, `NotFound`."""
    actor.authorise_operating()
    path = data / BACKUPS_FOLDER / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such backup.")
    return path


def _is_public_key(text: str) -> bool:
    try:
        x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True
