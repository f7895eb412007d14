"""What the server does with recordings: they are written down, and those kept no longer are deleted, file by file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sealtone.admin import finish_deletion, outdated_recordings, recording_files
from sealtone.model import RecordingFacts
from sealtone.store import Store, StoreError

_MOST_UNWRITTEN = 10_000


class RecordingWriter:
    """Has the store write recordings down that have begun or ended. What it cannot write now is tried again (`retry`):
    else a recording would count as running for as long as the server does. `say` is told, once for each outage."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._unwritten: dict[str, RecordingFacts] = {}
        """By id, the latest that is known of each."""

    def write(self, facts: RecordingFacts) -> None:
        try:
            done = self._store.save_recording(facts)
        except StoreError as error:
            self._on_failed(facts, error)
        else:
            done.add_done_callback(partial(self._on_done, facts))

    def retry(self) -> None:
        """Once more, what could not be written."""
        unwritten, self._unwritten = self._unwritten, {}
        for facts in unwritten.values():
            self.write(facts)

    def _on_done(self, facts: RecordingFacts, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._on_failed(facts, error)
        elif self._is_latest(facts):
            self._unwritten.pop(facts.id, None)

    def _on_failed(self, facts: RecordingFacts, error: BaseException) -> None:
        if not self._unwritten:
            self._say(f"error a recording was not written down, it is tried again: {error}")
        if self._is_latest(facts):
            self._unwritten[facts.id] = facts
        if len(self._unwritten) > _MOST_UNWRITTEN:
            lost = next(iter(self._unwritten))
            del self._unwritten[lost]
            self._say(f"error recording {lost} is not written down at all, and will be listed as a file of none")

    def _is_latest(self, facts: RecordingFacts) -> bool:
        known = self._unwritten.get(facts.id)
        return known is None or known.ended_at is None or facts.ended_at is not None


async def purge_recordings(store: Store, data: Path, now_wall: float) -> bool:
    """Delete some recordings that are kept no longer; whether there are more. Raises `StoreError`, `OSError`.

    A recording is marked first, then its files go, then its row, so that whoever is interrupted leaves nothing that is
    half seen. Files that belong to no recording go once no domain would keep them.
    """
    most = recording_files.PURGED_AT_ONCE
    marked = await store.submit(lambda transaction: outdated_recordings(transaction, now_wall, most))
    gone = await asyncio.to_thread(recording_files.purge_files, data, marked)
    await store.submit(lambda transaction: finish_deletion(transaction, gone))
    if len(gone) >= most:
        return True
    days = await store.read(recording_files.kept_at_most)
    if days is not None:
        known = await store.read(recording_files.known_files)
        await asyncio.to_thread(recording_files.purge_orphans, data, known, days, now_wall)
    return False
