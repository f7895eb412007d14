"""SIP and HTTP on one TLS port, told apart by their first octets, and the way of HTTP to a Unix socket."""

import asyncio
import contextlib
import json
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from net.conftest import OPTIONS, Node
from net.test_streams import connected
from sealtone.net import Limits
from sealtone.net.relay import HttpRelay, RelayLimits, reads_as_http
from sealtone.pki import CertificateStore

Nodes = Callable[..., Node]
Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GET = b"GET / HTTP/1.1\r\nHost: office.example\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "is_http"),
    [
        (b"GET / HTTP/1.1", True),
        (b"POST /x", True),
        (b"PRI * HTTP/2.0", True),
        (b"OPTIONS * HTTP/1.1", True),
        (b"OPTIONS /x HTTP/1.1", True),
        (b"OPTIONS sip:a@b SIP/2.0", False),
        (b"PRACK sip:a@b SIP/2.0", False),
        (b"PUBLISH sip:a@b SIP/2.0", False),
        (b"REGISTER sip:b SIP/2.0", False),
        (b"SIP/2.0 200 OK", False),
        (b"\r\n\r\n", False),
        (b"get / HTTP/1.1", False),
        (b"\x00\xff", False),
        (b"G", None),
        (b"PR", None),
        (b"P", None),
        (b"OPTIONS ", None),
        (b"OPT", None),
    ],
)
def test_the_first_octets_tell_sip_from_http_or_are_too_few(first: bytes, is_http: bool | None) -> None:
    assert reads_as_http(first) is is_http


@contextlib.asynccontextmanager
async def panel_at(path: Path, converse: Converse) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(converse, str(path))
    try:
        yield
    finally:
        server.close()


