"""One thread that writes: it takes whatever waits, runs it in one transaction, commits once, then says so.

Rules:

1. A future is resolved after the commit that holds its operation, never before.
2. Operations of one group do not share a fate: each runs in a savepoint, and one that fails is rolled back alone.
3. Only a fault of the database itself (disk full, locked, out of reach) fails the whole group.
4. Call records are never given up for a passing fault (disk full, locked, out of reach): they wait and are tried again.
5. Both queues are bounded. A full one refuses operations (`StoreBusy`); of call records the oldest unwritten is lost,
   and counted.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy

from sealtone.model.record import CallRecord
from sealtone.store.bindings import BindingChange, write_bindings
from sealtone.store.database import Database, Transaction, unavailable
from sealtone.store.errors import StoreBusy, StoreClosed, StoreError
from sealtone.store.records import insert_calls

_QUEUED_OPERATIONS = 10_000
_GROUP = 256
_UNWRITTEN_RECORDS = 50_000
_RECORDS_A_TRY = 512
_RETRY_S = 1.0
_COMMIT_ERRORS = (sqlalchemy.exc.SQLAlchemyError, StoreError)
# What a single record can be at fault for; a fault of the database itself (OperationalError) is not among them.
_UNFIT = (
    sqlalchemy.exc.IntegrityError,
    sqlalchemy.exc.DataError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)

Operation = Callable[[Transaction], Any] | BindingChange


class _Job(NamedTuple):
    operation: Operation
    future: asyncio.Future[Any]


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: Any
    error: Exception | None


class Writer:
    """The writer thread of a `Store`. Its methods are called on the event loop's thread."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop) -> None:
        self._database = database
        self._loop = loop
        self._queue: queue.SimpleQueue[_Job | list[CallRecord] | None] = queue.SimpleQueue()
        self._queued = 0
        self._records: deque[CallRecord] = deque()
        self._closed = False
        self.records_lost = 0
        """Call records dropped since too many could not be written."""
        self.last_error = ""
        """Why the last group could not be committed; empty once one could."""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> asyncio.Future[Any]:
        """Queues an operation, or the cheaper `BindingChange`. Raises `StoreBusy` or `StoreClosed`."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        if self._queued >= _QUEUED_OPERATIONS:
            raise StoreBusy(f"{self._queued} changes wait to be written.")
        self._queued += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Job(operation, future))
        return future

    def write_records(self, records: list[CallRecord]) -> None:
        """Queues call records."""
        self._queue.put(records)

    async def close(self) -> None:
        """Writes what waits, then ends the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        ended = False
        while not ended:
            jobs, ended = self._next_group()
            if jobs or self._records:
                self._tell(self._commit(jobs))
        # A last try for what a fault had held back.
        self._commit([])

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Waits for work and takes what there is. Unwritten records make it look again after a while."""
        jobs: list[_Job] = []
        try:
            item = self._queue.get(timeout=_RETRY_S if self._records else None)
            while item is not None:
                if isinstance(item, _Job):
                    jobs.append(item)
                    if len(jobs) >= _GROUP:
                        break
                else:
                    self._keep(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, item is None

    def _keep(self, records: Sequence[CallRecord]) -> None:
        self._records.extend(records)
        while len(self._records) > _UNWRITTEN_RECORDS:
            self._records.popleft()
            self.records_lost += 1

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        written = [self._records[place] for place in range(min(len(self._records), _RECORDS_A_TRY))]
        outcomes: list[_Outcome] = []
        unfit = 0
        try:
            with self._database.write() as transaction:
                for kind, some in groupby(jobs, lambda job: isinstance(job.operation, BindingChange)):
                    outcomes += (_attempt_bindings if kind else _attempt_each)(list(some), transaction)
                unfit = _write_records(transaction, written)
        except _COMMIT_ERRORS as error:
            failure = error if isinstance(error, StoreError) else unavailable(error)
            self.last_error = str(failure)
            return [_Outcome(job.future, None, failure) for job in jobs]
        self.last_error = ""
        self.records_lost += unfit
        for _ in written:
            self._records.popleft()
        return outcomes

    def _tell(self, outcomes: list[_Outcome]) -> None:
        if not outcomes:
            return
        try:
            self._loop.call_soon_threadsafe(self._resolve, outcomes)
        except RuntimeError:
            # The loop has ended without closing the store: nobody is left to be told.
            self._closed = True

    def _resolve(self, outcomes: list[_Outcome]) -> None:
        self._queued -= len(outcomes)
        for outcome in outcomes:
            if outcome.future.done():
                continue
            if outcome.error is not None:
                outcome.future.set_exception(outcome.error)
            else:
                outcome.future.set_result(outcome.result)


def _attempt_bindings(jobs: list[_Job], transaction: Transaction) -> list[_Outcome]:
    """Runs registrations as one; when that fails, one by one."""
    changes = [job.operation for job in jobs if isinstance(job.operation, BindingChange)]
    savepoint = transaction.connection.begin_nested()
    try:
        write_bindings(transaction.connection, changes)
    except _UNFIT as error:
        if _is_lost(error):
            raise
        savepoint.rollback()
        if len(jobs) == 1:
            return [_Outcome(jobs[0].future, None, StoreError(f"The binding cannot be stored: {error}"))]
        return [outcome for job in jobs for outcome in _attempt_bindings([job], transaction)]
    savepoint.commit()
    return [_Outcome(job.future, None, None) for job in jobs]


def _attempt_each(jobs: list[_Job], transaction: Transaction) -> list[_Outcome]:
    return [_attempt(job, transaction) for job in jobs]


def _attempt(job: _Job, transaction: Transaction) -> _Outcome:
    """Runs one operation so that its failure undoes nothing but itself."""
    assert callable(job.operation)
    savepoint = transaction.connection.begin_nested()
    try:
        result = job.operation(transaction)
    except sqlalchemy.exc.OperationalError:
        raise  # the database's own fault (full, locked), which has ended the whole transaction
    except Exception as error:  # whatever else an operation raises belongs to whoever submitted it
        savepoint.rollback()
        return _Outcome(job.future, None, error)
    savepoint.commit()
    return _Outcome(job.future, result, None)


def _is_lost(error: Exception) -> bool:
    """Whether the connection to the database has ended, and the transaction with it."""
    return isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated


def _write_records(transaction: Transaction, records: list[CallRecord]) -> int:
    """Writes call records at one go, or one by one when one of them cannot be stored; gives how many could not."""
    if not records or _insert_whole(transaction, records):
        return 0
    return sum(not _insert_whole(transaction, [record]) for record in records)


def _insert_whole(transaction: Transaction, records: list[CallRecord]) -> bool:
    savepoint = transaction.connection.begin_nested()
    try:
        insert_calls(transaction.connection, records)
    except _UNFIT as error:
        if _is_lost(error):
            raise
        savepoint.rollback()
        return False
    savepoint.commit()
    return True
