"""TCP and TLS connections on loopback."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from net.conftest import OPTIONS, Node
from sealtone.net import Limits, ListenError
from sealtone.net.stream import Verdict
from sealtone.pki import Authority, CertificateStore
from sealtone.sip.flow import Target

Nodes = Callable[..., Node]


@contextlib.asynccontextmanager
async def connected(
    port: int, tls: ssl.SSLContext | None = None, name: str | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def listening(node: Node) -> int:
    return (await node.transports.listen_tcp("127.0.0.1", 0)).port


async def test_messages_split_anywhere_arrive_whole_and_are_answered_on_their_connection(nodes: Nodes) -> None:
    node = nodes()
    port = await listening(node)
    async with connected(port) as (reader, writer):
        for octet in OPTIONS + OPTIONS[:100]:
            writer.write(bytes([octet]))
            await writer.drain()
        writer.write(OPTIONS[100:])
        await node.until(lambda n: len(n.messages) == 2)
        assert [data for data, _ in node.messages] == [OPTIONS, OPTIONS]
        flow = node.messages[0][1]
        assert flow.transport == "tcp"
        assert flow.remote == writer.get_extra_info("sockname")
        assert flow.local == ("127.0.0.1", port)
        node.transports.send(b"answer", flow)
        assert await reader.readexactly(6) == b"answer"
    await node.until(lambda n: n.closed)
    assert node.closed == [flow]
    node.transports.send(b"late", flow)
    await node.until(lambda n: n.failed)
    assert node.failed == [flow]


@pytest.mark.parametrize("wildcard", [False, True])
async def test_what_a_phone_is_told_of_this_server_is_the_port_that_it_came_to(nodes: Nodes, wildcard: bool) -> None:
    node = nodes()
    ports = [(await node.transports.listen_tcp("0.0.0.0" if wildcard else "127.0.0.1", 0)).port for _ in range(3)]
    for count, port in enumerate(reversed(ports), 1):
        async with connected(port) as (_, writer):
            writer.write(OPTIONS)
            await node.until(lambda n, wanted=count: len(n.messages) == wanted)
            assert node.transports.local_for(node.messages[-1][1]) == ("127.0.0.1", port)
    assert node.transports.local_for(Target("tcp", "127.0.0.1", 5060)) == ("127.0.0.1", ports[0])


async def test_a_ping_is_answered_with_a_pong(nodes: Nodes) -> None:
    node = nodes()
    async with connected(await listening(node)) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 2) == b"\r\n"
    assert not node.messages


async def test_a_stream_without_one_reading_gets_400_and_is_closed_after_what_came_before_it(nodes: Nodes) -> None:
    node = nodes()
    ambiguous = OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 9")
    async with connected(await listening(node)) as (reader, writer):
        writer.write(OPTIONS + ambiguous + OPTIONS)
        answer = await asyncio.wait_for(reader.read(), 2)
    assert [data for data, _ in node.messages] == [OPTIONS]
    assert answer.startswith(b"SIP/2.0 400 ")
    assert b"Call-ID: 1\r\n" in answer
    assert node.transports.counters.framing_errors == 1


async def test_a_head_that_is_too_long_is_refused_by_what_came_of_it(nodes: Nodes) -> None:
    node = nodes()
    async with connected(await listening(node)) as (reader, writer):
        writer.write(OPTIONS[: OPTIONS.index(b"Content-Length")] + b"Subject: " + b"a" * 40_000)
        assert (await asyncio.wait_for(reader.read(), 2)).startswith(b"SIP/2.0 513 the head of a message is too long")
    assert not node.messages


@pytest.mark.parametrize("vias", [b"", b"Via: \xff\r\n", b"Via: SIP/3.0/TCP a\r\n"])
async def test_a_stream_without_one_reading_nor_a_way_back_is_closed_in_silence(nodes: Nodes, vias: bytes) -> None:
    node, faults = nodes(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with connected(await listening(node)) as (reader, writer):
        others = b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
        lengths = b"Content-Length: 0\r\nContent-Length: 9\r\n\r\n"
        writer.write(b"OPTIONS sip:a@b SIP/2.0\r\n" + vias + others + lengths)
        assert not await asyncio.wait_for(reader.read(), 2)
    await node.until(lambda n: not n.transports.connections())
    assert not faults


async def test_a_web_browser_gets_nothing_executed_and_is_closed(nodes: Nodes) -> None:
    node = nodes()
    async with connected(await listening(node)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + OPTIONS)
        await asyncio.wait_for(reader.read(), 2)
    assert not node.messages


async def test_an_idle_connection_that_never_authenticated_is_closed(nodes: Nodes) -> None:
    node = nodes(Limits(unauthenticated_idle_s=0.5))
    port = await listening(node)
    async with connected(port) as (idle, writer), connected(port) as (kept, kept_writer):
        kept_writer.write(OPTIONS)
        await node.until(lambda n: n.messages)
        node.transports.authenticated(node.messages[0][1], "1000@office.example")
        for _ in range(100):
            writer.write(b"\r\n\r\nO"[:4])  # keep-alives are no sign of a SIP peer
            await asyncio.sleep(0.05)
            if node.transports.counters.idle_closed:
                break
        await asyncio.wait_for(_drained(idle), 2)
        kept_writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(kept.readexactly(2), 2) == b"\r\n"
    assert node.transports.counters.idle_closed == 1


async def _drained(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionResetError):
        while await reader.read(1000):
            pass


async def test_idle_connections_of_one_source_make_room_for_its_newcomers_and_not_those_of_users(nodes: Nodes) -> None:
    node = nodes(Limits(unauthenticated_per_source=3))
    port = await listening(node)
    async with connected(port) as (phone, phone_writer), contextlib.AsyncExitStack() as idle:
        phone_writer.write(OPTIONS)
        await node.until(lambda n: n.messages)
        node.transports.authenticated(node.messages[0][1], "1000@office.example")
        for _ in range(20):
            await idle.enter_async_context(connected(port))
            async with connected(port) as (_, writer):
                before = len(node.messages)
                writer.write(OPTIONS)
                await node.until(lambda n, before=before: len(n.messages) > before)  # type: ignore[misc]
        await node.until(lambda n: n.transports.connections_from("127.0.0.1") <= 4)
        assert node.transports.counters.displaced >= 17
        phone_writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(phone.readexactly(2), 2) == b"\r\n"


async def test_hand_shakes_that_never_end_make_room_for_those_that_do(
    nodes: Nodes, certificates: CertificateStore
) -> None:
    node = nodes(Limits(unauthenticated_per_source=3), certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    async with contextlib.AsyncExitStack() as idle:
        readers = [(await idle.enter_async_context(connected(port)))[0] for _ in range(12)]
        async with connected(port, certificates.client_context(), "office.example") as (_, writer):
            writer.write(OPTIONS)
            await node.until(lambda n: n.messages)
        await asyncio.gather(*[asyncio.wait_for(_drained(reader), 2) for reader in readers[:9]])
        assert node.transports.counters.displaced == 10
    await node.until(lambda n: n.transports.connections_from("127.0.0.1") == 0)


async def test_a_user_with_too_many_connections_loses_the_oldest_of_them(nodes: Nodes) -> None:
    node = nodes(Limits(connections_per_user=2))
    port = await listening(node)
    async with contextlib.AsyncExitStack() as connections:
        for number in range(4):
            reader, writer = await connections.enter_async_context(connected(port))
            if number == 0:
                first = reader
            writer.write(OPTIONS)
            await node.until(lambda n, number=number: len(n.messages) == number + 1)  # type: ignore[misc]
            user = "1001@office.example" if number == 1 else "1000@office.example"
            node.transports.authenticated(node.messages[-1][1], user)
        await asyncio.wait_for(_drained(first), 2)
        await node.until(lambda n: n.transports.connections_from("127.0.0.1") == 3)
        assert node.transports.counters.displaced == 1


async def test_connections_in_all_are_limited_and_an_idle_one_makes_room(nodes: Nodes) -> None:
    node = nodes(Limits(connections=1))
    port = await listening(node)
    async with connected(port) as (idle, _), connected(port) as (phone, writer):
        await asyncio.wait_for(_drained(idle), 2)
        writer.write(OPTIONS)
        await node.until(lambda n: n.messages)
        node.transports.authenticated(node.messages[0][1], "1000@office.example")
        async with connected(port) as (reader, _):
            await asyncio.wait_for(_drained(reader), 2)
        assert node.transports.counters.refused_total == 1
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(phone.readexactly(2), 2) == b"\r\n"


async def test_a_peer_that_does_not_read_is_cut_instead_of_buffered_for(nodes: Nodes) -> None:
    node = nodes(Limits(write_buffer=65_536))
    port = await listening(node)
    async with connected(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(OPTIONS)
        await node.until(lambda n: n.messages)
        flow = node.messages[0][1]
        for _ in range(400):
            node.transports.send(b"x" * 65_536, flow)
            await asyncio.sleep(0)
        await node.until(lambda n: n.closed)
    assert node.transports.counters.write_overflows == 1


async def test_outbound_messages_share_one_connection_and_answers_come_back_over_it(nodes: Nodes) -> None:
    node, peer = nodes(), nodes()
    target = Target("tcp", "127.0.0.1", await listening(peer))
    for _ in range(3):
        node.transports.send(OPTIONS, target)
    await peer.until(lambda n: len(n.messages) == 3)
    assert len({flow.id for _, flow in peer.messages}) == 1
    peer.transports.send(OPTIONS, peer.messages[0][1])
    await node.until(lambda n: n.messages)
    assert node.messages[0][1].remote == (target.host, target.port)
    node.transports.close_flow(node.messages[0][1])
    await node.until(lambda n: n.closed)
    node.transports.send(OPTIONS, target)
    await peer.until(lambda n: len(n.messages) == 4)


async def test_a_target_that_refuses_is_told_of_once(nodes: Nodes) -> None:
    node = nodes()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Target("tcp", *unused.getsockname())
        node.transports.send(OPTIONS, target)
        node.transports.send(OPTIONS, target)
        await node.until(lambda n: n.failed)
        await asyncio.sleep(0.05)
    assert node.failed == [target]


async def test_a_taken_tcp_port_is_explained(nodes: Nodes) -> None:
    node = nodes()
    port = await listening(node)
    with pytest.raises(ListenError, match=f"TCP 127.0.0.1:{port}"):
        await node.transports.listen_tcp("127.0.0.1", port)


async def test_tls_serves_the_certificate_of_the_named_domain(nodes: Nodes, certificates: CertificateStore) -> None:
    node = nodes(certificates=certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    for name in ("other.example", "office.example"):
        async with connected(port, certificates.client_context(), name) as (_, writer):
            names = writer.get_extra_info("peercert")["subjectAltName"]
            assert ("URI", f"sip:{name}") in names
            assert ("DNS", name) in names
            writer.write(OPTIONS)
            await node.until(lambda n, name=name: n.messages and n.messages[-1][1].tls.sni == name)
    tls = node.messages[-1][1].tls
    assert tls is not None
    assert tls.version == "TLSv1.3"
    assert tls.cipher.startswith("TLS_AES")


async def test_tls_by_address_gets_the_first_domains_certificate_which_names_the_address(
    nodes: Nodes, certificates: CertificateStore
) -> None:
    node = nodes(certificates=certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    context = certificates.client_context()
    context.check_hostname = True
    async with connected(port, context, "127.0.0.1") as (_, writer):
        assert ("URI", "sip:office.example") in writer.get_extra_info("peercert")["subjectAltName"]
    context.check_hostname = False


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_below_1_2_and_ciphers_without_forward_secrecy_are_refused(
    nodes: Nodes, certificates: CertificateStore
) -> None:
    node = nodes(certificates=certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    for version, ciphers in (
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers(ciphers)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            async with connected(port, context, "office.example"):
                pass
    await node.until(lambda n: n.transports.counters.handshake_failures == 3)
    assert node.transports.connections_from("127.0.0.1") == 0


async def test_a_silent_handshake_is_given_up(nodes: Nodes, certificates: CertificateStore) -> None:
    node = nodes(Limits(handshake_s=0.1), certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    async with connected(port) as (reader, _):
        await asyncio.wait_for(_drained(reader), 2)
    await node.until(lambda n: n.transports.connections_from("127.0.0.1") == 0)
    assert node.closed == []


async def test_a_renewed_certificate_is_served_without_touching_connections(
    nodes: Nodes, certificates: CertificateStore
) -> None:
    node = nodes(certificates=certificates)
    port = (await node.transports.listen_tls("127.0.0.1", 0)).port
    async with connected(port, certificates.client_context(), "office.example") as (reader, writer):
        before = writer.get_extra_info("ssl_object").getpeercert(True)
        assert certificates.refresh(["office.example"], ["127.0.0.1", "127.0.0.9"]) == ("office.example",)
        async with connected(port, certificates.client_context(), "office.example") as (_, later):
            assert later.get_extra_info("ssl_object").getpeercert(True) != before
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(2), 2) == b"\r\n"


async def test_outbound_tls_reaches_only_a_peer_that_proves_its_domain(
    nodes: Nodes, certificates: CertificateStore, tmp_path: Path
) -> None:
    peer = nodes(certificates=certificates)
    port = (await peer.transports.listen_tls("127.0.0.1", 0)).port
    node = nodes(certificates=certificates)
    right = Target("tls", "127.0.0.1", port, "other.example")
    node.transports.send(OPTIONS, right)
    await peer.until(lambda n: n.messages)
    assert peer.messages[0][1].tls.sni == "other.example"

    wrong = Target("tls", "127.0.0.1", port, "elsewhere.example")
    node.transports.send(OPTIONS, wrong)
    await node.until(lambda n: n.failed == [wrong])

    stranger = CertificateStore(tmp_path / "strange", Authority.open(tmp_path / "stranger"))
    distrusting = nodes(certificates=stranger)
    distrusting.transports.send(OPTIONS, right)
    await distrusting.until(lambda n: n.failed == [right])
    assert len(peer.messages) == 1


async def test_another_protocol_may_claim_a_connection_by_its_first_octets(
    nodes: Nodes, certificates: CertificateStore
) -> None:
    class Web(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"web:" + data[:3])  # type: ignore[attr-defined]

    node = nodes(certificates=certificates)
    place = await node.transports.listen_tls(
        "127.0.0.1", 0, handover=lambda data, flow: Web() if data.startswith(b"GET ") else Verdict.SIP
    )
    context = certificates.client_context()
    async with connected(place.port, context, "office.example") as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(7), 2) == b"web:GET"
        writer.write(OPTIONS)
        assert await asyncio.wait_for(reader.readexactly(7), 2) == b"web:OPT"
    assert not node.messages
    async with connected(place.port, context, "office.example") as (_, writer):
        writer.write(OPTIONS)
        await node.until(lambda n: n.messages)


async def test_closing_lets_buffered_answers_out(nodes: Nodes) -> None:
    node = nodes()
    port = await listening(node)
    async with connected(port) as (reader, writer):
        writer.write(OPTIONS)
        await node.until(lambda n: n.messages)
        node.transports.send(b"bye", node.messages[0][1])
        await node.transports.close()
        assert await asyncio.wait_for(reader.read(), 2) == b"bye"
    with pytest.raises(ConnectionRefusedError):
        async with connected(port):
            pass
