"""RTP and RTCP on the wire (RFC 3550), telephone events (RFC 4733), and the buffer that puts packets in order again."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

_NTP_EPOCH: Final = 2208988800  # seconds from 1900 to 1970
DTMF_KEYS: Final = "0123456789*#ABCD"


class RtpPacket(NamedTuple):
    """One RTP packet; extension and padding are gone."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """Read one packet; None for what is no RTP."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", data)
    start = 12 + 4 * (first & 15)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int(struct.unpack_from(">H", data, start + 2)[0])
    end = len(data) - (data[-1] if first & 0x20 else 0)
    if start > end:
        return None
    return RtpPacket(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[start:end])


def build_rtp(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """Serialise one packet without extensions."""
    second = payload_type | (0x80 if marker else 0)
    return struct.pack(">BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 4: packet types 192-223 are RTCP where both share a port."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


class ReportBlock(NamedTuple):
    """What a receiver says about one sender. `lost` total packets, `fraction` of 256, `jitter` in RTP clock ticks."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int


class RtcpNews(NamedTuple):
    """What a compound RTCP packet tells: the sender report's middle 32 NTP bits, report blocks, whether it is a BYE."""

    ssrc: int
    sender_ntp: int
    reports: tuple[ReportBlock, ...]
    bye: bool


def parse_rtcp(data: bytes) -> RtcpNews | None:
    """Read a compound packet (SR, RR, BYE; others are passed over); None for what is none."""
    at, ssrc, ntp, bye = 0, 0, 0, False
    reports: list[ReportBlock] = []
    while at + 8 <= len(data):
        first, kind, words = struct.unpack_from(">BBH", data, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            return None
        if kind in (200, 201):
            ssrc = struct.unpack_from(">I", data, at + 4)[0]
            block = at + 8
            if kind == 200 and block + 20 <= end:
                ntp = struct.unpack_from(">I", data, at + 10)[0]
                block += 20
            for _ in range(first & 31):
                if block + 24 <= end:
                    source, loss, highest, jitter, last, delay = struct.unpack_from(">IIIIII", data, block)
                    lost = (loss & 0xFFFFFF) - ((loss & 0x800000) << 1)
                    reports.append(ReportBlock(source, loss >> 24, lost, highest, jitter, last, delay))
                    block += 24
        elif kind == 203:
            bye = True
        at = end
    return RtcpNews(ssrc, ntp, tuple(reports), bye) if at else None


def ntp_time(wall: float) -> int:
    """64-bit NTP time of seconds since 1970."""
    return int((wall + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def middle_ntp(wall: float) -> int:
    """The middle 32 bits, in units of 1/65536 s, which round-trip times are computed with."""
    return ntp_time(wall) >> 16 & 0xFFFFFFFF


def build_rtcp(
    ssrc: int,
    cname: str,
    sender: tuple[float, int, int, int] | None,
    report: ReportBlock | None,
    bye: bool = False,
) -> bytes:
    """A compound packet: SR (`sender`: wall time, RTP timestamp, packets, octets) or RR, SDES CNAME, maybe BYE."""
    block = b""
    if report:
        loss = report.fraction << 24 | report.lost & 0xFFFFFF
        block = struct.pack(
            ">IIIIII", report.ssrc, loss, report.highest, report.jitter, report.last_sr, report.delay & 0xFFFFFFFF
        )
    count = 1 if report else 0
    if sender:
        wall, timestamp, packets, octets = sender
        body = struct.pack(">IQIII", ssrc, ntp_time(wall), timestamp & 0xFFFFFFFF, packets, octets) + block
        kind = 200
    else:
        body, kind = struct.pack(">I", ssrc) + block, 201
    data = struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body
    name = cname.encode()[:255]
    chunk = struct.pack(">IBB", ssrc, 1, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)
    data += struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk
    if bye:
        data += struct.pack(">BBHI", 0x81, 203, 1, ssrc)
    return data


class ReceiveStatistics:
    """Loss and interarrival jitter of one incoming stream, as RFC 3550 A.1, A.3 and A.8 compute them."""

    def __init__(self, clock: int = 8000) -> None:
        self._clock = clock
        self._begin(0)

    def _begin(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.jitter_ticks = 0.0
        self._base = self._highest = -1
        self._transit: float | None = None
        self._expected_before = self._received_before = 0

    def extend(self, sequence: int) -> int:
        """The sequence number with its count of wraps, by the nearest to the highest so far."""
        if self._highest < 0:
            return sequence
        return self._highest + (sequence - self._highest + 0x8000) % 0x10000 - 0x8000

    def add(self, packet: RtpPacket, arrival: float) -> int:
        """Count a packet that arrived at `arrival` (seconds); returns its extended sequence number."""
        if packet.ssrc != self.ssrc or self._highest < 0:
            self._begin(packet.ssrc)
            self._base = self._highest = packet.sequence + 0x10000
            self._highest -= 1
        extended = self.extend(packet.sequence)
        self._base, self._highest = min(self._base, extended), max(self._highest, extended)
        self.received += 1
        transit = arrival * self._clock - packet.timestamp
        if self._transit is not None:
            # Timestamps wrap at 32 bits; a difference is only meant near zero.
            difference = abs((transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000)
            self.jitter_ticks += (difference - self.jitter_ticks) / 16
        self._transit = transit
        return extended

    @property
    def lost(self) -> int:
        """Packets expected and not received; negative when duplicates outweigh."""
        return self._highest - self._base + 1 - self.received if self._highest >= 0 else 0

    @property
    def jitter_ms(self) -> float:
        return self.jitter_ticks * 1000 / self._clock

    def report(self, last_sr: int, delay: int) -> ReportBlock:
        """A report block on what came since the last one."""
        expected = self._highest - self._base + 1
        new_expected, new_received = expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = expected, self.received
        gone = new_expected - new_received
        fraction = min(gone * 256 // new_expected, 255) if new_expected > 0 and gone > 0 else 0
        highest, jitter = self._highest & 0xFFFFFFFF, int(self.jitter_ticks)
        return ReportBlock(
            self.ssrc, fraction, max(min(self.lost, 0x7FFFFF), -0x800000), highest, jitter, last_sr, delay
        )


class JitterBuffer:
    """Puts packets back in order and hands out one every 20 ms, `depth` packets behind the newest.

    It fills to `depth` before it begins, and again after it ran dry; where that was a short gap, and so jitter rather
    than a pause of the sender, it grows by one packet, up to `deepest`. A packet that comes after its turn is dropped
    and counted in `late`. It never holds more than `limit` packets: then the oldest go.
    """

    _SHORT_GAP = 10  # packets' time, 200 ms

    def __init__(self, depth: int = 3, deepest: int = 10, limit: int = 25) -> None:
        self.depth = depth
        self._deepest, self._limit = deepest, limit
        self._held: dict[int, RtpPacket] = {}
        self._next: int | None = None
        self._filling = True
        self._dry: int | None = None
        self.late = 0

    def put(self, extended: int, packet: RtpPacket) -> None:
        if self._next is not None and extended < self._next:
            if self._next - extended < 1000:
                self.late += 1
                return
            self.reset()
        if self._dry is not None:
            if self._dry <= self._SHORT_GAP:
                self.depth = min(self.depth + 1, self._deepest)
            self._dry = None
        self._held[extended] = packet
        if len(self._held) > self._limit:
            for old in sorted(self._held)[: len(self._held) - self.depth]:
                del self._held[old]
            self._next = min(self._held)

    def take(self) -> RtpPacket | None:
        """The packet whose turn it is; None when it is missing, or while the buffer fills."""
        if self._filling:
            if self._dry is not None:
                self._dry += 1
            if len(self._held) < self.depth:
                return None
            self._filling = False
            self._next = min(self._held)
        if not self._held:
            self._filling, self._next, self._dry = True, None, 0
            return None
        assert self._next is not None
        packet = self._held.pop(self._next, None)
        self._next += 1
        return packet

    def reset(self) -> None:
        """Forget everything but the depth: a new stream begins."""
        self._held.clear()
        self._next, self._filling, self._dry = None, True, None


class DtmfReceiver:
    """Turns telephone-event packets into key presses; `pressed` is told each once, at its first packet."""

    def __init__(self) -> None:
        self.pressed: Callable[[str], None] | None = None
        self._seen: int | None = None

    def receive(self, packet: RtpPacket) -> None:
        if len(packet.payload) < 4 or packet.timestamp == self._seen:
            return
        self._seen = packet.timestamp
        if packet.payload[0] < len(DTMF_KEYS) and self.pressed is not None:
            self.pressed(DTMF_KEYS[packet.payload[0]])


def dtmf_payloads(key: str, duration_ms: int = 120, volume: int = 10) -> list[bytes]:
    """The payloads of one key press, one every 20 ms, the last three with the end bit (RFC 4733 2.5.1.4)."""
    event = DTMF_KEYS.index(key.upper())
    steps = max(duration_ms // 20, 2)
    payloads = [struct.pack(">BBH", event, volume, 160 * step) for step in range(1, steps)]
    return payloads + [struct.pack(">BBH", event, 0x80 | volume, 160 * steps)] * 3
