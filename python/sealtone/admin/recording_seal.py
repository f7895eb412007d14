"""Opening sealed recordings with an identity (a private key), which only a person's own command has: never the server.

A recording is an age file (age-encryption.org/v1). One that was not finished has a second file beside it with what
filled no chunk yet; see `rust/media/src/record`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pyrage
from pyrage import x25519

from sealtone.admin.errors import AdminError
from sealtone.admin.recording_files import TAIL

_CHUNK = 64 * 1024
_SEALED_CHUNK = _CHUNK + 16
_PAYLOAD_NONCE = 16
_LONGEST_HEADER = 64 * 1024
_TAIL_HEAD = 8
_BINARY_AGE = b"age-encryption.org/"
_SECRET = "AGE-SECRET-KEY-1"


class SealError(AdminError):
    """A recording, or a key, does not open."""


class Sink(Protocol):
    """What takes the octets of a recording, piece by piece."""

    def write(self, octets: bytes, /) -> int:
        """Takes all of them."""
        ...

    def flush(self) -> None: ...


class Opened(NamedTuple):
    """What was read of a recording."""

    octets: int
    whole: bool
    """Whether it was finished properly; else it was broken off, and this is what was written of it."""


def new_identity() -> tuple[str, str]:
    """A new private key, and its public key."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def write_identity(path: Path, identity: str, recipient: str, created: str, passphrase: str = "") -> None:
    """Writes a private key as `age-keygen` does, for its owner alone; with a passphrase as `age -p` does.

    Raises `SealError` where the file is there already or cannot be written.
    """
    text = f"# created: {created}\n# public key: {recipient}\n{identity}\n".encode()
    data = pyrage.passphrase.encrypt(text, passphrase) if passphrase else text
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SealError(f"The key was not written to {path}: {error.strerror}.") from error


