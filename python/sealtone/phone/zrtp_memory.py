"""What a phone keeps of ZRTP from call to call: its ZID, and what it remembers of each peer (RFC 6189 4.9).

With a folder it is one file for each account, readable by its owner alone and replaced whole, so that a crash leaves
the old or the new one. Without a folder it lasts as long as the object.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sealtone.zrtp import CacheRecord, UnreadableRecord

MAX_PEERS: Final = 1000
_ZID_OCTETS: Final = 12
_FORMAT: Final = 1


class MemoryUnusable(OSError):
    """The file is there and cannot be used; the text says why. It is never begun anew by itself, since whoever could
    make it unreadable could then pose as a peer met for the first time."""


class ZrtpMemory:
    """`zid`: 12 random octets that stay the same for good. The latest peers stand last; the oldest make room."""

    def __init__(self, folder: Path | None = None, account: str = "") -> None:
        """Raises `MemoryUnusable`. `account`: the address of record."""
        self._path = folder / f"{re.sub(r'[^A-Za-z0-9@._-]', '_', account)}.zrtp.json" if folder else None
        self._records: dict[bytes, CacheRecord] = {}
        self.zid = os.urandom(_ZID_OCTETS)
        if self._path is not None:
            with _reported(self._path), self._alone():
                self._load()
                self._save()

    def find(self, peer_zid: bytes) -> CacheRecord | None:
        """What is remembered of a peer."""
        return self._records.get(peer_zid)

    def remember(self, record: CacheRecord) -> None:
        """Keep this in place of what was known of the peer. Raises `MemoryUnusable`."""
        if self._path is None:
            self._take(record)
            return
        with _reported(self._path), self._alone():
            self._load()  # another phone of this account may have written meanwhile
            self._take(record)
            self._save()

    def _take(self, record: CacheRecord) -> None:
        self._records.pop(record.peer_zid, None)
        self._records[record.peer_zid] = record
        while len(self._records) > MAX_PEERS:
            del self._records[next(iter(self._records))]

    # the file

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other phone of this account reads or writes."""
        assert self._path is not None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _load(self) -> None:
        assert self._path is not None
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return
        try:
            kept: Any = json.loads(text)
            if kept["format"] != _FORMAT:
                raise ValueError("it is of another version")
            zid = bytes.fromhex(kept["zid"])
            records = [CacheRecord.parse(bytes.fromhex(each)) for each in kept["peers"]]
        except (ValueError, KeyError, TypeError, UnreadableRecord) as error:
            raise MemoryUnusable(f"{self._path} cannot be read ({error}). Move it away to begin anew.") from None
        if len(zid) != _ZID_OCTETS or not any(zid):
            raise MemoryUnusable(f"{self._path} holds no valid ZID. Move it away to begin anew.")
        self.zid = zid
        self._records = {record.peer_zid: record for record in records}

    def _save(self) -> None:
        assert self._path is not None
        kept = {
            "format": _FORMAT,
            "zid": self.zid.hex(),
            "peers": [each.encode().hex() for each in self._records.values()],
        }
        new = self._path.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Faults of the file system in words."""
    try:
        yield
    except MemoryUnusable:
        raise
    except OSError as error:
        raise MemoryUnusable(f"{path} cannot be used: {error.strerror}.") from None
