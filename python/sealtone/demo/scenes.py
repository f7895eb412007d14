"""The calls of the demonstration: two phones of our own, a wiretap on the line of each, and what was heard."""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from sealtone.demo.wiretap import SignallingSeen, VoiceSeen, Wiretap
from sealtone.model import CallState, KeyExchange, MediaPath
from sealtone.phone import Encryption, Phone, PhoneConfig, Sound, Tone, Wish, ZrtpView, measure
from sealtone.phone.connection import Transport

A_HZ: Final = 440.0
B_HZ: Final = 1000.0
_STEP_S: Final = 0.25


class UserKind(NamedTuple):
    """A SIP user of the demonstration, as the server has it: protection, strictness and media path."""

    name: str
    protection: str
    strictness: str = "require"
    path: str = "sealed"


_SRTP: Final = (UserKind("a-srtp", "srtp"), UserKind("b-srtp", "srtp"))
_ENDED: Final = (UserKind("a-zrtp", "zrtp", path="server"), UserKind("b-zrtp", "zrtp", path="server"))
_SEALED: Final = (UserKind("a-sealed", "zrtp"), UserKind("b-sealed", "zrtp"))
_DIRECT: Final = (UserKind("a-direct", "zrtp", path="direct"), UserKind("b-direct", "zrtp", path="direct"))
_NONE: Final = UserKind("b-none", "none", "prefer")
USERS: Final = (*_SRTP, *_ENDED, *_SEALED, *_DIRECT, _NONE)


class ServerAccess(NamedTuple):
    """Where the server is, and its users for the demonstration: name and secret by the name of their `UserKind`."""

    domain: str
    host: str
    udp_port: int
    tls_port: int
    ca_file: Path
    users: dict[str, tuple[str, str]]


class Side(NamedTuple):
    """How one phone is set up, and how the wiretap is to fare on its line."""

    user: UserKind
    transport: Transport
    wish: Wish

    @property
    def words(self) -> str:
        return {"srtp": "TLS + SRTP", "zrtp": "ZRTP", "none": "none"}[self.user.protection]

    @property
    def signalling_readable(self) -> bool:
        return self.transport != "tls"

    @property
    def voice_audible(self) -> bool:
        return self.wish.encryption is Encryption.NONE


def _side(user: UserKind) -> Side:
    if user.protection == "srtp":
        return Side(user, "tls", Wish(Encryption.REQUIRE))
    # ZRTP needs nothing of the signalling: it is left open here, so that one sees that.
    wish = Wish(Encryption.REQUIRE, KeyExchange.ZRTP) if user.protection == "zrtp" else Wish()
    return Side(user, "udp", wish)


class Scene(NamedTuple):
    """A protection scheme, by its number. `state`: what the server should write down. `enrols`: phone A first enrols
    with the server, which then relays it the SAS of the other side."""

    scheme: str
    title: str
    a: Side
    b: Side
    path: MediaPath
    state: CallState
    enrols: bool = False


SCENES: Final = (
    Scene(
        "1", "TLS + SRTP on both sides",
        _side(_SRTP[0]), _side(_SRTP[1]), MediaPath.SERVER, CallState.PROTECTED_TO_SERVER,
    ),
    Scene(
        "2", "ZRTP on both sides, ended at the server, a trusted man in the middle",
        _side(_ENDED[0]), _side(_ENDED[1]), MediaPath.SERVER, CallState.PROTECTED_TO_SERVER, enrols=True,
    ),
    Scene(
        "3", "ZRTP, direct from phone to phone",
        _side(_DIRECT[0]), _side(_DIRECT[1]), MediaPath.DIRECT, CallState.END_TO_END,
    ),
    Scene(
        "3s", "ZRTP, sealed through the server",
        _side(_SEALED[0]), _side(_SEALED[1]), MediaPath.SEALED, CallState.END_TO_END,
    ),
    Scene(
        "4", "TLS + SRTP on one side, ZRTP on the other",
        _side(_SRTP[0]), _side(_ENDED[1]), MediaPath.SERVER, CallState.PROTECTED_TO_SERVER,
    ),
    Scene(
        "5", "TLS + SRTP on one side, nothing on the other",
        _side(_SRTP[0]), _side(_NONE), MediaPath.SERVER, CallState.OPEN,
    ),
)  # fmt: skip


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
    suite: str
    """Of SRTP, "" for plain RTP."""
    zrtp: ZrtpView | None

    @property
    def tapped(self) -> bool:
        """Whether the wiretap could follow the conversation."""
        return self.voice_from.audible or self.voice_to.audible


