"""Names, DNS and certificates on the command line, as its own process on a real data folder."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import DNSName

from cli.conftest import command
from net.dns_server import dns_server
from pki.test_uploads import Chain, key_pem, pem
from sealtone.admin import Reach, save_reach
from sealtone.store import Database


async def run(data: Path, *arguments: str, code: int = 0) -> str:
    """What the command says; it has to end with `code`."""
    done = await asyncio.to_thread(command, data, *arguments, columns=200)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_a_name_is_parked_and_proven_by_its_record(data: Path) -> None:
    async with dns_server() as zone:
        await run(data, "domain", "resolvers", "{}:{}".format(*zone.address))
        parked = json.loads(await run(data, "domain", "park", "shop.example", "--json"))
        assert parked["status"] == "pending"
        (proof,) = (one for one in parked["records"] if one["purpose"] == "ownership")
        zone.set("TXT", proof["name"], f'"{proof["expected"]}"')
        checked = json.loads(await run(data, "domain", "check", "shop.example", "--json"))
    assert checked["status"] == "verified"
    assert proof["expected"] in await run(data, "domain", "records", "shop.example", "--zone-file")


async def test_a_link_for_a_phone_names_the_domain_where_dns_leads_from_it_to_here(data: Path) -> None:
    database = Database(data)
    with database.write() as transaction:
        save_reach(transaction, Reach("", ("2001:db8::7", "192.0.2.7"), 5060, 5061, 8443))
    database.close()
    async with dns_server() as zone:
        await run(data, "domain", "resolvers", "{}:{}".format(*zone.address))
        by_address = await run(data, "connect", "1000@office.example")
        assert by_address.startswith("https://[2001:db8::7]:8443/p/")
        assert "--public-name" in by_address
        zone.set("AAAA", "office.example", "2001:db8::7")
        zone.set("A", "office.example", "192.0.2.7")
        by_name = await run(data, "connect", "1000@office.example")
        assert by_name.startswith("https://office.example:8443/p/")
        assert "--public-name" not in by_name
        zone.set("AAAA", "office.example")
        zone.set("A", "office.example")
        remembered = await run(data, "connect", "1000@office.example")
    assert remembered.startswith("https://office.example:8443/p/")


async def test_a_certificate_is_brought_or_refused_in_plain_words(data: Path, tmp_path: Path) -> None:
    chain = Chain()
    own, key = chain.issue(DNSName("office.example"), start=datetime.now(UTC).replace(microsecond=0))
    files = {"cert.pem": pem(own, chain.middle), "key.pem": key_pem(key), "alone.pem": pem(own)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    refused = await run(
        data,
        "domain",
        "certificate",
        "office.example",
        "--file",
        str(tmp_path / "alone.pem"),
        "--key",
        str(tmp_path / "key.pem"),
        code=1,
    )
    assert "between this one and its authority are missing" in " ".join(refused.split())
    shown = await run(
        data,
        "domain",
        "certificate",
        "office.example",
        "--json",
        "--file",
        str(tmp_path / "cert.pem"),
        "--key",
        str(tmp_path / "key.pem"),
    )
    assert (json.loads(shown)["source"], json.loads(shown)["covers"]) == ("uploaded", "domain")
    assert "PRIVATE" not in shown


async def test_nothing_is_ordered_before_the_terms_are_accepted(data: Path) -> None:
    refused = await run(data, "domain", "certificate", "office.example", "--acme", "http-01", code=1)
    assert "has not accepted the authority's terms" in " ".join(refused.split())
    assert "staging" in await run(data, "authority", "--directory", "staging", "--accept-terms")
    said = await run(data, "domain", "certificate", "office.example", "--acme", "http-01")
    assert "ordered once the server runs" in " ".join(said.split())
