"""The media of one call: sockets, the 20 ms clock, SRTP, reports, telephone events, statistics.

ZRTP shares the RTP socket, told apart by its first octet and its cookie (RFC 7983), and brings its keys to `key`.
While `is_held`, nothing but ZRTP leaves, and nothing that is not authentic SRTP is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from sealtone.phone.audio import FRAME_S, FRAME_SAMPLES, AudioSink, AudioSource, silent_frame
from sealtone.phone.g711 import Law, law
from sealtone.phone.negotiation import Agreement
from sealtone.phone.rtp import (
    DtmfReceiver,
    JitterBuffer,
    ReceiveStatistics,
    RtpPacket,
    build_rtcp,
    build_rtp,
    dtmf_payloads,
    is_rtcp,
    middle_ntp,
    parse_rtcp,
    parse_rtp,
)
from sealtone.phone.srtp import SecureStream
from sealtone.srtp_keys import MasterKey
from sealtone.zrtp import is_zrtp

_REPORT_S: Final = 4.0
_LATEST_CATCH_UP_S: Final = 0.2


class MediaStats(NamedTuple):
    """Counters of one call. `lost_there` is what the other side reports; `rtt_ms` None until it reported."""

    sent: int
    received: int
    lost: int
    late: int
    rejected: int
    jitter_ms: float
    lost_there: int
    rtt_ms: float | None
    codec: str
    suites: tuple[str, str] | None


class NoPortFree(OSError):
    """No pair of neighbouring UDP ports is free on the address."""


def _bind_pair(address: str) -> tuple[socket.socket, socket.socket]:
    """Sockets on an even port and the one above (RFC 3550 11)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(200):
        rtp, rtcp = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        port = random.randrange(16384, 32768, 2)  # noqa: S311 - spreads ports, guards nothing
        try:
            rtp.bind((address, port))
            rtcp.bind((address, port + 1))
        except OSError:
            rtp.close()
            rtcp.close()
            continue
        for each in (rtp, rtcp):
            each.setblocking(False)
        return rtp, rtcp
    raise NoPortFree(f"no pair of neighbouring UDP ports is free on {address}")


class MediaRelay(Protocol):
    """Something on the media path that the phone's packets go through both ways, such as a relay or a measuring tap."""

    async def open(self, address: str, port: int) -> tuple[str, int]:
        """Begin to forward to the phone's RTP at `port` and RTCP above; returns where the peer is to send RTP."""

    def via(self, rtp: tuple[str, int], rtcp: tuple[str, int]) -> tuple[tuple[str, int], tuple[str, int]]:
        """Where the phone sends RTP and RTCP that are meant for these addresses of the peer."""

    def close(self) -> None: ...


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self._receive(data, (str(addr[0]), addr[1]))


