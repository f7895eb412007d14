"""ZRTP under attack at media ports of the server: strangers, forgers, and a phone that is authenticated but hostile."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hostile.server import OURS, Server
from hostile.talk import forged, settled
from hostile.wire import ATTACKER, SDP, Line, Person, offer
from hostile.zrtp_peer import QUICK, Dialog, Tamper, ZrtpPeer, echoed, person, sealed, untouched
from interop.processes import LOOPBACK
from model.test_policy_bid_down import VARIANTS
from sealtone.model import CallState, KeyExchange, Protection, ZrtpStage
from sealtone.model.record import CallRecord
from sealtone.zrtp import Algorithms
from sealtone.zrtp.message import Kind, build
from sealtone.zrtp.packet import Packet

pytestmark = pytest.mark.usefixtures("unharmed")
RATE = 5000
SECONDS = 2.0
PRIME_3072 = 3072 // 8


def kind_of(packet: bytes) -> bytes:
    return packet[16:24]


def remade(packet: bytes, message: bytes) -> bytes:
    """The packet with another message, and a CRC that fits."""
    parsed = Packet.parse(packet)
    fitting = message[:2] + (len(message) // 4).to_bytes(2, "big") + message[4:]
    return Packet(parsed.sequence, parsed.ssrc, fitting).encode()


async def spray(packets: list[bytes], send: Callable[[bytes], None], seconds: float = SECONDS) -> int:
    """`RATE` packets a second, in bursts of a hundredth of a second."""
    loop = asyncio.get_running_loop()
    begin, sent = loop.time(), 0
    while (passed := loop.time() - begin) < seconds:
        while sent < passed * RATE:
            send(packets[sent % len(packets)])
            sent += 1
        await asyncio.sleep(0.005)
    return sent


@asynccontextmanager
async def lossless(*ways: tuple[ZrtpPeer, ZrtpPeer]) -> AsyncIterator[None]:
    """Of what the first of each pair says during the block, the second one hears 99 in a hundred, none of it clear."""
    before = [(speaker.sent, listener.heard) for speaker, listener in ways]
    yield
    await asyncio.sleep(0.4)
    for (speaker, listener), (sent, heard) in zip(ways, before, strict=True):
        most = 3 + (speaker.sent - sent) * 0.01

        def missing(speaker: ZrtpPeer = speaker, listener: ZrtpPeer = listener, ahead: int = sent - heard) -> int:
            return speaker.sent - listener.heard - ahead

        assert speaker.sent - sent > 10
        # On a busy machine more of them are still on their way, and arrive; what is lost stays missing.
        await settled(
            lambda missing=missing, most=most: missing() <= most,  # type: ignore[misc]
            lambda missing=missing: f"{missing()} were lost",  # type: ignore[misc]
        )
        assert listener.clear == 0


def different_hellos(hello: bytes, count: int = 200) -> list[bytes]:
    """Each from another SSRC, with another ZID."""
    message = Packet.parse(hello).message
    at = 12 + 4 + 16 + 32
    return [
        Packet(number, int.from_bytes(os.urandom(4)), message[:at] + os.urandom(12) + message[at + 12 :]).encode()
        for number in range(count)
    ]


async def record_of(server: Server, caller: Person) -> CallRecord:
    return await asyncio.to_thread(server.call_of, caller.user)


def memory_kib(server: Server) -> int:
    assert server._program is not None
    status = Path(f"/proc/{server._program.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def test_strangers_who_spray_hellos_and_commits_at_an_ended_leg_change_nothing(server: Server) -> None:
    async with echoed(server) as (phone, _, _):
        await phone.is_secure()
        await phone.hears()
        seen = {kind_of(packet): packet for packet in phone.sent_zrtp + phone.got_zrtp}
        packets = [*different_hellos(seen[b"Hello   "]), seen[b"Commit  "], *seen.values()]
        before = memory_kib(server)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((ATTACKER, 0))
            stranger.setblocking(False)
            async with lossless((phone, phone)):
                assert await spray(packets, lambda packet: stranger.sendto(packet, phone.server)) > 5000
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        assert memory_kib(server) < before + 2048


async def test_strangers_who_spray_before_the_phone_speaks_get_no_answer_and_are_not_met(server: Server) -> None:
    async with echoed(server) as (other, _, _):
        await other.is_secure()
        hello = next(packet for packet in other.sent_zrtp if kind_of(packet) == b"Hello   ")
    gate = asyncio.Event()
    async with echoed(server, tamper=lambda packet: [packet] if gate.is_set() else []) as (phone, _, _):
        phone.talks = False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((ATTACKER, 0))
            stranger.setblocking(False)
            await spray(different_hellos(hello), lambda packet: stranger.sendto(packet, phone.server), 1.0)
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        gate.set()
        await phone.is_secure()
        phone.talks = True
        await phone.hears()
        assert phone.clear == 0


async def test_strangers_at_a_sealed_leg_change_nothing(server: Server) -> None:
    async with sealed(server) as (a, b, _, caller):
        await a.is_secure()
        await b.is_secure()
        await a.hears()
        seen = {kind_of(packet): packet for packet in a.sent_zrtp + a.got_zrtp}
        packets = [*different_hellos(seen[b"Hello   "]), *seen.values()]
        got = len(b.got_zrtp)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((ATTACKER, 0))
            stranger.setblocking(False)
            async with lossless((a, b), (b, a)):
                await spray(packets, lambda packet: stranger.sendto(packet, a.server))
            with pytest.raises(BlockingIOError):
                stranger.recv(2048)
        assert len(b.got_zrtp) == got, "nothing of a stranger's reaches the other phone"
    assert (await record_of(server, caller)).state is CallState.END_TO_END


NOTICES = {
    "Error": build(Kind.ERROR, (0x63).to_bytes(4, "big")),
    "GoClear": build(Kind.GO_CLEAR, bytes(8)),
    "ClearACK": build(Kind.CLEAR_ACK, b""),
    "Conf2ACK": build(Kind.CONF2_ACK, b""),
    "SASrelay": build(Kind.SAS_RELAY, bytes(8 + 16 + 44)),
    "Ping": build(Kind.PING, b"1.10" + bytes(8)),
}


@pytest.mark.parametrize("name", NOTICES)
async def test_what_is_forged_from_the_phones_own_address_does_not_end_or_open_an_ended_leg(
    server: Server, name: str
) -> None:
    async with echoed(server) as (phone, _, caller):
        await phone.is_secure()
        await phone.hears()
        ssrc = Packet.parse(phone.sent_zrtp[0]).ssrc
        async with lossless((phone, phone)):
            for sequence in range(20):
                for source in (ssrc, 1):
                    phone.send(Packet(9000 + sequence, source, NOTICES[name]).encode())
                await asyncio.sleep(0.02)
    leg = (await record_of(server, caller)).legs[0].security
    assert leg.key_exchange is KeyExchange.ZRTP
    assert leg.protection is Protection.ZRTP


async def test_replayed_and_damaged_packets_change_nothing(server: Server) -> None:
    async with echoed(server) as (phone, _, _):
        await phone.is_secure()
        await phone.hears()
        packets = phone.sent_zrtp + phone.got_zrtp
        async with lossless((phone, phone)):
            for packet in packets:
                for at in range(0, len(packet), max(1, len(packet) // 6)):
                    damaged = bytearray(packet)
                    damaged[at] ^= 0x55
                    phone.send(bytes(damaged))
                    phone.send(remade(packet, bytes(damaged)[12:-4]) if at >= 12 else packet)
                phone.send(packet[: len(packet) // 2])
                await asyncio.sleep(0.01)


async def test_a_phone_that_floods_its_own_port_harms_nobody_else(server: Server) -> None:
    async with echoed(server) as (phone, _, _):
        await phone.is_secure()
        seen = {kind_of(packet): packet for packet in phone.sent_zrtp}
        packets = different_hellos(seen[b"Hello   "]) + [*seen.values()] * 10
        before = memory_kib(server)
        await spray(packets, phone.send)
        await phone.hears()
        assert memory_kib(server) < before + 2048


# An authenticated phone that does not play by the rules


def changing(kind: bytes, change: Callable[[bytearray], bytes | bytearray]) -> Tamper:
    def tamper(packet: bytes) -> list[bytes]:
        if kind_of(packet) != kind:
            return [packet]
        return [remade(packet, bytes(change(bytearray(Packet.parse(packet).message))))]

    return tamper


def flipped(at: int) -> Callable[[bytearray], bytearray]:
    def change(message: bytearray) -> bytearray:
        message[at] ^= 1
        return message

    return change


def with_public(value: bytes) -> Callable[[bytearray], bytearray]:
    """DHPart: header 12, H1 32, four IDs of 8, then the public value."""
    return lambda message: message[:76] + value + message[-8:]


def as_initiator(tamper: Tamper) -> Tamper:
    """The phone's Commit comes before the server, which has the M flag and so would win, may send its own."""
    return lambda packet: [] if kind_of(packet) == b"HelloACK" else tamper(packet)


