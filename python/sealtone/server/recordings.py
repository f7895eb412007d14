"""What the server does with recordings that have ended: those kept no longer are deleted, file by file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sealtone.admin import finish_deletion, outdated_recordings, recording_files
from sealtone.store import Store


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
