"""Encryption of columns that are worth a password: AES-256-GCM under a key file outside the database.

A value is bound to its place (`context`, such as ``1000@office.example ha1_md5``), so that a digest copied to another
user's row does not open there. Layout: version octet 1, 12 octets of nonce, ciphertext with its 16-octet tag.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealtone.store.errors import KeyFileError

_VERSION = b"\x01"
_NONCE = 12
_KEY = 32


class Vault:
    """Seals and opens single values."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, path: Path, *, may_create: bool) -> Vault:
        """Reads the key file, or creates it (mode 0600) where permitted. Raises `KeyFileError`."""
        if may_create and not path.exists():
            _create(path)
        try:
            mode = path.stat().st_mode & 0o777
            key = path.read_bytes()
        except OSError as error:
            raise KeyFileError(
                f"The key file {path} cannot be read ({error.strerror}). Without it the users' secrets in the database "
                f"cannot be used: restore it from a backup, or set new secrets."
            ) from error
        if len(key) != _KEY:
            raise KeyFileError(f"The key file {path} is damaged ({len(key)} octets, not {_KEY}). Restore it.")
        if mode & 0o077:
            raise KeyFileError(f"The key file {path} can be read by others (mode {mode:o}). Run: chmod 600 {path}")
        return cls(key)

    def seal(self, value: str, context: str) -> bytes:
        """Encrypts a value for one place."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, value.encode(), context.encode())

    def open_sealed(self, sealed: bytes, context: str) -> str:
        """The value sealed for this place. Raises `KeyFileError` when key, place or content do not fit."""
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            nonce, ciphertext = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            return self._cipher.decrypt(nonce, ciphertext, context.encode()).decode()
        except InvalidTag as error:
            raise KeyFileError(
                f"The secret of {context.partition(' ')[0]} does not open with this key file. "
                f"Restore the key file that belongs to this database, or set a new secret."
            ) from error


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(_KEY))
        file.flush()
        os.fsync(file.fileno())
