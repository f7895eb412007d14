"""What is listened to for authorities: plain HTTP with nothing but their files, and a zone with nothing but their texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from sealtone.net.challenge_dns import ChallengeDns
from sealtone.net.plain_http import PlainHttp
from server.whole import free_ports

FILES = {"abc": b"abc.thumb"}
TEXTS = {"d1.acme.example": "digest"}


@pytest.fixture
async def http() -> AsyncIterator[PlainHttp]:
    listener = PlainHttp("127.0.0.1", 0, FILES.get, 8443)
    await listener.open()
    yield listener
    listener.close()


@pytest.fixture
async def zone() -> AsyncIterator[ChallengeDns]:
    server = ChallengeDns("127.0.0.1", free_ports(1), "acme.example", "host.example", TEXTS.get)
    await server.open()
    yield server
    server.close()


async def sent(http: PlainHttp, request: bytes) -> tuple[bytes, bytes]:
    """The head and content of the answer, and that the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(request)
    async with asyncio.timeout(5):
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, content


async def test_an_authority_gets_its_file(http: PlainHttp) -> None:
    head, content = await sent(http, b"GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: office.example\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert content == b"abc.thumb"
    for path in (b"/.well-known/acme-challenge/other", b"/.well-known/acme-challenge/../abc"):
        head, content = await sent(http, b"GET %b HTTP/1.1\r\nHost: office.example\r\n\r\n" % path)
        assert not head.startswith(b"HTTP/1.1 200")
        assert content == b""


async def test_everybody_else_is_sent_to_https(http: PlainHttp) -> None:
    head, _ = await sent(http, b"GET /calls?after=1 HTTP/1.1\r\nHost: office.example:80\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 308")
    assert b"Location: https://office.example:8443/calls?after=1" in head


@pytest.mark.parametrize(
    "request_octets",
    [
        b"GET / HTTP/1.1\r\nHost: a.example/@evil\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: office.example\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: office.example\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: office.example\r\n\r\n",
    ],
)
async def test_what_is_no_plain_request_is_refused_and_sent_nowhere(http: PlainHttp, request_octets: bytes) -> None:
    head, _ = await sent(http, request_octets)
    assert head.startswith(b"HTTP/1.1 4")
    assert b"Location" not in head


async def test_a_request_of_any_size_ends(http: PlainHttp) -> None:
    head, _ = await sent(http, b"GET /" + b"a" * 20_000)
    assert head == b""


async def test_the_zone_tells_its_texts_over_udp_and_tcp(zone: ChallengeDns) -> None:
    query = dns.message.make_query("D1.acme.example", "TXT")
    for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
        answer = await ask(query, "127.0.0.1", port=zone.port, timeout=10)
        assert answer.flags & dns.flags.AA
        assert not answer.flags & dns.flags.RA
        assert [record.to_text() for rrset in answer.answer for record in rrset] == ['"digest"']


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        ("d1.acme.example", "A", dns.rcode.NOERROR, 0),
        ("other.acme.example", "TXT", dns.rcode.NOERROR, 0),
        ("acme.example", "SOA", dns.rcode.NOERROR, 1),
        ("acme.example", "NS", dns.rcode.NOERROR, 1),
        ("office.example", "TXT", dns.rcode.REFUSED, 0),
        (".", "NS", dns.rcode.REFUSED, 0),
    ],
)
async def test_the_zone_tells_nothing_else(zone: ChallengeDns, name: str, kind: str, code: int, answers: int) -> None:
    query = dns.message.make_query(name, kind)
    answer = await dns.asyncquery.udp(query, "127.0.0.1", port=zone.port, timeout=10)
    assert answer.rcode() == code
    assert len(answer.answer) == answers
    assert len(answer.to_wire()) <= 5 * len(query.to_wire())


async def test_noise_is_not_answered(zone: ChallengeDns) -> None:
    for data in (b"", b"x", bytes(12), bytes(600)):
        assert zone.answer(data, longest=512) is None
    response = dns.message.make_response(dns.message.make_query("d1.acme.example", "TXT")).to_wire()
    assert zone.answer(response, longest=512) is None
