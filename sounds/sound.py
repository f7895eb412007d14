"""Mono sound as this folder works with it: floats of -1 to 1 at `RATE`, written as WAV files of 16 bit."""

import array
import math
import wave
from collections.abc import Iterable
from pathlib import Path

RATE = 16_000
_FULL = 32_767


def amplitude(level_db: float) -> float:
    """Of a level in decibels below full scale (0: full scale)."""
    return 10.0 ** (level_db / 20)


def seconds(duration_s: float) -> int:
    """Samples of a duration."""
    return round(duration_s * RATE)


def root_mean_square(samples: Iterable[float]) -> float:
    squares = [sample * sample for sample in samples]
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


def at_level(samples: list[float], level_db: float, peak_db: float = -3.0) -> list[float]:
    """The same as loud as `level_db` (RMS of its louder parts), or less, so that no peak is above `peak_db`."""
    frame = seconds(0.02)
    levels = [root_mean_square(samples[start : start + frame]) for start in range(0, len(samples), frame)]
    loudest = max(levels, default=0.0)
    if loudest == 0.0:
        return samples
    active = [level for level in levels if level > loudest / 10]  # within 20 dB of the loudest: pauses do not count
    gain = amplitude(level_db) / root_mean_square(active)
    peak = max(map(abs, samples)) * gain
    gain *= min(1.0, amplitude(peak_db) / peak)
    return [sample * gain for sample in samples]


def trimmed(samples: list[float], floor_db: float = -46.0, margin_s: float = 0.03) -> list[float]:
    """Without the silence before and after it, faded in and out over the margin that stays."""
    floor = max(map(abs, samples), default=0.0) * amplitude(floor_db)
    loud = [index for index, sample in enumerate(samples) if abs(sample) > floor]
    if not loud:
        return []
    margin = seconds(margin_s)
    return faded(samples[max(loud[0] - margin, 0) : loud[-1] + margin], margin_s / 2)


def faded(samples: list[float], fade_s: float) -> list[float]:
    """Begins and ends in silence."""
    count = min(seconds(fade_s), len(samples) // 2)
    result = list(samples)
    for index in range(count):
        share = 0.5 - 0.5 * math.cos(math.pi * index / count)
        result[index] *= share
        result[-1 - index] *= share
    return result


def write(path: Path, samples: list[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = array.array("h", [round(max(-1.0, min(1.0, sample)) * _FULL) for sample in samples])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
