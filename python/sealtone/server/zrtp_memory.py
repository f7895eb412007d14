"""The retained secrets of ZRTP at hand: looked up without waiting, written behind.

Key agreements ask for a record in the middle of handling a packet, so all records of a node are kept in memory; each
change goes to the store too, encrypted there. An account's phones can fill its own share and no other's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from sealtone.b2bua.zrtp_agreement import Remembered
from sealtone.store.zrtp_cache import (
    Place,
    delete_orphaned_zrtp_records,
    delete_zrtp_records,
    write_zrtp_record,
)
from sealtone.zrtp import CacheRecord

if TYPE_CHECKING:
    from sealtone.store import Store, Transaction

MAX_PEERS_A_ZID = 10_000


class ZrtpMemory:
    """Records by our ZID and the phone's, the oldest first."""

    def __init__(self, store: Store, records: dict[Place, CacheRecord]) -> None:
        self._store = store
        self._by_zid: dict[bytes, dict[bytes, CacheRecord]] = {}
        for (zid, peer_zid), record in records.items():
            self._by_zid.setdefault(zid, {})[peer_zid] = record

    def find(self, zid: bytes, peer_zid: bytes) -> CacheRecord | None:
        """What is remembered of a phone."""
        return self._by_zid.get(zid, {}).get(peer_zid)

    def remember(self, records: Iterable[Remembered]) -> None:
        """Keep these, in memory at once and in the store soon."""
        for zid, record in records:
            known = self._by_zid.setdefault(zid, {})
            known.pop(record.peer_zid, None)
            known[record.peer_zid] = record
            forgotten: list[Place] = []
            while len(known) > MAX_PEERS_A_ZID:
                oldest = next(iter(known))
                del known[oldest]
                forgotten.append((zid, oldest))
            self._write((zid, record.peer_zid), record, forgotten)

    async def purge(self, unix_time: int) -> None:
        """Forget what is of no more use: phones whose secrets have all expired, and those of accounts that are gone.

        Raises `StoreError`; what the store then still has is forgotten another time.
        """
        for zid in await self._store.submit(delete_orphaned_zrtp_records):
            self._by_zid.pop(zid, None)
        for zid in list(self._by_zid):
            known = self._by_zid.get(zid, {})
            spent = [peer_zid for peer_zid, record in known.items() if record.is_spent(unix_time)]
            for peer_zid in spent:
                del known[peer_zid]
            if spent:
                places = [(zid, peer_zid) for peer_zid in spent]
                await self._store.submit(partial(delete_zrtp_records, places=places))

    def _write(self, place: Place, record: CacheRecord, forgotten: list[Place]) -> None:
        now_wall = time.time()

        def operation(transaction: Transaction) -> None:
            write_zrtp_record(transaction, place, record, now_wall)
            delete_zrtp_records(transaction, forgotten)

        # A secret that could not be stored is known until the next start; after that the phone is warned about.
        self._store.submit(operation).add_done_callback(lambda done: done.cancelled() or done.exception())