def as_responder(tamper: Tamper) -> Tamper:
    """The phone's Commit never arrives, also where the server's is late; when that comes, it wins."""
    return lambda packet: [] if kind_of(packet) == b"Commit  " else tamper(packet)


def in_part_1(value: bytes) -> Tamper:
    return as_responder(changing(b"DHPart1 ", with_public(value)))


def in_part_2(value: bytes) -> Tamper:
    return as_initiator(changing(b"DHPart2 ", with_public(value)))


DH3K = Algorithms(("S256",), ("AES1",), ("HS80",), ("DH3k", "Mult"), ("B32 ",))
ONE = bytes(PRIME_3072 - 1) + b"\1"
MUTATIONS: dict[str, tuple[Algorithms, Tamper]] = {
    "version": (QUICK, changing(b"Hello   ", lambda message: message[:12] + b"0.90" + message[16:])),
    "hello zid": (QUICK, changing(b"Hello   ", flipped(66))),
    "hello length": (QUICK, changing(b"Hello   ", lambda message: message[:60])),
    "commit hvi": (QUICK, as_initiator(changing(b"Commit  ", flipped(90)))),
    "commit zid": (QUICK, as_initiator(changing(b"Commit  ", flipped(44)))),
    "commit hash chain": (QUICK, as_initiator(changing(b"Commit  ", flipped(12)))),
    "commit mac": (QUICK, as_initiator(changing(b"Commit  ", flipped(-1)))),
    "public value 0 (DH3k), part 1": (DH3K, in_part_1(bytes(PRIME_3072))),
    "public value 0 (DH3k), part 2": (DH3K, in_part_2(bytes(PRIME_3072))),
    "public value 1 (DH3k), part 1": (DH3K, in_part_1(ONE)),
    "public value 1 (DH3k), part 2": (DH3K, in_part_2(ONE)),
    "public value over p (DH3k), part 1": (DH3K, in_part_1(b"\xff" * PRIME_3072)),
    "public value of low order (X255), part 1": (QUICK, in_part_1(bytes(32))),
    "public value of low order (X255), part 2": (QUICK, in_part_2(bytes(32))),
    "another public value, part 1": (QUICK, as_responder(changing(b"DHPart1 ", flipped(80)))),
    "another public value, part 2": (QUICK, as_initiator(changing(b"DHPart2 ", flipped(80)))),
    "dhpart hash chain": (QUICK, as_responder(changing(b"DHPart1 ", flipped(12)))),
    "confirm 1 mac": (QUICK, as_responder(changing(b"Confirm1", flipped(12)))),
    "confirm 1 ciphertext": (QUICK, as_responder(changing(b"Confirm1", flipped(-1)))),
    "confirm 2 mac": (QUICK, as_initiator(changing(b"Confirm2", flipped(12)))),
    "confirm 2 ciphertext": (QUICK, as_initiator(changing(b"Confirm2", flipped(-1)))),
    "crc": (QUICK, lambda packet: [packet[:-1] + bytes([packet[-1] ^ 1])]),
}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_mutating_phone_comes_to_no_keys_and_hears_nothing(server: Server, name: str) -> None:
    algorithms, tamper = MUTATIONS[name]
    changed = 0

    def counting(packet: bytes) -> list[bytes]:
        nonlocal changed
        instead = tamper(packet)
        changed += bool(instead) and instead != [packet]
        return instead

    async with echoed(server, algorithms=algorithms, tamper=counting) as (phone, _, caller):
        await settled(lambda: changed, lambda: "the mutation was not tried", 5.0)
        await asyncio.sleep(0.8)
        assert phone.heard == 0
    leg = (await record_of(server, caller)).legs[0].security
    assert leg.zrtp is not None
    assert leg.zrtp.stage is not ZrtpStage.SECURE
    assert leg.protection is Protection.NONE


