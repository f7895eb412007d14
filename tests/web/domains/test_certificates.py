"""Pages of certificates: what is in use, bringing one, choosing an authority; and the service's settings for it."""

from __future__ import annotations

import html
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import DNSName

from pki.test_uploads import Chain, key_pem, pem
from sealtone.admin import Actor
from sealtone.admin.acme import AcmeForm, acme_settings, set_acme
from sealtone.admin.domain_checks import standing_of
from sealtone.model import CertificateSource, Role
from sealtone.pki import Authority, CertificateStore
from sealtone.pki.acme_words import LETS_ENCRYPT, LETS_ENCRYPT_STAGING
from sealtone.store import Database
from sealtone.store.directory import read_changes
from web.conftest import Panel

OPERATOR = Actor("root", "command line")
PAGE = "/domains/office.example/certificate"


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def certificates_in(folder: Path) -> CertificateStore:
    store = CertificateStore(folder / "certificates", Authority.open(folder / "authority"))
    store.refresh(["office.example"], ["192.0.2.1"])
    return store


def brought(domain: str = "office.example") -> tuple[bytes, bytes]:
    chain = Chain()
    own, key = chain.issue(DNSName(domain), start=datetime.now(UTC).replace(microsecond=0))
    return pem(own, chain.middle), key_pem(key)


def source_of(panel: Panel) -> CertificateSource:
    with panel.database.read() as transaction:
        domain = standing_of(transaction, OPERATOR, "office.example").domain
    assert domain is not None
    return domain.certificate_source


async def test_the_page_says_what_phones_will_make_of_the_own_authoritys_certificate(panel: Panel) -> None:
    panel.domain()
    certificates_in(panel.folder)
    async with panel.signed_in() as owner:
        shown = text_of((await owner.get(PAGE)).text)
        file = await owner.get(f"{PAGE}/authority.pem")
    assert "Valid for 395 more days" in shown
    assert "It names the SIP domain" in shown
    assert "have to be given this server's authority" in shown
    assert b"BEGIN CERTIFICATE" in file.content
    assert b"PRIVATE" not in file.content


async def test_a_brought_certificate_is_checked_used_and_its_key_shown_nowhere(panel: Panel) -> None:
    panel.domain()
    store = certificates_in(panel.folder)
    certificate, key = brought()
    async with panel.signed_in() as owner:
        files = {"certificate": ("c.pem", certificate), "key": ("k.pem", key)}
        done = await owner.send_form(f"{PAGE}/upload", files=files)
        assert done.status_code == 303, done.text
        shown = await owner.get(PAGE)
    assert "The certificate is in use" in shown.text
    assert "PRIVATE KEY" not in shown.text
    assert source_of(panel) is CertificateSource.UPLOADED
    assert store.refresh(["office.example"], ["192.0.2.1"]) == ()
    file = panel.folder / "certificates" / "office.example.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    with panel.database.read() as transaction:
        (change,) = read_changes(transaction, limit=1)
    assert change.after["certificate"].startswith("uploaded, valid until ")
    assert "KEY" not in repr(change)


async def test_what_cannot_be_used_is_refused_at_its_field_and_the_old_one_stays(panel: Panel) -> None:
    panel.domain()
    certificates_in(panel.folder)
    file = panel.folder / "certificates" / "office.example.pem"
    before = file.read_bytes()
    certificate, key = brought("shop.example")
    async with panel.signed_in() as owner:
        files = {"certificate": ("c.pem", certificate), "key": ("k.pem", key)}
        wrong = await owner.send_form(f"{PAGE}/upload", files=files)
        nothing = await owner.send_form(f"{PAGE}/upload")
    assert wrong.status_code == nothing.status_code == 422
    assert 'id="certificate-error"' in wrong.text
    assert "is for shop.example, not for office.example" in text_of(wrong.text)
    assert "Choose a file with the certificate" in text_of(nothing.text)
    assert file.read_bytes() == before
    assert source_of(panel) is CertificateSource.OWN


