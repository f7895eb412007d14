"""Certificates from a real ACME authority, which checks the name in each of the three ways."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from interop.pebble import Pebble, WorldDns, pebble, world_dns
from sealtone.admin import Actor
from sealtone.admin.acme import AcmeForm, acme_target, set_acme
from sealtone.admin.certificates import use_acme_certificate, use_own_certificate
from sealtone.admin.domain_checks import standing_of
from sealtone.phone import Encryption, Wish
from sealtone.pki.facts import renewal_at
from server.whole import Whole, config_in, free_ports, running

OPERATOR = Actor("root", "command line")
DOMAIN = "office.example"
ZONE = "acme.service.example"


@dataclass
class World:
    """A server, an authority, and the DNS between them."""

    whole: Whole
    authority: Pebble
    dns: WorldDns

    async def choose(self, challenge: str) -> None:
        store = self.whole.server._store
        await store.submit(lambda t: use_acme_certificate(t, OPERATOR, 1.0, DOMAIN, challenge))
        await self.whole.server.reload()

    async def ordered(self) -> str:
        """Orders one and waits for the end; gives the stage it ended in."""
        orders = self.whole.server._orders
        orders.order(DOMAIN)
        async with asyncio.timeout(60):
            await asyncio.gather(*orders._tasks)
        return str(orders.state(DOMAIN)["stage"])

    async def shown(self) -> x509.Certificate:
        """What a new TLS connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = self.whole.config.tls_port
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=DOMAIN)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der)

    @property
    def file(self) -> Path:
        return self.whole.config.data / "certificates" / f"{DOMAIN}.pem"


@asynccontextmanager
async def world(folder: Path, **more: object) -> AsyncIterator[World]:
    config = config_in(folder / "data", **{"http_port": free_ports(1), **more})
    async with (
        world_dns() as dns,
        pebble(folder / "pebble", dns.address, config.http_port or 9, config.shared_tls_port) as authority,
    ):
        dns.set("A", DOMAIN, "127.0.0.1")
        async with running(config) as whole:
            dns_port = free_ports(1)
            form = AcmeForm(
                authority.directory, "owner@office.example", True, str(authority.trusted), ZONE, str(dns_port)
            )
            dns.delegated = ("127.0.0.1", dns_port)
            await whole.server._store.submit(lambda t: set_acme(t, OPERATOR, 1.0, form))
            yield World(whole, authority, dns)


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01", "dns-01"])
async def test_a_certificate_is_ordered_checked_and_shown_to_new_connections(tmp_path: Path, challenge: str) -> None:
    async with world(tmp_path) as scene:
        scene.dns.set("CNAME", f"_acme-challenge.{DOMAIN}", f"{acme_target(DOMAIN, ZONE)}.")
        await scene.choose(challenge)
        assert await scene.ordered() == "done", (scene.whole.server._orders.state(DOMAIN), scene.whole.log.getvalue())
        shown = await scene.shown()
        assert "Pebble" in shown.issuer.rfc4514_string()
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [DOMAIN]
        assert scene.file.stat().st_mode & 0o777 == 0o600
        assert not scene.file.with_suffix(".key").exists()
        challenges = scene.whole.server._certificates.challenges
        assert (challenges._files, challenges._contexts, challenges._texts) == ({}, {}, {})


async def test_a_renewal_drops_no_call_and_no_connection(tmp_path: Path) -> None:
    async with world(tmp_path) as scene, scene.whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE)) as phone:
        await phone.register()
        call = await phone.call("*43")
        await call.answered(5)
        await scene.choose("tls-alpn-01")
        assert await scene.ordered() == "done"
        first = await scene.shown()
        assert await scene.ordered() == "done"
        second = await scene.shown()
        assert first.serial_number != second.serial_number
        assert len(scene.whole.server.node.exchange.calls) == 1
        assert len(scene.whole.server.node.registrar) == 1
        await phone.register()  # over the connection that there was
        assert scene.whole.server._transports.counters.connections_in == 3  # the phone's, and two looks of this test
        await call.hang_up()


async def test_a_failed_order_leaves_the_certificate_and_says_why(tmp_path: Path) -> None:
    async with world(tmp_path) as scene:
        await scene.choose("http-01")
        assert await scene.ordered() == "done"
        before = scene.file.read_bytes()
        scene.dns.set("A", DOMAIN, "127.0.0.2")  # nothing listens there
        assert await scene.ordered() == "failed"
        state = scene.whole.server._orders.state(DOMAIN)
        assert "could not reach this server (by HTTP on port 80)" in state["error"]
        assert scene.file.read_bytes() == before
        assert (await scene.shown()).serial_number == x509.load_pem_x509_certificate(before).serial_number
        store = scene.whole.server._store
        standing = await store.read(lambda t: standing_of(t, OPERATOR, DOMAIN))
        assert standing.certificate_error == state["error"]
        assert not scene.whole.server._orders.is_due(standing.domain)  # type: ignore[arg-type]
        later = datetime.now(UTC) + timedelta(hours=2)
        assert not scene.whole.server._orders.is_due(standing.domain, later)  # type: ignore[arg-type]


async def test_a_certificate_is_due_when_a_third_of_its_life_is_left(tmp_path: Path) -> None:
    async with world(tmp_path) as scene:
        await scene.choose("http-01")
        orders = scene.whole.server._orders
        domain = scene.whole.server.node.snapshot.domain(DOMAIN)
        assert domain is not None
        assert orders.is_due(domain)  # the own authority's is in its place
        assert await scene.ordered() == "done"
        shown = await scene.shown()
        assert not orders.is_due(domain)
        assert not orders.is_due(domain, renewal_at(shown, 1.0) - timedelta(hours=1))
        assert orders.is_due(domain, renewal_at(shown) + timedelta(hours=1))


async def test_back_to_the_own_authority_the_public_one_is_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as scene:
        await scene.choose("http-01")
        assert await scene.ordered() == "done"
        await scene.whole.server._store.submit(lambda t: use_own_certificate(t, OPERATOR, 2.0, DOMAIN))
        await scene.whole.server.reload()
        assert "Sealtone authority" in (await scene.shown()).issuer.rfc4514_string()


async def test_without_port_80_the_check_by_http_is_refused_in_plain_words(tmp_path: Path) -> None:
    async with world(tmp_path, http_port=0) as scene:
        await scene.choose("http-01")
        assert await scene.ordered() == "failed"
        assert "does not listen for HTTP" in scene.whole.server._orders.state(DOMAIN)["error"]
