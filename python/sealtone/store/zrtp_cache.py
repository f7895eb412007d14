"""What is remembered of the phones that this server agreed on keys with (RFC 6189 4.9), encrypted.

A record is bound to its place: our ZID and the phone's.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from sealtone.store.database import Transaction
from sealtone.store.tables import account, zrtp_cache
from sealtone.zrtp import CacheRecord

Place = tuple[bytes, bytes]
"""Our ZID and the phone's."""


def read_zrtp_records(transaction: Transaction) -> dict[Place, CacheRecord]:
    """All of them, oldest first. Raises `KeyFileError` when they do not open."""
    rows = transaction.connection.execute(select(zrtp_cache).order_by(zrtp_cache.c.updated_at))
    return {
        (row.zid, row.peer_zid): CacheRecord.parse(
            bytes.fromhex(transaction.vault.open_sealed(row.record, _context((row.zid, row.peer_zid))))
        )
        for row in rows
    }


def write_zrtp_record(transaction: Transaction, place: Place, record: CacheRecord, now_wall: float) -> None:
    """Puts a record in the place of the one before."""
    delete_zrtp_records(transaction, [place])
    sealed = transaction.vault.seal(record.encode().hex(), _context(place))
    values = {"zid": place[0], "peer_zid": place[1], "record": sealed, "updated_at": now_wall}
    transaction.connection.execute(zrtp_cache.insert().values(**values))


def delete_zrtp_records(transaction: Transaction, places: Iterable[Place]) -> None:
    """Forgets these phones."""
    for zid, peer_zid in places:
        condition = (zrtp_cache.c.zid == zid) & (zrtp_cache.c.peer_zid == peer_zid)
        transaction.connection.execute(zrtp_cache.delete().where(condition))


def delete_orphaned_zrtp_records(transaction: Transaction) -> list[bytes]:
    """Forgets all phones of accounts that are gone; gives the ZIDs these had."""
    is_orphaned = zrtp_cache.c.zid.not_in(select(account.c.zid))
    zids = list(transaction.connection.scalars(select(zrtp_cache.c.zid).where(is_orphaned).distinct()))
    transaction.connection.execute(zrtp_cache.delete().where(is_orphaned))
    return zids


def _context(place: Place) -> str:
    return f"zrtp {place[0].hex()} {place[1].hex()}"
