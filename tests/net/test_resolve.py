"""Name resolution against a DNS server of our own on loopback."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from sealtone.net import ResolveError
from sealtone.net.resolve import Resolver, Service, in_order
from sealtone.sip.flow import Target

ZONE = {
    ("gateway.example.", "NAPTR"): [
        '20 10 "s" "SIP+D2U" "" _sip._udp.gateway.example.',
        '10 10 "s" "SIPS+D2T" "" _sips._tcp.gateway.example.',
        '5 10 "s" "HTTP+D2T" "" _http._tcp.gateway.example.',
    ],
    ("_sips._tcp.gateway.example.", "SRV"): ["20 0 5071 b.gateway.example.", "10 0 5061 a.gateway.example."],
    ("_sip._udp.gateway.example.", "SRV"): ["10 0 5060 a.gateway.example."],
    ("a.gateway.example.", "A"): ["192.0.2.1"],
    ("a.gateway.example.", "AAAA"): ["2001:db8::1"],
    ("b.gateway.example.", "A"): ["192.0.2.2"],
    ("plain.example.", "A"): ["192.0.2.9"],
    ("srv.example.", "A"): ["192.0.2.10"],
    ("_sip._tcp.srv.example.", "SRV"): ["1 1 5080 plain.example."],
    ("_sip._udp.srv.example.", "SRV"): ["0 0 0 ."],
}


class Nameserver(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.silent = False
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{question.name} {kind}")
        if self.silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        records = ZONE.get((str(question.name).lower(), kind))
        if records:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(name == str(question.name).lower() for name, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]


@pytest.fixture
async def nameserver() -> AsyncIterator[tuple[Nameserver, Resolver]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Nameserver, ("127.0.0.1", 0))
    yield protocol, Resolver([transport.get_extra_info("sockname")], chance=lambda size: 0)
    transport.close()


async def test_an_address_is_its_own_answer_and_asks_nobody(nameserver: tuple[Nameserver, Resolver]) -> None:
    server, resolver = nameserver
    assert await resolver.targets("192.0.2.7") == (Target("udp", "192.0.2.7", 5060),)
    assert await resolver.targets("[2001:db8::7]", 5090, "tcp") == (Target("tcp", "2001:db8::7", 5090),)
    assert await resolver.targets("192.0.2.7", secure=True) == (Target("tls", "192.0.2.7", 5061, "192.0.2.7"),)
    assert server.asked == []


async def test_naptr_and_srv_give_the_order_and_tls_keeps_the_name_asked_for(
    nameserver: tuple[Nameserver, Resolver],
) -> None:
    assert await nameserver[1].targets("Gateway.Example") == (
        Target("tls", "192.0.2.1", 5061, "gateway.example"),
        Target("tls", "2001:db8::1", 5061, "gateway.example"),
        Target("tls", "192.0.2.2", 5071, "gateway.example"),
        Target("udp", "192.0.2.1", 5060),
        Target("udp", "2001:db8::1", 5060),
    )


async def test_a_sips_uri_goes_over_tls_only(nameserver: tuple[Nameserver, Resolver]) -> None:
    assert {target.transport for target in await nameserver[1].targets("gateway.example", secure=True)} == {"tls"}


async def test_without_naptr_the_usual_srv_names_are_tried_and_a_dot_means_no(
    nameserver: tuple[Nameserver, Resolver],
) -> None:
    assert await nameserver[1].targets("srv.example") == (Target("tcp", "192.0.2.9", 5080),)


async def test_without_srv_the_name_itself_is_the_address(nameserver: tuple[Nameserver, Resolver]) -> None:
    assert await nameserver[1].targets("plain.example") == (Target("udp", "192.0.2.9", 5060),)
    assert await nameserver[1].targets("plain.example", transport="tls") == (
        Target("tls", "192.0.2.9", 5061, "plain.example"),
    )


async def test_an_explicit_port_means_addresses_only(nameserver: tuple[Nameserver, Resolver]) -> None:
    server, resolver = nameserver
    assert await resolver.targets("srv.example", 5070) == (Target("udp", "192.0.2.10", 5070),)
    assert not any("SRV" in question or "NAPTR" in question for question in server.asked)


async def test_an_unknown_name_is_said_so(nameserver: tuple[Nameserver, Resolver]) -> None:
    with pytest.raises(ResolveError, match=r"no address for absent\.example"):
        await nameserver[1].targets("absent.example")


async def test_a_silent_server_is_given_up_in_time(
    nameserver: tuple[Nameserver, Resolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, resolver = nameserver
    server.silent = True
    monkeypatch.setattr("sealtone.net.resolve._TIME_S", 0.2)
    with pytest.raises(ResolveError, match="within"):
        await resolver.targets("plain.example")


def test_services_of_one_priority_are_drawn_by_weight() -> None:
    heavy, light = Service(1, 90, "heavy", 1), Service(1, 10, "light", 1)
    last = Service(2, 0, "last", 1)
    draw = random.Random(7)
    first = Counter(in_order([last, light, heavy], draw.randrange)[0].host for _ in range(2000))
    assert 1600 < first["heavy"] < 1900
    assert first["last"] == 0
    assert {service.host for service in in_order([last, light, heavy], draw.randrange)} == {"heavy", "light", "last"}
