"""Attacks on RTP and SRTP: spraying strangers, replays, broken tags, packets before their time and after the end."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hostile.server import Server
from hostile.talk import MARK, Talk, Tap, connect, forged, parties, settled, talking
from interop.processes import LOOPBACK
from sealtone.phone import Encryption, Wish
from sealtone.phone.rtp import is_rtcp

ATTACKERS = ("127.0.0.2", "127.0.0.82")
BOTH = pytest.mark.parametrize("transport", ["udp", "tls"])


class Sprayer:
    """Attackers who send forged RTP to ports of the server, and count what they get from there."""

    def __init__(self) -> None:
        self.sockets = []
        for address in ATTACKERS:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind((address, 0))
            self.sockets.append(sock)
        self.bled = self.sent = 0

    def shoot(self, ports: list[int], packet: bytes) -> None:
        for sock in self.sockets:
            for port in ports:
                sock.sendto(packet, (LOOPBACK, port))
                self.sent += 1
            self.count()

    def count(self) -> None:
        """RTCP is counted too: a report is a packet to the wrong address as well."""
        for sock in self.sockets:
            while True:
                try:
                    sock.recv(2048)
                except BlockingIOError:
                    break
                self.bled += 1

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


@asynccontextmanager
async def spraying(ports: Callable[[], list[int]], *, every_s: float = 0.02) -> AsyncIterator[Sprayer]:
    """While the block runs: a volley of forged packets to these ports, again and again."""
    sprayer = Sprayer()

    async def run() -> None:
        sequence = 0
        while True:
            sequence = (sequence + 1) & 0xFFFF
            sprayer.shoot(ports(), forged(sequence))
            await asyncio.sleep(every_s)

    task = asyncio.create_task(run())
    try:
        yield sprayer
    finally:
        task.cancel()
        await asyncio.sleep(0.05)
        sprayer.count()
        sprayer.close()


def still(tap: Tap) -> Callable[[], bool]:
    """Whether hardly a packet has arrived within the last fifth of a second."""
    since, arrived = time.monotonic(), tap.arrived

    def is_still() -> bool:
        nonlocal since, arrived
        if tap.arrived > arrived + 2:
            since, arrived = time.monotonic(), tap.arrived
        return time.monotonic() - since >= 0.2

    return is_still


def ports_of(talk: Talk) -> list[int]:
    """RTP and RTCP ports of both legs."""
    return [port + more for party in (talk.a, talk.b) for port in (party.media_at_server[1],) for more in (0, 1)]


@BOTH
async def test_spraying_before_during_and_after_the_answer_injects_and_bleeds_nothing(
    server: Server, transport: str
) -> None:
    every = list(range(server.media, server.media + server.media_ports))
    async with parties(server, transport) as (a, b):
        async with spraying(lambda: every, every_s=0.12) as sprayer:
            a.call = await a.phone.call(b.phone.config.user)
            b.call = await b.phone.next_call(15)
            await asyncio.sleep(0.2)
            await b.call.accept()
            await a.call.answered(15)
            await asyncio.sleep(0.5)
        talk = Talk(a, b)
        talk.mark()
        async with spraying(lambda: ports_of(talk), every_s=0.005) as closer:
            await asyncio.sleep(0.6)
        assert sprayer.sent > 1000
        assert closer.sent > 40
        assert sprayer.bled == closer.bled == 0
        assert a.tap.marked + b.tap.marked <= 5, (a.tap.marked, b.tap.marked)
        await talk.check()


@BOTH
async def test_spraying_at_a_call_on_hold_and_after_its_return_injects_and_bleeds_nothing(
    server: Server, transport: str
) -> None:
    async with talking(server, transport) as talk:
        async with spraying(lambda: ports_of(talk), every_s=0.01) as sprayer:
            await talk.a.established.hold()
            await asyncio.sleep(0.4)
            await settled(still(talk.a.tap), lambda: "who is holding hears something", within_s=1.5)
            await talk.a.established.resume()
            await asyncio.sleep(0.3)
            talk.mark()
            await asyncio.sleep(0.3)
        assert sprayer.bled == 0
        assert talk.a.tap.marked + talk.b.tap.marked <= 5


async def test_the_oracle_of_bleeding_sees_what_is_sent_to_an_attacker() -> None:
    sprayer = Sprayer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"x", sprayer.sockets[1].getsockname())
    await asyncio.sleep(0.05)
    sprayer.count()
    assert sprayer.bled == 1
    sprayer.close()


async def captured(talk: Talk, count: int) -> list[bytes]:
    """RTP packets that went from a's phone to the server."""
    async with asyncio.timeout(count * 0.03 + 10):
        while len(talk.a.tap.from_phone) < count:  # noqa: ASYNC110 - packets come fifty times a second
            await asyncio.sleep(0.02)
    return [packet for packet in talk.a.tap.from_phone[:count] if not is_rtcp(packet)]


