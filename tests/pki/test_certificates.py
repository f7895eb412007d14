"""The own authority and the certificates of domains."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sealtone.pki import Authority, CertificateError, CertificateStore

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ADDRESSES = ["127.0.0.1", "::1", "192.0.2.5"]


def store_in(folder: Path) -> CertificateStore:
    return CertificateStore(folder / "certificates", Authority.open(folder / "authority", NOW))


def certificate(folder: Path, domain: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "certificates" / f"{domain}.pem").read_bytes())


def test_a_certificate_covers_the_sip_domain_and_every_address(tmp_path: Path) -> None:
    assert store_in(tmp_path).refresh(["office.example"], ADDRESSES, NOW) == ("office.example",)
    names = (
        certificate(tmp_path, "office.example").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["sip:office.example"]
    assert names.get_values_for_type(x509.DNSName) == ["office.example", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(address) for address in ADDRESSES]


def test_keys_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    store_in(tmp_path).refresh(["office.example"], ADDRESSES, NOW)
    for file in (tmp_path / "authority" / "ca.key", tmp_path / "certificates" / "office.example.key"):
        assert file.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.rglob("*.new"))


def test_the_authority_stays_the_same_over_restarts(tmp_path: Path) -> None:
    first = Authority.open(tmp_path, NOW)
    assert Authority.open(tmp_path, NOW).fingerprint == first.fingerprint


def test_a_certificate_is_kept_until_a_month_before_its_end_and_then_renewed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.refresh(["office.example"], ADDRESSES, NOW)
    end = store.expiry("office.example")
    assert end - NOW < timedelta(days=398)
    assert store.refresh(["office.example"], ADDRESSES, end - timedelta(days=31)) == ()
    assert store.refresh(["office.example"], ADDRESSES, end - timedelta(days=29)) == ("office.example",)
    assert store.expiry("office.example") > end


def test_a_new_address_of_the_machine_gets_into_the_certificate(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.refresh(["office.example"], ADDRESSES, NOW)
    assert store.refresh(["office.example"], ADDRESSES[:2], NOW) == ()
    assert store.refresh(["office.example"], [*ADDRESSES, "192.0.2.6"], NOW) == ("office.example",)


def test_the_operators_own_certificate_is_used_and_never_replaced(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    other = Authority.open(tmp_path / "other", NOW)
    made, key = other.issue("office.example", [], NOW)
    folder = tmp_path / "certificates"
    (folder / "office.example.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "office.example.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    assert store.refresh(["office.example"], ADDRESSES, NOW + timedelta(days=390)) == ()
    assert certificate(tmp_path, "office.example") == made


def test_a_key_left_from_a_crash_between_two_writes_is_mended(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.refresh(["office.example", "other.example"], ADDRESSES, NOW)
    folder = tmp_path / "certificates"
    (folder / "office.example.key").write_bytes((folder / "other.example.key").read_bytes())
    assert store.refresh(["office.example"], ADDRESSES, NOW) == ("office.example",)


def test_half_an_authority_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CertificateError, match="backup"):
        Authority.open(tmp_path, NOW)


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.refresh(["office.example"], ADDRESSES, NOW)
    file = tmp_path / "certificates" / "office.example.pem"
    file.write_text("nothing")
    with pytest.raises(CertificateError, match=r"office\.example\.pem"):
        store.refresh(["office.example"], ADDRESSES, NOW)


def test_there_is_no_context_before_there_is_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        store_in(tmp_path).server_context()
