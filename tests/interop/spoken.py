"""Whether a recording holds a sound of the server's: by correlation with the file that it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sealtone
from interop.tone import Samples, read_wav

FOLDER = Path(sealtone.__file__).parent / "sounds"
ALIKE = 0.75
"""Of the same sound, through G.711 and across lost packets; another prompt that begins with the same words reaches 0.6."""


def original(name: str, rate: int = 8000) -> Samples:
    """A sound as it was built, at `rate`: 8,000 or 16,000 samples a second."""
    samples, built = read_wav(FOLDER / f"{name}.wav")
    if rate == built:
        return samples
    spectrum = np.fft.rfft(samples)
    count = len(samples) * rate // built
    return np.fft.irfft(spectrum[: count // 2 + 1], count) * rate / built


def likeness(heard: Samples, name: str, rate: int = 8000) -> tuple[float, float]:
    """How alike the most similar stretch of a recording is (0 to 1), and at which second it begins."""
    return _likeness(heard, original(name, rate), rate)


def _likeness(heard: Samples, wanted: Samples, rate: int) -> tuple[float, float]:
    wanted = wanted - wanted.mean()
    if len(heard) < len(wanted):
        return 0.0, 0.0
    size = len(heard) + len(wanted)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)[
        : len(heard) - len(wanted) + 1
    ]
    squares = np.concatenate([[0.0], np.cumsum(heard**2)])
    energy = np.sqrt(np.maximum(squares[len(wanted) :] - squares[: -len(wanted)], 1.0))
    alike = product / (energy * np.sqrt((wanted**2).sum()))
    best = int(np.argmax(alike))
    return float(alike[best]), best / rate


def order_of(recording: Path, names: list[str]) -> list[str]:
    """Those of the sounds that a recording holds, in the order in which they begin.

    The latter half of one is enough: while a phone's jitter buffer settles, some 10 ms are left out of the first.
    """
    heard, rate = read_wav(recording)
    found = []
    for name in names:
        whole = original(name, rate)
        for wanted in (whole, whole[len(whole) // 2 :]):
            alike, at = _likeness(heard, wanted, rate)
            if alike > ALIKE:
                found.append((at, name))
                break
    return [name for _, name in sorted(found)]


def follow_each_other(recording: Path, first: str, names: list[str]) -> list[tuple[str, float]]:
    """Each of the sounds, which are said one after the other behind `first`, and how alike what stands there is."""
    heard, rate = read_wav(recording)
    _, at = likeness(heard, first, rate)
    at += len(original(first, rate)) / rate
    found = []
    for name in names:
        length = len(original(name, rate)) / rate
        alike, begins = likeness(heard[int(at * rate) : int((at + length + 1.0) * rate)], name, rate)
        found.append((name, alike))
        at += begins + length - 0.1
    return found
