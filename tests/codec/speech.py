"""Speech to listen to codecs with, and how good what is left of it sounds (PESQ, ITU-T P.862, narrow band)."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "quality"

VOICES = ("en-us", "en-gb", "en-us+f3", "en+f2")
"""Two men and two women of espeak-ng: a codec's floor is a mean over all four."""

SENTENCES = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
"""Of the phonetically balanced ones that telephony is tested with (Harvard sentences, list 1)."""


class Speech(NamedTuple):
    """One voice: what a phone takes in at 16 kHz, and what an ideal line would let through at 8 kHz."""

    spoken: Path
    reference: Path


def make_speech() -> list[Speech]:
    """All voices, made when first asked for."""
    CACHE.mkdir(parents=True, exist_ok=True)
    voices = []
    for voice in VOICES:
        speech = Speech(CACHE / f"{voice}-16.wav", CACHE / f"{voice}-8.wav")
        if not speech.reference.exists():
            raw = CACHE / f"{voice}-raw.wav"
            _run("espeak-ng", "-v", voice, "-s", "160", "-w", raw, SENTENCES)
            _run("sox", raw, "-r", "16000", "-b", "16", "-c", "1", speech.spoken, "gain", "-6", "pad", "0.2", "0.2")
            _run("sox", speech.spoken, "-r", "8000", speech.reference)
        voices.append(speech)
    return voices


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def read_wav(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    """The samples of a mono file."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)
