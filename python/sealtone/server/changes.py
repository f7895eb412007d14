"""How far the running server has taken up what was saved: pending, applying, then done, or failed with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from sealtone.pki import CertificateError
from sealtone.store import Store, StoreError
from sealtone.store.changes import Settled, begin_applying, settle

EXPECTED = (StoreError, CertificateError, OSError)
"""Of a full disk, a locked database, a folder without permission: the change failed, and is tried again."""


class ChangesTakenUp:
    """`on_settled` is told of each change that has come to its end, for whoever waits for it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        self.on_settled: Callable[[tuple[Settled, ...]], None] = lambda settled: None

    @contextlib.asynccontextmanager
    async def taking_up(self) -> AsyncIterator[tuple[int, ...]]:
        """What waits is being applied within this block, and in force after it; gives which changes these are.

        What is committed meanwhile stays pending, since nobody knows whether the block has seen it. Raises
        `StoreError`, and what the block raises.
        """
        async with self._one_at_a_time:
            ids = await self._store.submit(begin_applying)
            try:
                yield ids
            except EXPECTED as error:
                with contextlib.suppress(StoreError):  # they are applying still, and so tried again
                    await self._settle(ids, str(error))
                raise
            await self._settle(ids, "")

    async def _settle(self, ids: tuple[int, ...], failure: str) -> None:
        if ids:
            settled = await self._store.submit(lambda transaction: settle(transaction, ids, time.time(), failure))
            self.on_settled(settled)
