"""The certificates of this server's domains, and the TLS contexts made of them.

How it works:

* `<domain>.pem` (certificate, then chain) and `<domain>.key` in one folder. What the own authority issued is renewed by
  `refresh` a month before its end, or when names are missing; files that the operator put there are used as they are.
* What was brought or ordered is put there by `install_certificate`, with its key in the same file: both are replaced at
  once, or not at all.
* Running connections keep what they have; each new one gets its context from `server_context()`. So a renewal is one
  assignment, and drops nothing.
* TLS by RFC 9325: 1.2 and 1.3 only, ephemeral key exchange and AEAD ciphers only, no renegotiation, no compression.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sealtone.pki.authority import Authority, private_pem
from sealtone.pki.challenges import Challenges
from sealtone.pki.errors import CertificateError
from sealtone.pki.files import private_folder, write_private
from sealtone.pki.upload import PrivateKey, as_pem

_RENEW_BEFORE = timedelta(days=30)
_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9325 4.2; TLS 1.3 suites are all fit and not chosen here


class CertificateStore:
    """Certificates by domain, and the contexts for both directions. `refresh` loads and renews them."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = private_folder(folder)
        self.challenges = Challenges()
        """What is shown to an authority that checks a name just now."""
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._default: ssl.SSLContext | None = None
        self._sni: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        self._client = client_context(authority.certificate_file)

    def refresh(
        self,
        domains: Iterable[str],
        addresses: Iterable[str],
        now: datetime | None = None,
        own_only: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Makes, renews and loads the certificates of all domains; the first serves clients that name none.

        `own_only`: domains that have to have one of the own authority, whatever lies there from before.
        Gives the domains whose certificate was made or renewed. Call it at the start, when a domain is added, and
        daily. Raises `CertificateError`, in which case nothing has changed.
        """
        now = now or datetime.now(UTC)
        wanted = tuple(addresses)
        issued: list[str] = []
        contexts: dict[str, ssl.SSLContext] = {}
        for domain in domains:
            if not self._is_fit(domain, wanted, now, only_own=domain in own_only):
                self._write(domain, wanted, now)
                issued.append(domain)
            contexts[domain] = self._server_context(domain)
        if not contexts:
            raise CertificateError("There is no domain to have a certificate for. Add one with `sealtone domain add`.")
        self._contexts = contexts
        self._default = next(iter(contexts.values()))
        return tuple(issued)

    def server_context(self) -> ssl.SSLContext:
        """For an accepted connection. Raises `CertificateError` before the first `refresh`."""
        if self._default is None:
            raise CertificateError("No certificate is loaded yet.")
        return self._default

    def client_context(self) -> ssl.SSLContext:
        """For an outbound connection: the system's authorities and this one are trusted."""
        return self._client

    def sni_of(self, tls: ssl.SSLObject) -> str:
        """The server name that the client sent, in lower case; empty if none."""
        return self._sni.get(tls, "")

    def expiry(self, domain: str) -> datetime:
        """When the domain's certificate ends."""
        return _read(self._folder / f"{domain}.pem").not_valid_after_utc

    def challenge_context(self, server_name: str) -> ssl.SSLContext | None:
        """For an accepted connection that asks for a challenge's certificate (RFC 8737)."""
        return self.challenges.tls_context(server_name)

    @property
    def awaits_challenge(self) -> bool:
        """Whether the first octets of accepted connections are worth a look."""
        return self.challenges.awaits_tls

    def _is_fit(self, domain: str, addresses: tuple[str, ...], now: datetime, *, only_own: bool) -> bool:
        certificate_file, key_file = self._files(domain)
        if not certificate_file.exists() or not (key_file.exists() or _holds_key(certificate_file)):
            return False
        certificate = _read(certificate_file)
        if not self._authority.issued(certificate):
            return not only_own  # somebody else's: theirs to renew
        bundled = certificate_file if _holds_key(certificate_file) else key_file
        if certificate.not_valid_after_utc - now < _RENEW_BEFORE or not _belong(bundled, certificate):
            return False
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        present = set(names.get_values_for_type(x509.IPAddress))
        return {ipaddress.ip_address(address) for address in addresses} <= present

    def _write(self, domain: str, addresses: tuple[str, ...], now: datetime) -> None:
        certificate, key = self._authority.issue(domain, addresses, now)
        certificate_file, key_file = self._files(domain)
        pem = serialization.Encoding.PEM
        write_private(key_file, private_pem(key))
        write_private(certificate_file, certificate.public_bytes(pem) + self._authority.certificate.public_bytes(pem))

    def _server_context(self, domain: str) -> ssl.SSLContext:
        certificate_file, key_file = self._files(domain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _restrict(context)
        try:
            context.load_cert_chain(certificate_file, None if _holds_key(certificate_file) else key_file)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(
                f"The certificate of {domain} cannot be used: {error}. Check {certificate_file} and {key_file}, "
                f"or move both away to have new ones made."
            ) from error
        # Browsers insist on an answer to the protocols they name; phones name none or their own, and go on without.
        context.set_alpn_protocols(["http/1.1"])
        # The context itself is what names are looked up from, so each carries the choice.
        context.sni_callback = self._choose
        return context

    def _choose(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if name is None:
            return
        domain = name.lower().rstrip(".")
        self._sni[tls] = domain
        chosen = self._contexts.get(domain)
        if chosen is not None and chosen is not context:
            tls.context = chosen

    def _files(self, domain: str) -> tuple[Path, Path]:
        return self._folder / f"{domain}.pem", self._folder / f"{domain}.key"


def install_certificate(folder: Path, domain: str, chain: Sequence[x509.Certificate], key: PrivateKey) -> None:
    """Puts a certificate in place of the domain's; whoever runs `refresh` then uses it. Raises `OSError`."""
    private_folder(folder)
    write_private(folder / f"{domain}.pem", as_pem(chain, key))
    (folder / f"{domain}.key").unlink(missing_ok=True)


def forget_certificate(folder: Path, domain: str) -> None:
    """Deletes a domain's certificate and key, so that `refresh` makes a new one where the domain is still there."""
    for suffix in (".pem", ".key"):
        (folder / f"{domain}{suffix}").unlink(missing_ok=True)


def read_chain(folder: Path, domain: str) -> list[x509.Certificate]:
    """A domain's certificate with its chain; empty where there is none. Raises `CertificateError`."""
    path = folder / f"{domain}.pem"
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError:
        return []
    except (ValueError, OSError) as error:
        raise CertificateError(f"The certificate {path} cannot be read: {error}.") from error


def client_context(trusted: Path | None = None) -> ssl.SSLContext:
    """Verifies the peer's chain against the system's authorities and one more file; the peer's name is not checked
    here, since RFC 5922 has its own rules for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_default_certs()
    if trusted is not None:
        context.load_verify_locations(trusted)
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS12_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE


def _belong(key_file: Path, certificate: x509.Certificate) -> bool:
    """Whether the key is the certificate's; a crash between writing the two leaves them apart."""
    try:
        pem = key_file.read_bytes()
        key = serialization.load_pem_private_key(pem[max(pem.find(b"PRIVATE KEY") - 20, 0) :], None)
    except (ValueError, TypeError, OSError):
        return False
    return key.public_key() == certificate.public_key()


def _holds_key(certificate_file: Path) -> bool:
    return b"PRIVATE KEY-----" in certificate_file.read_bytes()


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (ValueError, OSError) as error:
        raise CertificateError(f"The certificate {path} cannot be read: {error}.") from error
