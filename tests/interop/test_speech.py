"""Speech through the server between real phones with one codec each: what the other phone recorded, by PESQ."""

from __future__ import annotations

import itertools
import shutil
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pesq import pesq

from codec.speech import VOICES, make_speech, read_wav
from interop import tone
from interop.test_codecs import PLAIN, SRTP, ZRTP

RATE = 8_000
_FRAME = RATE // 100  # of which the loudness is looked at
_MOST = 4

Sound = NDArray[Any]


def played(path: Path, voice: int) -> tuple[Path, Sound]:
    """A file that says the sentences of a voice again and again, and the sentences once."""
    once = read_wav(make_speech()[voice].reference)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(once.tobytes() * 12)
    return path, once


def loudness(sound: Sound) -> Sound:
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(float)
    return np.log10(1 + (frames**2).mean(axis=1))


def scores(recording: Path, once: Sound) -> list[float]:
    """The PESQ of each time that the sentences were heard, found by how loud they are in the course of time."""
    heard, rate = tone.read_wav(recording)
    heard = heard if rate == RATE else slower(heard, rate)
    wanted, has = loudness(once), loudness(heard)
    alike = np.correlate(has - has.mean(), wanted - wanted.mean(), "valid")
    found: list[float] = []
    while len(alike) and alike.max() > 0 and len(found) < _MOST:
        at = int(alike.argmax())
        alike[max(0, at - len(wanted) // 2) : at + len(wanted) // 2] = 0
        begins = max(0, at * _FRAME - RATE // 10)
        part = heard[begins : begins + len(once) + RATE // 5].clip(-32_768, 32_767).astype(np.int16)
        found.append(float(pesq(RATE, once, part, "nb")))
    return found


def slower(heard: Sound, rate: int) -> Sound:
    """At 8 kHz, without what that cannot hold."""
    spectrum = np.fft.rfft(heard)
    count = len(heard) * RATE // rate
    return np.fft.irfft(spectrum[: count // 2 + 1], count) * RATE / rate


CALLS = [
    ("linphone", "opus", SRTP, "baresip", "PCMU", PLAIN, 3.1, 3.3),
    ("baresip", "PCMA", SRTP, "linphone", "opus", ZRTP, 3.5, 3.5),
    ("linphone", "speex/8000", PLAIN, "baresip", "GSM", SRTP, 1.7, 1.7),
    ("linphone", "speex/16000", SRTP, "baresip", "G722", PLAIN, 3.4, 3.0),
    ("linphone", "G729", SRTP, "baresip", "opus", SRTP, 1.9, 1.9),
    ("baresip", "GSM", PLAIN, "linphone", "G729", PLAIN, 2.0, 2.0),
    ("baresip", "G722", SRTP, "linphone", "PCMU", SRTP, 2.6, 3.1),
    ("pjsua", "iLBC", PLAIN, "linphone", "PCMA", ZRTP, 2.6, 3.0),
    ("pjsua", "speex/16000", PLAIN, "pjsua", "iLBC", PLAIN, 2.0, 1.9),
]
"""Who calls whom in which codec, and floors for what the callee and the caller hear: what was heard when this was
written, less a half, since the phones' own jitter buffers and resampling count as well. Other words reach 1.2."""


def test_speech_between_phones_that_share_no_codec_is_heard_as_well_as_their_codecs_let_it(
    server, registered, tmp_path: Path
) -> None:
    for program in ("espeak-ng", "sox"):
        if shutil.which(program) is None:
            pytest.skip(f"speech for this needs the Debian package {program}")
    voices = itertools.cycle(range(len(VOICES)))
    calls = []
    for number, (a, a_codec, a_line, b, b_codec, b_line, *_) in enumerate(CALLS):
        ends = []
        for kind, codec, line in ((a, a_codec, a_line), (b, b_codec, b_line)):
            path, once = played(tmp_path / f"{number}-{kind}-{len(ends)}.wav", next(voices))
            user = server.user("ended" if line.get("encryption") == "zrtp" else "srtp")
            ends.append((registered(kind, 0.0, codecs=(codec,), speech=path, user=user, **line), once))
        calls.append(ends)
    phones = [phone for ends in calls for phone, _ in ends]
    for phone in phones:
        phone.wait_registered()
    for (caller, _), (callee, _) in calls:
        caller.call(caller.uri(callee.setup.user))
    for phone in phones:
        phone.wait_for("established")
    time.sleep(15)
    for (caller, _), _ in calls:
        caller.hang_up()
    for phone in phones:
        phone.wait_for("closed")
    for ((caller, by_caller), (callee, by_callee)), (_, a_codec, _, _, b_codec, _, at_callee, at_caller) in zip(
        calls, CALLS, strict=True
    ):
        assert all(leg.transcoded for leg in server.call_of(caller.setup.user).legs if leg.chosen)
        for phone, said, floor in ((callee, by_caller, at_callee), (caller, by_callee, at_caller)):
            heard = scores(phone.recording(), said)
            assert max(heard, default=0.0) >= floor, f"{a_codec} to {b_codec}, {phone.setup.user}: {heard}"
