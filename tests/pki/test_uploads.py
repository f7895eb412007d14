"""Certificates that somebody brings: what is taken, what is refused, at which field and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from sealtone.pki import Authority, CertificateStore
from sealtone.pki.certificates import forget_certificate, install_certificate, read_chain
from sealtone.pki.facts import Cover, cover_of, facts_of, renewal_at
from sealtone.pki.trust import Trust, trust_in
from sealtone.pki.upload import UploadRefused, read_upload

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Chain:
    """A root, an authority below it, and what that issues."""

    def __init__(self) -> None:
        self.root_key, self.middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._signed("Root", self.root_key, "Root", self.root_key, ca=True)
        self.middle = self._signed("Middle", self.middle_key, "Root", self.root_key, ca=True)

    def issue(
        self, *names: x509.GeneralName, key: Key | None = None, start: datetime = NOW, days: int = 90
    ) -> tuple[x509.Certificate, Key]:
        key = key or ec.generate_private_key(ec.SECP256R1())
        return self._signed("", key, "Middle", self.middle_key, names, start, days), key

    def _signed(
        self,
        subject: str,
        key: Key,
        issuer: str,
        by: ec.EllipticCurvePrivateKey,
        names: tuple[x509.GeneralName, ...] = (),
        start: datetime = NOW,
        days: int = 90,
        ca: bool = False,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject) if subject else x509.Name([]))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
        return builder.sign(by, hashes.SHA256())


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(PEM) for one in certificates)


def key_pem(key: Key, passphrase: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock)


OFFICE = x509.DNSName("office.example")


def test_pem_is_taken_in_one_file_or_two_and_in_any_order(chain: Chain) -> None:
    own, key = chain.issue(OFFICE)
    two = read_upload("office.example", pem(own, chain.middle), key_pem(key), now=NOW)
    one = read_upload("office.example", pem(chain.root, chain.middle) + key_pem(key) + pem(own), now=NOW)
    assert two.chain == (own, chain.middle)
    assert one.chain == (own, chain.middle, chain.root)
    assert one.cover is two.cover is Cover.DOMAIN


def test_pkcs12_is_taken_with_its_passphrase(chain: Chain) -> None:
    own, key = chain.issue(OFFICE)
    lock = serialization.BestAvailableEncryption(b"secret")
    file = pkcs12.serialize_key_and_certificates(b"x", key, own, [chain.middle], lock)
    assert read_upload("office.example", file, passphrase="secret", now=NOW).chain == (own, chain.middle)
    with pytest.raises(UploadRefused) as refused:
        read_upload("office.example", file, passphrase="wrong", now=NOW)
    assert refused.value.field == "passphrase"


def test_a_locked_key_needs_its_passphrase(chain: Chain) -> None:
    own, key = chain.issue(OFFICE)
    locked = key_pem(key, b"secret")
    assert read_upload("office.example", pem(own, chain.middle), locked, "secret", now=NOW).chain[0] == own
    assert read_upload("office.example", pem(own, chain.middle), key_pem(key), "not needed", now=NOW).chain[0] == own
    for passphrase in ("", "wrong"):
        with pytest.raises(UploadRefused) as refused:
            read_upload("office.example", pem(own, chain.middle), locked, passphrase, now=NOW)
        assert refused.value.field == "passphrase"


def test_what_does_not_fit_is_refused_at_its_field_with_the_reason(chain: Chain) -> None:
    own, key = chain.issue(OFFICE)
    other, other_key = chain.issue(x509.DNSName("shop.example"))
    weak = rsa.generate_private_key(65537, 1024)
    weakly, _ = chain.issue(OFFICE, key=weak)
    ended, ended_key = chain.issue(OFFICE, start=NOW - timedelta(days=100))
    early, early_key = chain.issue(OFFICE, start=NOW + timedelta(days=3))
    for field, words, certificate, private in (
        ("certificate", "Choose a file", b"", b""),
        ("certificate", "neither PEM nor PKCS #12", b"nonsense", b""),
        ("certificate", "no certificate that can be read", key_pem(key), b""),
        ("key", "private key is missing", pem(own, chain.middle), b""),
        ("key", "cannot be read", pem(own), b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("key", "does not belong", pem(own, chain.middle), key_pem(other_key)),
        ("key", "at least 2048 bits", pem(weakly, chain.middle), key_pem(weak)),
        ("certificate", "is for shop.example, not for office.example", pem(other, chain.middle), key_pem(other_key)),
        ("certificate", "ended on 2026-04-21", pem(ended, chain.middle), key_pem(ended_key)),
        ("certificate", "begins on 2026-05-04 only", pem(early, chain.middle), key_pem(early_key)),
        ("certificate", "between this one and its authority", pem(own), key_pem(key)),
        ("certificate", "authority's certificate", pem(chain.root), key_pem(chain.root_key)),
        ("certificate", "too large", b"-----BEGIN" + bytes(300_000), b""),
    ):
        with pytest.raises(UploadRefused, match=words) as refused:
            read_upload("office.example", certificate, private, now=NOW)
        assert refused.value.field == field, words


def test_no_refusal_shows_anything_of_the_key(chain: Chain) -> None:
    own, _ = chain.issue(OFFICE)
    broken = b"-----BEGIN PRIVATE KEY-----\nU0VDUkVUU0VDUkVU\n-----END PRIVATE KEY-----\n"
    with pytest.raises(UploadRefused) as refused:
        read_upload("office.example", pem(own), broken, now=NOW)
    assert "U0VD" not in str(refused.value)


@pytest.mark.parametrize(
    ("names", "cover"),
    [
        ([OFFICE], Cover.DOMAIN),
        ([x509.UniformResourceIdentifier("sip:office.example")], Cover.DOMAIN),
        ([x509.UniformResourceIdentifier("sip:other.example"), OFFICE], Cover.HOST),
        ([x509.UniformResourceIdentifier("sip:anna@office.example")], Cover.NOTHING),
        ([x509.DNSName("sip.office.example")], Cover.HOST),
        ([x509.DNSName("*.office.example")], Cover.HOST),
        ([x509.DNSName("*.example")], Cover.HOST),
        ([x509.DNSName("shop.example")], Cover.NOTHING),
        ([], Cover.NOTHING),
    ],
)
def test_a_certificate_covers_a_domain_by_the_rules_of_rfc_5922(
    chain: Chain, names: list[x509.GeneralName], cover: Cover
) -> None:
    own, _ = chain.issue(*names)
    assert cover_of(own, "office.example", "sip.office.example") is cover


def test_a_renewal_falls_when_a_third_of_the_life_is_left_or_somewhat_earlier(chain: Chain) -> None:
    own, _ = chain.issue(OFFICE)
    assert renewal_at(own) == NOW + timedelta(days=60)
    assert renewal_at(own, 1.0) == NOW + timedelta(days=51)


def test_certificate_and_key_are_replaced_in_one_file_and_used_until_they_are_forgotten(
    chain: Chain, tmp_path: Path
) -> None:
    store = CertificateStore(tmp_path / "certificates", Authority.open(tmp_path / "authority", NOW))
    store.refresh(["office.example"], ["192.0.2.1"], NOW)
    own, key = chain.issue(OFFICE)
    folder = tmp_path / "certificates"
    install_certificate(folder, "office.example", [own, chain.middle], key)
    assert sorted(file.name for file in folder.iterdir()) == ["office.example.pem"]
    assert (folder / "office.example.pem").stat().st_mode & 0o777 == 0o600
    assert store.refresh(["office.example"], ["192.0.2.1"], NOW) == ()
    assert read_chain(folder, "office.example") == [own, chain.middle]
    assert store.refresh(["office.example"], ["192.0.2.1"], NOW, own_only={"office.example"}) == ("office.example",)
    assert store.refresh(["office.example"], ["192.0.2.1"], NOW, own_only={"office.example"}) == ()
    forget_certificate(folder, "office.example")
    assert read_chain(folder, "office.example") == []


def test_who_vouches_for_a_certificate_is_told_apart(chain: Chain, tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, NOW)
    mine, _ = authority.issue("office.example", [], NOW)
    later = NOW + timedelta(hours=1)
    assert trust_in([mine], authority.certificate, later, []) is Trust.OWN
    own, _ = chain.issue(OFFICE)
    assert trust_in([own, chain.middle], authority.certificate, later, []) is Trust.NOBODY
    assert facts_of([own, chain.middle]).issuer == "Middle"