@pytest.mark.parametrize("role", ["initiator", "responder"])
@pytest.mark.parametrize("algorithms", [QUICK, DH3K], ids=["X255", "DH3k"])
async def test_the_same_phone_without_mutations_comes_to_keys(
    server: Server, role: str, algorithms: Algorithms
) -> None:
    tamper = as_initiator(untouched) if role == "initiator" else as_responder(untouched)
    async with echoed(server, algorithms=algorithms, tamper=tamper) as (phone, _, _):
        await phone.is_secure()
        assert phone.secured is not None
        assert phone.secured.role.value == role
        await phone.hears()


# No clear voice, however the description is bent


async def clear_voice_through(server: Server, port: int, socket_: socket.socket) -> int:
    """How many packets come back of clear ones to that port."""
    if port == 0:
        return 0  # the server declined the line
    for sequence in range(8):
        socket_.sendto(forged(sequence), (LOOPBACK, port))
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    back = 0
    while True:
        try:
            back += 128 <= socket_.recv(2048)[0] < 192
        except BlockingIOError:
            return back


async def in_clear(server: Server, kind: str, profile: str, *more: str) -> int:
    """The status, or how many packets of clear voice came back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((LOOPBACK, 0))
        media.setblocking(False)
        async with await Line.to(server, "udp", LOOPBACK) as line:
            caller = await person(server, line, kind)
            body = offer(LOOPBACK, media.getsockname()[1], *more, profile=profile)
            target = f"sip:*43@{OURS}"
            answer = await caller.ask("INVITE", target, headers=(("Contact", caller.contact), SDP), body=body)
            if answer.status != 200:
                return -answer.status
            dialog = Dialog(caller, target, answer)
            dialog.acknowledge()
            port = int(answer.body.partition(b"m=audio ")[2].split()[0])
            await asyncio.sleep(0.05)
            back = await clear_voice_through(server, port, media)
            await dialog.ask("BYE")
            return back


async def test_no_description_brings_clear_voice_through_where_zrtp_is_required(server: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((LOOPBACK, 0))
        media.setblocking(False)
        async with await Line.to(server, "tls", LOOPBACK) as line:
            caller = await person(server, line, "ended")
            target = f"sip:*43@{OURS}"
            outcomes = {}
            for name, variant in VARIANTS.items():
                body = variant.replace("192.0.2.7", LOOPBACK).replace(" 4000 ", f" {media.getsockname()[1]} ")
                body = body.replace("\n", "\r\n")
                headers = (("Contact", caller.contact), SDP)
                answer = await caller.ask("INVITE", target, headers=headers, body=body.encode())
                outcomes[name] = answer.status
                if answer.status != 200:
                    assert answer.status == 488
                    continue
                assert b"a=crypto" not in answer.body
                dialog = Dialog(caller, target, answer)
                dialog.acknowledge()
                port = int(answer.body.partition(b"m=audio ")[2].split()[0])
                assert await clear_voice_through(server, port, media) == 0, name
                await dialog.ask("BYE")
    assert len(outcomes) >= 30
    assert 488 in outcomes.values()
    assert 200 in outcomes.values()


async def test_the_oracle_hears_clear_voice_where_it_is_permitted(server: Server) -> None:
    assert await in_clear(server, "open", "RTP/AVP") > 0
    assert await in_clear(server, "wishing", "RTP/AVP") > 0
    assert await in_clear(server, "ended", "RTP/AVP") == 0


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_no_change_of_a_running_call_lowers_it(server: Server, method: str) -> None:
    async with echoed(server) as (phone, dialog, caller):
        await phone.is_secure()
        await phone.hears()
        async with lossless((phone, phone)):
            for name, variant in VARIANTS.items():
                if name == "only a ZRTP hash":
                    continue
                body = variant.replace("192.0.2.7", LOOPBACK).replace(" 4000 ", f" {phone.port} ").replace("\n", "\r\n")
                answer = await dialog.ask(method, body.encode())
                assert answer.status == 488, name
    assert (await record_of(server, caller)).state is CallState.PROTECTED_TO_SERVER


async def test_nothing_clear_reaches_a_phone_before_its_keys(server: Server) -> None:
    """It speaks in the clear for a while before its ZRTP begins; the echo would bring it back."""
    gate = asyncio.Event()
    async with echoed(server, tamper=lambda packet: [packet] if gate.is_set() else []) as (phone, _, _):
        await asyncio.sleep(1.8)
        await settled(lambda: phone.sent > 50, lambda: f"{phone.sent} were sent")
        assert phone.heard == 0
        gate.set()
        await phone.is_secure()
        await phone.hears()
        assert phone.clear == 0
