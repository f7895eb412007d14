"""The legitimate call beside every attack: two phones, a tap on each one's media, and the account of what arrived."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from hostile.server import OURS, Server
from interop.processes import LOOPBACK
from sealtone.phone import Call, CallState, Encryption, Phone, PhoneConfig, Tone, Wish
from sealtone.phone.media import _bind_pair as bound_pair
from sealtone.phone.rtp import is_rtcp

Address = tuple[str, int]
MARK = b"INJECTED" * 20
"""160 octets that no tone has: what an attacker puts into packets, so that they are known again."""


async def settled(holds: Callable[[], object], otherwise: Callable[[], str], within_s: float = 5.0) -> None:
    """Waits for what has to come true; fails, saying what is `otherwise`, where it does not in time."""
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, otherwise()
        await asyncio.sleep(0.01)


def forged(sequence: int = 1, ssrc: bytes = b"EVIL", payload_type: int = 0) -> bytes:
    """A plain RTP packet of an attacker."""
    return bytes([0x80, payload_type]) + sequence.to_bytes(2, "big") + (sequence * 160).to_bytes(4, "big") + ssrc + MARK


class Tap:
    """On the path of one phone's media, at the address that the phone signals: passes all on, counts, and may inject."""

    def __init__(self) -> None:
        self.from_phone: list[bytes] = []
        self.arrived = 0
        self.marked = 0
        self._rtp: asyncio.DatagramTransport | None = None
        self._others: list[asyncio.DatagramTransport] = []
        self._inside: asyncio.DatagramTransport | None = None
        self._phone: Address | None = None
        self.server: Address | None = None
        self._rtcp_server: Address | None = None

    async def open(self, address: str, port: int) -> Address:
        loop = asyncio.get_running_loop()
        rtp, rtcp = bound_pair(LOOPBACK)
        outside: Address = rtp.getsockname()[:2]
        self._phone = (address, port)
        self._rtp, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_server), sock=rtp)
        control, _ = await loop.create_datagram_endpoint(lambda: _End(self._report_to_phone), sock=rtcp)
        self._inside, _ = await loop.create_datagram_endpoint(lambda: _End(self._from_phone), local_addr=(LOOPBACK, 0))
        reports, _ = await loop.create_datagram_endpoint(lambda: _End(self._report_to_server), local_addr=(LOOPBACK, 0))
        self._others = [control, reports]
        return outside

    def via(self, rtp: Address, rtcp: Address) -> tuple[Address, Address]:
        assert self._inside is not None
        self.server, self._rtcp_server = rtp, rtcp
        return self._inside.get_extra_info("sockname")[:2], self._others[1].get_extra_info("sockname")[:2]

    def close(self) -> None:
        """The phone has closed its media. The tap listens on: something might still come."""

    def shut(self) -> None:
        for end in (self._rtp, self._inside, *self._others):
            if end is not None:
                end.close()

    def inject(self, packet: bytes) -> None:
        """Send a packet from the very address that the phone signalled."""
        if self._rtp is not None and self.server is not None:
            self._rtp.sendto(packet, self.server)

    def _from_phone(self, data: bytes, source: Address) -> None:
        self.from_phone.append(data)
        self.inject(data)

    def _from_server(self, data: bytes, source: Address) -> None:
        if not is_rtcp(data):
            self.arrived += 1
            self.marked += MARK in data
        if self._inside is not None and self._phone is not None:
            self._inside.sendto(data, self._phone)

    def _report_to_phone(self, data: bytes, source: Address) -> None:
        if self._phone is not None:
            self._others[1].sendto(data, (self._phone[0], self._phone[1] + 1))

    def _report_to_server(self, data: bytes, source: Address) -> None:
        if self._rtcp_server is not None:
            self._others[0].sendto(data, self._rtcp_server)


class _End(asyncio.DatagramProtocol):
    def __init__(self, take: Any) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._take(data, addr[:2])


@dataclass
class Party:
    """One side of the legitimate call."""

    phone: Phone
    tap: Tap
    call: Call | None = None
    begun: tuple[int, int] = (0, 0)
    messages: list[str] = field(default_factory=list)

    @property
    def established(self) -> Call:
        assert self.call is not None
        return self.call

    @property
    def media_at_server(self) -> Address:
        """Where this phone sends its RTP to."""
        assert self.tap.server is not None
        return self.tap.server

    @property
    def dialog(self) -> Any:
        """What only the phone and the server know: Call-ID and tags, as this phone sees them."""
        session = self.established.session
        assert session is not None
        assert session.dialog is not None
        return session.dialog


