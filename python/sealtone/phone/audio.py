"""Where a call's voice comes from and goes to: WAV files, tones, silence, the sound card.

Everything is mono at 8,000 samples a second, 16 bits, in frames of 20 ms (160 samples, `array("h")`).
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import struct
import subprocess
import sys
import wave
from array import array
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol

RATE: Final = 8000
FRAME_SAMPLES: Final = 160
FRAME_S: Final = 0.020
_SILENT_FRAME = array("h", bytes(2 * FRAME_SAMPLES))


class AudioError(ValueError):
    """A file or device that cannot be used; the text says why and what would do."""


class AudioSource(Protocol):
    """Gives the voice that is sent."""

    def read(self) -> array[int] | None:
        """The next frame; None when there is no more."""

    def close(self) -> None: ...


class AudioSink(Protocol):
    """Takes the voice that was heard, a frame every 20 ms."""

    def write(self, frame: array[int]) -> None: ...

    def close(self) -> None: ...


def silent_frame() -> array[int]:
    """20 ms of silence."""
    return array("h", _SILENT_FRAME)


class Silence:
    """Sends silence for ever."""

    def read(self) -> array[int] | None:
        return silent_frame()

    def close(self) -> None:
        """Nothing is held."""


class Nowhere:
    """Drops what was heard."""

    def write(self, frame: array[int]) -> None:
        """Dropped."""

    def close(self) -> None:
        """Nothing is held."""


class Tone:
    """A sine of `hz`, `on_s` seconds sounding and `off_s` silent, for ever. `level` is the amplitude, 0..32767."""

    def __init__(self, hz: float, on_s: float = 0.6, off_s: float = 0.2, level: int = 9000) -> None:
        self._step = 2 * math.pi * hz / RATE
        self._on, self._period = int(on_s * RATE), max(int((on_s + off_s) * RATE), 1)
        self._level = level
        self._at = 0

    def read(self) -> array[int] | None:
        at, self._at = self._at, self._at + FRAME_SAMPLES
        return array(
            "h",
            [
                int(self._level * math.sin(self._step * n)) if n % self._period < self._on else 0
                for n in range(at, at + FRAME_SAMPLES)
            ],
        )

    def close(self) -> None:
        """Nothing is held."""


class WavSource:
    """Plays a 16-bit WAV of 8,000 samples a second (stereo: the first channel), once or in a loop."""

    def __init__(self, path: Path, loop: bool = False) -> None:
        try:
            with wave.open(str(path), "rb") as source:
                channels, width, rate = source.getnchannels(), source.getsampwidth(), source.getframerate()
                raw = source.readframes(source.getnframes())
        except FileNotFoundError:
            raise AudioError(f"There is no file {path}.") from None
        except (wave.Error, EOFError, OSError) as error:
            raise AudioError(f"{path} cannot be read as a WAV file: {error}.") from None
        if width != 2 or rate != RATE:
            raise AudioError(
                f"{path} has {width * 8} bits at {rate} Hz; 16 bits at {RATE} Hz are needed. "
                f"This converts it: sox {path} -b 16 -c 1 -r {RATE} new.wav"
            )
        samples = array("h", raw)
        if sys.byteorder == "big":
            samples.byteswap()
        self._samples = samples[::channels]
        if not self._samples:
            raise AudioError(f"{path} holds no sound.")
        self._loop = loop
        self._at = 0

    def read(self) -> array[int] | None:
        frame = self._samples[self._at : self._at + FRAME_SAMPLES]
        self._at += FRAME_SAMPLES
        if len(frame) == FRAME_SAMPLES:
            return frame
        if self._loop:
            missing = FRAME_SAMPLES - len(frame)
            self._at = missing % len(self._samples)
            while len(frame) < FRAME_SAMPLES:
                frame.extend(self._samples[: FRAME_SAMPLES - len(frame)])
            return frame
        if not frame:
            return None
        frame.extend(array("h", bytes(2 * (FRAME_SAMPLES - len(frame)))))
        return frame

    def close(self) -> None:
        self._samples = array("h")


class WavSink:
    """Writes what is heard into a WAV whose lengths are right after every second, so that it can be read meanwhile."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] | None = path.open("wb")
        except OSError as error:
            raise AudioError(f"{path} cannot be written: {error.strerror}.") from None
        self._written = 0
        self._file.write(self._header())

    def _header(self) -> bytes:
        size = self._written
        head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
        return head + struct.pack("<4sI", b"data", size)

    def write(self, frame: array[int]) -> None:
        if self._file is None:
            return
        data = frame.tobytes()
        if sys.byteorder == "big":
            swapped = array("h", frame)
            swapped.byteswap()
            data = swapped.tobytes()
        self._file.write(data)
        self._written += len(data)
        if self._written % (2 * RATE) == 0:
            self._settle()

    def _settle(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, 2)
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._settle()
            self._file.close()
            self._file = None


_ALSA = ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(RATE), "--buffer-time=80000"]


def has_sound_card() -> bool:
    """Whether ALSA's command line programs are here and list a device."""
    if not (shutil.which("aplay") and shutil.which("arecord")):
        return False
    listed = subprocess.run(["aplay", "-l"], capture_output=True, text=True, timeout=5, check=False)
    return "card " in listed.stdout


class Microphone:
    """The default capture device, through ALSA's `arecord`; silence while it has nothing."""

    def __init__(self) -> None:
        command = ["arecord", *_ALSA]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._held = b""

    def read(self) -> array[int] | None:
        size = 2 * FRAME_SAMPLES
        with contextlib.suppress(BlockingIOError):
            self._held += os.read(self._pipe, 16 * size)
        if len(self._held) > 10 * size:  # 200 ms behind: let the oldest go
            self._held = self._held[-4 * size :]
        if len(self._held) < size:
            return silent_frame()
        frame, self._held = array("h", self._held[:size]), self._held[size:]
        return frame

    def close(self) -> None:
        _end(self._process)


class Loudspeaker:
    """The default playback device, through ALSA's `aplay`; frames it cannot take in time are dropped."""

    def __init__(self) -> None:
        command = ["aplay", *_ALSA]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)

    def write(self, frame: array[int]) -> None:
        with contextlib.suppress(OSError):
            os.write(self._pipe, frame.tobytes())

    def close(self) -> None:
        _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """At once: asked politely, a program whose pipe is full would first want to get rid of what it holds."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Sound(NamedTuple):
    """How loud a stretch of audio is and how much of it is one tone. `rms` 0..32767; `share` of the energy, 0..1."""

    rms: float
    share: float

    @property
    def is_tone(self) -> bool:
        """Loud, and nearly nothing but the tone that was asked for."""
        return self.rms >= 300 and self.share >= 0.8


def measure(samples: array[int], hz: float) -> Sound:
    """Loudness, and the share of the energy that a sine of `hz` explains (Goertzel, at the exact frequency)."""
    count = len(samples)
    energy = float(sum(sample * sample for sample in samples))
    if count == 0 or energy == 0:
        return Sound(0.0, 0.0)
    omega = 2 * math.pi * hz / RATE
    twice_cosine = 2 * math.cos(omega)
    before = before_that = 0.0
    for sample in samples:
        before, before_that = sample + twice_cosine * before - before_that, before
    power = before * before + before_that * before_that - twice_cosine * before * before_that
    return Sound(math.sqrt(energy / count), min(2 * power / (count * energy), 1.0))
