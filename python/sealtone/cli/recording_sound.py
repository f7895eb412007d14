"""From a recording's file to sound that this machine plays, or to another kind of file, as it comes.

Ogg Opus is decoded by the libopus that the server uses as well. Into FLAC and out of it, and into Ogg Opus, goes what
Debian's `flac` and `opusenc` make of it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Protocol

from sealtone.admin import AdminError
from sealtone.model import RecordingFormat

_LIBRARY = "libopus.so.0"
_RATE = 48_000
_LONGEST_PACKET = 5_760  # samples of 120 ms at 48 kHz
_FRAME = 4  # octets of a sample of both channels
_WAV_HEADER = 44
_PAGE_HEADER = 27
_UNKNOWN = 0xFFFFFFFF
_MAKING = {
    RecordingFormat.FLAC: ("flac", "--silent", "--ignore-chunk-sizes", "--stdout", "-"),
    RecordingFormat.WAV: ("flac", "--silent", "--decode", "--stdout", "-"),
    RecordingFormat.OPUS: ("opusenc", "--quiet", "--ignorelength", "-", "-"),
}
"""Programs that make a kind out of another one that they read."""
_PACKAGES = {"flac": "flac", "opusenc": "opus-tools"}


class SoundError(AdminError):
    """The sound cannot be had in that form here."""


class Sink(Protocol):
    """What takes a recording piece by piece."""

    def write(self, octets: bytes, /) -> int:
        """Takes all of it."""
        ...

    def flush(self) -> None: ...


@contextmanager
def converting(kind: RecordingFormat, wanted: RecordingFormat, out: IO[bytes]) -> Iterator[Sink]:
    """What takes a file of one kind, and writes to `out`, which has a descriptor, one of another kind, or the same.

    A WAV has no sizes in its header: see `put_sizes`. Raises `SoundError`.
    """
    if kind is wanted:
        yield out
    elif kind is not RecordingFormat.OPUS:
        with _through(_MAKING[wanted], out) as sink:
            yield sink
    elif wanted is RecordingFormat.WAV:
        yield _OpusDecoder(out)
    else:
        with _through(_MAKING[wanted], out) as sink:
            yield _OpusDecoder(sink)
    out.flush()


def put_sizes(out: IO[bytes]) -> None:
    """Writes the sizes of a WAV that was written as a stream into its header, and leaves out half a sample.

    `out` can be written anywhere.
    """
    whole = out.seek(0, os.SEEK_END)
    if whole < _WAV_HEADER:
        return
    whole -= (whole - _WAV_HEADER) % _FRAME
    out.truncate(whole)
    for place, size in ((4, whole - 8), (40, whole - _WAV_HEADER)):
        out.seek(place)
        out.write(struct.pack("<I", min(size, _UNKNOWN)))
    out.flush()


@contextmanager
def _through(command: tuple[str, ...], out: IO[bytes]) -> Iterator[Sink]:
    """What takes the input of a program that writes to `out`."""
    program = shutil.which(command[0])
    if program is None:
        raise SoundError(
            f"For that, {command[0]} is needed: apt-get install {_PACKAGES[command[0]]}. "
            "Or export the recording as it was made, or as WAV."
        )
    with subprocess.Popen(
        [program, *command[1:]], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        cut_short = False
        try:
            yield running.stdin
            running.stdin.close()
        except BrokenPipeError:
            cut_short = True
            _give_up(running.stdin)
        except BaseException:
            running.kill()
            _give_up(running.stdin)
            raise
        said = running.stderr.read().decode(errors="replace").strip()
    if running.returncode or cut_short:
        raise SoundError(f"{command[0]} could not convert it: {said or f'status {running.returncode}'}")


def _give_up(pipe: IO[bytes]) -> None:
    """Closes a pipe whose reader is gone: what it was not given any more is no fault of its own."""
    with suppress(OSError):
        pipe.close()


class _OpusDecoder:
    """Takes our Ogg Opus, two mono streams in one (RFC 7845 5.1.1.2), and writes a WAV to `out`, without sizes."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._held = b""
        self._packet = b""
        self._headers = 2
        self._skip = 0
        self._decoder = _Decoder()
        self._decoded = 0
        """Samples, each of both channels."""

    def write(self, octets: bytes) -> int:
        self._held += octets
        at = 0
        while (page := _page(self._held, at)) is not None:
            position, packets, at = page
            self._take(position, packets)
        self._held = self._held[at:]
        return len(octets)

    def flush(self) -> None:
        self._out.flush()

    def _take(self, position: int, parts: list[tuple[bytes, bool]]) -> None:
        """The parts of packets in a page, each with whether it is the last of its packet. The page's position says how
        many samples there are by its end, which may be fewer than were decoded (RFC 7845 4)."""
        before, sound = self._decoded, bytearray()
        for part, is_last in parts:
            self._packet += part
            if is_last:
                packet, self._packet = self._packet, b""
                if self._headers:
                    self._read_header(packet)
                else:
                    sound += self._decoder.decode(packet)
        self._decoded += len(sound) // _FRAME
        first, last = max(self._skip - before, 0), max(position - before, 0)
        self._out.write(bytes(sound[first * _FRAME : last * _FRAME]))

    def _read_header(self, packet: bytes) -> None:
        self._headers -= 1
        if not self._headers:
            return  # the tags
        if packet[:8] != b"OpusHead" or packet[18:] != bytes([1, 2, 0, 0, 1]):
            raise SoundError("This is not an Ogg Opus file as Sealtone records it. Play it with another program.")
        self._skip = struct.unpack_from("<H", packet, 10)[0]
        layout = (16, 1, 2, _RATE, _RATE * _FRAME, _FRAME, 16)
        header = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", _UNKNOWN, b"WAVEfmt ", *layout, b"data", _UNKNOWN)
        self._out.write(header)


