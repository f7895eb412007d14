"""The sound card through ALSA's own programs, with a card of ALSA's that reads and writes files."""

from __future__ import annotations

import asyncio
import shutil
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from sealtone.phone import Encryption, Wish
from sealtone.phone.audio import FRAME_SAMPLES, RATE, Loudspeaker, Microphone, Tone, measure
from server.whole import config_in, running

pytestmark = pytest.mark.skipif(shutil.which("aplay") is None, reason="aplay is missing (Debian package alsa-utils)")
HZ = 440.0


def steady_tone(seconds: float) -> array[int]:
    tone, samples = Tone(HZ, 1.0, 0.0), array("h")
    while len(samples) < seconds * RATE:
        frame = tone.read()
        assert frame is not None
        samples.extend(frame)
    return samples


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a default device that hears `in.raw` and plays into `out.raw`."""
    (tmp_path / "in.raw").write_bytes(steady_tone(60).tobytes())
    (tmp_path / ".asoundrc").write_text(
        f'pcm.!default {{ type file slave.pcm "null" format "raw" '
        f'file "{tmp_path}/out.raw" infile "{tmp_path}/in.raw" }}\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def played(card: Path) -> array[int]:
    data = (card / "out.raw").read_bytes() if (card / "out.raw").exists() else b""
    return array("h", data[: len(data) // 2 * 2])


def tone_frames(heard: array[int]) -> int:
    """How many of the frames of 20 ms are the tone."""
    starts = range(0, len(heard) - FRAME_SAMPLES, FRAME_SAMPLES)
    return sum(measure(heard[at : at + FRAME_SAMPLES], HZ).is_tone for at in starts)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not happened():  # noqa: ASYNC110 - ALSA's programs do not tell
            await asyncio.sleep(0.05)


async def test_the_loudspeaker_plays_every_frame_in_order(card: Path) -> None:
    samples = steady_tone(1)
    speaker = Loudspeaker()
    for start in range(0, len(samples), FRAME_SAMPLES):
        speaker.write(samples[start : start + FRAME_SAMPLES])
        await asyncio.sleep(0.002)
    await until(lambda: len(played(card)) >= len(samples) // 2)
    heard = played(card)
    speaker.close()
    assert heard == samples[: len(heard)]


async def test_the_microphone_gives_frames_of_what_it_hears_and_keeps_up(card: Path) -> None:
    microphone = Microphone()
    await until(lambda: measure(microphone.read() or array("h"), HZ).share > 0.95)
    heard = array("h")
    for _ in range(50):
        frame = microphone.read()
        assert frame is not None
        assert len(frame) == FRAME_SAMPLES
        heard.extend(frame)
        await asyncio.sleep(0.01)
    microphone.close()
    shares = [measure(heard[at : at + FRAME_SAMPLES], HZ).share for at in range(0, len(heard), FRAME_SAMPLES)]
    assert sum(share > 0.95 for share in shares) >= 40


async def test_a_card_that_cannot_be_opened_is_silent_and_no_fault(card: Path) -> None:
    (card / ".asoundrc").write_text('pcm.!default { type hw card "none-such" }\n')
    microphone, speaker = Microphone(), Loudspeaker()
    for _ in range(20):
        await asyncio.sleep(0.02)
        assert microphone.read() == array("h", bytes(2 * FRAME_SAMPLES))
        speaker.write(array("h", bytes(2 * FRAME_SAMPLES)))
    microphone.close()
    speaker.close()


async def test_a_call_to_the_echo_goes_from_the_microphone_to_the_loudspeaker(card: Path) -> None:
    async with (
        running(config_in(card / "data")) as whole,
        whole.phone("1000", "tls", wish=Wish(Encryption.REQUIRE), source=Microphone, sink=Loudspeaker) as phone,
    ):
        await phone.register()
        call = await phone.call("*43")
        await call.answered(15)
        await asyncio.sleep(0.5)
        call.send_dtmf("1")  # past what the echo test says of itself
        await until(lambda: tone_frames(played(card)) >= 20)
        await call.hang_up()
