"""The wiretap: records what crosses the loopback on chosen ports, and oracles that say what could be read from it.

Needs the right to capture (root or CAP_NET_RAW): with dumpcap when it is installed, else with a packet socket.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interop import tone
from interop.phones import RealPhone
from interop.processes import eventually

SIP_MARKERS = (
    b"SIP/2.0", b"INVITE sip", b"REGISTER sip", b"CSeq:", b"Call-ID:", b"Contact:", b"Via:",
    b"Authorization:", b"WWW-Authenticate:", b"m=audio", b"a=crypto", b"inline:", b"a=rtpmap",
)  # fmt: skip


class Packet(NamedTuple):
    """One packet with content. `at` is seconds since the epoch; `protocol` is "udp" or "tcp"."""

    at: float
    protocol: str
    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    payload: bytes


class Stream(NamedTuple):
    """One RTP stream as it crossed the wire, in order of arrival."""

    source: tuple[str, int]
    target: tuple[str, int]
    ssrc: int
    payload_type: int
    payloads: list[bytes]


def may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (OSError, AttributeError):
        return False
    return True


def _parse_ip(at: float, data: bytes) -> Packet | None:
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20:
        header, kind, total = (data[0] & 15) * 4, data[9], struct.unpack_from(">H", data, 2)[0]
        source, target = socket.inet_ntop(socket.AF_INET, data[12:16]), socket.inet_ntop(socket.AF_INET, data[16:20])
        data = data[:total] if total else data
    elif version == 6 and len(data) >= 40:
        header, kind = 40, data[6]
        source, target = socket.inet_ntop(socket.AF_INET6, data[8:24]), socket.inet_ntop(socket.AF_INET6, data[24:40])
    else:
        return None
    body = data[header:]
    if kind not in (6, 17) or len(body) < 8:
        return None
    source_port, target_port = struct.unpack_from(">HH", body)
    if kind == 17:
        return Packet(at, "udp", (source, source_port), (target, target_port), 0, body[8:])
    sequence, offset = struct.unpack_from(">I", body, 4)[0], (body[12] >> 4) * 4
    payload = body[offset:]
    return Packet(at, "tcp", (source, source_port), (target, target_port), sequence, payload) if payload else None


def read_pcap(path: Path) -> list[Packet]:
    """Packets with content of a classic pcap file of Ethernet or raw IP frames."""
    raw = path.read_bytes()
    if len(raw) < 24:
        return []
    order = "<" if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    unit = 1e9 if raw[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e6
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0xFFFF
    skip = 14 if link == 1 else 0
    packets, at = [], 24
    while at + 16 <= len(raw):
        seconds, fraction, kept, _ = struct.unpack_from(order + "IIII", raw, at)
        packet = _parse_ip(seconds + fraction / unit, raw[at + 16 + skip : at + 16 + kept])
        if packet:
            packets.append(packet)
        at += 16 + kept
    return packets


class Wiretap:
    """Records loopback traffic from or to any of `ranges` (first and last port, inclusive) between start and stop."""

    def __init__(self, ranges: Sequence[tuple[int, int]], folder: Path, recorder: str | None = None) -> None:
        """`recorder` is "dumpcap" or "socket"; by default dumpcap where there is one."""
        self._recorder = recorder or ("dumpcap" if shutil.which("dumpcap") else "socket")
        self._ranges = list(ranges)
        number = len(list(folder.glob("wire-*.pcap")))
        self._file = folder / f"wire-{number}-{ranges[0][0]}.pcap"
        self._dumpcap: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._packets: list[Packet] = []

    def __enter__(self) -> Wiretap:
        if self._recorder == "dumpcap":
            self._start_dumpcap()
        else:
            self._start_packet_socket()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_dumpcap(self) -> None:
        expression = " or ".join(f"portrange {first}-{last}" for first, last in self._ranges)
        # -B: a buffer in MiB large enough that nothing is lost while other programs keep the processor busy.
        command = ["dumpcap", "-q", "-P", "-i", "lo", "-B", "16", "-f", expression, "-w", str(self._file)]
        log_file = self._file.with_suffix(".log")
        log = log_file.open("wb")
        with log:
            self._dumpcap = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 10
        while not (self._file.exists() and self._file.stat().st_size >= 24):
            if self._dumpcap.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dumpcap did not start: {log_file.read_text()}")
            time.sleep(0.02)

    def _start_packet_socket(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.1)
        self._thread = threading.Thread(target=self._read_packet_socket, args=(self._socket,), daemon=True)
        self._thread.start()

    def _read_packet_socket(self, source: socket.socket) -> None:
        while self._socket is source:
            try:
                frame, address = source.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            outgoing = address[2] == socket.PACKET_OUTGOING  # the loopback shows each packet out and in
            packet = None if outgoing else _parse_ip(time.time(), frame[14:])
            if packet and any(a <= p <= b for a, b in self._ranges for p in (packet.source[1], packet.target[1])):
                self._packets.append(packet)

    def so_far(self) -> list[Packet]:
        """What was recorded until now, with dumpcap up to about half a second late."""
        return read_pcap(self._file) if self._dumpcap is not None else list(self._packets)

    def stop(self) -> list[Packet]:
        """End the recording and return what was seen; later calls return the same."""
        if self._dumpcap is not None:
            time.sleep(0.25)  # dumpcap hands over in batches; a stop within one would lose the last packets
            self._dumpcap.send_signal(signal.SIGINT)
            try:
                self._dumpcap.wait(5)
            except subprocess.TimeoutExpired:
                os.kill(self._dumpcap.pid, signal.SIGKILL)
                self._dumpcap.wait(5)
            self._dumpcap = None
            self._packets = read_pcap(self._file)
        if self._socket is not None:
            source, self._socket = self._socket, None
            if self._thread:
                self._thread.join(2)
            source.close()
        return self._packets


def of_ports(packets: Iterable[Packet], ports: tuple[int, int], *others: int) -> list[Packet]:
    """The packets from or to a range of ports, or one of some others (a client's own end of a TCP connection)."""
    return [
        packet
        for packet in packets
        if any(ports[0] <= port <= ports[1] or port in others for port in (packet.source[1], packet.target[1]))
    ]


def _conversations(packets: Iterable[Packet]) -> list[tuple[Packet, bytes]]:
    """Bytes of each direction of each conversation: TCP by sequence number, UDP joined with a separator between."""
    found: dict[tuple[str, tuple[str, int], tuple[str, int]], list[Packet]] = {}
    for packet in packets:
        found.setdefault((packet.protocol, packet.source, packet.target), []).append(packet)
    joined = []
    for (protocol, _, _), parts in found.items():
        if protocol == "tcp":
            base = parts[0].sequence
            in_order = {(part.sequence - base + (1 << 31)) % (1 << 32): part.payload for part in parts}
            joined.append((parts[0], b"".join(in_order[key] for key in sorted(in_order))))
        else:
            joined.append((parts[0], b"\x00\x00".join(part.payload for part in parts)))
    return joined


def readable(packets: Iterable[Packet], also: Iterable[str] = ()) -> list[str]:
    """What an eavesdropper reads in clear: SIP and SDP words and any of `also` (user names, secrets), with where."""
    wanted = [*SIP_MARKERS, *(word.encode() for word in also)]
    lines = []
    for first, content in _conversations(packets):
        lowered = content.lower()
        for word in wanted:
            if word.lower() in lowered:
                lines.append(f"{first.protocol} {first.source[1]}->{first.target[1]}: {word.decode()}")
    return lines


def rtp_streams(packets: Iterable[Packet], least: int = 10) -> list[Stream]:
    """RTP streams of at least `least` packets, by RFC 3550 headers and RFC 5761's separation from RTCP."""
    streams: dict[tuple[object, ...], Stream] = {}
    for packet in packets:
        data = packet.payload
        if packet.protocol != "udp" or len(data) < 13 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
            continue
        offset = 12 + 4 * (data[0] & 15)
        if data[0] & 0x10 and len(data) >= offset + 4:
            offset += 4 + 4 * struct.unpack_from(">H", data, offset + 2)[0]
        ssrc, payload_type = struct.unpack_from(">I", data, 8)[0], data[1] & 0x7F
        key = (packet.source, packet.target, ssrc, payload_type)
        stream = streams.setdefault(key, Stream(packet.source, packet.target, ssrc, payload_type, []))
        stream.payloads.append(data[offset:])
    return [stream for stream in streams.values() if len(stream.payloads) >= least]


def tone_on_the_wire(stream: Stream, hz: float) -> tone.Heard:
    """What an eavesdropper hears who decodes the payload as G.711, in the law that gives away more of the tone."""
    payload = b"".join(part[:160] for part in stream.payloads)
    heard = [tone.listen(tone.decode_g711(payload, law), hz) for law in ("PCMU", "PCMA")]
    return max(heard, key=lambda one: one.tone_s)


def tone_towards(
    packets: Iterable[Packet], ports: tuple[int, int], hz: float, since: float, until: float = float("inf")
) -> tone.Heard:
    """The tone in plain G.711 on its way to `ports`, sent between two times (seconds since the epoch)."""
    wanted = [p for p in packets if since <= p.at <= until and ports[0] <= p.target[1] <= ports[1]]
    heard = [tone_on_the_wire(stream, hz) for stream in rtp_streams(wanted, least=2)]
    return max(heard, key=lambda one: one.tone_s, default=tone.Heard(0, 0, 0, 0, 0))


def entropy_bits(stream: Stream) -> float:
    """Shannon entropy of the payload bytes, at most 8 bits a byte; encrypted payload comes near to it."""
    counts = np.bincount(np.frombuffer(b"".join(stream.payloads), np.uint8), minlength=256)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def wait_quiet(tap: Wiretap, listener: RealPhone, hz: float) -> None:
    """Wait until in a whole second nothing of the tone travels to the listener."""

    def quiet_second() -> bool:
        start = time.time()
        time.sleep(1.6)  # one second, and what the recorder may lag
        return tone_towards(tap.so_far(), listener.ports, hz, start, start + 1).tone_s <= 0.08

    eventually(quiet_second, 10, f"{hz:g} Hz no more reaches {listener.setup.user}", listener.evidence)


def wait_tone(tap: Wiretap, listener: RealPhone, hz: float, since: float) -> None:
    """Wait until the tone has travelled to the listener for more than a second, counted from then."""
    eventually(
        lambda: tone_towards(tap.so_far(), listener.ports, hz, since).tone_s > 1,
        8,
        f"{hz:g} Hz reaches {listener.setup.user} again",
        listener.evidence,
    )
