"""The sounds as they were built: complete, level, without clicks; and the texts that they were made of."""

import array
import math
import wave
from itertools import pairwise
from pathlib import Path

import pytest

import music
import sealtone
import speech
import tones
from sealtone.zrtp import words

FOLDER = Path(sealtone.__file__).parent / "sounds"
LANGUAGES = sorted(speech.VOICES)


def read(path: Path) -> list[float]:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2), path.name
        pcm = array.array("h", file.readframes(file.getnframes()))
    return [sample / 32_768 for sample in pcm]


def level_db(samples: list[float]) -> float:
    """Of the frames within 20 dB of the loudest one."""
    frames = [samples[start : start + 320] for start in range(0, len(samples), 320)]
    powers = [sum(x * x for x in frame) / len(frame) for frame in frames]
    active = [power for power in powers if power > max(powers) / 100]
    return 10 * math.log10(sum(active) / len(active))


def test_each_language_has_the_same_prompts() -> None:
    first, *others = (set(speech.prompts(language)) for language in LANGUAGES)
    assert first
    assert all(other == first for other in others)


def test_no_prompt_is_left_in_the_other_language() -> None:
    english, russian = speech.prompts("en"), speech.prompts("ru")
    assert all(not any("а" <= letter <= "я" for letter in text.lower()) for text in english.values())
    assert all(any("а" <= letter <= "я" for letter in text.lower()) for text in russian.values())
    assert not any(english[name] == russian[name] for name in english)


@pytest.mark.parametrize("text", ["a = x\na = y", "a x", "a = ", " = x"])
def test_a_text_that_cannot_be_read_is_refused_with_its_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "en.txt").write_text(text)
    monkeypatch.setattr(speech, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"en\.txt, line \d"):
        speech.prompts("en")


@pytest.mark.parametrize("language", [*LANGUAGES, "pgp"])
def test_every_prompt_was_made_at_one_level_without_silence_around_it(language: str) -> None:
    names = set(speech.prompts(language)) if language != "pgp" else {word.lower() for word in words.EVEN + words.ODD}
    assert {path.stem for path in (FOLDER / language).glob("*.wav")} == names
    for name in sorted(names):
        samples = read(FOLDER / language / f"{name}.wav")
        peak = max(map(abs, samples))
        assert 0.2 < len(samples) / 16_000 < 15, name
        assert -26 < level_db(samples) < -20, name
        assert peak < 0.72, name  # -3 dB of full scale
        edge = max(map(abs, samples[:800])), max(map(abs, samples[-800:]))
        assert all(loud > peak * 10 ** (-46 / 20) for loud in edge), f"{name} has silence around it"
        assert abs(samples[0]) < 0.001, f"{name} begins with a click"
        assert abs(samples[-1]) < 0.001, f"{name} ends with a click"


@pytest.mark.parametrize("name", sorted(tones.all_tones()))
def test_tones_begin_and_end_in_silence_at_a_bearable_level(name: str) -> None:
    samples = read(FOLDER / f"{name}.wav")
    assert samples[0] == samples[-1] == 0
    assert max(map(abs, samples)) < (0.3 if name.startswith("key-") else 0.2)


def test_music_on_hold_is_quieter_than_speech_and_lasts_for_a_while() -> None:
    samples = read(FOLDER / "music.wav")
    assert 15 < len(samples) / 16_000 < 60
    assert -32 < level_db(samples) < -24
    assert max(map(abs, samples)) < 0.36


def roughness(samples: list[float]) -> list[float]:
    """What is left at each place when all that a smooth sound can do is taken away: its sixth difference."""
    for _ in range(6):
        samples = [later - earlier for earlier, later in pairwise(samples)]
    return [abs(value) for value in samples]


def test_the_loop_of_the_music_has_no_seam() -> None:
    samples = read(FOLDER / "music.wav")
    within, seam = roughness(samples), roughness([*samples[-100:], *samples[:100]])
    assert max(seam) <= max(within)
    assert max(within) < 0.01, "somewhere within it there is a click"


@pytest.mark.parametrize("cut", [1000, 2001, 3037, 4444, 5005])
def test_a_click_at_the_seam_would_be_found(cut: int) -> None:
    samples = read(FOLDER / "music.wav")
    cut_short = samples[:-cut]
    assert max(roughness([*cut_short[-100:], *cut_short[:100]])) > 0.02


def test_the_music_is_the_same_each_time_it_is_made() -> None:
    made, kept = music.loop(), read(FOLDER / "music.wav")
    assert len(made) == len(kept)
    assert max(abs(new - old) for new, old in zip(made[::7], kept[::7], strict=True)) < 1e-4