class View(NamedTuple):
    """A moment of a call. `phase` in words; `call_id` is SIP's of phone A."""

    phase: str
    a: LineView
    b: LineView
    call_id: str = ""

    @property
    def works(self) -> bool:
        """Whether each phone hears the other."""
        return self.a.phone_hears.is_tone and self.b.phone_hears.is_tone

    @property
    def same_sas(self) -> bool:
        """Whether both phones show a SAS, and the same one."""
        a, b = self.a.zrtp, self.b.zrtp
        return a is not None and b is not None and bool(a.sas) and a.sas == b.sas


class _Line:
    """One phone with the wiretap on its line."""

    def __init__(self, access: ServerAccess, side: Side, own_hz: float, far_hz: float) -> None:
        self._access, self._side = access, side
        self._user = access.users[side.user.name]
        self._own_hz, self._far_hz = own_hz, far_hz
        self.tap, self.ear = Wiretap(), Ear()
        self.phone: Phone | None = None
        self.told = self.suite = ""
        self.zrtp: ZrtpView | None = None

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
            wish=self._side.wish,
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
            call = self.phone.calls[0]
            self.told = call.who_could_listen()
            self.suite = (call.stats().suites or ("",))[0]
            self.zrtp = call.zrtp if call.stream is not None else None
        return LineView(
            self._user[0],
            self._side,
            self.ear.hears(self._far_hz),
            self.tap.signalling(),
            self.tap.from_phone.judge(self._own_hz),
            self.tap.to_phone.judge(self._far_hz),
            self.told,
            self.suite,
            self.zrtp,
        )

    async def stop(self) -> None:
        if self.phone is not None:
            await self.phone.close()
        self.tap.close()


def _clearest(before: LineView, now: LineView) -> LineView:
    """Now, with the clearest second that the phone has heard: a busy machine may tear a hole into any one."""
    heard = max(before.phone_hears, now.phone_hears, key=lambda sound: sound.share if sound.rms >= 300 else 0.0)
    return now._replace(phone_hears=heard)


async def _enrol(phone: Phone) -> None:
    """Call the enrolment service and accept its offer."""
    call = await phone.call("*44")
    await call.secured(15.0)
    call.enrol()
    for _ in range(100):
        if call.stats().received:  # the server, too, is secure once it sends
            break
        await asyncio.sleep(0.05)
    await call.hang_up()


async def play(scene: Scene, access: ServerAccess, seconds: float, show: Callable[[View], None]) -> View:
    """Place one call and talk for `seconds`; `show` gets a view four times a second. Returns the view at the end."""
    a = _Line(access, scene.a, A_HZ, B_HZ)
    b = _Line(access, scene.b, B_HZ, A_HZ)
    try:
        await b.start(ring_s=0.4)
        caller = await a.start(ring_s=None)
        show(View("both phones are registered", a.view(), b.view()))
        if scene.enrols:
            show(View("phone A enrols with the server, by calling *44", a.view(), b.view()))
            await _enrol(caller)
        call = await caller.call(access.users[scene.b.user.name][0])
        show(View("ringing", a.view(), b.view()))
        await call.answered(15.0)
        call_id = call.session.call_id if call.session is not None else ""
        view = View("talking", a.view(), b.view(), call_id)
        for _ in range(max(int(seconds / _STEP_S), 1)):
            await asyncio.sleep(_STEP_S)
            view = View("talking", _clearest(view.a, a.view()), _clearest(view.b, b.view()), call_id)
            show(view)
        await call.hang_up()
        view = view._replace(phase="the call is over")
        show(view)
        return view
    finally:
        await a.stop()
        await b.stop()