@dataclass
class Talk:
    """The call of a and b; `check` is what every attack test ends with."""

    a: Party
    b: Party

    on_their_way: int = 0
    """Packets of a's that had not reached b when the count began."""

    def mark(self) -> None:
        """Begin to count."""
        self.on_their_way = min(5, max(0, self._missing()[0]))
        for party in (self.a, self.b):
            party.begun = (len(party.tap.from_phone), party.tap.arrived)

    async def loses_at_most(self, packets: int, share: float) -> None:
        """Of what each side has sent since `mark` all arrives but so many packets and that share of it.

        On a busy machine more of them are still on their way, and arrive; what is lost stays missing.
        """

        most = [packets + count * share for count in self._sent()]
        await settled(
            lambda: all(lost <= limit for lost, limit in zip(self._missing(), most, strict=True)),
            lambda: f"{self._missing()} of {self._sent()} packets were lost",
        )

    def _sent(self) -> tuple[int, int]:
        return len(self.a.tap.from_phone) - self.a.begun[0], len(self.b.tap.from_phone) - self.b.begun[0]

    def _missing(self) -> tuple[int, int]:
        from_a, from_b = self._sent()
        return from_a - (self.b.tap.arrived - self.b.begun[1]), from_b - (self.a.tap.arrived - self.a.begun[1])

    async def check(self, least: float = 0.99, least_s: float = 0.4) -> None:
        """The call is up, both ways, and lost nothing."""
        counted = min(len(self.a.tap.from_phone) - self.a.begun[0], len(self.b.tap.from_phone) - self.b.begun[0])
        await asyncio.sleep(max(0.1, least_s - counted * 0.02))
        for party in (self.a, self.b):
            assert party.established.state is CallState.ESTABLISHED, party.established.reason
        before = self.a.tap.arrived, self.b.tap.arrived
        await self.loses_at_most(2, 1 - least)
        await settled(lambda: self.a.tap.arrived > before[0], lambda: "the stream to a has stopped")
        await settled(lambda: self.b.tap.arrived > before[1], lambda: "the stream to b has stopped")


def phone_of(server: Server, user: str, transport: str, **more: Any) -> Phone:
    """A phone of a user, set up as its owner would."""
    tls = transport == "tls"
    return Phone(
        PhoneConfig(
            user,
            more.pop("domain", OURS),
            server.secret(user),
            proxy=(LOOPBACK, server.tls_port if tls else server.sip_port),
            transport=transport,  # type: ignore[arg-type]
            ca_file=server.authority if tls else None,
            **{"source": lambda: Tone(440.0), **more},
        )
    )


@contextlib.asynccontextmanager
async def parties(
    server: Server, transport: str = "tls", *, kind: str | None = None, **more: Any
) -> AsyncIterator[tuple[Party, Party]]:
    """Two registered phones: over TLS with SRTP, else plain."""
    tls = transport == "tls"
    kind = kind or ("srtp" if tls else "open")
    wish = Wish(Encryption.REQUIRE if tls else Encryption.NONE)
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            tap = Tap()
            stack.callback(tap.shut)
            # The tap is for the first call of a phone; further ones go without.
            config = {"wish": wish, "relay": lambda unused=[tap]: unused.pop() if unused else None, **more}
            phone = await stack.enter_async_context(phone_of(server, server.user(kind), transport, **config))
            await phone.register()
            found.append(Party(phone, tap))
        yield found[0], found[1]


async def connect(a: Party, b: Party) -> Talk:
    """a calls b, b answers, audio flows both ways."""
    a.call = await a.phone.call(b.phone.config.user)
    b.call = await b.phone.next_call(15)
    await b.call.accept()
    await a.call.answered(15)
    talk = Talk(a, b)
    async with asyncio.timeout(10):
        while a.tap.arrived < 5 or b.tap.arrived < 5:  # noqa: ASYNC110 - packets come fifty times a second
            await asyncio.sleep(0.02)
    talk.mark()
    return talk


@contextlib.asynccontextmanager
async def talking(server: Server, transport: str = "tls", **more: Any) -> AsyncIterator[Talk]:
    """The legitimate call. It is checked when the block ends without an error, whatever the attack did."""
    async with parties(server, transport, **more) as (a, b):
        talk = await connect(a, b)
        yield talk
        await talk.check()
