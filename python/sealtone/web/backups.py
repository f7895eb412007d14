"""Backups that are made while people do something else: one at a time, in the data folder, always sealed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from sealtone.admin import Actor, AdminError, Conflict, make_backup
from sealtone.admin.backup import BACKUPS_FOLDER
from sealtone.admin.backup_wishes import MOST_KEPT, BackupFile, BackupWish, backup_name, list_backups, note_backup
from sealtone.store import StoreError
from sealtone.web.asking import change, now, parts
from sealtone.web.parts import Parts

_UNFINISHED = ".sealtone-backup-*"


@dataclass
class BackupWork:
    """What is being made at the moment, and what came of the last that failed."""

    name: str = ""
    """Of the one that is being made; empty: none is."""
    failed: str = ""
    failure: AdminError | None = None


def backup_work(shared: Parts) -> BackupWork:
    """Of this process."""
    return cast("BackupWork", shared.areas.setdefault("backups", BackupWork()))


async def kept_backups(request: Request, actor: Actor) -> tuple[BackupFile, ...]:
    """Those that are finished, newest first. Raises `Forbidden`."""
    return await asyncio.to_thread(list_backups, parts(request).folder, actor)


async def begin_backup(request: Request, actor: Actor, wish: BackupWish) -> str:
    """Begins to make one; gives its name. Raises `Conflict` while another is made, and where too many lie here."""
    shared = parts(request)
    work = backup_work(shared)
    kept = await kept_backups(request, actor)
    if work.name:
        raise Conflict("Another backup is being made. Wait until it is done.")
    if len(kept) >= MOST_KEPT:
        raise Conflict("There are {most} backups here already. Fetch them, and delete some.", most=MOST_KEPT)
    at = now()
    name = backup_name(at)
    if name in (file.name for file in kept):
        raise Conflict("A backup was made this very second. Try again.")
    work.name = name
    try:
        await change(request, lambda transaction: note_backup(transaction, actor, at, name, wish), reload=False)
    except BaseException:
        work.name = ""
        raise
    shared.soon(_made(shared, work, name, wish, at))
    return name


async def _made(shared: Parts, work: BackupWork, name: str, wish: BackupWish, at: float) -> None:
    folder = shared.folder / BACKUPS_FOLDER
    try:
        await asyncio.to_thread(_make, shared, name, wish, at)
        work.failed, work.failure = "", None
    except (AdminError, StoreError) as error:
        work.failed = name
        work.failure = error if isinstance(error, AdminError) else Conflict("The database cannot be used at present.")
        shared.log(f"error panel backup: {error}")
    finally:
        work.name = ""
        for left in folder.glob(_UNFINISHED):  # by a process that was killed, too
            with contextlib.suppress(OSError):
                shutil.rmtree(left)


def _make(shared: Parts, name: str, wish: BackupWish, at: float) -> None:
    folder = shared.folder / BACKUPS_FOLDER
    make_backup(
        shared.folder.absolute(),
        shared.database,
        folder.absolute() / name,
        recipient=wish.recipient,
        passphrase=wish.passphrase,
        recordings=wish.recordings,
        now_wall=at,
    )