class MediaSession:
    """Open it, `apply` each agreement, `close` it. Audio runs from the first agreement on.

    `dtmf.pressed` is told each key that the other side presses; `played_out` is set when the source has no more.
    `zrtp_received` is given ZRTP packets, `authenticated` is called at each authentic packet while `is_held`.
    """

    def __init__(self, address: str, source: AudioSource, sink: AudioSink, relay: MediaRelay | None = None) -> None:
        self._address = address
        self._relay = relay
        self.advertised = (address, 0)
        self._targets: tuple[tuple[str, int], tuple[str, int]] | None = None
        self.played_out = asyncio.Event()
        self._source: AudioSource | None = source
        self._sink = sink
        self._agreement: Agreement | None = None
        self._law: Law = law("PCMU")
        self._secure: SecureStream | None = None
        self.is_held = False
        self.zrtp_received: Callable[[bytes], None] | None = None
        self.authenticated: Callable[[], None] | None = None
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._clock: asyncio.Task[None] | None = None
        seed = os.urandom(8)
        self.ssrc = int.from_bytes(seed[:4], "big")
        # A first sequence number in the lower half leaves the roll-over counter alone for a while (RFC 3711 3.3.1).
        self._sequence = int.from_bytes(seed[4:6], "big") >> 1
        self._timestamp = int.from_bytes(seed[4:], "big")
        self._marker = True
        self._keys: deque[tuple[int, bytes]] = deque()
        self._key_timestamp = 0
        self._jitter = JitterBuffer()
        self._statistics = ReceiveStatistics()
        self.dtmf = DtmfReceiver()
        self._sent = self._octets = 0
        self._heard_report: tuple[int, float] = (0, 0.0)
        self._lost_there = 0
        self._rtt_ms: float | None = None
        self._next_report = 0.0

    async def open(self) -> None:
        """Bind the ports; `advertised` is where RTP is to be sent."""
        loop = asyncio.get_running_loop()
        rtp, rtcp = _bind_pair(self._address)
        port = rtp.getsockname()[1]
        self._rtp, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self._receive), sock=rtp)
        self._rtcp, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self._receive_report), sock=rtcp)
        self.advertised = await self._relay.open(self._address, port) if self._relay else (self._address, port)

    def apply(self, agreement: Agreement) -> None:
        """Go by a new agreement; running keys and streams go on where they did not change."""
        before, self._agreement = self._agreement, agreement
        self._law = law(agreement.codec.encoding)
        if not agreement.zrtp:
            both = agreement.send_key is not None and agreement.receive_key is not None
            self.key((agreement.send_key, agreement.receive_key) if both else None)  # type: ignore[arg-type]
        if before is None or before.remote_rtp != agreement.remote_rtp:
            self._jitter.reset()
        if agreement.remote_rtp is None or agreement.remote_rtcp is None:
            self._targets = None
        elif self._relay is not None:
            self._targets = self._relay.via(agreement.remote_rtp, agreement.remote_rtcp)
        else:
            self._targets = agreement.remote_rtp, agreement.remote_rtcp
        self._marker = True
        if self._clock is None:
            self._next_report = time.monotonic() + 1.0
            self._clock = asyncio.get_running_loop().create_task(self._run())

    def key(self, keys: tuple[MasterKey, MasterKey] | None) -> None:
        """Encrypt with the first and decrypt with the second; contexts of keys that stay go on. None: in the clear."""
        if keys is None:
            self._secure = None
        elif self._secure is None:
            self._secure = SecureStream(*keys)
        else:
            self._secure.rekey(*keys)

    def send_zrtp(self, packet: bytes) -> None:
        """To where RTP goes; dropped where nothing may be sent."""
        if self._rtp is not None and self._targets is not None:
            self._rtp.sendto(packet, self._targets[0])

    def send_dtmf(self, keys: str) -> None:
        """Queue key presses, each 120 ms with a pause of 80 ms. Raises ValueError where the peer takes no events."""
        agreement = self._agreement
        if agreement is None or agreement.events_payload_type is None:
            raise ValueError("the other side takes no telephone events (RFC 4733)")
        for key in keys:
            steps = dtmf_payloads(key)
            self._keys.extend((place, payload) for place, payload in enumerate(steps))
            self._keys.extend((-1, b"") for _ in range(4))

    # the clock

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._send_frame()
            self._play_frame()
            if time.monotonic() >= self._next_report:
                self._next_report = time.monotonic() + _REPORT_S * random.uniform(0.5, 1.5)  # noqa: S311 - RFC 3550 6.3.1
                self._send_report()
            due += FRAME_S
            late = loop.time() - due
            if late > _LATEST_CATCH_UP_S:
                # The machine stood still; the missed frames are skipped rather than sent in a burst.
                missed = int(late / FRAME_S)
                due += missed * FRAME_S
                self._timestamp += missed * FRAME_SAMPLES
            await asyncio.sleep(max(due - loop.time(), 0))

    def _send_frame(self) -> None:
        agreement = self._agreement
        self._timestamp += FRAME_SAMPLES
        if self.is_held:  # what is to be played waits
            self._marker = True
            return
        frame = self._source.read() if self._source else None
        if frame is None and self._source is not None:
            self._source.close()
            self._source = None
            self.played_out.set()
        if agreement is None or not agreement.direction.sends or self._targets is None:
            self._marker = True
            return
        if self._keys:
            place, payload = self._keys.popleft()
            if place >= 0:
                if place == 0:
                    self._key_timestamp = self._timestamp
                assert agreement.events_payload_type is not None
                self._send(agreement.events_payload_type, place == 0, self._key_timestamp, payload)
                self._marker = True
            return
        self._send(
            agreement.codec.payload_type,
            self._marker,
            self._timestamp,
            self._law.encode(frame or silent_frame()),
        )
        self._marker = False

    def _send(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        packet = build_rtp(payload_type, marker, self._sequence, timestamp, self.ssrc, payload)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._sent += 1
        self._octets += len(payload)
        if self._rtp is not None and self._targets is not None:
            self._rtp.sendto(self._secure.protect(packet) if self._secure else packet, self._targets[0])

    def _play_frame(self) -> None:
        packet = self._jitter.take()
        self._sink.write(self._law.decode(packet.payload) if packet else silent_frame())

    # what arrives

    def _receive(self, data: bytes, source: tuple[str, int]) -> None:
        agreement = self._agreement
        if agreement is None or self._targets is None or source[0] != self._targets[0][0]:
            return
        if is_zrtp(data):
            if self.zrtp_received is not None:
                self.zrtp_received(data)
            return
        if is_rtcp(data):
            self._receive_report(data, source)
            return
        packet = parse_rtp(plain) if (plain := self._opened(data)) is not None else None
        if packet is None or not agreement.direction.receives:
            return
        self._take(packet, agreement)

    def _opened(self, data: bytes, rtcp: bool = False) -> bytes | None:
        """What a packet holds; None for what must not be heard."""
        if self._secure is None:
            return None if self.is_held else data
        plain = self._secure.unprotect_rtcp(data) if rtcp else self._secure.unprotect(data)
        if plain is not None and self.is_held and self.authenticated is not None:
            self.authenticated()
        return plain

    def _take(self, packet: RtpPacket, agreement: Agreement) -> None:
        if packet.ssrc != self._statistics.ssrc:
            self._jitter.reset()
        extended = self._statistics.add(packet, time.monotonic())
        if packet.payload_type == agreement.codec.payload_type:
            self._jitter.put(extended, packet)
        elif packet.payload_type == agreement.events_payload_type:
            self.dtmf.receive(packet)
            # Its turn in the buffer passes as silence.
            self._jitter.put(extended, packet._replace(payload=self._law.encode(silent_frame())))

    def _receive_report(self, data: bytes, source: tuple[str, int]) -> None:
        agreement = self._agreement
        if agreement is None or self._targets is None or source[0] != self._targets[0][0]:
            return
        news = parse_rtcp(plain) if (plain := self._opened(data, rtcp=True)) is not None else None
        if news is None:
            return
        if news.sender_ntp:
            self._heard_report = (news.sender_ntp, time.monotonic())
        for report in news.reports:
            if report.ssrc != self.ssrc:
                continue
            self._lost_there = report.lost
            if report.last_sr:
                round_trip = (middle_ntp(time.time()) - report.last_sr - report.delay) & 0xFFFFFFFF
                if round_trip < 65536 * 10:
                    self._rtt_ms = round_trip * 1000 / 65536

    def _send_report(self, bye: bool = False) -> None:
        if self._agreement is None or self._rtcp is None or self._targets is None or self.is_held:
            return
        block = None
        if self._statistics.received:
            last, at = self._heard_report
            block = self._statistics.report(last, int((time.monotonic() - at) * 65536) if last else 0)
        sender = (time.time(), self._timestamp, self._sent, self._octets) if self._sent else None
        packet = build_rtcp(self.ssrc, f"{self.ssrc:08x}", sender, block, bye)
        if self._secure:
            packet = self._secure.protect_rtcp(packet)
        self._rtcp.sendto(packet, self._targets[1])

    def stats(self) -> MediaStats:
        """Counters up to now."""
        return MediaStats(
            self._sent,
            self._statistics.received,
            max(self._statistics.lost, 0),
            self._jitter.late,
            self._secure.rejected if self._secure else 0,
            self._statistics.jitter_ms,
            self._lost_there,
            self._rtt_ms,
            self._agreement.codec.encoding if self._agreement else "",
            self._secure.suites if self._secure else None,
        )

    async def close(self) -> None:
        """Say BYE in RTCP, stop, and close files and sockets."""
        clock, self._clock = self._clock, None
        if clock is not None:
            clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await clock
            self._send_report(bye=True)
        for transport in (self._rtp, self._rtcp):
            if transport is not None:
                transport.close()
        self._rtp = self._rtcp = None
        if self._relay is not None:
            self._relay.close()
        if self._source is not None:
            self._source.close()
        self._sink.close()
