"""`sealtone recordings` as a person and a program use it: keys made, recordings listed, opened, moved, deleted."""

from __future__ import annotations

import json
import resource
import shutil
import stat
import struct
import subprocess
import wave
from pathlib import Path
from typing import Any

import pyrage
import pytest

from admin.sealed import facts_of, keep, noise, wav_of, write_broken_off, write_finished
from cli.conftest import Run
from sealtone.admin.recording_files import folder_of
from sealtone.model import RecordingFacts
from sealtone.store import Database
from sealtone.store.recordings import save_recording

Key = pyrage.x25519.Identity


def made(run: Run, data: Path, to: Path, *more: str, **environment: str) -> Key:
    """An account key in a file."""
    done = run("recordings", "create-key", "--to", str(to), *more, **environment)
    assert done.returncode == 0, done.stderr
    text = to.read_bytes()
    if text.startswith(b"age-encryption.org"):
        text = pyrage.passphrase.decrypt(text, environment["SEALTONE_RECORDING_PASSPHRASE"])
    secret = next(line for line in text.decode().splitlines() if line.startswith("AGE-SECRET-KEY-1"))
    return Key.from_str(secret)


def kept(data: Path, facts: RecordingFacts, octets: bytes, key: Key) -> RecordingFacts:
    database = Database(data)
    with database.write() as transaction:
        facts = keep(transaction, data, facts, octets, key)
    database.close()
    return facts


def streamed_wav(samples: list[tuple[int, int]]) -> bytes:
    """As the media core writes it: the sizes are left open."""
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 0xFFFFFFFF, b"WAVEfmt ", 16, 1, 2, 8000, 32000, 4, 16, b"data",
                       0xFFFFFFFF)  # fmt: skip
    return head + b"".join(struct.pack("<hh", *pair) for pair in samples)


def listed(run: Run, *options: str) -> Any:
    return json.loads(run("recordings", "list", "--json", *options).stdout)


def test_a_key_is_made_once_its_private_half_is_kept_nowhere_here_and_shown_only_then(run: Run, data: Path) -> None:
    done = run("recordings", "create-key", "--json")
    assert done.returncode == 0, done.stderr
    key = json.loads(done.stdout)
    assert key["recipient"] == str(Key.from_str(key["identity"]).to_public())
    assert run("recordings", "show-key").stdout.strip() == key["recipient"]
    for file in data.rglob("*"):
        if file.is_file():
            assert b"AGE-SECRET-KEY" not in file.read_bytes()
    again = run("recordings", "create-key")
    assert again.returncode == 1
    assert "rotate-key" in again.stderr
    assert "AGE-SECRET-KEY" not in again.stdout


def test_a_key_that_is_refused_leaves_no_file(run: Run, data: Path, tmp_path: Path) -> None:
    made(run, data, tmp_path / "first.txt")
    assert run("recordings", "create-key", "--to", str(tmp_path / "second.txt")).returncode == 1
    assert not (tmp_path / "second.txt").exists()


def test_a_key_made_elsewhere_is_taken_by_its_public_half(run: Run) -> None:
    key = Key.generate()
    assert run("recordings", "create-key", "--recipient", str(key.to_public())).returncode == 0
    assert run("recordings", "show-key").stdout.strip() == str(key.to_public())
    refused = run("recordings", "rotate-key", "--recipient", "age1x")
    assert refused.returncode == 1
    assert "no public key" in refused.stderr


def test_a_passphrase_protects_the_key_file(run: Run, data: Path, tmp_path: Path) -> None:
    to = tmp_path / "key.age"
    key = made(run, data, to, "--passphrase", SEALTONE_RECORDING_PASSPHRASE="correct horse")
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    facts = kept(data, facts_of(), streamed_wav([(1, 2)]), key)
    out = tmp_path / "a.wav"
    arguments = ("recordings", "export", facts.id, "-i", str(to), "--to", str(out))
    wrong = run(*arguments, SEALTONE_RECORDING_PASSPHRASE="wrong")
    assert wrong.returncode == 1
    assert "passphrase" in wrong.stderr
    assert run(*arguments, SEALTONE_RECORDING_PASSPHRASE="correct horse").returncode == 0
    assert out.exists()


