"""A phone that speaks ZRTP and does with its packets what a test says: SIP by hand, a real session, SRTP by reference.

`ZrtpPeer.voice` says what the server let through: every packet that came is counted, and those in the clear too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from hostile.server import OURS, Server
from hostile.talk import MARK, Address
from hostile.wire import SDP, Line, Person, Request, fresh, offer, written
from interop.processes import LOOPBACK
from media.reference_srtp import ReferenceSrtp
from sealtone.media import Primitives
from sealtone.sip.message import Response
from sealtone.zrtp import Algorithms, HelloHash, Profile, Secured, Session, StandardCrypto, is_zrtp

CRYPTO = StandardCrypto(Primitives())
QUICK = Algorithms(("S256",), ("AES1",), ("HS80",), ("X255", "Mult"), ("B32 ",))
Tamper = Callable[[bytes], list[bytes]]


def untouched(packet: bytes) -> list[bytes]:
    return [packet]


class ZrtpPeer(asyncio.DatagramProtocol):
    """`tamper` sees each ZRTP packet that goes out and says what goes in its place."""

    def __init__(self, algorithms: Algorithms = QUICK, tamper: Tamper = untouched) -> None:
        self.session = Session(
            Profile(os.urandom(12), "hostile", algorithms=algorithms),
            CRYPTO,
            os.urandom,
            ssrc=int.from_bytes(os.urandom(4)),
            unix_time=int(time.time()),
        )
        self.tamper = tamper
        self.talks = True
        self.sent_zrtp: list[bytes] = []
        self.got_zrtp: list[bytes] = []
        self.secured: Secured | None = None
        self.keys: list[bytes] = []
        self.sent = self.heard = self.clear = 0
        self._srtp: ReferenceSrtp | None = None
        self._transport: asyncio.DatagramTransport
        self._server: Address | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, 0))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._transport.close()
        self.session.close()

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def hash_line(self) -> str:
        return f"a=zrtp-hash:{self.session.hello_hash}"

    @property
    def server(self) -> Address:
        assert self._server is not None
        return self._server

    def begin(self, body: bytes) -> None:
        """With what the server's description says."""
        port = re.search(rb"m=audio (\d+)", body)
        assert port is not None
        self._server = (LOOPBACK, int(port[1]))
        found = [HelloHash.parse(value.decode()) for value in re.findall(rb"a=zrtp-hash:([^\r\n]+)", body)]
        self.session.hello_hashes = tuple(each for each in found if each is not None)
        self.session.start(time.monotonic())
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._talk())]

    async def _run(self) -> None:
        while True:
            self.session.handle_timeout(time.monotonic())
            self._drain()
            await asyncio.sleep(0.01)

    async def _talk(self) -> None:
        sequence = 1
        while True:
            if self.talks:
                packet = bytes([0x80, 0]) + sequence.to_bytes(2, "big") + (sequence * 160).to_bytes(4, "big") + b"HOST"
                packet += MARK
                if self._srtp is not None:
                    packet = self._srtp.protect_rtp(packet, 0)
                self.send(packet)
                self.sent += 1
                sequence += 1
            await asyncio.sleep(0.02)

    def send(self, packet: bytes) -> None:
        """From where the phone is."""
        self._transport.sendto(packet, self.server)

    def _drain(self) -> None:
        for event in self.session.events():
            if isinstance(event, Secured):
                keys = event.keys
                self.secured = event
                self.keys = [bytes(each) for each in (keys.send_key, keys.receive_key)]
                name = f"ZRTP_{keys.cipher}_{keys.auth_tag}"
                self._srtp = ReferenceSrtp(name, bytes(keys.send_key), bytes(keys.send_salt))
        for packet in self.session.transmits():
            for each in self.tamper(packet):
                self.sent_zrtp.append(each)
                self.send(each)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if is_zrtp(data):
            self.got_zrtp.append(data)
            self.session.receive(data, time.monotonic())
            self._drain()
        elif 128 <= data[0] < 192 and not 192 <= data[1] <= 223:
            self.heard += 1
            self.clear += MARK in data

    async def is_secure(self, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while self.secured is None:  # noqa: ASYNC110 - the session has no future to wait for
                await asyncio.sleep(0.01)

    async def hears(self, count: int = 5, within_s: float = 5.0) -> None:
        goal = self.heard + count
        async with asyncio.timeout(within_s):
            while self.heard < goal:  # noqa: ASYNC110 - packets come fifty times a second
                await asyncio.sleep(0.02)


class Dialog:
    """A call of a `Person`, to send further requests in."""

    def __init__(self, person: Person, target: str, answer: Response) -> None:
        self._person = person
        self._target = (answer.headers.get("Contact") or target).strip("<>").partition(">")[0]
        self._from, self._to = answer.headers.get("From") or "", answer.headers.get("To") or ""
        self._call_id = answer.call_id
        self._seq = answer.cseq.seq

    def _written(self, method: str, seq: int, body: bytes = b"") -> bytes:
        headers = [("Contact", self._person.contact)]
        if body:
            headers.append(SDP)
        return written(
            self._person.line, method, self._target,
            from_=self._from, to=self._to, call_id=self._call_id, seq=seq, headers=headers, body=body,
        )  # fmt: skip

    def acknowledge(self) -> None:
        self._person.line.send(self._written("ACK", self._seq))

    async def ask(self, method: str, body: bytes = b"") -> Response:
        self._seq += 1
        seq = self._seq
        self._person.line.send(self._written(method, seq, body))
        response = await self._person.line.final(self._call_id, seq)
        assert response is not None, f"no answer to {method}"
        if method == "INVITE":
            self._person.line.send(self._written("ACK", seq))
        return response


async def person(server: Server, line: Line, kind: str) -> Person:
    user = server.user(kind)
    found = Person(line, user, server.secret(user))
    assert (await found.register()).status == 200
    return found


@contextlib.asynccontextmanager
async def peer(algorithms: Algorithms = QUICK, tamper: Tamper = untouched) -> AsyncIterator[ZrtpPeer]:
    found = ZrtpPeer(algorithms, tamper)
    await found.open()
    try:
        yield found
    finally:
        found.close()


@contextlib.asynccontextmanager
async def echoed(
    server: Server, kind: str = "ended", algorithms: Algorithms = QUICK, tamper: Tamper = untouched
) -> AsyncIterator[tuple[ZrtpPeer, Dialog, Person]]:
    """A call to the echo test, over plain UDP: the server's ZRTP with one phone."""
    async with peer(algorithms, tamper) as phone, await Line.to(server, "udp", LOOPBACK) as line:
        caller = await person(server, line, kind)
        body = offer(LOOPBACK, phone.port, phone.hash_line)
        target = f"sip:*43@{OURS}"
        answer = await caller.ask("INVITE", target, headers=(("Contact", caller.contact), SDP), body=body)
        assert answer.status == 200
        dialog = Dialog(caller, target, answer)
        dialog.acknowledge()
        phone.begin(answer.body)
        yield phone, dialog, caller
        await dialog.ask("BYE")


@contextlib.asynccontextmanager
async def sealed(server: Server) -> AsyncIterator[tuple[ZrtpPeer, ZrtpPeer, Dialog, Person]]:
    """A call between two phones that agree on keys with each other."""
    async with (
        peer() as a,
        peer() as b,
        await Line.to(server, "udp", LOOPBACK) as near,
        await Line.to(server, "udp", LOOPBACK) as far,
    ):
        caller, callee = await person(server, near, "sealed"), await person(server, far, "sealed")
        target = f"sip:{callee.user}@{OURS}"
        body = offer(LOOPBACK, a.port, a.hash_line)
        asking = asyncio.create_task(
            caller.ask("INVITE", target, headers=(("Contact", caller.contact), SDP), body=body, timeout_s=5)
        )
        invite = await far.request_received("INVITE")
        far.send(answered(invite, callee.contact, offer(LOOPBACK, b.port, b.hash_line)))
        answer = await asking
        assert answer.status == 200
        dialog = Dialog(caller, target, answer)
        dialog.acknowledge()
        b.begin(invite.body)
        a.begin(answer.body)
        yield a, b, dialog, caller
        await dialog.ask("BYE")


def answered(invite: Request, contact: str, body: bytes) -> bytes:
    """200 to the server's INVITE."""
    head = "".join(
        f"{name}: {value}{f';tag={fresh()}' if name == 'To' else ''}\r\n"
        for name, value in invite.headers.items()
        if name in ("Via", "From", "To", "Call-ID", "CSeq", "Record-Route")
    )
    return (
        f"SIP/2.0 200 OK\r\n{head}Contact: {contact}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
