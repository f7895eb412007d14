"""What the server remembers of phones that it agreed on keys with: at once in memory, soon and encrypted in the store."""

import asyncio
from pathlib import Path

import pytest

from postgres import Place
from sealtone.b2bua.zrtp_agreement import Remembered
from sealtone.server import zrtp_memory
from sealtone.server.zrtp_memory import ZrtpMemory
from sealtone.store.directory import insert_account, read_accounts
from sealtone.store.zrtp_cache import read_zrtp_records
from sealtone.zrtp import CacheRecord, RetainedSecret

ZID, OTHER_ZID = b"a" * 12, b"b" * 12
SECRET = b"retained secret, thirty-two here"


def record(number: int, secret: bytes = SECRET) -> CacheRecord:
    return CacheRecord(number.to_bytes(12, "big"), RetainedSecret(secret), pbx=bytes(reversed(secret)))


def all_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def reopened(place: Place) -> ZrtpMemory:
    store = place.store()
    try:
        return ZrtpMemory(store, await store.read(read_zrtp_records))
    finally:
        await store.close()


async def test_a_record_is_there_at_once_and_after_a_restart_and_nowhere_in_the_clear(place: Place) -> None:
    store = place.store()
    memory = ZrtpMemory(store, {})
    memory.remember(
        [Remembered(ZID, record(1)), Remembered(ZID, record(2)), Remembered(OTHER_ZID, record(1, SECRET[::-1]))]
    )
    memory.remember([Remembered(ZID, record(1).with_verified(True))])
    assert memory.find(ZID, record(1).peer_zid) == record(1).with_verified(True)
    assert memory.find(OTHER_ZID, record(2).peer_zid) is None
    await store.close()
    content = all_of(place.folder)
    for secret in (SECRET, SECRET[::-1]):
        assert secret not in content
        assert secret.hex().encode() not in content
    again = await reopened(place)
    assert again.find(ZID, record(1).peer_zid) == record(1).with_verified(True)
    assert again.find(ZID, record(2).peer_zid) == record(2)
    assert again.find(OTHER_ZID, record(1).peer_zid) == record(1, SECRET[::-1])


async def test_what_has_expired_and_what_an_account_that_is_gone_left_is_forgotten(place: Place) -> None:
    store = place.store()
    account_id = await store.submit(lambda transaction: insert_account(transaction, "Office", 0.0))
    (zid,) = [each.zid for each in await store.read(read_accounts) if each.id == account_id]
    memory = ZrtpMemory(store, {})

    def expiring(number: int, first: int | None, second: int | None, pbx: bytes | None) -> Remembered:
        old, new = (RetainedSecret(SECRET, expires_at) for expires_at in (first, second))
        return Remembered(zid, CacheRecord(number.to_bytes(12, "big"), new, old, pbx, verified=True))

    memory.remember(
        [
            expiring(1, 900, 1000, None),
            expiring(2, 900, 1001, None),
            expiring(3, 1001, 900, None),
            expiring(4, 900, 1000, SECRET),
            expiring(5, None, None, None),
            Remembered(zid, CacheRecord((6).to_bytes(12, "big"))),
            Remembered(OTHER_ZID, record(1)),
        ]
    )
    await memory.purge(1000)
    await store.close()
    for each in (memory, await reopened(place)):
        known = [number for number in range(1, 7) if each.find(zid, number.to_bytes(12, "big")) is not None]
        assert known == [2, 3, 4, 5]
        assert each.find(OTHER_ZID, record(1).peer_zid) is None


async def test_one_account_pushes_out_its_own_oldest_records_and_no_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zrtp_memory, "MAX_PEERS_A_ZID", 5)
    store = place.store()
    memory = ZrtpMemory(store, {})
    memory.remember([Remembered(OTHER_ZID, record(1))])
    for number in range(1, 9):
        memory.remember([Remembered(ZID, record(number))])
        memory.remember([Remembered(ZID, record(1))])
    await asyncio.sleep(0)
    await store.close()
    for each in (memory, await reopened(place)):
        known = [number for number in range(1, 9) if each.find(ZID, record(number).peer_zid) is not None]
        assert known == [1, 5, 6, 7, 8]
        assert each.find(OTHER_ZID, record(1).peer_zid) is not None