def test_recordings_are_listed_with_what_became_of_them(run: Run, data: Path) -> None:
    key = Key.generate()
    kept(data, facts_of(1), noise(100), key)
    full = facts_of(2, caller="1002@office.example", reason="The disk is full, so the recording was ended.",
                    started_at=1_700_000_500.0)  # fmt: skip
    kept(data, full, noise(10), key)
    (folder_of(data) / full.path).unlink()
    write_finished(folder_of(data) / "1/2025/01/lost.wav.age", b"x", key)
    found = listed(run)
    assert [row["id"] for row in found["recordings"]] == [full.id, facts_of(1).id]
    assert [row["size"] is None for row in found["recordings"]] == [True, False]
    assert [one["path"] for one in found["orphans"]] == ["1/2025/01/lost.wav.age"]
    assert [row["id"] for row in listed(run, "--user", "1002")["recordings"]] == [full.id]
    first = listed(run, "--limit", "1")
    assert [row["id"] for row in listed(run, "--limit", "1", "--after", first["after"])["recordings"]] == [
        facts_of(1).id
    ]
    words = run("recordings", "list").stdout
    for text in (full.id, "The disk is full", "Its file is gone", "1000@office.example → 1001@office.example",
                 "belongs to no recording"):  # fmt: skip
        assert text in words


