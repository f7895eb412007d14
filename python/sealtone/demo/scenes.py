"""The calls of the demonstration: two phones of our own, a wiretap on the line of each, and what was heard."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from sealtone.demo.wiretap import SignallingSeen, VoiceSeen, Wiretap
from sealtone.phone import Encryption, Phone, PhoneConfig, Sound, Tone, Wish, measure
from sealtone.phone.connection import Transport

A_HZ: Final = 440.0
B_HZ: Final = 1000.0
_STEP_S: Final = 0.25


class ServerAccess(NamedTuple):
    """Where the server is, and two of its users with their secrets."""

    domain: str
    host: str
    udp_port: int
    tls_port: int
    ca_file: Path
    users: tuple[tuple[str, str], tuple[str, str]]


class Side(NamedTuple):
    """How one phone is set up."""

    transport: Transport
    encryption: Encryption

    @property
    def words(self) -> str:
        if self.transport == "tls":
            return "TLS + SRTP" if self.encryption is not Encryption.NONE else "TLS, voice open"
        return f"{self.transport.upper()}, open"


PROTECTED: Final = Side("tls", Encryption.REQUIRE)
OPEN: Final = Side("udp", Encryption.NONE)


class Scene(NamedTuple):
    title: str
    a: Side
    b: Side


SCENES: Final = (
    Scene("Both sides encrypted", PROTECTED, PROTECTED),
    Scene("One side encrypted, the other not", PROTECTED, OPEN),
    Scene("Neither side encrypted", OPEN, OPEN),
)


class Ear:
    """A phone's loudspeaker: keeps the last second of what it was given."""

    def __init__(self) -> None:
        self._kept: deque[array[int]] = deque(maxlen=50)

    def write(self, frame: array[int]) -> None:
        self._kept.append(frame)

    def close(self) -> None:
        """Kept, for the measurement after the call."""

    def hears(self, hz: float) -> Sound:
        samples = array("h")
        for frame in list(self._kept):
            samples.extend(frame)
        return measure(samples, hz)


class LineView(NamedTuple):
    """One phone's line: what the phone hears, and what the wiretap on it makes of the two directions."""

    user: str
    side: Side
    phone_hears: Sound
    signalling: SignallingSeen
    voice_from: VoiceSeen
    voice_to: VoiceSeen
    told: str

    @property
    def tapped(self) -> bool:
        """Whether the wiretap could follow the conversation."""
        return self.voice_from.audible or self.voice_to.audible


class View(NamedTuple):
    """A moment of a call. `phase` in words; `suites`: of both phones, "" for plain RTP."""

    phase: str
    a: LineView
    b: LineView

    @property
    def works(self) -> bool:
        """Whether each phone hears the other."""
        return self.a.phone_hears.is_tone and self.b.phone_hears.is_tone


class _Line:
    """One phone with the wiretap on its line."""

    def __init__(self, access: ServerAccess, user: tuple[str, str], side: Side, own_hz: float, far_hz: float) -> None:
        self._access, self._user, self._side = access, user, side
        self._own_hz, self._far_hz = own_hz, far_hz
        self.tap, self.ear = Wiretap(), Ear()
        self.phone: Phone | None = None
        self.told = ""

    async def start(self, ring_s: float | None) -> Phone:
        access, stream = self._access, self._side.transport != "udp"
        port = access.tls_port if self._side.transport == "tls" else access.udp_port
        await self.tap.tap_signalling((access.host, port), stream)
        config = PhoneConfig(
            user=self._user[0],
            domain=access.domain,
            secret=self._user[1],
            proxy=self.tap.signalling_address,
            transport=self._side.transport,
            ca_file=access.ca_file if self._side.transport == "tls" else None,
            wish=Wish(self._side.encryption),
            ring_s=ring_s,
            source=lambda: Tone(self._own_hz, 1.0, 0.0),
            sink=lambda: self.ear,
            relay=self.tap.voice_relay,
        )
        self.phone = Phone(config)
        await self.phone.connect()
        await self.phone.register()
        return self.phone

    def view(self) -> LineView:
        if self.phone is not None and self.phone.calls:
            self.told = self.phone.calls[0].who_could_listen()
        return LineView(
            self._user[0],
            self._side,
            self.ear.hears(self._far_hz),
            self.tap.signalling(),
            self.tap.from_phone.judge(self._own_hz),
            self.tap.to_phone.judge(self._far_hz),
            self.told,
        )

    async def stop(self) -> None:
        if self.phone is not None:
            await self.phone.close()
        self.tap.close()


def _clearest(before: LineView, now: LineView) -> LineView:
    """Now, with the clearest second that the phone has heard: a busy machine may tear a hole into any one."""
    heard = max(before.phone_hears, now.phone_hears, key=lambda sound: sound.share if sound.rms >= 300 else 0.0)
    return now._replace(phone_hears=heard)


async def play(scene: Scene, access: ServerAccess, seconds: float, show: Callable[[View], None]) -> View:
    """Place one call and talk for `seconds`; `show` gets a view four times a second. Returns the view at the end."""
    a = _Line(access, access.users[0], scene.a, A_HZ, B_HZ)
    b = _Line(access, access.users[1], scene.b, B_HZ, A_HZ)
    try:
        await b.start(ring_s=0.6)
        caller = await a.start(ring_s=None)
        show(View("both phones are registered", a.view(), b.view()))
        call = await caller.call(access.users[1][0])
        show(View("ringing", a.view(), b.view()))
        await call.answered(15.0)
        view = View("talking", a.view(), b.view())
        for _ in range(max(int(seconds / _STEP_S), 1)):
            await asyncio.sleep(_STEP_S)
            view = View("talking", _clearest(view.a, a.view()), _clearest(view.b, b.view()))
            show(view)
        await call.hang_up()
        view = view._replace(phase="over")
        show(view)
        return view
    finally:
        await a.stop()
        await b.stop()
