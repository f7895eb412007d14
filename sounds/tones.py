"""Tones and silences: what a telephone says without words."""

import math

import sound

_LEVEL_DB = -20.0


def all_tones() -> dict[str, list[float]]:
    """By id. Those that are repeated end with their own pause."""
    return {
        "pause": _silence(0.35),
        "wait": _silence(4.0),
        "beep": _tone(0.25, 1000),
        "ring-back": _tone(1.0, 425) + _silence(4.0),  # ITU-T E.182, as most of Europe has it
        "busy": _tone(0.5, 425) + _silence(0.5),
        "open-tone": _tone(0.22, 880) + _silence(0.06) + _tone(0.22, 660) + _silence(0.06) + _tone(0.4, 440),
        "recording-tone": _tone(0.4, 1400),  # ITU-T E.182, recording tone: 1,400 Hz
        "word": _tone(0.12, 600) + _silence(0.1),  # stands for a prompt where there is no voice
    }


def _tone(duration_s: float, hz: float) -> list[float]:
    samples = [math.sin(2 * math.pi * hz * index / sound.RATE) for index in range(sound.seconds(duration_s))]
    return sound.faded(sound.at_level(samples, _LEVEL_DB), 0.01)


def _silence(duration_s: float) -> list[float]:
    return [0.0] * sound.seconds(duration_s)
