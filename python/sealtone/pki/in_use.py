"""Whose certificate a phone is shown: the own authority's, which phones have to be given first, or a public one's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

_AUTHORITY = Path("authority") / "ca.pem"
_CERTIFICATES = Path("certificates")


def own_authority_for(data: Path, names: Iterable[str]) -> str:
    """PEM of the own authority, if it issued the certificate of the first of `names` that has one; else "".

    Nothing is written, and no key is read. Where a file cannot be read, the authority is taken to be no one's business.
    """
    try:
        authority = x509.load_pem_x509_certificate((data / _AUTHORITY).read_bytes())
        for name in names:
            if not _is_file_name(name):
                continue
            file = data / _CERTIFICATES / f"{name}.pem"
            if file.exists():
                shown = x509.load_pem_x509_certificate(file.read_bytes())
                shown.verify_directly_issued_by(authority)
                return authority.public_bytes(serialization.Encoding.PEM).decode()
    except (OSError, ValueError, TypeError, InvalidSignature):
        return ""
    return ""


def _is_file_name(name: str) -> bool:
    return bool(name) and not {"/", "\\", "\0"} & set(name) and not name.startswith(".")
