"""What DNS says, read from a real server."""

from collections.abc import AsyncIterator

import pytest

from net.dns_server import DnsServer, dns_server
from sealtone.net import dns_lookup
from sealtone.net.dns_lookup import DnsLookup


@pytest.fixture
async def zone() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        yield server


async def test_values_come_in_the_form_of_a_zone_file(zone: DnsServer) -> None:
    zone.set("TXT", "_sealtone.office.example", '"sealtone-domain=" "0123"', '"other"')
    zone.set("SRV", "_sips._tcp.office.example", "10 20 5061 SIP.office.example.")
    zone.set("NAPTR", "office.example", '10 10 "S" "sips+d2t" "" _sips._tcp.office.example.')
    zone.set("AAAA", "office.example", "2001:db8::1")
    zone.set("CNAME", "_acme-challenge.office.example", "x.acme.example.")
    lookup = DnsLookup([zone.address])
    found = await lookup.all_values([*zone.records, ("A", "office.example"), ("A", "nowhere.example")])
    assert found == {
        ("TXT", "_sealtone.office.example"): ("other", "sealtone-domain=0123"),
        ("SRV", "_sips._tcp.office.example"): ("10 20 5061 sip.office.example",),
        ("NAPTR", "office.example"): ('10 10 "s" "SIPS+D2T" "" _sips._tcp.office.example',),
        ("AAAA", "office.example"): ("2001:db8::1",),
        ("CNAME", "_acme-challenge.office.example"): ("x.acme.example",),
        ("A", "office.example"): (),
        ("A", "nowhere.example"): (),
    }


async def test_no_answer_is_not_the_same_as_no_record(zone: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_lookup, "_TIME_S", 0.3)
    zone.silent = True
    assert await DnsLookup([zone.address]).values("TXT", "office.example") is None


async def test_a_hostile_zone_is_cut_short(zone: DnsServer) -> None:
    zone.set("A", "many.example", *(f"192.0.2.{number}" for number in range(1, 27)))
    found = await DnsLookup([zone.address]).values("A", "many.example")
    assert found is not None
    assert len(found) == 20


async def test_nothing_is_remembered_between_questions(zone: DnsServer) -> None:
    lookup = DnsLookup([zone.address])
    assert await lookup.values("A", "office.example") == ()
    zone.set("A", "office.example", "192.0.2.1")
    assert await lookup.values("A", "office.example") == ("192.0.2.1",)