def _page(octets: bytes, at: int) -> tuple[int, list[tuple[bytes, bool]], int] | None:
    """The position of the Ogg page at `at`, its parts of packets, and where the next one begins (RFC 3533 6).

    None where it is not there as a whole. Raises `SoundError` where there is none.
    """
    if not b"OggS".startswith(octets[at : at + 4]):
        raise SoundError("This is not an Ogg Opus file as Sealtone records it. Play it with another program.")
    if len(octets) < at + _PAGE_HEADER:
        return None
    body = at + _PAGE_HEADER + octets[at + 26]
    lacing = octets[at + _PAGE_HEADER : body]
    if len(lacing) < octets[at + 26] or len(octets) < body + sum(lacing):
        return None
    parts = []
    for length in lacing:
        parts.append((octets[body : body + length], length < 255))
        body += length
    return struct.unpack_from("<q", octets, at + 6)[0], parts, body


class _Decoder:
    """libopus's multistream decoder for two mono streams."""

    def __init__(self) -> None:
        try:
            self._opus = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise SoundError(
                f"Opus is not on this machine ({_LIBRARY}). On Debian: apt-get install libopus0"
            ) from error
        self._opus.opus_multistream_decoder_create.restype = ctypes.c_void_p
        fault = ctypes.c_int()
        mapping = (ctypes.c_ubyte * 2)(0, 1)
        self._state = ctypes.c_void_p(
            self._opus.opus_multistream_decoder_create(_RATE, 2, 2, 0, mapping, ctypes.byref(fault))
        )
        if fault.value or not self._state:
            raise SoundError("Opus cannot be started on this machine.")
        self._out = (ctypes.c_int16 * (2 * _LONGEST_PACKET))()

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._opus.opus_multistream_decoder_destroy(self._state)

    def decode(self, packet: bytes) -> bytes:
        samples = self._opus.opus_multistream_decode(
            self._state, packet, len(packet), ctypes.byref(self._out), _LONGEST_PACKET, 0
        )
        if samples < 0:
            raise SoundError("The recording holds a packet that is no Opus.")
        return ctypes.string_at(ctypes.byref(self._out), samples * _FRAME)
