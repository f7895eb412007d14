"""Tones as proof of audio: each side plays its own sine with pauses, and what the far end recorded is measured.

Counting packets proves nothing about audio; a recording in which the right frequency holds the energy, with the
pauses where they belong, does.
"""

from __future__ import annotations

import struct
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 8000
ON_S, OFF_S = 0.6, 0.2
_FRAME_S = 0.04
_LOUD_RMS = 300.0
_TONE_SHARE = 0.80

Samples = NDArray[np.float64]


class Heard(NamedTuple):
    """What a recording holds, in seconds, about one frequency.

    `tone_s`: loud and of that frequency; `other_s`: loud and something else; `silent_s`: quiet.
    `share`: part of the loud energy within +-60 Hz of the frequency (0..1). `bursts`: how often the tone began.
    """

    tone_s: float
    other_s: float
    silent_s: float
    share: float
    bursts: int


def write_tone(path: Path, hz: float, seconds: float = 120.0, rate: int = RATE) -> Path:
    """A mono 16-bit WAV: a sine of `hz`, 0.6 s on and 0.2 s off, over and over."""
    at = np.arange(int(seconds * rate)) / rate
    on = (at % (ON_S + OFF_S)) < ON_S
    samples = np.where(on, 9000.0 * np.sin(2 * np.pi * hz * at), 0.0).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return path


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples (first channel) and rate of a 16-bit WAV, also of one whose writer has not filled in the lengths yet."""
    raw = path.read_bytes()
    if len(raw) < 44 or raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return np.zeros(0), RATE
    channels, rate, at = 1, RATE, 12
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], struct.unpack_from("<I", raw, at + 4)[0]
        at += 8
        if name == b"fmt ":
            channels, rate = struct.unpack_from("<HI", raw, at + 2)
        if name == b"data":
            break
        at += size + (size & 1)
    body = raw[at:]
    body = body[: len(body) - len(body) % (2 * channels)]
    return np.frombuffer(body, "<i2").astype(np.float64)[::channels], int(rate)


def _share_at(frame: Samples, hz: float, rate: int) -> float:
    window = np.hanning(len(frame))
    spectrum = np.abs(np.fft.rfft(frame * window)) ** 2
    frequencies = np.fft.rfftfreq(len(frame), 1 / rate)
    total = float(spectrum[1:].sum())
    return float(spectrum[np.abs(frequencies - hz) <= 60.0].sum()) / total if total else 0.0


def listen(samples: Samples, hz: float, rate: int = RATE) -> Heard:
    """Measure how much of `samples` (16-bit scale) is the tone of `hz`, in frames of 40 ms."""
    size = int(rate * _FRAME_S)
    tone = other = silent = bursts = 0
    loud_energy = tone_energy = 0.0
    before = False
    for start in range(0, len(samples) - size + 1, size):
        frame = samples[start : start + size]
        energy = float(np.mean(frame**2))
        if energy < _LOUD_RMS**2:
            silent, before = silent + 1, False
            continue
        share = _share_at(frame, hz, rate)
        loud_energy += energy
        tone_energy += energy * share
        is_tone = share >= _TONE_SHARE
        tone, other = tone + is_tone, other + (not is_tone)
        bursts += is_tone and not before
        before = is_tone
    share_of_all = tone_energy / loud_energy if loud_energy else 0.0
    return Heard(tone * _FRAME_S, other * _FRAME_S, silent * _FRAME_S, share_of_all, bursts)


def listen_to_file(path: Path, hz: float) -> Heard:
    samples, rate = read_wav(path)
    return listen(samples, hz, rate)


def _ulaw_table() -> Samples:
    codes = ~np.arange(256) & 0xFF
    magnitude = (((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)
    return np.where(codes & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.float64)


def _alaw_table() -> Samples:
    codes = np.arange(256) ^ 0x55
    exponent, mantissa = (codes & 0x70) >> 4, (codes & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.float64)


ULAW, ALAW = _ulaw_table(), _alaw_table()


def decode_g711(payload: bytes, law: str) -> Samples:
    """Linear samples of a G.711 payload; `law` is "PCMU" or "PCMA"."""
    return (ULAW if law == "PCMU" else ALAW)[np.frombuffer(payload, np.uint8)]
