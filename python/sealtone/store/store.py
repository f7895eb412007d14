"""The store as the server uses it: nothing here blocks the event loop.

Writes go through one thread in groups (`writer`); reads run on threads of their own, and see everything committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from sealtone.model import RecordingFacts, Snapshot
from sealtone.model.record import CallRecord
from sealtone.registrar import Binding
from sealtone.store.bindings import BindingChange, delete_expired, read_bindings
from sealtone.store.database import Database, Transaction
from sealtone.store.directory import KnownUsers, load_snapshot, read_users_again
from sealtone.store.errors import StoreError
from sealtone.store.location import PostgresLocation
from sealtone.store.recordings import save_recording
from sealtone.store.records import CallFilter, CallPage, delete_outdated_calls, read_calls
from sealtone.store.writer import Writer

Result = TypeVar("Result")

_GATHER_S = 0.25


class Store:
    """An open store; create it within a running event loop, after which `close` must be awaited."""

    def __init__(self, folder: Path, place: PostgresLocation | None = None) -> None:
        """Opens, creates or migrates the database in `folder`, or at `place`. Raises `StoreError`."""
        self.database = Database(folder, place)
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(self.database, self._loop)
        self._records: list[CallRecord] = []
        self.on_record: Callable[[CallRecord], None] = lambda record: None
        """Told of each call record as it is handed in."""
        self.on_written: Callable[[CallRecord], None] = lambda record: None
        """Told of each call record once it is committed; where the database had a fault, perhaps not or too early."""
        self._snapshots = 0
        self._users: KnownUsers = {}

    def submit(self, operation: Callable[[Transaction], Result]) -> asyncio.Future[Result]:
        """Runs `operation` in the writer thread; the future has its result once that is committed, or its exception.

        Raises `StoreBusy` when too much waits, `StoreClosed` after `close`.
        """
        return cast("asyncio.Future[Result]", self._writer.submit(operation))

    async def read(self, query: Callable[[Transaction], Result]) -> Result:
        """Runs `query` on another thread."""
        return await asyncio.to_thread(self._read, query)

    def _read(self, query: Callable[[Transaction], Result]) -> Result:
        with self.database.read() as transaction:
            return query(transaction)

    async def load_snapshot(self, local_names: Iterable[str] = ()) -> Snapshot:
        """A new snapshot, with a version higher than the one before."""
        self._snapshots += 1
        version = self._snapshots

        def load(transaction: Transaction) -> Snapshot:
            self._users = known = read_users_again(transaction, self._users)
            return load_snapshot(transaction, local_names, version, [user for _, user in known.values()])

        return await self.read(load)

    def save_bindings(self, saved: Sequence[Binding], removed: Sequence[Binding] = ()) -> asyncio.Future[None]:
        """Saves what a registration changed. Send the 200 once the future is resolved; where the store
        takes nothing, as when too much waits, the future has failed with the `StoreError`."""
        try:
            return cast("asyncio.Future[None]", self._writer.submit(BindingChange(saved, removed)))
        except StoreError as error:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            refused.exception()  # whoever does not look at it is not told at its end
            return refused

    async def load_bindings(self, now_wall: float) -> tuple[Binding, ...]:
        """What was registered when the server stopped and has not expired since."""
        return await self.read(lambda transaction: read_bindings(transaction.connection, now_wall))

    def delete_expired(self, now_wall: float) -> asyncio.Future[int]:
        """Deletes bindings that have expired."""
        return self.submit(lambda transaction: delete_expired(transaction.connection, now_wall))

    def write_call_record(self, record: CallRecord) -> None:
        """Writes a record soon: records are gathered for 250 ms, then committed as one group."""
        self.on_record(record)
        if not self._records:
            self._loop.call_later(_GATHER_S, self._hand_over)
        self._records.append(record)

    def _hand_over(self) -> None:
        if self._records:
            records, self._records = self._records, []
            self._writer.write_records(records)
            with contextlib.suppress(StoreError):
                # One group of the writer's is committed with what came before it.
                self.submit(lambda transaction: None).add_done_callback(lambda done: self._tell(done, records))

    def _tell(self, done: asyncio.Future[None], records: list[CallRecord]) -> None:
        if not done.cancelled() and done.exception() is None:
            for record in records:
                self.on_written(record)

    async def calls(self, wanted: CallFilter) -> CallPage:
        """One page of call records."""
        return await self.read(lambda transaction: read_calls(transaction.connection, wanted))

    def delete_outdated_calls(self, now_wall: float) -> asyncio.Future[int]:
        """Deletes some records that are kept no longer; repeat, with pauses, while it gives `PURGED_AT_ONCE`."""
        return self.submit(lambda transaction: delete_outdated_calls(transaction.connection, now_wall))

    def save_recording(self, facts: RecordingFacts) -> asyncio.Future[None]:
        """Writes a recording that has begun, or has ended."""
        return self.submit(lambda transaction: save_recording(transaction.connection, facts))

    async def flush(self) -> None:
        """Returns once everything handed in so far is committed."""
        self._hand_over()
        await self.submit(lambda transaction: None)

    @property
    def records_lost(self) -> int:
        """Call records that could not be written and were dropped in the end."""
        return self._writer.records_lost

    @property
    def last_error(self) -> str:
        """Why nothing can be written at present; empty when all is well."""
        return self._writer.last_error

    async def close(self) -> None:
        """Writes what waits and closes the database."""
        self._hand_over()
        await self._writer.close()
        self.database.close()