def test_an_export_is_a_plain_file_that_any_program_reads(run: Run, data: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "key.txt"
    key = made(run, data, key_file)
    samples = [(index, -index) for index in range(4000)]
    facts = kept(data, facts_of(), streamed_wav(samples), key)
    out = tmp_path / "a.wav"
    done = run("recordings", "export", facts.id[:20], "--identity", str(key_file), "--to", str(out))
    assert done.returncode == 0, done.stderr
    with wave.open(str(out)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 8000, 4000)
        assert struct.unpack("<hh", sound.readframes(1)) == (0, 0)
        assert struct.unpack("<hh", sound.readframes(1)) == (1, -1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert run("recordings", "export", facts.id, "-i", str(key_file), "--to", str(out)).returncode == 1


def test_what_was_broken_off_is_exported_as_far_as_it_goes_and_that_is_said(
    run: Run, data: Path, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.txt"
    key = made(run, data, key_file)
    octets = streamed_wav([(index % 100, 0) for index in range(40_000)])
    facts = kept(data, facts_of(reason="The server ended before the recording did."), b"", key)
    write_broken_off(folder_of(data) / facts.path, octets, key)
    out = tmp_path / "a.wav"
    done = run("recordings", "export", facts.id, "-i", str(key_file), "--to", str(out))
    assert done.returncode == 0, done.stderr
    assert "broken off" in done.stderr
    with wave.open(str(out)) as sound:
        assert sound.getnframes() == 40_000


def test_a_damaged_recording_and_a_wrong_key_are_told_apart(run: Run, data: Path, tmp_path: Path) -> None:
    key_file, other = tmp_path / "key.txt", tmp_path / "other.txt"
    key = made(run, data, key_file)
    other.write_text(str(Key.generate()))
    facts = kept(data, facts_of(), streamed_wav([(1, 1)] * 1000), key)
    file = folder_of(data) / facts.path
    wrong = run("recordings", "export", facts.id, "-i", str(other), "--to", str(tmp_path / "x"))
    assert (wrong.returncode, "sealed to another one" in wrong.stderr) == (1, True)
    file.write_bytes(file.read_bytes()[:-1])
    damaged = run("recordings", "export", facts.id, "-i", str(key_file), "--to", str(tmp_path / "x"))
    assert (damaged.returncode, "changed or damaged" in damaged.stderr) == (1, True)
    assert not (tmp_path / "x").exists()
    assert run("recordings", "export", facts.id, "--to", str(tmp_path / "x")).returncode == 2


def test_rotating_leaves_old_recordings_to_the_old_key_or_moves_them(run: Run, data: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.txt" for name in ("first", "second", "third"))
    key = made(run, data, first)
    facts = kept(data, facts_of(), streamed_wav([(1, 1)]), key)
    lost = kept(data, facts_of(2), b"x", key)
    (folder_of(data) / lost.path).unlink()

    def opens(file: Path) -> bool:
        out = tmp_path / f"{file.stem}-{len(list(tmp_path.iterdir()))}.wav"
        return run("recordings", "export", facts.id, "-i", str(file), "--to", str(out)).returncode == 0

    assert run("recordings", "rotate-key", "--to", str(second)).returncode == 0
    assert opens(first)
    assert not opens(second)
    done = run("recordings", "rotate-key", "--to", str(third), "--old-identity", str(first))
    assert done.returncode == 0, done.stderr
    assert "1 recordings were sealed to the new key" in done.stdout
    assert lost.id in done.stderr
    assert opens(third)
    assert not opens(first)


def test_deleting_leaves_nothing(run: Run, data: Path) -> None:
    facts = kept(data, facts_of(), noise(100), Key.generate())
    write_broken_off(folder_of(data) / facts.path, noise(100), Key.generate())
    assert run("recordings", "delete", facts.id).returncode == 0
    assert listed(run) == {"recordings": [], "after": None, "orphans": []}
    assert not [file for file in folder_of(data).rglob("*") if file.is_file()]
    assert run("recordings", "delete", facts.id).returncode == 1


def test_a_running_recording_is_not_deleted(run: Run, data: Path) -> None:
    database = Database(data)
    with database.write() as transaction:
        save_recording(transaction.connection, facts_of(ended_at=None))
    database.close()
    refused = run("recordings", "delete", facts_of().id)
    assert (refused.returncode, "still runs" in refused.stderr) == (1, True)
    assert "running" in run("recordings", "list").stdout


def test_a_domain_and_a_user_say_what_is_recorded(run: Run) -> None:
    refused = run("user", "set", "1000@office.example", "--recording", "always")
    assert (refused.returncode, "no recording key" in refused.stderr) == (1, True)
    assert run("recordings", "create-key", "--json").returncode == 0
    assert run("user", "set", "1000@office.example", "--recording", "always").returncode == 0
    said = run("recordings", "domain", "office.example", "--record", "never", "--notice", "announcement",
               "--format", "flac", "--keep", "30", "--json")  # fmt: skip
    assert json.loads(said.stdout) == {
        "domain": "office.example", "record": "never", "notice": "announcement", "format": "flac", "keep_days": 30,
    }  # fmt: skip
    users = {row["user"]: row for row in json.loads(run("user", "list", "--json").stdout)}
    assert users["1000@office.example"]["recording"] == "always"
    assert users["1001@office.example"]["recording"] == "never"


def test_without_the_program_that_a_kind_needs_it_is_named_and_no_file_is_left(
    run: Run, data: Path, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.txt"
    key = made(run, data, key_file)
    facts = kept(data, facts_of(), streamed_wav([(1, 1)]), key)
    out = tmp_path / "out"
    arguments = ("recordings", "export", facts.id, "-i", str(key_file), "--to", str(out), "--as")
    for wanted, package in (("flac", "flac"), ("opus", "opus-tools")):
        done = run(*arguments, wanted, PATH=str(tmp_path))
        assert (done.returncode, f"apt-get install {package}" in done.stderr) == (1, True)
        assert not out.exists()


@pytest.mark.parametrize("command", ["export", "rotate-key"])
def test_a_long_recording_takes_no_more_memory_than_a_short_one(
    run: Run, data: Path, tmp_path: Path, command: str
) -> None:
    key_file = tmp_path / "key.txt"
    key = made(run, data, key_file)
    long = bytes(256 * 2**20)
    facts = kept(data, facts_of(), streamed_wav([]) + long, key)
    arguments = {
        "export": ("export", facts.id, "-i", str(key_file), "--to", str(tmp_path / "out")),
        "rotate-key": ("rotate-key", "--to", str(tmp_path / "new"), "--old-identity", str(key_file)),
    }[command]
    done = run("recordings", *arguments, limits={resource.RLIMIT_DATA: 200 * 2**20})
    assert done.returncode == 0, done.stderr
    if command == "export":
        assert (tmp_path / "out").stat().st_size == len(long) + 44
    else:
        assert "1 recordings were sealed" in done.stdout


@pytest.mark.parametrize("command", ["export", "rotate-key"])
def test_where_the_disk_takes_no_more_that_is_said_and_nothing_is_lost(
    run: Run, data: Path, tmp_path: Path, command: str
) -> None:
    key_file = tmp_path / "key.txt"
    key = made(run, data, key_file)
    facts = kept(data, facts_of(), streamed_wav([(1, 1)] * 600_000), key)
    file = folder_of(data) / facts.path
    before, out = file.read_bytes(), tmp_path / "out"
    arguments = {
        "export": ("export", facts.id, "-i", str(key_file), "--to", str(out)),
        "rotate-key": ("rotate-key", "--to", str(tmp_path / "new"), "--old-identity", str(key_file)),
    }[command]
    done = run("recordings", *arguments, limits={resource.RLIMIT_FSIZE: 2**20})
    assert "File too large" in " ".join(done.stderr.split())
    assert "damaged" not in done.stderr
    assert done.returncode == (1 if command == "export" else 0)
    assert file.read_bytes() == before
    assert not out.exists()
    assert [one.name for one in file.parent.iterdir()] == [file.name]


@pytest.mark.skipif(shutil.which("opusenc") is None, reason="needs opus-tools")
def test_sound_that_is_not_ours_is_not_taken_for_a_recording(tmp_path: Path) -> None:
    from sealtone.cli.recording_sound import SoundError

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(48_000)
        sound.writeframes(bytes(48_000))
    subprocess.run(["opusenc", "--quiet", str(tmp_path / "a.wav"), str(tmp_path / "a.ogg")], check=True)
    for octets in ((tmp_path / "a.ogg").read_bytes(), b"something else", b"OggT"):
        with pytest.raises(SoundError, match="not an Ogg Opus file as Sealtone records it"):
            wav_of(octets)
