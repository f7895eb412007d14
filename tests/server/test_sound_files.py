"""The server's sounds as the media core gets them, and what stands in where there are none."""

from pathlib import Path

from sealtone.server.sound_files import FOLDER, SoundFiles
from sealtone.zrtp import words

MOST_SOUNDS = 256
"""That the media core takes."""


class Taken:
    def __init__(self, folder: Path) -> None:
        self.sounds: dict[str, tuple[int, bytes]] = {}
        self.files = SoundFiles(folder, self.take)

    def take(self, name: str, rate: int, pcm: bytes) -> None:
        self.sounds[name] = rate, pcm


def test_tones_and_music_are_loaded_at_start_and_prompts_when_they_are_needed() -> None:
    taken = Taken(FOLDER)
    assert taken.files.note == ""
    assert {"music", "beep", "open-tone", "recording-tone", "pause", "wait"} <= set(taken.sounds)
    assert not any("/" in name for name in taken.sounds)
    names = ("pause", "en/goodbye", "ru/goodbye")
    assert taken.files.ready(names) == names
    rate, pcm = taken.sounds["en/goodbye"]
    assert rate == 16_000
    assert 0.3 < len(pcm) / 2 / rate < 3
    assert pcm != taken.sounds["ru/goodbye"][1]


def test_a_prompt_without_a_language_is_in_the_default_one() -> None:
    assert Taken(FOLDER).files.ready(("recording-notice", "recording-tone")) == (
        "en/recording-notice",
        "recording-tone",
    )


def test_what_would_be_stood_in_for_is_missing(tmp_path: Path) -> None:
    notice = ("pause", "ru/recording-notice")
    assert Taken(FOLDER).files.missing((*notice, "recording-tone")) == ""
    assert Taken(tmp_path).files.missing(notice) == "ru/recording-notice"
    assert Taken(tmp_path).files.missing(("recording-tone",)) == "recording-tone"


def test_all_words_of_the_pgp_list_can_be_read_though_the_core_takes_fewer_sounds() -> None:
    taken = Taken(FOLDER)
    for even, odd in zip(words.EVEN, words.ODD, strict=True):
        first, second = taken.files.ready((f"pgp/{even.lower()}", f"pgp/{odd.lower()}"))
        assert first != second
        again = Taken(FOLDER)
        assert taken.sounds[first] == again.sounds[again.files.ready((f"pgp/{even.lower()}",))[0]]
    assert len(taken.sounds) < MOST_SOUNDS


def test_every_prompt_of_every_language_fits_the_core() -> None:
    taken = Taken(FOLDER)
    names = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.wav")]
    taken.files.ready(tuple(names))
    assert len(taken.sounds) < MOST_SOUNDS


def test_a_server_without_a_voice_says_so_and_has_tones_in_place_of_prompts(tmp_path: Path) -> None:
    taken = Taken(tmp_path)
    assert "espeak-ng" in taken.files.note
    ready = taken.files.ready(("en/state-open", "pgp/aardvark", "music"))
    assert ready == ("word", "word", "pause")
    assert all(len(taken.sounds[name][1]) > 1000 for name in ready)
    assert set(taken.sounds["pause"][1]) == {0}
    assert set(taken.sounds["word"][1]) != {0}


def test_a_name_leads_to_no_file_outside_the_folder(tmp_path: Path) -> None:
    taken = Taken(tmp_path / "sounds")
    (tmp_path / "secret.wav").write_bytes(b"x")
    assert taken.files.ready(("pgp/../../secret",)) == ("word",)