def read_identities(path: Path, ask_passphrase: Callable[[], str]) -> list[x25519.Identity]:
    """The private keys of a file; `ask_passphrase` is called where it is protected by one. Raises `SealError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SealError(f"The key file {path} cannot be read: {error.strerror}.") from error
    if data.startswith(_BINARY_AGE):
        try:
            data = pyrage.passphrase.decrypt(data, ask_passphrase())
        except pyrage.DecryptError as error:
            raise SealError(f"The passphrase does not open {path}.") from error
    try:
        lines = [line.strip() for line in data.decode().splitlines()]
        identities = [x25519.Identity.from_str(line) for line in lines if line.startswith(_SECRET)]
    except (UnicodeDecodeError, pyrage.IdentityError) as error:
        raise SealError(f"{path} holds no private key that can be read.") from error
    if not identities:
        raise SealError(f"{path} holds no private key (a line that begins with {_SECRET}).")
    return identities


def recipient_of(text: str) -> str:
    """A public key (``age1…``), as it is written. Raises `SealError`."""
    try:
        return str(x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError as error:
        raise SealError(f"“{text}” is no public key of age (X25519): it begins with age1.") from error


def open_recording(
    path: Path, identities: Sequence[x25519.Identity], out: Sink, *, was_finished: bool = False
) -> Opened:
    """Writes what was recorded to `out`. Raises `SealError` where nothing opens, or something was changed, and what
    `out` raises.

    What was authentic before that place has been written by then. `was_finished`: it is known to have been, so that a
    file without its end was changed; else its end may be missing, or be one that was still being written.
    """
    tail = _read_tail(path, identities)  # first: what is written meanwhile lies behind it
    counted = _Counted(out)
    try:
        with path.open("rb") as sealed:
            pyrage.decrypt_io(sealed, counted, identities)
        return Opened(counted.octets, True)
    except FileNotFoundError as error:
        raise SealError(f"The recording's file {path} is gone.") from error
    except pyrage.DecryptError as error:
        raise SealError(f"The key does not open this recording ({error}). It was sealed to another one.") from error
    except OSError as error:
        if counted.has_failed:
            raise
        if was_finished or counted.octets < _whole_chunks(path) * _CHUNK:
            raise SealError(
                f"The recording was changed or damaged on the disk: {counted.octets} octets of it are authentic."
            ) from error
    if tail is not None:
        begins, octets = tail
        if begins > counted.octets:
            raise SealError("The recording was changed or damaged on the disk: a part in the middle is missing.")
        counted.write(octets[counted.octets - begins :])
    return Opened(counted.octets, False)


def reseal(path: Path, identities: Sequence[x25519.Identity], recipient: str, *, was_finished: bool = False) -> None:
    """Seals a recording to another key: the new file takes the place of the old one, or nothing changes.

    `was_finished` as in `open_recording`: what was cut short meanwhile must not look whole afterwards. Raises
    `SealError`, `OSError`.
    """
    fresh = path.with_name(path.name + ".resealed")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            sealing = _Sealing(out, x25519.Recipient.from_str(recipient))
            try:
                open_recording(path, identities, sealing, was_finished=was_finished)
            finally:
                sealing.end()
            out.flush()
            os.fsync(out.fileno())
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    fresh.replace(path)
    path.with_name(path.name + TAIL).unlink(missing_ok=True)


class _Sealing:
    """Seals what is written to it into `out`, on a thread at the other end of a pipe: age reads, and is not written
    to, and so long a recording is never in memory or in the clear on the disk."""

    def __init__(self, out: Sink, recipient: x25519.Recipient) -> None:
        self._out = out
        self._recipient = recipient
        self._fault: OSError | None = None
        self._is_whole = False
        reading, writing = os.pipe()
        self._pipe = open(writing, "wb")  # noqa: SIM115
        self._thread = threading.Thread(target=self._seal, args=(reading,))
        self._thread.start()

    def write(self, octets: bytes) -> int:
        return self._pipe.write(octets)

    def flush(self) -> None:
        self._pipe.flush()

    def end(self) -> None:
        """All was written. Raises `OSError`, `SealError` where it is not in `out`."""
        try:
            self._pipe.close()
        except BrokenPipeError:
            pass  # the thread says why
        finally:
            self._thread.join()
        if self._fault is not None:
            raise self._fault
        if not self._is_whole:
            raise SealError("The recording could not be sealed.")

    def _seal(self, reading: int) -> None:
        try:
            with open(reading, "rb") as plain:
                pyrage.encrypt_io(plain, self._out, [self._recipient])
            self._is_whole = True
        except OSError as fault:
            self._fault = fault
        except pyrage.EncryptError as fault:  # so it calls what the disk refuses
            self._fault = OSError(str(fault))


class _Counted:
    """Counts what passes, and remembers that something did not."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self.octets = 0
        self.has_failed = False

    def write(self, octets: bytes) -> int:
        try:
            self._out.write(octets)
        except BaseException:
            self.has_failed = True
            raise
        self.octets += len(octets)
        return len(octets)

    def flush(self) -> None:
        self._out.flush()


def _read_tail(path: Path, identities: Sequence[x25519.Identity]) -> tuple[int, bytes] | None:
    file = path.with_name(path.name + TAIL)
    try:
        sealed = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        octets = pyrage.decrypt(sealed, identities)
    except pyrage.DecryptError as error:
        raise SealError(f"The key does not open this recording ({error}), or its end was damaged.") from error
    return int.from_bytes(octets[:_TAIL_HEAD]), octets[_TAIL_HEAD:]


def _whole_chunks(path: Path) -> int:
    """Chunks that lie whole in a file that was not finished."""
    with path.open("rb") as sealed:
        start = sealed.read(_LONGEST_HEADER)
        size = os.fstat(sealed.fileno()).st_size
    mac = start.find(b"\n--- ")
    end = start.find(b"\n", mac + 1) if mac >= 0 else -1
    payload = size - (end + 1) - _PAYLOAD_NONCE if end >= 0 else 0
    return max(0, payload) // _SEALED_CHUNK
