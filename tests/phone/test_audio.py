"""Files and tones of the phone."""

import math
import wave
from array import array

import pytest

from interop import tone
from sealtone.phone.audio import RATE, AudioError, Tone, WavSink, WavSource, measure, silent_frame


def samples_of(source, frames):
    collected = array("h")
    for _ in range(frames):
        collected.extend(source.read())
    return collected


def test_a_written_tone_is_the_tone_that_an_independent_meter_hears(tmp_path):
    sink, source = WavSink(tmp_path / "a.wav"), Tone(440)
    for _ in range(400):
        sink.write(source.read())
    sink.close()
    heard = tone.listen_to_file(tmp_path / "a.wav", 440)
    assert heard.tone_s == pytest.approx(6.0, abs=0.7)
    assert heard.share > 0.95
    with wave.open(str(tmp_path / "a.wav")) as written:
        assert written.getnframes() == 400 * 160


def test_the_recording_can_be_read_while_it_grows(tmp_path):
    sink = WavSink(tmp_path / "a.wav")
    for _ in range(51):
        sink.write(silent_frame())
    with wave.open(str(tmp_path / "a.wav")) as written:
        assert written.getnframes() == RATE
    sink.close()


@pytest.mark.parametrize("hz", [300, 440, 1000, 3000])
def test_the_meter_knows_its_tone_from_others_and_from_noise(hz):
    import random

    rng = random.Random(1)
    sound = array("h", [int(9000 * math.sin(2 * math.pi * hz * n / RATE)) for n in range(1600)])
    noise = array("h", [rng.randrange(-9000, 9000) for _ in range(1600)])
    assert measure(sound, hz).share > 0.98
    assert measure(sound, hz).is_tone
    assert measure(sound, hz + 150).share < 0.02
    assert measure(noise, hz).share < 0.05
    assert not measure(array("h", bytes(3200)), hz).is_tone


def test_a_file_plays_once_or_in_a_loop(tmp_path):
    path = tmp_path / "short.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array("h", [value for n in range(200) for value in (n, -n)]).tobytes())
    once = WavSource(path)
    assert list(once.read()) == list(range(160))
    assert list(once.read()) == [*range(160, 200), *[0] * 120]
    assert once.read() is None
    looped = WavSource(path, loop=True)
    assert list(samples_of(looped, 5)) == list(range(200)) * 4


@pytest.mark.parametrize(("rate", "width"), [(44100, 2), (8000, 1)])
def test_a_file_of_another_format_is_refused_with_the_way_to_convert_it(tmp_path, rate, width):
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(bytes(1000))
    with pytest.raises(AudioError, match="sox "):
        WavSource(path)


def test_missing_and_broken_files_are_refused_in_words(tmp_path):
    with pytest.raises(AudioError, match="no file"):
        WavSource(tmp_path / "none.wav")
    (tmp_path / "broken.wav").write_bytes(b"RIFF????nonsense")
    with pytest.raises(AudioError, match="cannot be read"):
        WavSource(tmp_path / "broken.wav")
