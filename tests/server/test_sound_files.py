"""The server's sounds as the media core gets them, and what stands in where there are none."""

from pathlib import Path

from sealtone.server.sound_files import FOLDER, SoundFiles


class Taken:
    def __init__(self, folder: Path) -> None:
        self.sounds: dict[str, tuple[int, bytes]] = {}
        self.files = SoundFiles(folder, self.take)

    def take(self, name: str, rate: int, pcm: bytes) -> None:
        self.sounds[name] = rate, pcm


def test_all_that_was_built_is_loaded_at_start_but_for_words_that_few_phones_show() -> None:
    taken = Taken(FOLDER)
    assert taken.files.note == ""
    assert {"music", "beep", "open-tone", "recording-tone", "en/open-notice", "ru/letter-q"} <= set(taken.sounds)
    assert not any(name.startswith("pgp/") for name in taken.sounds)
    rate, pcm = taken.sounds["en/goodbye"]
    assert rate == 16_000
    assert 0.3 < len(pcm) / 2 / rate < 3
    assert taken.files.ready(("pause", "pgp/aardvark")) == ("pause", "pgp/aardvark")
    assert "pgp/aardvark" in taken.sounds


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