async def test_viewers_and_strangers_choose_no_certificate(panel: Panel) -> None:
    panel.domain()
    certificates_in(panel.folder)
    certificate, key = brought()
    files = {"certificate": ("c.pem", certificate), "key": ("k.pem", key)}
    async with panel.signed_in(Role.VIEWER) as viewer, panel.signed_in(account="Other") as stranger:
        shown = await viewer.get(PAGE)
        assert "Your role only looks" in shown.text
        assert "<form" not in shown.text.partition("<main")[2]
        for client, status in ((viewer, 403), (stranger, 404)):
            assert (await client.send_form(f"{PAGE}/upload", files=files)).status_code == status
            assert (await client.send_form(f"{PAGE}/own")).status_code == status
            assert (await client.send_form(f"{PAGE}/acme", {"challenge": "http-01"})).status_code == status
        assert (await stranger.get(f"{PAGE}/authority.pem")).status_code == 404
    assert source_of(panel) is CertificateSource.OWN


async def test_nothing_is_ordered_before_the_operator_accepted_the_terms(panel: Panel) -> None:
    panel.domain()
    async with panel.signed_in() as owner:
        refused = await owner.send_form(f"{PAGE}/acme", {"challenge": "http-01"})
        assert refused.status_code == 409
        with panel.database.write() as transaction:
            set_acme(transaction, OPERATOR, 1.0, AcmeForm(agreed=True))
        wrong = await owner.send_form(f"{PAGE}/acme", {"challenge": "dns-01"})
        assert wrong.status_code == 422
        assert "no zone for checks by DNS" in text_of(wrong.text)
        await owner.send_form(f"{PAGE}/acme", {"challenge": "http-01"})
        assert "as soon as the SIP server runs" in text_of((await owner.get(PAGE)).text)
        assert source_of(panel) is CertificateSource.ACME
        await owner.send_form(f"{PAGE}/own")
    assert source_of(panel) is CertificateSource.OWN


async def test_checks_by_dns_add_the_record_to_the_domains_page(panel: Panel) -> None:
    panel.domain()
    with panel.database.write() as transaction:
        set_acme(transaction, OPERATOR, 1.0, AcmeForm(agreed=True, dns_zone="acme.service.example"))
    async with panel.signed_in() as owner:
        await owner.send_form(f"{PAGE}/acme", {"challenge": "dns-01"})
        shown = text_of((await owner.get("/domains/office.example")).text)
    assert "_acme-challenge.office.example" in shown
    assert re.search(r"[0-9a-f]{24}\.acme\.service\.example", shown)


async def test_the_authority_is_chosen_by_whoever_operates_the_service_alone(panel: Panel) -> None:
    form = {"directory": "staging", "agreed": "on", "email": "root@service.example", "dns_port": "53"}
    async with panel.signed_in() as owner, panel.signed_in(operator=True) as operator:
        assert (await owner.get("/service/certificates")).status_code == 403
        assert (await owner.send_form("/service/certificates", form)).status_code == 403
        assert (await operator.get("/service/certificates")).status_code == 200
        assert (await operator.send_form("/service/certificates", form)).status_code == 303
        wrong = await operator.send_form("/service/certificates", form | {"directory": "other", "address": "http://x"})
        port = await operator.send_form("/service/certificates", form | {"dns_port": "0"})
    assert wrong.status_code == port.status_code == 422
    assert 'id="address-error"' in wrong.text
    assert 'id="dns_port-error"' in port.text
    with panel.database.read() as transaction:
        settings = acme_settings(transaction)
    assert (settings.directory, settings.email, settings.may_order) == (
        LETS_ENCRYPT_STAGING,
        "root@service.example",
        True,
    )


def test_another_authority_has_other_terms_to_accept(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.write() as transaction:
        assert set_acme(transaction, OPERATOR, time.time(), AcmeForm(agreed=True)).may_order
        assert not set_acme(transaction, OPERATOR, time.time(), AcmeForm(directory="staging")).may_order
        assert (
            set_acme(transaction, OPERATOR, time.time(), AcmeForm("production", agreed=True)).directory == LETS_ENCRYPT
        )
    database.close()
