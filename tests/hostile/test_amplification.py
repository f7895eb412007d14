"""Over UDP the unauthenticated get back no more than half as much again as they send: the server is no amplifier."""

from __future__ import annotations

import asyncio

import pytest

from hostile.server import OURS, Server
from hostile.wire import SDP, Line, fresh, offer, written

LARGEST = 1.5
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


CASES = {
    **{f"typical {method}": (typical, (method,)) for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE")},
    **{
        f"shortest {method}": (shortest, (method, f"sip:1@{OURS}"))
        for method in ("REGISTER", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "BYE", "CANCEL", "UPDATE", "NEW")
    },
    "shortest OPTIONS of the server": (shortest, ("OPTIONS", f"sip:{OURS}")),
    "shortest OPTIONS of an unknown scheme": (shortest, ("OPTIONS", "x:y")),
}


async def test_a_short_request_that_is_repeated_as_sip_does_is_answered_in_the_end(server: Server) -> None:
    async with await Line.to(server, "udp", "127.0.2.1") as line:
        for _ in range(40):
            line.send(shortest(line, "REGISTER", f"sip:{OURS}"))
        request = shortest(line, "REGISTER", f"sip:1@{OURS}")
        before = len(line.statuses)
        for _ in range(4):
            line.send(request)
        await asyncio.sleep(0.3)
        assert len(line.statuses) < 44
        assert line.statuses[before:].count(401) >= 1


async def test_nobody_unauthenticated_gets_more_than_half_as_much_again(server: Server) -> None:
    lines = {}
    for number, (name, (make, arguments)) in enumerate(CASES.items()):
        # An address of its own for each: what one address sent and got is counted together.
        line = lines[name] = await Line.to(server, "udp", f"127.0.1.{number + 1}")
        for _ in range(16):
            line.send(make(line, *arguments))  # type: ignore[operator]
    await asyncio.sleep(_T1_ROUNDS_S)
    ratios = {name: line.octets_in / line.octets_out for name, line in lines.items()}
    for line in lines.values():
        line.close()
    assert sum(ratio > 0 for ratio in ratios.values()) >= 10, ratios
    over = {name: f"{ratio:.2f}" for name, ratio in ratios.items() if ratio > LARGEST}
    assert not over, over


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_a_repetition_gets_no_more_than_its_request_did(server: Server, method: str) -> None:
    async with await Line.to(server, "udp", "127.0.0.42") as line:
        request = typical(line, method)
        for _ in range(10):
            line.send(request)
        await asyncio.sleep(1)
        assert line.octets_in / line.octets_out <= LARGEST
