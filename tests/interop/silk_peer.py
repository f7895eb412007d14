"""The media of a SILK phone: packets made and read by PyPI's silk-python, an independent build of Skype's SDK.

A RTP payload is the SDK's packet without any header, as PJSIP and FreeSWITCH send it.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import socket
import struct
import threading
import time
import wave
from pathlib import Path

import pysilk

from interop.processes import LOOPBACK

_HEADER = b"#!SILK_V3"
_MOST = 1024
_PACKET_S = 0.02


def encode(wav: Path, rate: int) -> list[bytes]:
    """The packets, 20 ms each, of a mono WAV at `rate` Hz."""
    with wave.open(str(wav)) as sound:
        assert sound.getframerate() == rate
        linear = sound.readframes(sound.getnframes())
    out = io.BytesIO()
    pysilk.encode(io.BytesIO(linear), out, rate, 25_000, tencent=False)
    data = out.getvalue()
    assert data.startswith(_HEADER)
    packets, at = [], len(_HEADER)
    while at + 2 <= len(data):
        (size,) = struct.unpack_from("<h", data, at)
        if not 0 < size <= _MOST:  # the mark of the end
            break
        packets.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return packets


def decode(packets: list[bytes], rate: int, path: Path) -> Path:
    """A WAV of what packets hold."""
    framed = b"".join(struct.pack("<h", len(packet)) + packet for packet in packets)
    out = io.BytesIO()
    pysilk.decode(io.BytesIO(_HEADER + framed), out, rate)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(out.getvalue())
    return path


class SilkMedia:
    """A port that takes the server's packets and, from the first on, sends its own where that came from."""

    def __init__(self, packets: list[bytes], rate: int, payload_type: int = 96) -> None:
        self._packets, self._step, self._payload_type = packets, int(rate * _PACKET_S), payload_type
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind((LOOPBACK, 0))
        self._line.settimeout(0.2)
        self._server: tuple[str, int] | None = None
        self._over = threading.Event()
        self._heard: dict[int, bytes] = {}
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._speak)]
        for thread in self._threads:
            thread.start()

    @property
    def port(self) -> int:
        return int(self._line.getsockname()[1])

    @property
    def heard(self) -> list[bytes]:
        """The payloads that came, in the order of their numbers."""
        return [self._heard[number] for number in sorted(self._heard)]

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                data, source = self._line.recvfrom(2048)
                if len(data) > 12 and data[1] & 0x7F == self._payload_type:
                    self._server = source
                    self._heard[int.from_bytes(data[2:4], "big")] = data[12:]

    def _speak(self) -> None:
        while self._server is None and not self._over.wait(0.01):
            pass
        source, started = secrets.token_bytes(4), time.monotonic()
        for number, payload in enumerate(self._packets):
            if self._over.wait(max(0.0, started + number * _PACKET_S - time.monotonic())):
                return
            header = struct.pack("!BBHI", 0x80, self._payload_type, number & 0xFFFF, number * self._step & 0xFFFFFFFF)
            with contextlib.suppress(OSError):
                assert self._server is not None
                self._line.sendto(header + source + payload, self._server)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._line.close()
