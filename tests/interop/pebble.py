"""Pebble, the test server of Let's Encrypt: a real ACME authority that really looks, on ports of the loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rrset
import pytest
from cryptography.hazmat.primitives import serialization

from net.dns_server import DnsServer
from sealtone.pki import Authority
from sealtone.pki.authority import private_pem
from server.whole import free_ports


@dataclass
class Pebble:
    """A running one."""

    directory: str
    trusted: Path
    log: Path


class WorldDns(DnsServer):
    """The DNS of the world that the authority sees: all names are on the loopback, and a CNAME is followed to the
    name server that answers for its zone."""

    delegated: tuple[str, int] | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        target = self.records.get(("CNAME", name))
        if target and question.rdtype == 16 and self.delegated is not None:
            self._following = asyncio.get_running_loop().create_task(self._follow(query, target[0], addr))
            return
        super().datagram_received(data, addr)

    async def _follow(self, query: dns.message.Message, target: str, addr: tuple[str, int]) -> None:
        assert self.delegated is not None
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 1, "IN", "CNAME", target))
        asked = dns.message.make_query(target, "TXT")
        answer = await dns.asyncquery.udp(asked, self.delegated[0], port=self.delegated[1], timeout=3)
        response.answer.extend(answer.answer)
        self._transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def world_dns() -> AsyncIterator[WorldDns]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(WorldDns, local_addr=("127.0.0.1", 0))
    yield server
    transport.close()


@asynccontextmanager
async def pebble(folder: Path, dns_server: tuple[str, int], http_port: int, tls_port: int) -> AsyncIterator[Pebble]:
    """Runs until the end of the block; looks for names by `dns_server`, at these ports."""
    if shutil.which("pebble") is None:
        pytest.skip("pebble is not installed (Debian package pebble)")
    authority = _files(folder)
    port = free_ports(2)
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{port + 1}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": http_port,
        "tlsPort": tls_port,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    environment = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
    log = folder / "log"
    process = _started(folder, settings, dns_server, environment)
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.poll() is None, log.read_text()
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield Pebble(f"https://127.0.0.1:{port}/dir", authority.certificate_file, log)
    finally:
        process.terminate()
        process.wait(10)


def _files(folder: Path) -> Authority:
    folder.mkdir()
    authority = Authority.open(folder / "authority")
    certificate, key = authority.issue("localhost", ["127.0.0.1"])
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private_pem(key))
    return authority


def _started(
    folder: Path, settings: dict[str, object], dns_server: tuple[str, int], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    with (folder / "log").open("wb") as output:
        return subprocess.Popen(
            ["pebble", "-config", folder / "pebble.json", "-dnsserver", "{}:{}".format(*dns_server)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
