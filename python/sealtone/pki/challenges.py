"""What this server answers while an authority checks that a name is its own (RFC 8555 8), by kind of challenge.

Filled by an order, on its own thread, and read by the listeners on the event loop; each change is one assignment to a
dictionary. Nothing stays on it when the order is over.
"""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealtone.pki.upload import as_pem

ACME_TLS = "acme-tls/1"
_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # RFC 8737 6.1: id-pe-acmeIdentifier


class ChallengeKind(StrEnum):
    """How the authority looks."""

    HTTP = "http-01"
    """For a file, by plain HTTP on port 80."""
    TLS_ALPN = "tls-alpn-01"
    """For a certificate of a special kind, by TLS on port 443 (RFC 8737)."""
    DNS = "dns-01"
    """For a TXT record, in this server's own zone, which the domain's CNAME leads to."""


class Challenges:
    """What is to be answered now."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._texts: dict[str, str] = {}

    def file(self, token: str) -> bytes | None:
        """The content of ``/.well-known/acme-challenge/<token>``."""
        return self._files.get(token)

    def tls_context(self, name: str) -> ssl.SSLContext | None:
        """For a connection that names `name` and offers `acme-tls/1` alone."""
        return self._contexts.get(name.lower().rstrip("."))

    def text(self, name: str) -> str | None:
        """The TXT record of a name in this server's zone."""
        return self._texts.get(name.lower().rstrip("."))

    @property
    def awaits_tls(self) -> bool:
        """Whether a connection may be an authority's, so that its first octets are worth a look."""
        return bool(self._contexts)

    @contextlib.contextmanager
    def answering_file(self, token: str, content: bytes) -> Iterator[None]:
        """HTTP-01 (RFC 8555 8.3)."""
        self._files[token] = content
        try:
            yield
        finally:
            self._files.pop(token, None)

    @contextlib.contextmanager
    def answering_tls(self, name: str, digest: bytes) -> Iterator[None]:
        """TLS-ALPN-01. `digest`: SHA-256 of the key authorization (RFC 8737 3)."""
        self._contexts[name] = challenge_context(name, digest)
        try:
            yield
        finally:
            self._contexts.pop(name, None)

    @contextlib.contextmanager
    def answering_text(self, name: str, text: str) -> Iterator[None]:
        """DNS-01 (RFC 8555 8.4)."""
        self._texts[name] = text
        try:
            yield
        finally:
            self._texts.pop(name, None)


def challenge_context(name: str, digest: bytes) -> ssl.SSLContext:
    """Shows a self-signed certificate for `name` with the digest in it (RFC 8737 3)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    now = datetime.now(UTC)
    der = b"\x04" + bytes([len(digest)]) + digest  # an OCTET STRING of 32 octets
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_IDENTIFIER, der), critical=True)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ACME_TLS])
    with tempfile.TemporaryDirectory() as folder:  # ssl reads from files only
        file = Path(folder) / "challenge.pem"
        file.touch(mode=0o600)
        file.write_bytes(as_pem([certificate], key))
        context.load_cert_chain(file)
    return context
