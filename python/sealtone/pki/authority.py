"""The server's own certificate authority: phones that trust it get TLS without anybody's help.

Two files in its folder, `ca.pem` (to be given to phones) and `ca.key` (mode 0600, never leaves the machine).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sealtone.pki.errors import CertificateError
from sealtone.pki.files import private_folder, write_private

_CA_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=397)  # what phones' systems accept at most
_BACKDATED = timedelta(days=1)  # phones with a slow clock
_CA_FILE = "ca.pem"
_CA_KEY = "ca.key"


class Authority:
    """A P-256 authority. `open` creates it at the first start."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    @classmethod
    def open(cls, folder: Path, now: datetime | None = None) -> Authority:
        """Loads the authority in `folder`, or creates one. Raises `CertificateError` for files that do not fit."""
        private_folder(folder)
        certificate_file, key_file = folder / _CA_FILE, folder / _CA_KEY
        if certificate_file.exists() and key_file.exists():
            return cls(folder, *_load(certificate_file, key_file))
        if certificate_file.exists() or key_file.exists():
            present, missing = (_CA_FILE, _CA_KEY) if certificate_file.exists() else (_CA_KEY, _CA_FILE)
            raise CertificateError(
                f"{folder} holds {present} but not {missing}. Restore it from a backup, or move {present} away to have "
                f"a new authority made (phones then have to trust the new one)."
            )
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, now or datetime.now(UTC))
        write_private(key_file, private_pem(key))
        write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, certificate, key)

    @property
    def certificate_file(self) -> Path:
        """The file to give to phones."""
        return self.folder / _CA_FILE

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex with colons, as phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate was signed by this authority."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue(
        self, domain: str, addresses: Iterable[str], now: datetime | None = None
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A server certificate for a SIP domain (RFC 5922 7.1: a `sip:` URI and a DNS name).

        The addresses (IP literals) let phones connect that were given one instead of a name.
        """
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"sip:{domain}")]
        names += [x509.DNSName(name) for name in dict.fromkeys((domain, "localhost"))]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(addresses)]
        public = key.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(domain[:64]))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now - _BACKDATED + _SERVER_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate, key


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8, unencrypted: the file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(certificate_file: Path, key_file: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (ValueError, TypeError, OSError) as error:
        raise CertificateError(
            f"The certificate authority in {certificate_file.parent} cannot be read: {error}. "
            f"Restore {certificate_file.name} and {key_file.name} from a backup."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CertificateError(
            f"{key_file} is not the key of {certificate_file}. Restore the two files from the same backup."
        )
    return certificate, key


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    subject = _name(f"Sealtone authority {x509.random_serial_number() & 0xFFFFFFFF:08x}")
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
