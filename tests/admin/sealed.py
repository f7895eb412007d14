"""Recordings as the media core leaves them, made with age's own Python binding."""

import io
import os
import tempfile
from pathlib import Path

import pyrage

from sealtone.admin.recording_files import folder_of
from sealtone.cli.recording_sound import converting, put_sizes
from sealtone.model import ConsentNotice, RecordingFacts, RecordingFormat
from sealtone.model.recording import path_of
from sealtone.store import Transaction
from sealtone.store.recordings import save_recording

CHUNK = 64 * 1024
Key = pyrage.x25519.Identity


def seal(octets: bytes, key: Key) -> bytes:
    out = io.BytesIO()
    pyrage.encrypt_io(io.BytesIO(octets), out, [key.to_public()])
    return out.getvalue()


def wav_of(octets: bytes, kind: RecordingFormat = RecordingFormat.OPUS) -> bytes:
    """A recording that was opened, as a WAV; it comes in pieces as age gives it, or smaller."""
    with tempfile.TemporaryFile() as out:
        with converting(kind, RecordingFormat.WAV, out) as sink:
            for at in range(0, len(octets), 7_001):
                sink.write(octets[at : at + 7_001])
        put_sizes(out)
        out.seek(0)
        return out.read()


def write_finished(path: Path, octets: bytes, key: Key) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal(octets, key))


def write_broken_off(path: Path, octets: bytes, key: Key, *, cut: int = 0, tail_from: int | None = None) -> None:
    """As a killed server leaves it: whole chunks (and `cut` octets of another), and a tail that begins at a chunk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = len(octets) // CHUNK * CHUNK
    sealed = seal(octets + bytes(CHUNK), key)
    header = len(sealed) - (len(octets) + CHUNK) - 16 * -(-(len(octets) + CHUNK) // CHUNK)
    path.write_bytes(sealed[: header + whole // CHUNK * (CHUNK + 16) + cut])
    begins = whole if tail_from is None else tail_from
    path.with_name(path.name + ".tail").write_bytes(seal(begins.to_bytes(8) + octets[begins:], key))


def facts_of(number: int = 1, **changed: object) -> RecordingFacts:
    recording_id = f"{number:016x}"
    started_at = float(changed.get("started_at", 1_700_000_000.0))  # type: ignore[arg-type]
    facts = RecordingFacts(
        id=recording_id,
        call_id=f"call-{number}",
        account_id=1,
        domain_id=1,
        caller="1000@office.example",
        callee="1001@office.example",
        path=path_of(1, recording_id, RecordingFormat.WAV, started_at),
        format=RecordingFormat.WAV,
        notice=ConsentNotice.TONE,
        recipient="",
        started_by="1000@office.example",
        started_at=started_at,
        ended_at=started_at + 60,
        seconds=60.0,
        octets=1000,
    )
    return facts._replace(**changed)  # type: ignore[arg-type]


def keep(transaction: Transaction, data: Path, facts: RecordingFacts, octets: bytes, key: Key) -> RecordingFacts:
    """A finished recording, with its file."""
    facts = facts._replace(recipient=str(key.to_public()))
    save_recording(transaction.connection, facts)
    write_finished(folder_of(data) / facts.path, octets, key)
    return facts


def noise(count: int) -> bytes:
    return os.urandom(count)
