"""Whether phones will trust a certificate: by the authorities that come with systems, or by this server's own."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

_END = b"-----END CERTIFICATE-----\n"


class Trust(StrEnum):
    """Who vouches for a certificate."""

    PUBLIC = "public"
    """An authority that this system, and so most phones, know."""
    OWN = "own"
    """This server's authority, which a phone has to be given."""
    NOBODY = "nobody"
    """Itself, or an authority that is not known here."""


def trust_in(
    chain: Sequence[x509.Certificate],
    authority: x509.Certificate | None,
    now: datetime | None = None,
    roots: Sequence[x509.Certificate] | None = None,
) -> Trust:
    """Of a chain as it is sent, its own certificate first. `roots`: in place of the system's. Slow: some 50 ms."""
    if authority is not None and _is_issued_by(chain[0], authority):
        return Trust.OWN
    known = system_roots() if roots is None else roots
    names = _dns_names(chain[0])
    if not known or not names:
        return Trust.NOBODY
    policy = PolicyBuilder().store(Store(list(known))).time(now or datetime.now(UTC))
    try:
        policy.build_server_verifier(x509.DNSName(names[0])).verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError):
        return Trust.NOBODY
    return Trust.PUBLIC


def system_roots() -> tuple[x509.Certificate, ...]:
    """The authorities that this machine trusts; none where it has no file of them."""
    for path in filter(None, (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt")):
        with contextlib.suppress(OSError):
            return _roots_in(path, Path(path).stat().st_mtime)
    return ()


@lru_cache(maxsize=2)
def _roots_in(path: str, changed_at: float) -> tuple[x509.Certificate, ...]:
    """Read once, and again when the file has changed."""
    roots = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for block in Path(path).read_bytes().split(_END)[:-1]:
            with contextlib.suppress(ValueError):  # one that is written against the rules says nothing of the others
                roots.append(x509.load_pem_x509_certificate(block + _END))
    return tuple(roots)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name for name in names.get_values_for_type(x509.DNSName) if not name.startswith("*.")]
