"""A wiretap on the path between a phone and its server: it passes everything on unchanged, and keeps what it saw.

It sits where an eavesdropper on the network would: it has the bytes and no keys. What it can make of them is measured,
not assumed: words found in the signalling, and the voice packets decoded as if they were plain G.711.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import socket
from array import array
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sealtone.phone.audio import Sound, measure
from sealtone.phone.g711 import law
from sealtone.phone.rtp import is_rtcp, parse_rtp

Address = tuple[str, int]
LOOPBACK: Final = "127.0.0.1"
_START_LINE: Final = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d [^\r\n]*|[A-Z]+ sips?:[^ \r\n]+ SIP/2\.0)")
_KEPT_PACKETS: Final = 50


class VoiceSeen(NamedTuple):
    """What the wiretap makes of one direction of voice. `entropy` in bits a byte, 8 is perfect noise."""

    packets: int
    sound: Sound
    entropy: float

    @property
    def audible(self) -> bool:
        return self.sound.is_tone


class SignallingSeen(NamedTuple):
    """What the wiretap could read: start lines of SIP messages, and whether SRTP keys stood in them."""

    octets: int
    messages: tuple[str, ...]
    keys: bool
    tls: bool


class _Voice:
    """The last second of one direction."""

    def __init__(self) -> None:
        self.packets = 0
        self._kept: deque[bytes] = deque(maxlen=_KEPT_PACKETS)

    def see(self, data: bytes) -> None:
        packet = None if is_rtcp(data) else parse_rtp(data)
        if packet is not None and len(packet.payload) >= 80:
            self.packets += 1
            self._kept.append(packet.payload[:160])

    def judge(self, hz: float) -> VoiceSeen:
        payload = b"".join(self._kept)
        if not payload:
            return VoiceSeen(0, Sound(0.0, 0.0), 0.0)
        heard: list[array[int]] = [law(name).decode(payload) for name in ("PCMU", "PCMA")]
        counts = Counter(payload).values()
        entropy = -sum(n / len(payload) * math.log2(n / len(payload)) for n in counts)
        return VoiceSeen(self.packets, max((measure(each, hz) for each in heard), key=lambda one: one.share), entropy)


class Wiretap:
    """On one phone's line. The phone's SIP goes to `signalling_address`; `voice_relay()` is for each call's media."""

    def __init__(self) -> None:
        self._octets = 0
        self._messages: list[str] = []
        self._keys = False
        self._tls = False
        self.from_phone, self.to_phone = _Voice(), _Voice()
        self._closers: list[Callable[[], object]] = []
        self.signalling_address: Address = (LOOPBACK, 0)

    # signalling

    async def tap_signalling(self, server: Address, stream: bool) -> None:
        """Begin to pass SIP on to `server`."""
        if stream:
            listener = await asyncio.start_server(lambda r, w: self._pass_stream(r, w, server), LOOPBACK, 0)
            self._closers.append(listener.close)
            self.signalling_address = listener.sockets[0].getsockname()[:2]
        else:
            line = _DatagramLine(self._see_signalling, self._see_signalling)
            self.signalling_address = await line.open(server)
            self._closers.append(line.close)

    async def _pass_stream(
        self, phone_in: asyncio.StreamReader, phone_out: asyncio.StreamWriter, server: Address
    ) -> None:
        server_in, server_out = await asyncio.open_connection(*server)
        self._closers += [phone_out.close, server_out.close]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    self._see_signalling(data)
                    sink.write(data)
                    await sink.drain()
            sink.close()

        with contextlib.suppress(asyncio.CancelledError):  # at the end of the demonstration
            await asyncio.gather(pump(phone_in, server_out), pump(server_in, phone_out))

    def _see_signalling(self, data: bytes) -> None:
        self._octets += len(data)
        # A TLS record begins with its type (20-23) and version 3.x.
        self._tls = self._tls or (len(data) > 2 and 20 <= data[0] <= 23 and data[1] == 3)
        self._messages += [line.decode(errors="replace") for line in _START_LINE.findall(data)]
        self._keys = self._keys or b"inline:" in data

    def signalling(self) -> SignallingSeen:
        return SignallingSeen(self._octets, tuple(self._messages), self._keys, self._tls)

    # voice

    def voice_relay(self) -> VoiceRelay:
        """A relay for the media of one call, for `PhoneConfig.relay`."""
        relay = VoiceRelay(self)
        self._closers.append(relay.close)
        return relay

    def close(self) -> None:
        while self._closers:
            self._closers.pop()()


