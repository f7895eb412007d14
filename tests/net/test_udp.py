"""UDP on loopback."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from net.conftest import OPTIONS, Node
from sealtone.net import Limits, ListenError, nearest_free_port
from sealtone.sip.flow import Flow, Target

Nodes = Callable[..., Node]


def phone(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(10)
    return sock


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_a_datagram_arrives_with_its_flow_and_is_answered_on_it(
    nodes: Nodes, family: socket.AddressFamily, host: str
) -> None:
    node = nodes()
    place = await node.transports.listen_udp(host, 0)
    with phone(family, host) as sock:
        sock.sendto(OPTIONS, (host, place.port))
        await node.until(lambda n: n.messages)
        data, flow = node.messages[0]
        assert data == OPTIONS
        assert flow == Flow(flow.id, "udp", (host, place.port), sock.getsockname()[:2])
        node.transports.send(b"answer", flow)
        assert sock.recvfrom(100)[0] == b"answer"
        assert node.transports.is_open(flow)


@pytest.mark.parametrize(("wildcard", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
async def test_a_wildcard_listener_names_the_real_local_address(nodes: Nodes, wildcard: str, host: str) -> None:
    node = nodes()
    place = await node.transports.listen_udp(wildcard, 0)
    with phone(socket.AF_INET6 if ":" in host else socket.AF_INET, host) as sock:
        sock.sendto(OPTIONS, (host, place.port))
        await node.until(lambda n: n.messages)
    assert node.messages[0][1].local == (host, place.port)
    assert node.transports.local_for(Target("udp", host, 5060)) == (host, place.port)


async def test_a_wildcard_listener_answers_from_the_address_that_was_written_to(nodes: Nodes) -> None:
    """By itself the kernel would answer from 127.0.0.1, and NAT, or a connected socket, would drop that."""
    node = nodes()
    place = await node.transports.listen_udp("0.0.0.0", 0)
    answered: list[tuple[str, int]] = []
    with phone() as sock:
        for host in ("127.0.0.2", "127.0.0.1", "127.0.0.3"):
            sock.sendto(OPTIONS, (host, place.port))
            await node.until(lambda n: len(n.messages) > len(answered))
            flow = node.messages[-1][1]
            assert flow.local == (host, place.port)
            assert node.transports.local_for(flow) == flow.local
            node.transports.send(b"answer to " + host.encode(), flow)
            data, source = sock.recvfrom(100)
            assert data.decode() == f"answer to {host}"
            answered.append(source)
    assert answered == [(host, place.port) for host in ("127.0.0.2", "127.0.0.1", "127.0.0.3")]


async def test_both_families_may_listen_on_one_port(nodes: Nodes) -> None:
    node = nodes()
    place = await node.transports.listen_udp("0.0.0.0", 0)
    assert (await node.transports.listen_udp("::", place.port)).port == place.port


@pytest.mark.parametrize("keepalive", [b"\r\n\r\n", b"\r\n", b"\0", b""])
async def test_a_keepalive_is_swallowed_and_not_answered(nodes: Nodes, keepalive: bytes) -> None:
    node = nodes()
    place = await node.transports.listen_udp("127.0.0.1", 0)
    with phone() as sock:
        sock.sendto(keepalive, ("127.0.0.1", place.port))
        await node.until(lambda n: n.transports.counters.keepalives == 1)
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(100)
    assert not node.messages


async def test_a_burst_waits_in_the_kernel_and_none_of_it_is_lost(nodes: Nodes) -> None:
    node = nodes()
    place = await node.transports.listen_udp("127.0.0.1", 0)
    with phone() as sock:
        for _ in range(2000):
            sock.sendto(OPTIONS, ("127.0.0.1", place.port))
        await node.until(lambda n: len(n.messages) == 2000)
    assert node.transports.counters.datagrams_in == 2000


async def test_a_burst_does_not_keep_timers_from_running(nodes: Nodes) -> None:
    node = nodes(Limits(datagrams_per_wake=10))
    place = await node.transports.listen_udp("127.0.0.1", 0)
    seen: list[int] = []
    with phone() as sock:
        for _ in range(500):
            sock.sendto(OPTIONS, ("127.0.0.1", place.port))
        while len(node.messages) < 500:
            seen.append(len(node.messages))
            await asyncio.sleep(0)
    assert len([count for count in set(seen) if 0 < count < 500]) >= 5


async def test_the_receive_buffer_is_as_large_as_the_system_lets_it_be(nodes: Nodes) -> None:
    node = nodes(Limits(receive_buffer=300_000))
    place = await node.transports.listen_udp("127.0.0.1", 0)
    assert place.receive_buffer >= 200_000


async def test_a_target_is_reached_from_a_listening_port(nodes: Nodes) -> None:
    node = nodes()
    place = await node.transports.listen_udp("127.0.0.1", 0)
    with phone() as sock:
        node.transports.send(OPTIONS, Target("udp", *sock.getsockname()))
        data, source = sock.recvfrom(2000)
    assert (data, source) == (OPTIONS, ("127.0.0.1", place.port))


async def test_a_send_that_cannot_work_is_told_of_later_and_never_at_once(nodes: Nodes) -> None:
    node = nodes()
    await node.transports.listen_udp("127.0.0.1", 0)
    unreachable = Target("udp", "::1", 5060)
    too_long = Target("udp", "127.0.0.1", 5060)
    node.transports.send(OPTIONS, unreachable)
    node.transports.send(b"x" * 70_000, too_long)
    assert node.failed == []
    await node.until(lambda n: len(n.failed) == 2)
    assert node.failed == [unreachable, too_long]


async def test_a_taken_port_says_who_holds_it_and_what_to_do(nodes: Nodes) -> None:
    node = nodes()
    with phone() as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            await node.transports.listen_udp("127.0.0.1", port)
    text = str(caught.value)
    assert caught.value.taken
    for part in ("UDP", f"127.0.0.1:{port}", "(pid ", "configuration"):
        assert part in text


async def test_an_address_of_another_machine_is_refused_in_plain_words(nodes: Nodes) -> None:
    with pytest.raises(ListenError, match="no such address"):
        await nodes().transports.listen_udp("192.0.2.77", 0)


def test_the_nearest_free_port_skips_what_any_kind_holds() -> None:
    with phone() as sock:
        taken = sock.getsockname()[1]
        found = nearest_free_port(["127.0.0.1"], taken)
    assert taken < found < taken + 200
    assert nearest_free_port(["127.0.0.1"], found) == found
