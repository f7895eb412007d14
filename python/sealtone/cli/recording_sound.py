"""From a recording's file to sound that this machine plays, or to another kind of file.

Ogg Opus is decoded by the libopus that the server uses as well. Other changes of kind are left to ffmpeg.
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Iterator

from sealtone.admin import AdminError
from sealtone.model import RecordingFormat

_LIBRARY = "libopus.so.0"
_RATE = 48_000
_LONGEST_PACKET = 5_760  # samples of 120 ms at 48 kHz
_WAV_HEADER = 44


class SoundError(AdminError):
    """The sound cannot be had in that form here."""


def converted(octets: bytes, kind: RecordingFormat, wanted: RecordingFormat) -> bytes:
    """The file in another kind; where it is of that kind already, as it is. Raises `SoundError`."""
    if kind is wanted:
        return wav_with_sizes(octets) if kind is RecordingFormat.WAV else octets
    if kind is RecordingFormat.OPUS and wanted is RecordingFormat.WAV:
        return opus_to_wav(octets)
    return _by_ffmpeg(octets, wanted)


def wav_with_sizes(octets: bytes) -> bytes:
    """A WAV that was written as a stream, with its sizes in its header."""
    whole = len(octets) - (len(octets) - _WAV_HEADER) % 4
    head = bytearray(octets[:_WAV_HEADER])
    struct.pack_into("<I", head, 4, min(whole - 8, 0xFFFFFFFF))
    struct.pack_into("<I", head, 40, min(whole - _WAV_HEADER, 0xFFFFFFFF))
    return bytes(head) + octets[_WAV_HEADER:whole]


def opus_to_wav(octets: bytes) -> bytes:
    """Decodes our Ogg Opus: two mono streams in one (RFC 7845 5.1.1.2). Raises `SoundError`."""
    packets, end = _packets(octets)
    head = next(packets, b"")
    if head[:8] != b"OpusHead" or head[18:] != bytes([1, 2, 0, 0, 1]):
        raise SoundError("This is not an Ogg Opus file as Sealtone records it. Play it with another program.")
    next(packets, b"")  # tags
    skip = struct.unpack_from("<H", head, 10)[0]
    pcm = bytearray()
    with _Decoder() as decoder:
        for packet in packets:
            pcm += decoder.decode(packet)
    last = max(end[-1], 0) * 4 if end else len(pcm)
    sound = bytes(pcm[skip * 4 : last])
    header = struct.pack(
        "<4sI8sIHHIIHH4sI",
        *(b"RIFF", 36 + len(sound), b"WAVEfmt ", 16, 1, 2, _RATE, _RATE * 4, 4, 16, b"data", len(sound)),
    )
    return header + sound


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

    def __enter__(self) -> _Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._opus.opus_multistream_decoder_destroy(self._state)

    def decode(self, packet: bytes) -> bytes:
        samples = self._opus.opus_multistream_decode(
            self._state, packet, len(packet), ctypes.byref(self._out), _LONGEST_PACKET, 0
        )
        if samples < 0:
            raise SoundError("The recording holds a packet that is no Opus.")
        return ctypes.string_at(ctypes.byref(self._out), samples * 4)


def _packets(octets: bytes) -> tuple[Iterator[bytes], list[int]]:
    """The packets of an Ogg stream; the list has the last page's position once all are taken."""
    end: list[int] = []

    def take() -> Iterator[bytes]:
        at, begun = 0, b""
        while at + 27 <= len(octets) and octets[at : at + 4] == b"OggS":
            segments = octets[at + 26]
            lacing = octets[at + 27 : at + 27 + segments]
            body = at + 27 + segments
            if body + sum(lacing) > len(octets):
                return  # broken off in this page
            end[:] = [struct.unpack_from("<q", octets, at + 6)[0]]
            for length in lacing:
                begun += octets[body : body + length]
                body += length
                if length < 255:
                    yield begun
                    begun = b""
            at = body

    return take(), end


def _by_ffmpeg(octets: bytes, wanted: RecordingFormat) -> bytes:
    program = shutil.which("ffmpeg")
    if program is None:
        raise SoundError(
            f"To make {wanted.value} of this recording, ffmpeg is needed: apt-get install ffmpeg. "
            "Or export it as it was recorded."
        )
    kinds = {RecordingFormat.OPUS: ("libopus", "ogg"), RecordingFormat.WAV: ("pcm_s16le", "wav")}
    codec, container = kinds.get(wanted, ("flac", "flac"))
    command = [program, "-v", "error", "-i", "pipe:0", "-c:a", codec, "-f", container, "pipe:1"]
    done = subprocess.run(command, input=octets, capture_output=True, check=False)
    if done.returncode:
        raise SoundError(f"ffmpeg could not convert it: {done.stderr.decode(errors='replace').strip()}")
    return wav_with_sizes(done.stdout) if wanted is RecordingFormat.WAV else done.stdout
