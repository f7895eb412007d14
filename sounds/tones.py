"""Tones and silences: what a telephone says without words."""

import math

import sound

_LEVEL_DB = -20.0
_KEY_LEVEL_DB = -17.0
_KEY_S = 0.1
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
"""The two tones of each key, Hz (ITU-T Q.23)."""
_KEYS = ("123A", "456B", "789C", "*0#D")
_SPELLED = {"*": "star", "#": "hash"}


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
        **_keys(),
    }


def _keys() -> dict[str, list[float]]:
    return {
        f"key-{_SPELLED.get(key, key)}": _tone(_KEY_S, low, high, level_db=_KEY_LEVEL_DB)
        for low, row in zip(_ROWS, _KEYS, strict=True)
        for high, key in zip(_COLUMNS, row, strict=True)
    }


def _tone(duration_s: float, *hz: float, level_db: float = _LEVEL_DB) -> list[float]:
    turns = [2 * math.pi * index / sound.RATE for index in range(sound.seconds(duration_s))]
    samples = [sum(math.sin(each * turn) for each in hz) for turn in turns]
    return sound.faded(sound.at_level(samples, level_db), 0.01)


def _silence(duration_s: float) -> list[float]:
    return [0.0] * sound.seconds(duration_s)