class VoiceRelay:
    """Passes the RTP and RTCP of one call on, and shows them to the wiretap."""

    def __init__(self, tap: Wiretap) -> None:
        self._rtp = _DatagramLine(tap.from_phone.see, tap.to_phone.see)
        self._rtcp = _DatagramLine(_unseen, _unseen)
        self._inside: tuple[Address, Address] = ((LOOPBACK, 0), (LOOPBACK, 0))

    async def open(self, address: str, port: int) -> Address:
        outside = _free_pair()
        own_rtp, own_rtcp = (address, port), (address, port + 1)
        self._inside = (
            await self._rtp.open(None, outside[0], own_rtp),
            await self._rtcp.open(None, outside[1], own_rtcp),
        )
        return outside[0].getsockname()[:2]  # type: ignore[no-any-return]

    def via(self, rtp: Address, rtcp: Address) -> tuple[Address, Address]:
        self._rtp.server, self._rtcp.server = rtp, rtcp
        return self._inside

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()


def _unseen(data: bytes) -> None:
    """RTCP is passed on, and not looked at."""


def _free_pair() -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on an even port and the one above."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.bind((LOOPBACK, 0))
        port = first.getsockname()[1]
        if port % 2 == 0:
            with contextlib.suppress(OSError):
                second.bind((LOOPBACK, port + 1))
                for each in (first, second):
                    each.setblocking(False)
                return first, second
        first.close()
        second.close()


class _DatagramLine:
    """A pair of UDP sockets, one towards the phone and one towards the server, that pass packets to each other."""

    def __init__(self, from_phone: Callable[[bytes], None], to_phone: Callable[[bytes], None]) -> None:
        self._from_phone, self._to_phone = from_phone, to_phone
        self.server: Address | None = None
        self._phone: Address | None = None
        self._inside: asyncio.DatagramTransport | None = None
        self._outside: asyncio.DatagramTransport | None = None

    async def open(
        self, server: Address | None, outside: socket.socket | None = None, phone: Address | None = None
    ) -> Address:
        """Begin; returns the address that faces the phone. Without `phone` its address is learned from its packets."""
        self.server, self._phone = server, phone
        loop = asyncio.get_running_loop()
        inside = (LOOPBACK, 0)
        self._inside, _ = await loop.create_datagram_endpoint(lambda: _End(self._take_inside), local_addr=inside)
        if outside is not None:
            self._outside, _ = await loop.create_datagram_endpoint(lambda: _End(self._take_outside), sock=outside)
        else:
            self._outside, _ = await loop.create_datagram_endpoint(
                lambda: _End(self._take_outside), local_addr=(LOOPBACK, 0)
            )
        address: Address = self._inside.get_extra_info("sockname")[:2]
        return address

    def _take_inside(self, data: bytes, source: Address) -> None:
        self._phone = source
        self._from_phone(data)
        if self._outside is not None and self.server is not None:
            self._outside.sendto(data, self.server)

    def _take_outside(self, data: bytes, source: Address) -> None:
        self._to_phone(data)
        if self._inside is not None and self._phone is not None:
            self._inside.sendto(data, self._phone)

    def close(self) -> None:
        for end in (self._inside, self._outside):
            if end is not None:
                end.close()
        self._inside = self._outside = None


class _End(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._take(data, (str(addr[0]), addr[1]))
