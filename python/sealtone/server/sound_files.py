"""The sounds that `make build` made, for the media core: `language/prompt`, `pgp/word`, and tones and music by name.

The words of the PGP word list (by which few phones show a SAS) are read when one is first needed; all else at start.
"""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "sounds"
_PGP = "pgp"
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
        self._loaded: set[str] = set()
        self._load_tone(_WORD, 0.12, 600)
        self._load_tone(_PAUSE, 0.35, 0)
        for path in sorted(folder.rglob("*.wav")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            if not name.startswith(f"{_PGP}/"):
                self._load_file(name, path)

    @property
    def note(self) -> str:
        """What a person should know of the sounds there are; empty where they are all there."""
        return "" if any("/" in name for name in self._loaded) else _NO_VOICE

    def ready(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The same sounds, loaded; in place of one that is not there a short tone for a prompt, or a pause."""
        for name in names:
            path = self._folder / f"{name}.wav"
            if name.startswith(f"{_PGP}/") and name not in self._loaded and path.is_file():
                self._load_file(name, path)
        return tuple(name if name in self._loaded else _WORD if "/" in name else _PAUSE for name in names)

    def _load_file(self, name: str, path: Path) -> None:
        with wave.open(str(path), "rb") as file:
            self._load(name, file.getframerate(), file.readframes(file.getnframes()))
        self._loaded.add(name)

    def _load_tone(self, name: str, duration_s: float, hz: int) -> None:
        count = round(duration_s * _RATE)
        loud = [3000 * math.sin(math.pi * at / count) * math.sin(2 * math.pi * hz * at / _RATE) for at in range(count)]
        self._load(name, _RATE, array("h", map(round, loud)).tobytes())
        self._loaded.add(name)
