"""A certificate that somebody brings: held against its key, its chain and the domain, or refused in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from sealtone.pki.errors import CertificateError
from sealtone.pki.facts import Cover, cover_of, names_of

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

LARGEST = 256 * 1024
_MOST_CERTIFICATES = 10
_FEWEST_RSA_BITS = 2048
_KEY_BEGINS = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class UploadRefused(CertificateError):
    """What was brought cannot be used. `field`: ``certificate``, ``key`` or ``passphrase``; `template` and `values`
    make the sentence."""

    def __init__(self, field: str, template: str, /, **values: object) -> None:
        super().__init__(template.format(**values) if values else template)
        self.field = field
        self.template = template
        self.values = values


class Uploaded(NamedTuple):
    """One that can be used."""

    chain: tuple[x509.Certificate, ...]
    """Its own first, each issued by the one after it."""
    key: PrivateKey
    cover: Cover


def read_upload(
    domain: str,
    certificate: bytes,
    key: bytes = b"",
    passphrase: str = "",
    *,
    host: str = "",
    now: datetime | None = None,
) -> Uploaded:
    """PEM in one or two files, in any order, or PKCS #12. Raises `UploadRefused`.

    `host`: where the domain's SRV records point. One that covers it alone is taken, since phones that were given that
    host accept it; whoever brings it is to be warned.
    """
    if not certificate:
        raise UploadRefused("certificate", "Choose a file with the certificate.")
    if max(len(certificate), len(key)) > LARGEST:
        raise UploadRefused("certificate", "The file is too large to be a certificate.")
    secret = passphrase.encode() or None
    if b"-----BEGIN" in certificate:
        certificates, private = _from_pem(certificate, key, secret)
    else:
        certificates, private = _from_pkcs12(certificate, secret)
    chain = _in_order(certificates, private)
    cover = _checked(chain, private, domain, host, now or datetime.now(UTC))
    return Uploaded(chain, private, cover)


def as_pem(chain: Sequence[x509.Certificate], key: PrivateKey) -> bytes:
    """Chain and key in one file, so that both are replaced at once."""
    certificates = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    return certificates + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _from_pem(certificate: bytes, key: bytes, secret: bytes | None) -> tuple[list[x509.Certificate], PrivateKey]:
    try:
        certificates = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        raise UploadRefused("certificate", "The file holds no certificate that can be read.") from None
    source = key if key.strip() else certificate
    start = _KEY_BEGINS.search(source)
    if start is None:
        raise UploadRefused("key", "The private key is missing. Choose its file, or a file that holds both.")
    return certificates, _private(source[start.start() :], secret)


def _private(pem: bytes, secret: bytes | None) -> PrivateKey:
    try:
        private = serialization.load_pem_private_key(pem, secret)
    except TypeError:
        # Also where a passphrase was given for a key that has none: then it is left out.
        if secret is not None:
            return _private(pem, None)
        raise UploadRefused("passphrase", "The key is locked: enter its passphrase.") from None
    except ValueError:
        if secret is not None:
            raise UploadRefused("passphrase", "The passphrase does not open the key.") from None
        raise UploadRefused("key", "The private key cannot be read.") from None
    return _usable(private)


def _from_pkcs12(data: bytes, secret: bytes | None) -> tuple[list[x509.Certificate], PrivateKey]:
    try:
        private, certificate, others = pkcs12.load_key_and_certificates(data, secret)
    except ValueError:
        if secret is None:
            message = "The file is neither PEM nor PKCS #12, or it is locked: then enter its passphrase."
            raise UploadRefused("certificate", message) from None
        raise UploadRefused("passphrase", "The file is no PKCS #12, or the passphrase does not open it.") from None
    if certificate is None or private is None:
        raise UploadRefused("certificate", "The file holds no certificate with its private key.")
    return [certificate, *others], _usable(private)


def _usable(private: object) -> PrivateKey:
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= _FEWEST_RSA_BITS:
        return private
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, _CURVES):
        return private
    raise UploadRefused("key", "The key has to be RSA of at least 2048 bits, or ECDSA on P-256, P-384 or P-521.")


def _in_order(certificates: list[x509.Certificate], private: PrivateKey) -> tuple[x509.Certificate, ...]:
    """The key's certificate first, then each one's issuer, as TLS sends them (RFC 8446 4.4.2)."""
    if len(certificates) > _MOST_CERTIFICATES:
        raise UploadRefused("certificate", "The file holds too many certificates.")
    own = [one for one in certificates if one.public_key() == private.public_key()]
    if not own:
        raise UploadRefused("key", "The private key does not belong to the certificate.")
    chain, left = [own[0]], [one for one in certificates if one not in own]
    while issuer := next((one for one in left if _issued(one, chain[-1])), None):
        left.remove(issuer)
        chain.append(issuer)
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _checked(chain: tuple[x509.Certificate, ...], private: PrivateKey, domain: str, host: str, now: datetime) -> Cover:
    own = chain[0]
    if own.not_valid_after_utc <= now:
        raise UploadRefused("certificate", "The certificate ended on {day}.", day=own.not_valid_after_utc.date())
    if own.not_valid_before_utc > now:
        raise UploadRefused("certificate", "The certificate begins on {day} only.", day=own.not_valid_before_utc.date())
    if _is_authority(own):
        raise UploadRefused("certificate", "This is an authority's certificate. Choose the one issued for the domain.")
    cover = cover_of(own, domain, host)
    if cover is Cover.NOTHING:
        names = ", ".join(names_of(own)[:10]) or "no name at all"
        raise UploadRefused(
            "certificate",
            "The certificate is for {names}, not for {domain}. Phones compare it with the SIP domain.",
            names=names,
            domain=domain,
        )
    if len(chain) == 1 and own.issuer != own.subject:
        raise UploadRefused(
            "certificate",
            "The certificates between this one and its authority are missing. Add them to the file (often named "
            "“full chain”).",
        )
    return cover


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and certificate.issuer == certificate.subject