async def says_who(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A panel that answers with the introduction it got."""
    told = await reader.readline()
    await reader.readuntil(b"\r\n\r\n")
    body = told.strip()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def shared_port(
    node: Node, folder: Path, limits: RelayLimits | None = None, **more: object
) -> AsyncIterator[tuple[int, HttpRelay]]:
    relay = HttpRelay(folder / "panel.sock", limits, **more)  # type: ignore[arg-type]
    place = await node.transports.listen_tls("127.0.0.1", 0, handover=relay.handover)
    try:
        yield place.port, relay
    finally:
        relay.close()


def browser_context(certificates: CertificateStore) -> ssl.SSLContext:
    context = certificates.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def answered(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while data := await asyncio.wait_for(reader.read(65_536), 5):
            found += data
    return found


async def test_a_browser_reaches_the_panel_which_is_told_where_it_comes_from(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, relay), panel_at(tmp_path / "panel.sock", says_who):
        async with connected(port, browser_context(certificates), "office.example") as (reader, writer):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            own = writer.get_extra_info("sockname")
            writer.write(GET)
            answer = await answered(reader)
            told = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert told["remote"] == list(own)
            assert (told["local"], told["sni"], told["tls"]) == (["127.0.0.1", port], "office.example", "TLSv1.3")
        assert node.transports.connections() == 0
        assert relay.counters.accepted == 1
    assert not node.messages


async def test_a_phone_on_the_same_port_is_heard_as_ever_with_or_without_a_protocol_name(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, _):
        for names in ([], ["sip/2"], ["http/1.1"]):
            context = certificates.client_context()
            if names:
                context.set_alpn_protocols(names)
            before = len(node.messages)
            async with connected(port, context, "office.example") as (_, writer):
                for octet in OPTIONS[:9]:  # also when its first octets come one by one
                    writer.write(bytes([octet]))
                    await writer.drain()
                writer.write(OPTIONS[9:])
                await node.until(lambda n, before=before: len(n.messages) > before)  # type: ignore[misc]
            assert node.messages[-1][0] == OPTIONS


async def test_curl_and_its_large_uploads_and_downloads_pass_whole(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    size = 3_000_000

    async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    node, sent, got = nodes(certificates=certificates), tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(os.urandom(size))
    async with shared_port(node, tmp_path) as (port, _), panel_at(tmp_path / "panel.sock", echoes):
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--noproxy", "*",
            "--data-binary", f"@{sent}", "--output", str(got), f"https://127.0.0.1:{port}/",
        )  # fmt: skip
        assert await process.wait() == 0
    assert got.read_bytes() == sent.read_bytes()


async def test_who_does_not_read_is_not_buffered_for_without_end(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    written = 0

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readline()
        with contextlib.suppress(OSError):
            while written < 100_000_000:
                writer.write(bytes(100_000))
                written += 100_000
                await writer.drain()

    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, _), panel_at(tmp_path / "panel.sock", pours):
        async with connected(port, certificates.client_context(), "office.example") as (_, writer):
            writer.write(GET)
            await node.until(lambda _: written)
            before = -1
            while before != written:
                before = written
                await asyncio.sleep(0.3)
            assert 0 < written < 30_000_000  # the kernel's buffers, and ours
            writer.transport.abort()


async def test_an_upgraded_connection_goes_on_both_ways(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    async def upgrades(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data[::-1])

    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, _), panel_at(tmp_path / "panel.sock", upgrades):
        async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
            writer.write(GET.replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            for word in (b"abc", b"def"):
                writer.write(word)
                assert await asyncio.wait_for(reader.readexactly(3), 2) == word[::-1]


async def test_http_2_without_negotiation_is_told_to_use_http_1(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, _):
        async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            answer = await answered(reader)
    settings, goaway = answer[:9], answer[9:]
    assert settings == bytes.fromhex("000000040000000000")
    assert (goaway[:9], goaway[9:]) == (bytes.fromhex("000008070000000000"), bytes(7) + b"\x0d")


async def test_without_a_panel_a_plain_page_says_so_and_a_panel_that_starts_is_waited_for(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    node = nodes(certificates=certificates)
    async with shared_port(node, tmp_path) as (port, relay):
        async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
            writer.write(GET)
            answer = await answered(reader)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"The panel is not running" in answer
        assert relay.counters.unreachable == 1
        relay.is_expected = lambda: True
        async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
            writer.write(GET)
            await asyncio.sleep(0.3)
            async with panel_at(tmp_path / "panel.sock", says_who):
                assert (await answered(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_flood_of_http_meets_its_own_limit_and_takes_no_place_of_a_phones(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    async def holds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    node = nodes(Limits(unauthenticated_per_source=4), certificates)
    context = certificates.client_context()
    limits = RelayLimits(per_source=8)
    async with (
        shared_port(node, tmp_path, limits) as (port, relay),
        panel_at(tmp_path / "panel.sock", holds),
        contextlib.AsyncExitStack() as browsers,
    ):
        for number in range(8):
            _, writer = await browsers.enter_async_context(connected(port, context, "office.example"))
            writer.write(GET)
            await node.until(lambda n, number=number: len(relay) == number + 1)  # type: ignore[misc]
        async with connected(port, context, "office.example") as (reader, writer):
            writer.write(GET)
            assert (await answered(reader)).startswith(b"HTTP/1.1 503 ")
        assert (len(relay), relay.counters.refused) == (8, 1)
        assert node.transports.connections_from("127.0.0.1") == 0
        async with connected(port, context, "office.example") as (_, writer):
            writer.write(OPTIONS)
            await node.until(lambda n: n.messages)
    assert len(relay) == 0


async def test_first_octets_that_trickle_stay_on_probation(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    node = nodes(Limits(unauthenticated_idle_s=0.6), certificates)
    async with shared_port(node, tmp_path) as (port, relay):
        async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
            for octet in b"OPTIONS":
                writer.write(bytes([octet]))
                await asyncio.sleep(0.2)
            await answered(reader)
    assert node.transports.counters.idle_closed == 1
    assert relay.counters.accepted == 0


async def test_a_relayed_connection_on_which_nothing_moves_is_closed(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def holds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    monkeypatch.setattr("sealtone.net.relay._SWEEP_S", 0.1)
    node = nodes(certificates=certificates)
    async with (
        shared_port(node, tmp_path, RelayLimits(idle_s=0.3)) as (port, relay),
        panel_at(tmp_path / "panel.sock", holds),
        connected(port, certificates.client_context(), "office.example") as (reader, writer),
    ):
        writer.write(GET)
        await answered(reader)
        assert relay.counters.idle_closed == 1
