"""What is written down of recordings while the store cannot."""

import asyncio
from pathlib import Path

from admin.sealed import facts_of
from sealtone.server.recordings import RecordingWriter
from sealtone.store import Store
from sealtone.store.database import Database
from sealtone.store.recordings import RecordingFilter, read_recordings


async def rows(store: Store) -> dict[str, float | None]:
    await store.flush()
    page = await store.read(lambda transaction: read_recordings(transaction.connection, RecordingFilter()))
    return {facts.id: facts.ended_at for facts in page.recordings}


def refuse(folder: Path, refused: bool) -> None:
    """Whether the database takes rows of recordings."""
    database = Database(folder)
    with database.write() as transaction:
        for action in ("INSERT", "UPDATE"):
            made = f"CREATE TRIGGER no_{action} BEFORE {action} ON recording BEGIN SELECT RAISE(FAIL, 'no'); END"
            transaction.connection.exec_driver_sql(made if refused else f"DROP TRIGGER no_{action}")
    database.close()


async def settled(store: Store) -> None:
    """All that was handed to the store is done, or has failed, and who waited for it knows."""
    await store.flush()
    await asyncio.sleep(0.01)


async def test_an_end_that_could_not_be_written_is_written_once_that_is_possible(tmp_path: Path) -> None:
    store, said = Store(tmp_path), list[str]()
    try:
        writer, ended = RecordingWriter(store, said.append), facts_of(1)
        writer.write(ended._replace(ended_at=None))
        assert await rows(store) == {ended.id: None}
        refuse(tmp_path, True)
        writer.write(ended)
        writer.write(facts_of(2))
        await settled(store)
        assert await rows(store) == {ended.id: None}
        assert len(said) == 1, said
        writer.retry()
        await settled(store)
        refuse(tmp_path, False)
        assert await rows(store) == {ended.id: None}
        writer.retry()
        assert await rows(store) == {ended.id: ended.ended_at, facts_of(2).id: facts_of(2).ended_at}
    finally:
        await store.close()


async def test_a_beginning_that_is_tried_again_does_not_undo_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        writer, ended = RecordingWriter(store, lambda _: None), facts_of(1)
        refuse(tmp_path, True)
        writer.write(ended._replace(ended_at=None))
        await settled(store)
        refuse(tmp_path, False)
        writer.write(ended)
        await settled(store)
        writer.retry()
        assert await rows(store) == {ended.id: ended.ended_at}
    finally:
        await store.close()


async def test_a_store_that_takes_nothing_at_all_stops_nobody(tmp_path: Path) -> None:
    store, said = Store(tmp_path), list[str]()
    writer = RecordingWriter(store, said.append)
    await store.close()
    writer.write(facts_of(1))
    writer.write(facts_of(2))
    assert len(said) == 1
