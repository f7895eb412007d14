"""Recordings as whoever holds their key gets at them: sealed, octet by octet as they lie on the disk.

Nothing here opens a seal: what a browser is given it opens itself, with a key that this server never sees.
"""

from __future__ import annotations

from pathlib import Path

from sealtone.admin import recording_files
from sealtone.admin.actor import Actor
from sealtone.admin.errors import InvalidInput, NotFound
from sealtone.admin.recordings import recording_of
from sealtone.model import RecordingFacts, Role
from sealtone.store import Transaction

_ID_LENGTH = 16


def exact_recording(transaction: Transaction, actor: Actor, recording_id: str) -> RecordingFacts:
    """A recording by its whole id. Raises `NotFound`, in words that tell nothing of others'."""
    if len(recording_id) != _ID_LENGTH:
        raise NotFound("There is no such recording.")
    try:
        facts = recording_of(transaction, actor, recording_id)
    except NotFound:
        raise NotFound("There is no such recording.") from None
    actor.authorise(facts.account_id, "such recording", Role.VIEWER)
    return facts


def sealed_file(data: Path, facts: RecordingFacts) -> Path:
    """The sealed file of a recording. Raises `NotFound` where it is gone."""
    path = recording_files.folder_of(data) / facts.path
    if not path.is_file():
        raise NotFound("The recording's file is gone.")
    return path


def sealed_tail(data: Path, facts: RecordingFacts) -> bytes:
    """What lies beside a recording that was not finished: its last part, sealed by itself; empty where there is none.

    It may be replaced at any moment while the recording runs, but always as a whole.
    """
    path = recording_files.folder_of(data) / facts.path
    try:
        return path.with_name(path.name + recording_files.TAIL).read_bytes()
    except FileNotFoundError:
        return b""


def recipient(text: str) -> str:
    """A public key (``age1…``) as it is kept. Raises `InvalidInput`."""
    from sealtone.admin.recording_seal import SealError, recipient_of

    try:
        return recipient_of(text)
    except SealError:
        raise InvalidInput("recipient", "This is no public key of age: it begins with age1.") from None