def surplus(talk: Talk) -> int:
    """How many packets reached b that a's phone did not send."""
    return (talk.b.tap.arrived - talk.b.begun[1]) - (len(talk.a.tap.from_phone) - talk.a.begun[0]) - talk.on_their_way


async def test_a_thousand_replayed_srtp_packets_are_not_accepted(server: Server) -> None:
    """From the very address that the phone signalled: as strong as an attacker on the path can be."""
    async with talking(server) as talk:
        packets = await captured(talk, 60)
        talk.mark()
        sent = 0
        for packet in packets:
            talk.a.tap.inject(packet)
            talk.a.tap.inject(packet[:8] + b"EVIL" + packet[12:])  # as another stream's
            sent += 2
            await asyncio.sleep(0.001)
        while sent < 1000:
            talk.a.tap.inject(packets[sent % len(packets)])
            sent += 1
            if sent % 10 == 0:
                await asyncio.sleep(0.002)
        other_way = talk.a.tap.arrived - len(talk.b.tap.from_phone)
        for packet in packets:  # across directions: a's packets to b's port
            talk.b.tap.inject(packet)
        await asyncio.sleep(0.3)
        assert surplus(talk) <= 2, surplus(talk)
        assert talk.a.tap.arrived - len(talk.b.tap.from_phone) - other_way <= 10


async def test_the_oracle_of_replay_sees_plain_packets_pass_twice(server: Server) -> None:
    async with talking(server, "udp") as talk:
        packets = await captured(talk, 30)
        talk.mark()
        for packet in packets:
            talk.a.tap.inject(packet[:8] + b"EVIL" + packet[12:])
        await settled(lambda: surplus(talk) >= 15, lambda: f"{surplus(talk)}")  # some of a burst may be dropped


async def test_ten_thousand_packets_with_bad_tags_are_not_forwarded_and_the_next_good_one_is(server: Server) -> None:
    async with talking(server) as talk:
        good = (await captured(talk, 20))[-1]
        talk.mark()
        for number in range(10_000):
            sequence = (int.from_bytes(good[2:4], "big") + 20 + number) & 0xFFFF
            head = good[:2] + sequence.to_bytes(2, "big") + good[4:12]
            if number % 4 == 0:
                packet = head + os.urandom(len(good) - 12)
            elif number % 4 == 1:
                packet = good[:-1] + bytes([good[-1] ^ 1 + number % 255])
            elif number % 4 == 2:
                packet = head + MARK  # in the clear
            else:
                packet = head + os.urandom(number % 12)  # too short for a tag
            talk.a.tap.inject(packet)
            if number % 8 == 0:
                await asyncio.sleep(0.002)  # some 2,500 a second: no more than a receive buffer holds meanwhile
        await asyncio.sleep(0.2)
        assert surplus(talk) <= 2, surplus(talk)
        assert talk.b.tap.marked == 0


