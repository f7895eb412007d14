"""Over UDP the unauthenticated get back no more than half as much again as they send: the server is no amplifier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from hostile.server import OURS, Server
from hostile.wire import SDP, Line, Person, fresh, offer, written

pytestmark = pytest.mark.usefixtures("unharmed")

LARGEST = 1.5
Make = Callable[[Line], bytes]
_T1_ROUNDS_S = 1.8  # 0.5 + 1 s: two repetitions, if there are any


def typical(line: Line, method: str) -> bytes:
    """As long as phones send it."""
    headers = [
        ("Contact", f"<sip:1000@{line.address}:{line.port};transport=udp>"),
        ("User-Agent", "Phone/1.0"),
        ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"),
    ]
    body = offer(line.address, 30000) if method == "INVITE" else b""
    if body:
        headers.append(SDP)
    uri = f"sip:{OURS}" if method == "REGISTER" else f"sip:1000@{OURS}"
    return written(
        line, method, uri, from_=f"<sip:1000@{OURS}>;tag={fresh()}", to=f"<sip:1000@{OURS}>", call_id=fresh(),
        headers=headers, body=body,
    )  # fmt: skip


def shortest(line: Line, method: str, uri: str) -> bytes:
    """As short as an attacker can make it."""
    return (
        f"{method} {uri} SIP/2.0\r\nv:SIP/2.0/UDP a;rport;branch=z9hG4bK{fresh('')}\r\nf:<sip:1@{OURS}>;tag=1\r\n"
        f"t:<sip:1@{OURS}>\r\ni:{fresh('')}\r\nCSeq:1 {method}\r\nMax-Forwards:1\r\nl:0\r\n\r\n"
    ).encode()


CASES: dict[str, Make] = {
    **{
        f"typical {method}": partial(typical, method=method)
        for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE")
    },
    **{
        f"shortest {method}": partial(shortest, method=method, uri=f"sip:1@{OURS}")
        for method in ("REGISTER", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "BYE", "CANCEL", "UPDATE", "NEW")
    },
    "shortest OPTIONS of the server": partial(shortest, method="OPTIONS", uri=f"sip:{OURS}"),
    "shortest OPTIONS of an unknown scheme": partial(shortest, method="OPTIONS", uri="x:y"),
}


def cut_to(size: int) -> Make:
    """The shortest requests, cut or filled up to so many octets."""

    def make(line: Line) -> bytes:
        request = shortest(line, "OPTIONS", f"sip:{OURS}")
        missing = size - len(request)
        if missing <= 0:
            return request[:size]
        return request.removesuffix(b"\r\n") + b"x:" + b"-" * max(missing - 4, 0) + b"\r\n\r\n"

    return make


async def test_a_short_request_that_is_repeated_as_sip_does_is_answered_in_the_end(server: Server) -> None:
    async with await Line.to(server, "udp", "127.0.2.1") as line:
        request = shortest(line, "REGISTER", f"sip:1@{OURS}")
        line.send(request)
        await asyncio.sleep(0.3)
        assert line.statuses == []
        for _ in range(4):
            line.send(request)
        await line.answered()
        await asyncio.sleep(0.3)
        assert 1 <= line.statuses.count(401) < 4


async def test_a_request_as_long_as_phones_send_is_answered_at_once(server: Server) -> None:
    async with await Line.to(server, "udp", "127.0.2.2") as line:
        line.send(typical(line, "REGISTER"))
        await line.answered()
        await asyncio.sleep(0.3)  # and by nothing more
        assert line.statuses == [401]


async def ratios_of(server: Server, cases: dict[str, Make], subnet: int, times: int) -> dict[str, float]:
    """Octets that came back for each octet sent. Every case has an address of its own, since they are counted by it."""
    lines = {}
    for number, (name, make) in enumerate(cases.items()):
        line = lines[name] = await Line.to(server, "udp", f"127.0.{subnet}.{number + 1}")
        for _ in range(times):
            line.send(make(line))
    await asyncio.sleep(_T1_ROUNDS_S)
    for line in lines.values():
        line.close()
    return {name: line.octets_in / line.octets_out for name, line in lines.items()}


def none_over(ratios: dict[str, float]) -> None:
    over = {name: f"{ratio:.2f}" for name, ratio in ratios.items() if ratio > LARGEST}
    assert not over, over


async def test_nobody_unauthenticated_gets_more_than_half_as_much_again(server: Server) -> None:
    ratios = await ratios_of(server, CASES, 3, times=16)
    assert sum(ratio > 0 for ratio in ratios.values()) >= 10, ratios
    none_over(ratios)


async def test_a_first_request_alone_gets_no_more_than_half_as_much_again(server: Server) -> None:
    sizes = {f"{size} octets": cut_to(size) for size in range(20, 460, 10)}
    ratios = await ratios_of(server, {**CASES, **sizes}, 4, times=1)
    assert sum(ratio > 0 for ratio in ratios.values()) >= 3, ratios
    none_over(ratios)


async def test_next_to_a_phone_of_the_same_address_nobody_gets_more_either(server: Server) -> None:
    """A phone has proved that its port is its own, not that its whole address is."""
    async with await Line.to(server, "udp", "127.0.5.1") as phone:
        user = server.user("open")
        assert (await Person(phone, user, server.secret(user)).register()).status == 200
        async with await Line.to(server, "udp", "127.0.5.1") as line:
            for _ in range(10):
                line.send(shortest(line, "REGISTER", f"sip:1@{OURS}"))
            await line.answered()
            await asyncio.sleep(0.3)
            assert 0 < line.octets_in <= LARGEST * line.octets_out


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_a_repetition_gets_no_more_than_its_request_did(server: Server, method: str) -> None:
    async with await Line.to(server, "udp", "127.0.0.42") as line:
        request = typical(line, method)
        for _ in range(10):
            line.send(request)
        await asyncio.sleep(1)
        assert line.octets_in / line.octets_out <= LARGEST
