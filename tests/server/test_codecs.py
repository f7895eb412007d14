"""Phones of our own that differ in codecs, through the whole server: what is heard of sound, and of keys pressed."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from sealtone.phone import Call, Phone, Silence, Tone, Wish
from sealtone.phone.audio import FRAME_SAMPLES
from sealtone.phone.events import DtmfReceived
from sealtone.phone.g711 import law
from sealtone.sdp import Codec
from server.whole import Whole, config_in, running

PCMU, PCMA = Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)
KEYS = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "#": (941, 1477)}
"""Frequencies of some keys (ITU-T Q.23)."""


class Ear:
    """Keeps what was heard, frame by frame, with the time of each."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, array[int]]] = []

    def write(self, frame: array[int]) -> None:
        self.frames.append((time.monotonic(), frame))

    def close(self) -> None:
        """Nothing is held."""

    def first_after(self, since: float, *hertz: float) -> float | None:
        """Seconds after `since` until a frame that sounds of nothing but these tones; None if there was none."""
        for at, frame in self.frames:
            if at >= since and energy(frame) > 1e6 and share(frame, *hertz) > 0.8:
                return at - since
        return None


class Keys:
    """A keypad that presses keys as tones, 120 ms each with 120 ms between, and is silent before and after."""

    def __init__(self, keys: str, after_s: float) -> None:
        self._frames = [None] * int(after_s / 0.02)
        for key in keys:
            self._frames += [*(KEYS[key],) * 6, *(None,) * 6]
        self._at = 0

    def read(self) -> array[int]:
        tones = self._frames.pop(0) if self._frames else None
        self._at += FRAME_SAMPLES
        return array(
            "h",
            (
                sum(int(5000 * math.sin(2 * math.pi * hertz * at / 8000)) for hertz in tones or ())
                for at in range(self._at - FRAME_SAMPLES, self._at)
            ),
        )

    def close(self) -> None:
        """Nothing is held."""


def energy(frame: array[int]) -> float:
    return float(sum(sample * sample for sample in frame))


def share(frame: array[int], *hertz: float) -> float:
    """How much of the frame is these tones, 0 to 1; of 20 ms, within some 50 Hz."""
    found = 0.0
    for hz in hertz:
        turns = [2 * math.pi * hz * n / 8000 for n in range(len(frame))]
        real = sum(sample * math.cos(turn) for sample, turn in zip(frame, turns, strict=True))
        imaginary = sum(sample * math.sin(turn) for sample, turn in zip(frame, turns, strict=True))
        found += 2 * (real * real + imaginary * imaginary) / len(frame)
    return found / max(energy(frame), 1.0)


def answers(call: Call, *wanted: Codec) -> None:
    """A phone that answers with all of these that it is offered, and nothing else."""
    assert call.negotiator is not None
    call.negotiator._common_codecs = lambda offered: tuple(  # type: ignore[method-assign]
        codec for mine in wanted for codec in offered if codec.same_format(mine)
    )


def sends(call: Call, codec: Codec) -> None:
    """A phone that changes to this codec between two packets, without a word."""
    agreement = call.media._agreement
    assert agreement is not None
    call.media._agreement, call.media._law = agreement._replace(codec=codec), law(codec.encoding)


def leg_at(whole: Whole, user: str) -> object:
    (call,) = whole.server.node.exchange.calls.values()
    (leg,) = [leg for leg in call.legs() if leg.name == user]
    return leg


async def until(happened: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def called(a: Phone, b: Phone, *codecs: Codec) -> tuple[Call, Call]:
    """A calls B, which answers with these codecs."""
    await a.register()
    await b.register()
    call = await a.call("1001")
    far = await b.next_call(15)
    answers(far, *codecs)
    await far.accept()
    await call.answered(15)
    return call, far


async def test_a_phone_that_switches_to_a_codec_that_only_it_has_goes_on_being_heard(tmp_path: Path) -> None:
    ear = Ear()
    async with running(config_in(tmp_path)) as whole:
        only, both = Wish(codecs=("PCMU",)), Wish(codecs=("PCMU", "PCMA"))
        async with (
            whole.phone("1000", wish=only, sink=lambda: ear) as a,
            whole.phone("1001", wish=both, source=lambda: Tone(1000.0, 1.0, 0.0), ring_s=None) as b,
        ):
            call, far = await called(a, b, PCMU, PCMA)
            await until(lambda: ear.first_after(0.0, 1000.0) is not None)
            assert not leg_at(whole, "1001").transcoded
            await asyncio.sleep(0.4)
            switched = time.monotonic()
            sends(far, PCMA)
            await asyncio.sleep(1.0)
            assert leg_at(whole, "1001").transcoded
            # What the phone's own jitter buffer held is heard until then.
            silent = [at for at, frame in ear.frames if at > switched and share(frame, 1000.0) < 0.5]
            assert len(silent) * 0.02 <= 0.2, len(silent)
            assert max(silent, default=switched) - switched < 0.5
            assert call.stats().received > far.stats().sent - 10
            await call.hold()
            await call.resume()
            assert not leg_at(whole, "1001").transcoded, "agreed anew"
            await call.hang_up()
        (record,) = await whole.records()
    assert [leg.status for leg in record.legs] == [200, 200]


async def test_a_key_is_a_tone_to_a_phone_without_events_and_its_tones_are_keys_to_one_with_them(
    tmp_path: Path,
) -> None:
    ear, pressed = Ear(), []
    async with running(config_in(tmp_path)) as whole:
        with_events, without = Wish(codecs=("PCMA",)), Wish(codecs=("PCMU",))
        async with (
            whole.phone("1000", wish=with_events, source=Silence) as a,
            whole.phone("1001", wish=without, source=lambda: Keys("95#", 2.0), sink=lambda: ear, ring_s=None) as b,
        ):
            a._on_event = lambda event: pressed.append(event.key) if isinstance(event, DtmfReceived) else None
            call, far = await called(a, b, PCMU)
            assert leg_at(whole, "1001").transcoded
            with_none = far.negotiator
            assert with_none is not None
            assert with_none.agreement is not None
            assert with_none.agreement.events_payload_type is None
            await asyncio.sleep(0.5)
            for key in "15":
                began = time.monotonic()
                call.send_dtmf(key)
                await until(lambda key=key, began=began: ear.first_after(began, *KEYS[key]) is not None)
            await until(lambda: len(pressed) >= 3)
            await asyncio.sleep(0.3)
            await call.hang_up()
    assert pressed == ["9", "5", "#"]


async def test_a_key_is_a_tone_to_a_phone_without_events_that_shares_the_codec_and_the_call_stays_relayed(
    tmp_path: Path,
) -> None:
    ear = Ear()
    async with running(config_in(tmp_path)) as whole:
        wish = Wish(codecs=("PCMU",))
        async with (
            whole.phone("1000", wish=wish, source=Silence) as a,
            whole.phone("1001", wish=wish, source=Silence, sink=lambda: ear, ring_s=None) as b,
        ):
            call, _ = await called(a, b, PCMU)
            await asyncio.sleep(0.5)
            for key in "15":
                began = time.monotonic()
                call.send_dtmf(key)
                await until(lambda key=key, began=began: ear.first_after(began, *KEYS[key]) is not None)
            assert not leg_at(whole, "1001").transcoded
            await call.hang_up()