async def test_nothing_is_passed_on_a_tenth_of_a_second_after_the_bye(server: Server) -> None:
    async with parties(server, "udp") as (a, b):
        talk = await connect(a, b)
        last = (await captured(talk, 10))[-1]
        sequence, ssrc = int.from_bytes(last[2:4], "big"), last[8:12]
        await talk.a.established.hang_up()
        await talk.b.established.ended(15)
        await asyncio.sleep(0.1)
        for number in range(50):
            for tap in (a.tap, b.tap):
                tap.inject(forged(sequence + number & 0xFFFF, ssrc))
            await asyncio.sleep(0.01)
        assert a.tap.marked == b.tap.marked == 0


async def test_what_the_called_phone_sends_before_it_answered_is_not_heard(server: Server) -> None:
    """No answer and no 183 with a description has agreed on media yet: from wherever it comes, nothing passes."""
    every = list(range(server.media, server.media + server.media_ports))
    async with parties(server, "udp") as (a, b):
        a.call = await a.phone.call(b.phone.config.user)
        b.call = await b.phone.next_call(15)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as called:
            called.bind((LOOPBACK, 0))
            for sequence in range(10):
                for port in every:
                    called.sendto(forged(sequence), (LOOPBACK, port))
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert a.tap.arrived == b.tap.arrived == 0
        await b.call.accept()
        await a.call.answered(15)
        talk = Talk(a, b)
        await asyncio.sleep(0.2)
        talk.mark()
        await talk.check()
        assert a.tap.marked + b.tap.marked <= 5


async def test_what_waits_on_a_port_before_its_call_takes_nobodys_voice(server: Server) -> None:
    """From the phone's own address, as a neighbour behind the same NAT could: the echo is answered at once."""
    every = list(range(server.media, server.media + server.media_ports))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as neighbour:
        neighbour.setblocking(False)
        neighbour.bind((LOOPBACK, 0))
        for sequence in range(10):
            for port in every:
                neighbour.sendto(forged(sequence), (LOOPBACK, port))
        await asyncio.sleep(0.1)
        async with parties(server, "udp") as (a, _):
            call = await a.phone.call("*43")
            await call.answered(15)
            await settled(lambda: a.tap.arrived > 10, lambda: f"{a.tap.arrived} came")
            assert a.tap.marked == 0
        with pytest.raises(BlockingIOError):
            neighbour.recv(2048)


async def test_a_change_in_mid_call_that_takes_srtp_away_is_refused_and_the_call_stays(server: Server) -> None:
    async with talking(server, kind="strict") as talk:
        call = talk.a.established
        assert call.session is not None
        address, port = call.media.advertised
        body = (
            f"v=0\r\no=- 9 9 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {port} {{profile}} 0 8\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        lowered = [
            body.format(profile="RTP/AVP"),
            body.format(profile="RTP/SAVP"),
            body.format(profile="RTP/AVPF"),
            body.format(profile="RTP/SAVP") + f"a=crypto:1 NULL_HMAC_SHA1_80 inline:{'A' * 40}\r\n",
            body.format(profile="RTP/SAVP")
            + f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40} UNENCRYPTED_SRTP\r\n",
        ]
        for offered in lowered:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            call._offers.append(waiting)
            call.session.offer(offered.encode(), call.phone.now())
            call.phone.flush()
            with pytest.raises(Exception, match="488"):
                await asyncio.wait_for(waiting, 3)
        assert call.stats().suites is not None
        assert talk.b.established.stats().suites is not None


async def test_a_phone_without_encryption_is_refused_where_it_is_required(server: Server) -> None:
    async with (
        talking(server),
        parties(server, "tls", kind="strict", wish=Wish(Encryption.NONE)) as (a, b),
    ):
        call = await a.phone.call(b.phone.config.user)
        with pytest.raises(Exception, match="488"):
            await call.answered(15)
        assert a.tap.arrived == 0
