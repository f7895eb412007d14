"""Backup and restore of a whole data folder, in one file.

What the file is:

* The *archive*, a ZIP: ``manifest.json`` (version, schema, and of each other entry its size and SHA-256), the database
  as ``database/TABLE.jsonl`` (`store.dump`), and the data folder's other files below ``data/``: keys, certificates, the
  settings file, and recordings where they were asked for (these are sealed anyway).
* It holds every key of the service, so that by default it is sealed with age: ``backup.age`` within an outer ZIP, to a
  public key; or to a key made for it, which is beside it as ``key.age``, sealed by a passphrase. Both open with the
  program `age` too.

A backup is read back and compared before it takes its name; a restore checks everything before the folder takes its.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, TypeVar, cast

import pyrage
from pyrage import x25519

from sealtone import __version__
from sealtone.admin.errors import AdminError
from sealtone.store import Database
from sealtone.store.database import DATABASE_FILE, KEY_FILE, SCHEMA
from sealtone.store.dump import dump_table, dumped_tables, load_database
from sealtone.store.location import PostgresLocation

Identity = x25519.Identity
Kept = TypeVar("Kept", bound=IO[bytes] | zipfile.ZipFile)

_FORMAT = 1
_MANIFEST = "manifest.json"
_DATABASE, _FILES = "database/", "data/"
_SEALED, _SEALED_KEY = "backup.age", "key.age"
_RECORDINGS = "recordings"
BACKUPS_FOLDER = "backups"
"""In the data folder: what the panel and the API made."""
_LEFT_OUT = frozenset({_RECORDINGS, BACKUPS_FOLDER, "panel-cache", "panel.sock", "control.sock"})
_CHUNK = 1 << 20
# What a ZIP that was changed can raise: of another method, of a password, of its octets.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)
_LONGEST_MANIFEST = 64 << 20
_NAME = re.compile(r"(database/[a-z_]+\.jsonl|data/.+)")


class BackupError(AdminError):
    """A backup cannot be made or read; the message says what to do."""


class Contents(NamedTuple):
    """What a backup holds."""

    version: str
    """Of the Sealtone that made it."""
    made_at: str
    """RFC 3339, UTC."""
    schema: str
    rows: dict[str, int]
    files: int
    recordings: bool
    octets: int
    """Of the backup file itself."""


def make_backup(
    data: Path,
    database: Database,
    out: Path,
    *,
    recipient: str = "",
    passphrase: str = "",
    recordings: bool = False,
    now_wall: float,
) -> Contents:
    """Writes a backup of a data folder to a new file, while a server may run on it.

    Sealed to `recipient` (a public key of age) or by `passphrase`; with neither it is written open, for whoever keeps
    it safe otherwise. Raises `BackupError`, `StoreError`; then there is no such file.
    """
    if out.exists():
        raise BackupError("{file} exists already. Choose another name; a backup never overwrites one.", file=out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sealtone-backup-", dir=out.parent) as folder:
            archive, finished = Path(folder) / "archive.zip", Path(folder) / "finished"
            manifest = _archive(data, database, archive, recordings=recordings, now_wall=now_wall)
            _check(archive, [], manifest)
            identity = _seal(archive, finished, recipient, passphrase)
            if identity is not None:
                _check(finished, [identity], manifest)
            _flush(finished)
            finished.replace(out)
            _sync(out.parent)
    except OSError as error:
        raise BackupError(
            "The backup was not written to {file}: {why}.", file=out, why=error.strerror or error
        ) from error
    return _contents(manifest, out)


def read_backup(file: Path, identities: Callable[[], list[x25519.Identity]], passphrase: Callable[[], str]) -> Contents:
    """Opens a backup, checks every octet of it, and says what it holds. Raises `BackupError`."""
    with _Opening(file, identities, passphrase) as archive:
        manifest = _manifest(archive)
        _verify(archive, manifest)
    return _contents(manifest, file)


def restore_backup(
    file: Path,
    data: Path,
    identities: Callable[[], list[x25519.Identity]],
    passphrase: Callable[[], str],
    place_of: Callable[[Path], PostgresLocation | None] = lambda folder: None,
) -> Contents:
    """Makes a data folder of a backup, migrated to this version. `data` must not exist, or be empty.

    `identities` and `passphrase` are asked for where the backup needs them; `place_of` where the database of the new
    folder is to be, by the settings that lie in it: there has to be none yet. Raises `BackupError`, `StoreError`; then
    `data` is as it was.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(
            "{folder} is not empty. A backup is restored into a new folder: name one with --data.", folder=data
        )
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sealtone-restore-", dir=data.parent) as folder:
            made = Path(folder) / "data"
            made.mkdir(mode=0o700)
            with _Opening(file, identities, passphrase) as archive:
                manifest = _manifest(archive)
                _verify(archive, manifest)
                _extract(archive, manifest, made)
                load_database(made, manifest["schema"], _tables(archive, manifest), place_of(made))
            if data.exists():
                data.rmdir()
            made.replace(data)
            _sync(data.parent)
    except OSError as error:
        raise BackupError(
            "The backup was not restored to {folder}: {why}.", folder=data, why=error.strerror or error
        ) from error
    return _contents(manifest, file)


