"""The files of recordings, as they lie in the data folder. Nothing here opens a seal.

A recording is `NAME.age`, and while it is written, or after a crash, `NAME.age.tail` beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sealtone.model import RecordingFacts
from sealtone.store import Transaction
from sealtone.store import recordings as rows

RECORDINGS_FOLDER = "recordings"
TAIL = ".tail"
_BESIDE = (TAIL, f"{TAIL}.new", ".new", ".resealed")
_BROKEN_OFF = "The server ended before the recording did."
_DAY_S = 86_400.0
PURGED_AT_ONCE = 100


class Orphan(NamedTuple):
    """A file that belongs to no recording."""

    path: str
    octets: int
    changed_at: float


def folder_of(data: Path) -> Path:
    """Where a data folder keeps its recordings."""
    return data / RECORDINGS_FOLDER


def delete_files(data: Path, facts: RecordingFacts) -> None:
    """Deletes a recording's files, those that are there. Raises `OSError`: then its row has to stay."""
    path = folder_of(data) / facts.path
    for file in (*(path.with_name(path.name + suffix) for suffix in _BESIDE), path):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # it holds other recordings
        for parent in list(path.parents)[:2]:
            parent.rmdir()


def purge_files(data: Path, marked: Iterable[RecordingFacts]) -> list[str]:
    """Deletes the files of what is marked; gives the ids of those that are gone."""
    gone = []
    for facts in marked:
        with suppress(OSError):  # tried again with the next purge
            delete_files(data, facts)
            gone.append(facts.id)
    return gone


def orphans(data: Path, known: frozenset[str]) -> tuple[Orphan, ...]:
    """The files below the folder of recordings that belong to none of `known` (their paths)."""
    folder = folder_of(data)
    return tuple(
        Orphan(str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime)
        for file in _files_below(folder)
        if _owner(str(file.relative_to(folder))) not in known
    )


def kept_at_most(transaction: Transaction) -> int | None:
    """For how many days any domain keeps recordings at most; None: for ever."""
    return rows.longest_kept_days(transaction.connection)


def known_files(transaction: Transaction) -> frozenset[str]:
    """The paths of all recordings."""
    return rows.known_paths(transaction.connection)


def purge_orphans(data: Path, known: frozenset[str], kept_days: int, now_wall: float) -> int:
    """Deletes files of no recording once no domain would keep them any longer; gives how many."""
    outdated = [one for one in orphans(data, known) if one.changed_at < now_wall - kept_days * _DAY_S]
    for one in outdated:
        (folder_of(data) / one.path).unlink(missing_ok=True)
    return len(outdated)


def close_interrupted(transaction: Transaction, data: Path) -> int:
    """What was being recorded when the server ended: as long as its file was written. Gives how many.

    Only while no server runs on this data.
    """
    running = rows.running_recordings(transaction.connection)
    for facts in running:
        path = folder_of(data) / facts.path
        files = [file for file in (path, path.with_name(path.name + TAIL)) if file.exists()]
        ended_at = max([file.stat().st_mtime for file in files], default=facts.started_at)
        closed = facts._replace(
            ended_at=ended_at,
            seconds=max(0.0, ended_at - facts.started_at) if files else 0.0,
            octets=sum(file.stat().st_size for file in files),
            reason=_BROKEN_OFF,
        )
        rows.save_recording(transaction.connection, closed)
    return len(running)


def size_of(data: Path, facts: RecordingFacts) -> int | None:
    """Octets on the disk; None where there is no file."""
    path = folder_of(data) / facts.path
    try:
        return sum(os.stat(file).st_size for file in (path, f"{path}{TAIL}") if os.path.exists(file)) or None
    except OSError:
        return None


def _owner(path: str) -> str:
    for suffix in _BESIDE:
        path = path.removesuffix(suffix)
    return path


def _files_below(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink())
