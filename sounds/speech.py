"""Prompts by espeak-ng, brought to our rate by sox."""

import array
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import sound

FOLDER = Path(__file__).resolve().parent
VOICES = {"en": "en-gb", "ru": "ru"}
PROGRAMS = ("espeak-ng", "sox")
_WORDS_A_MINUTE, _SLOWLY = 150, 120
_LEVEL_DB = -22.0


def missing() -> list[str]:
    """The programs that are not here, and are Debian packages of the same names."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def prompts(language: str) -> dict[str, str]:
    """Texts by id. Raises ValueError where a line is neither `id = text`, nor empty, nor a comment."""
    texts: dict[str, str] = {}
    path = FOLDER / f"{language}.txt"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, found, text = line.partition(" = ")
        if not found or not name.strip() or not text.strip() or name in texts:
            raise ValueError(f"{path.name}, line {number}: write each id once, as `id = text`")
        texts[name] = text.strip()
    return texts


class Job(NamedTuple):
    """One sound to make: `path` is `language/id`, or `pgp/word`, which is English everywhere."""

    path: str
    text: str
    voice: str
    words_a_minute: int


def jobs(pgp_words: tuple[str, ...]) -> Iterator[Job]:
    """Every prompt of every language, and the words of the PGP word list."""
    for language, voice in VOICES.items():
        for name, text in prompts(language).items():
            yield Job(f"{language}/{name}", text, voice, _SLOWLY if name.startswith("letter-") else _WORDS_A_MINUTE)
    for word in pgp_words:
        yield Job(f"pgp/{word.lower()}", word, VOICES["en"], _SLOWLY)


def said(job: Job) -> list[float]:
    """A sentence at our level, without silence around it."""
    speak = ["espeak-ng", "-v", job.voice, "-s", str(job.words_a_minute), "--stdin", "--stdout"]
    spoken = subprocess.run(speak, input=job.text.encode(), stdout=subprocess.PIPE, check=True).stdout
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-"]
    resample = ["gain", "-6", "rate", "-h", str(sound.RATE)]
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-L", "-"]
    resample = ["gain", "-6", "rate", "-h", str(sound.RATE)]
    convert = ["sox", "-V1", "-D", "-t", "wav", "--ignore-length", "-", *raw, *resample]
    pcm = array.array("h", subprocess.run(convert, input=spoken, stdout=subprocess.PIPE, check=True).stdout)
    samples = [value / 32_768 for value in pcm]
    return sound.at_level(sound.trimmed(samples), _LEVEL_DB)