# making


def _archive(data: Path, database: Database, out: Path, *, recordings: bool, now_wall: float) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = {}
    rows: dict[str, int] = {}
    with (
        zipfile.ZipFile(_private(out), "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
        database.read() as transaction,
    ):
        for name in dumped_tables():
            lines = dump_table(transaction, name)
            entry = _add(archive, f"{_DATABASE}{name}.jsonl", lines)
            rows[name] = entry.pop("pieces") - 1
            entries[f"{_DATABASE}{name}.jsonl"] = entry
        for path in _files_of(data, recordings=recordings):
            name = f"{_FILES}{path.relative_to(data).as_posix()}"
            try:
                with path.open("rb") as file:
                    entry = _add(archive, name, _pieces(file), compressed=False)
            except FileNotFoundError:
                continue  # deleted meanwhile, as outdated recordings are
            del entry["pieces"]
            entries[name] = entry
        manifest = {
            "format": _FORMAT,
            "version": __version__,
            "made_at": datetime.fromtimestamp(now_wall, UTC).isoformat(timespec="seconds"),
            "schema": SCHEMA,
            "recordings": recordings,
            "rows": rows,
            "entries": entries,
        }
        archive.writestr(_MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
    return manifest


def _files_of(data: Path, *, recordings: bool) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        parts = path.relative_to(data).parts
        left_out = parts[0] in _LEFT_OUT and not (recordings and parts[0] == _RECORDINGS)
        is_temporary = parts[0].startswith((DATABASE_FILE, ".")) or parts[-1].endswith(".new")
        if path.is_file() and not path.is_symlink() and not left_out and not is_temporary:
            yield path


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece


def _add(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes], *, compressed: bool = True) -> dict[str, Any]:
    digest, octets, count = hashlib.sha256(), 0, 0
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with archive.open(info, "w", force_zip64=True) as entry:
        for piece in pieces:
            entry.write(piece)
            digest.update(piece)
            octets += len(piece)
            count += 1
    return {"octets": octets, "sha256": digest.hexdigest(), "pieces": count}


def _seal(archive: Path, out: Path, recipient: str, passphrase: str) -> x25519.Identity | None:
    """Writes the file that is kept. Gives what opens it, where that is known here."""
    if not recipient and not passphrase:
        archive.replace(out)
        return None
    identity = x25519.Identity.generate() if not recipient else None
    try:
        to = identity.to_public() if identity is not None else x25519.Recipient.from_str(recipient.strip())
    except pyrage.RecipientError as error:
        raise BackupError(
            "“{recipient}” is no public key of age (X25519): it begins with age1.", recipient=recipient
        ) from error
    with zipfile.ZipFile(_private(out), "w", zipfile.ZIP_STORED) as outer:
        if identity is not None:
            outer.writestr(_SEALED_KEY, pyrage.passphrase.encrypt(f"{identity}\n".encode(), passphrase))
        with archive.open("rb") as plain, outer.open(_SEALED, "w", force_zip64=True) as sealed:
            pyrage.encrypt_io(plain, sealed, [to])
    return identity


def _check(finished: Path, identities: list[x25519.Identity], manifest: dict[str, Any]) -> None:
    """Reads back what was written."""
    with _Opening(finished, lambda: identities, lambda: "", with_key=not identities) as archive:
        if _manifest(archive) != manifest:
            raise BackupError("The backup reads differently than it was written: the disk may be failing.")
        _verify(archive, manifest)


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _flush(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# reading


class _Opening:
    """The archive within a backup, as a ZIP; decrypted to an unnamed file where it is sealed."""

    def __init__(
        self,
        file: Path,
        identities: Callable[[], list[x25519.Identity]],
        passphrase: Callable[[], str],
        *,
        with_key: bool = True,
    ) -> None:
        self._file, self._identities, self._passphrase, self._with_key = file, identities, passphrase, with_key
        self._open: list[IO[bytes] | zipfile.ZipFile] = []

    def __enter__(self) -> zipfile.ZipFile:
        try:
            outer = self._kept(zipfile.ZipFile(self._file))
            names = outer.namelist()
            if _SEALED not in names:
                return outer
            identities = self._own_key(outer) if _SEALED_KEY in names and self._with_key else self._identities()
            plain = self._kept(tempfile.TemporaryFile(dir=self._file.parent))
            with outer.open(_SEALED) as sealed:
                pyrage.decrypt_io(sealed, plain, identities)
            return self._kept(zipfile.ZipFile(plain))
        except pyrage.DecryptError as error:
            self.__exit__()
            raise BackupError("The key does not open this backup ({why}).", why=error) from error
        except _DAMAGED as error:
            self.__exit__()
            raise BackupError(
                "{file} is no backup, or was damaged or changed: {why}.", file=self._file, why=error
            ) from error
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        while self._open:
            self._open.pop().close()

    def _own_key(self, outer: zipfile.ZipFile) -> list[x25519.Identity]:
        try:
            text = pyrage.passphrase.decrypt(outer.read(_SEALED_KEY), self._passphrase())
            return [x25519.Identity.from_str(text.decode().strip())]
        except pyrage.DecryptError as error:
            raise BackupError("The passphrase does not open this backup.") from error

    def _kept(self, opened: Kept) -> Kept:
        self._open.append(opened)
        return opened


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        if archive.getinfo(_MANIFEST).file_size > _LONGEST_MANIFEST:
            raise BackupError("The backup's list of contents is too long to be one.")
        manifest = json.loads(archive.read(_MANIFEST))
        fits = manifest["format"] == _FORMAT and {"version", "made_at", "schema", "rows", "entries"} <= set(manifest)
    except (KeyError, TypeError, *_DAMAGED) as error:
        raise BackupError("This is no backup of Sealtone's, or its list of contents was damaged.") from error
    if not fits:
        raise BackupError("This backup was made by a newer Sealtone ({version}).", version=manifest.get("version", "?"))
    return cast("dict[str, Any]", manifest)


def _verify(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    present = {name for name in archive.namelist() if name != _MANIFEST}
    if present != set(manifest["entries"]) or len(present) + 1 != len(archive.namelist()):
        raise BackupError("The backup does not hold what its list of contents says: it was damaged or changed.")
    for name, entry in manifest["entries"].items():
        if not _NAME.fullmatch(name) or any(part in ("", ".", "..") for part in name.split("/")) or "\\" in name:
            raise BackupError("The backup names a file that it must not: {name}.", name=name)
        try:
            octets, digest = 0, hashlib.sha256()
            with archive.open(name) as content:
                while piece := content.read(_CHUNK):
                    octets += len(piece)
                    digest.update(piece)
                    if octets > entry["octets"]:
                        break
        except _DAMAGED as error:
            raise BackupError("The backup was damaged: {name} cannot be read ({why}).", name=name, why=error) from error
        if octets != entry["octets"] or digest.hexdigest() != entry["sha256"]:
            raise BackupError("The backup was damaged or changed: {name} is not what it was.", name=name)


def _extract(archive: zipfile.ZipFile, manifest: dict[str, Any], folder: Path) -> None:
    for name in manifest["entries"]:
        if not name.startswith(_FILES):
            continue
        path = folder / PurePosixPath(name.removeprefix(_FILES))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with archive.open(name) as content, _private(path) as file:
            shutil.copyfileobj(content, file, _CHUNK)
            file.flush()
            os.fsync(file.fileno())
    if not (folder / KEY_FILE).exists():
        raise BackupError("The backup holds no key file: the users' secrets in it could not be used.")


def _tables(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> Iterator[tuple[str, Iterator[bytes]]]:
    for name in manifest["entries"]:
        if name.startswith(_DATABASE):
            with archive.open(name) as content:
                yield name.removeprefix(_DATABASE).removesuffix(".jsonl"), iter(content)


def _contents(manifest: dict[str, Any], file: Path) -> Contents:
    return Contents(
        manifest["version"],
        manifest["made_at"],
        manifest["schema"],
        manifest["rows"],
        sum(name.startswith(_FILES) for name in manifest["entries"]),
        bool(manifest["recordings"]),
        file.stat().st_size,
    )
