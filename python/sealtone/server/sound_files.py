"""The sounds that `make build` made, for the media core: `language/prompt`, `pgp/word`, and tones and music by name.

Tones and music are given to the media core at start, a prompt when it is first needed: each worker's codec process
keeps all that it was given, and waits for what is still on its way. The 512 words of the PGP word list, by which few
phones show a SAS, take turns in a few places.
"""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "sounds"
DEFAULT_LANGUAGE = "en"
_PGP = "pgp"
_PLACES = 32
_WORD, _PAUSE = "word", "pause"
_RATE = 16_000
_NO_VOICE = (
    "This server has no voice, so that its prompts are tones: install espeak-ng and sox, run make build, and start it "
    "again."
)


class SoundFiles:
    """`load` gives the media core a sound: its name, samples a second, and 16-bit little-endian mono samples."""

    def __init__(self, folder: Path, load: Callable[[str, int, bytes], None]) -> None:
        self._folder = folder
        self._load = load
        self._known = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.wav")}
        self._loaded: set[str] = set()
        self._places: dict[str, str] = {}
        """Words of the PGP list that are loaded, oldest first, and under which name."""
        self._load_tone(_WORD, 0.12, 600)
        self._load_tone(_PAUSE, 0.35, 0)
        for name in sorted(self._known):
            if "/" not in name:
                self._load_file(name)

    @property
    def note(self) -> str:
        """What a person should know of the sounds there are; empty where they are all there."""
        return "" if any(name.startswith(f"{DEFAULT_LANGUAGE}/") for name in self._known) else _NO_VOICE

    def missing(self, names: tuple[str, ...]) -> str:
        """The first of these that is not here, so that something else would stand in for it; empty where all are."""
        return next((name for name in names if name not in self._known and name not in self._loaded), "")

    def ready(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names to play these sounds by, which are loaded now. A prompt without a language is in the default one.

        In place of one that is not there is a short tone for a prompt, or a pause.
        """
        return tuple(map(self._ready, names))

    def _ready(self, name: str) -> str:
        if name not in self._known and f"{DEFAULT_LANGUAGE}/{name}" in self._known:
            name = f"{DEFAULT_LANGUAGE}/{name}"
        if name not in self._loaded and name not in self._known:
            return _WORD if "/" in name else _PAUSE
        if name.startswith(f"{_PGP}/"):
            return self._place_of(name)
        if name not in self._loaded:
            self._load_file(name)
        return name

    def _place_of(self, word: str) -> str:
        place = self._places.pop(word, None)
        if place is None:
            oldest = next(iter(self._places)) if len(self._places) >= _PLACES else None
            place = self._places.pop(oldest) if oldest is not None else f"{_PGP}-{len(self._places)}"
            self._load(place, *_read(self._known[word]))
        self._places[word] = place
        return place

    def _load_file(self, name: str) -> None:
        self._load(name, *_read(self._known[name]))
        self._loaded.add(name)

    def _load_tone(self, name: str, duration_s: float, hz: int) -> None:
        count = round(duration_s * _RATE)
        loud = [3000 * math.sin(math.pi * at / count) * math.sin(2 * math.pi * hz * at / _RATE) for at in range(count)]
        self._load(name, _RATE, array("h", map(round, loud)).tobytes())
        self._loaded.add(name)


def _read(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path), "rb") as file:
        return file.getframerate(), file.readframes(file.getnframes())
