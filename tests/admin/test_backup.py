"""Backups, made of real data folders and read back; and what becomes of those that were damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import zipfile
from pathlib import Path

import pytest
from pyrage import x25519

from postgres import Place, PostgresServer
from sealtone.admin import Actor, BackupError, create_sip_user, first_use, make_backup, read_backup, restore_backup
from sealtone.pki import Authority
from sealtone.store import Database, StoreError
from sealtone.store.database import DATABASE_FILE, SCHEMA
from sealtone.store.directory import read_changes, read_users
from sealtone.store.records import insert_calls, read_call
from sealtone.store.tables import metadata
from store.old_schema import written_by
from store.records import call

PASSPHRASE = "four words of mine"
ROOT = Actor("root", "command line")


def nobody() -> list[x25519.Identity]:
    raise AssertionError("no key is needed")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    database = Database(folder)
    with database.write() as transaction:
        first_use(transaction, 1000.0, "office.example")
        create_sip_user(transaction, ROOT, 1001.0, "bob@office.example", secret="correct horse battery")
        insert_calls(transaction.connection, [call(number) for number in range(3)])
    database.close()
    Authority.open(folder / "authority")
    (folder / "sealtone.toml").write_text("sip_port = 5070\n")
    recordings = folder / "recordings" / "1"
    recordings.mkdir(parents=True)
    (recordings / "one.age").write_bytes(os.urandom(70_000))
    return folder


def backed_up(data: Path, name: str = "backup.zip", **how: object) -> Path:
    out = data.parent / name
    database = Database(data)
    try:
        make_backup(data, database, out, now_wall=2000.0, **how)  # type: ignore[arg-type]
    finally:
        database.close()
    return out


def rows_of(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(folder / DATABASE_FILE)
    try:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in metadata.tables}
    finally:
        connection.close()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(DATABASE_FILE)
    }


def test_what_is_restored_is_what_was_backed_up(data: Path) -> None:
    out = backed_up(data, passphrase=PASSPHRASE, recordings=True)
    restored = data.parent / "restored"
    contents = restore_backup(out, restored, nobody, lambda: PASSPHRASE)
    assert (contents.schema, contents.rows["sip_user"], contents.rows["call_record"]) == (SCHEMA, 5, 3)
    assert rows_of(restored) == rows_of(data)
    assert files_of(restored) == files_of(data)
    database = Database(restored)
    with database.read() as transaction:
        assert {user.username for user in read_users(transaction)} >= {"bob", "1000"}
        assert read_call(transaction.connection, call(1).id) == call(1)
        assert read_changes(transaction)
    database.close()


def test_a_backup_is_its_owners_alone_and_shows_nothing_without_its_passphrase(data: Path) -> None:
    out = backed_up(data, passphrase=PASSPHRASE)
    assert out.stat().st_mode & 0o777 == 0o600
    octets = out.read_bytes()
    for told in (b"office.example", b"BEGIN PRIVATE KEY", (data / "secrets.key").read_bytes()):
        assert told not in octets
    with pytest.raises(BackupError, match="passphrase does not open"):
        read_backup(out, nobody, lambda: "another one")
    assert read_backup(out, nobody, lambda: PASSPHRASE).rows["sip_user"] == 5


def test_recordings_are_left_out_unless_they_are_asked_for(data: Path) -> None:
    without = read_backup(backed_up(data, "a.zip"), nobody, str)
    with_them = read_backup(backed_up(data, "b.zip", recordings=True), nobody, str)
    assert (without.recordings, with_them.recordings) == (False, True)
    assert with_them.files == without.files + 1


def test_a_backup_sealed_to_a_key_opens_with_that_key_only_and_with_age_itself(data: Path) -> None:
    identity = x25519.Identity.generate()
    out = backed_up(data, recipient=str(identity.to_public()))
    with pytest.raises(BackupError, match="key does not open"):
        read_backup(out, lambda: [x25519.Identity.generate()], str)
    assert read_backup(out, lambda: [identity], str).rows["domain"] == 1
    if shutil.which("age") is None:
        pytest.skip("age is not installed")
    (data.parent / "key.txt").write_text(f"{identity}\n")
    with zipfile.ZipFile(out) as outer:
        outer.extract("backup.age", data.parent)
    plain = subprocess.run(
        ["age", "-d", "-i", "key.txt", "backup.age"], cwd=data.parent, capture_output=True, check=True
    ).stdout
    (data.parent / "plain.zip").write_bytes(plain)
    assert "database/sip_user.jsonl" in zipfile.ZipFile(data.parent / "plain.zip").namelist()


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_one_flipped_bit_anywhere_is_noticed_and_restores_nothing(data: Path, sealed: bool) -> None:
    identity = x25519.Identity.generate()
    out = backed_up(data, recipient=str(identity.to_public()) if sealed else "")
    octets = bytearray(out.read_bytes())
    restored = data.parent / "restored"
    noticed = 0
    for place in range(7, len(octets), len(octets) // 40):
        changed = bytearray(octets)
        changed[place] ^= 0x10
        out.write_bytes(changed)
        try:
            restore_backup(out, restored, lambda: [identity], str)
        except (BackupError, StoreError):
            noticed += 1
            assert not restored.exists()
        else:  # of a ZIP's own fields, such as a date, not all matter
            assert rows_of(restored) == rows_of(data)
            shutil.rmtree(restored)
        assert not [path for path in data.parent.iterdir() if path.name.startswith(".sealtone")]
    assert noticed >= 30
    out.write_bytes(octets[: len(octets) // 2])
    with pytest.raises(BackupError):
        restore_backup(out, restored, lambda: [identity], str)
    out.write_bytes(octets)
    restore_backup(out, restored, lambda: [identity], str)


def test_a_backup_goes_neither_over_a_file_nor_into_a_folder_that_holds_something(data: Path) -> None:
    out = backed_up(data)
    before = out.read_bytes()
    with pytest.raises(BackupError, match="exists already"):
        backed_up(data)
    assert out.read_bytes() == before
    held = files_of(data)
    with pytest.raises(BackupError, match="not empty"):
        restore_backup(out, data, nobody, str)
    assert files_of(data) == held


def test_a_backup_of_an_older_version_is_migrated(tmp_path: Path) -> None:
    place = Place(tmp_path / "old")
    with written_by(place, "0003") as transaction:
        insert_calls(transaction.connection, [call(7)])
    out = tmp_path / "old.zip"
    make_old_archive(place.folder, out, "0003")
    restored = tmp_path / "restored"
    assert restore_backup(out, restored, nobody, str).schema == "0003"
    database = Database(restored)
    with database.read() as opened:
        kept = read_call(opened.connection, call(7).id)
    database.close()
    assert kept is not None
    assert kept.legs[0].codec == call(7).legs[0].codec


def test_a_backup_of_a_newer_version_is_refused_in_plain_words(data: Path) -> None:
    out = backed_up(data)
    newer = rewritten(
        out, lambda name, octets: octets.replace(SCHEMA.encode(), b"9999") if "manifest" in name else octets
    )
    with pytest.raises(StoreError, match="newer Sealtone"):
        restore_backup(newer, data.parent / "restored", nobody, str)
    assert not (data.parent / "restored").exists()


@pytest.mark.parametrize("name", ["data/../outside", "data//etc/passwd", "data/./x", "elsewhere/x", "data/..\\x"])
def test_a_file_that_would_lie_outside_is_refused(data: Path, name: str) -> None:
    out = backed_up(data)

    def with_another(entry: str, octets: bytes) -> bytes:
        if entry != "manifest.json":
            return octets
        manifest = json.loads(octets)
        manifest["entries"][name] = {"octets": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
        return json.dumps(manifest).encode()

    hostile = rewritten(out, with_another, {name: b"x"})
    with pytest.raises(BackupError, match="must not"):
        restore_backup(hostile, data.parent / "restored", nobody, str)
    assert not (data.parent / "outside").exists()


def test_a_disk_that_is_full_leaves_no_backup_behind(data: Path) -> None:
    full = Path("/dev/full").parent / "shm" / f"sealtone-{os.getpid()}"
    full.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(full)], check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError):
        full.rmdir()
        pytest.skip("a small file system needs root")
    try:
        database = Database(data)
        with pytest.raises(BackupError, match="No space left"):
            make_backup(data, database, full / "backup.zip", recordings=True, now_wall=2000.0)
        database.close()
        assert list(full.iterdir()) == []
    finally:
        subprocess.run(["umount", str(full)], check=True)
        full.rmdir()


def rewritten(archive: Path, change: object, more: dict[str, bytes] | None = None) -> Path:
    out = archive.with_suffix(".changed.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))  # type: ignore[operator]
        for name, octets in (more or {}).items():
            new.writestr(name, octets)
    return out


def make_old_archive(folder: Path, out: Path, schema: str) -> None:
    """As a version with that schema would have written it."""
    entries: dict[str, bytes] = {"data/secrets.key": (folder / "secrets.key").read_bytes()}
    connection = sqlite3.connect(folder / DATABASE_FILE)
    for table in ("account", "call_record", "call_leg"):
        cursor = connection.execute(f"SELECT * FROM {table}")
        lines = [[column[0] for column in cursor.description], *map(list, cursor)]
        entries[f"database/{table}.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    connection.close()
    manifest = {
        "format": 1,
        "version": "0.1.0",
        "made_at": "2026-01-01T00:00:00+00:00",
        "schema": schema,
        "recordings": False,
        "rows": {},
        "entries": {
            name: {"octets": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}
            for name, octets in entries.items()
        },
    }
    with zipfile.ZipFile(out, "w") as archive:
        for name, octets in entries.items():
            archive.writestr(name, octets)
        archive.writestr("manifest.json", json.dumps(manifest))


def test_a_backup_moves_a_service_from_a_file_to_postgresql_and_back(data: Path, postgres: PostgresServer) -> None:
    out = backed_up(data)
    there = Place(data.parent / "there", postgres.new_database())
    restore_backup(out, there.folder, nobody, str, lambda folder: there.location)
    with pytest.raises(StoreError, match="holds something already"):
        restore_backup(out, data.parent / "again", nobody, str, lambda folder: there.location)
    database = there.database()
    with database.write() as transaction:
        created = create_sip_user(transaction, ROOT, 3000.0, "carol@office.example").user
        assert created.id > max(user.id for user in read_users(transaction) if user.username != "carol")
    back = data.parent / "back.zip"
    make_backup(there.folder, database, back, now_wall=3001.0)
    database.close()
    restore_backup(back, data.parent / "here", nobody, str)
    rows, before = rows_of(data.parent / "here"), rows_of(data)
    assert len(rows["sip_user"]) == len(before["sip_user"]) + 1
    assert {name: rows[name] for name in ("domain", "call_record", "call_leg", "account")} == {
        name: before[name] for name in ("domain", "call_record", "call_leg", "account")
    }
