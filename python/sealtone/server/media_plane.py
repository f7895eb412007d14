"""The media core as calls see it (`b2bua.plane.MediaPlane`), over the engine's facade."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sealtone.b2bua.plane import CannotHear, MediaCounters, MediaPlan, MediaPort, NoMediaPorts, RecordingWish
from sealtone.b2bua.plane import PayloadFormat as PlannedFormat
from sealtone.media import Engine, LegPlan, NoCodecs, PayloadFormat, PortsExhausted, SrtpKey
from sealtone.media import RecordingWish as EngineWish
from sealtone.sdp.remember import remembered
from sealtone.server.sound_files import SoundFiles
from sealtone.sip.flow import Hop, host_port
from sealtone.srtp_keys import MasterKey

_SOON_S: Final = 0.02


class EnginePlane:
    """`address_for` gives the local address that media to a hop leaves from, and the one to write into SDP.

    `call_later` is the event loop's, `recordings` the folder that recordings go to.

    To wake the media core costs more than what it is then told. What a message depends on is in force before that
    leaves (`flush`). A leg that opens is deaf until its plan comes, and one that closes belongs to a call that is over:
    these wait for the next that cannot, or `_SOON_S`.
    """

    def __init__(
        self,
        engine: Engine,
        address_for: Callable[[Hop], tuple[str, str]],
        call_later: Callable[[float, Callable[[], None]], object],
        sounds: SoundFiles,
        recordings: Path,
    ) -> None:
        engine.gather_commands()
        self._engine = engine
        self._sounds = sounds
        self._codecs = MappingProxyType(engine.codecs())
        self._address_for = address_for
        self._call_later = call_later
        self._recordings = recordings
        self._gathered = False
        self._gathered_idly = False
        self._is_timed = False

    def open_call(self) -> int:
        return self._engine.open_call()

    def open_leg(self, media_call: int, hop: Hop) -> MediaPort:
        local, advertised = self._address_for(hop)
        self._gathered_idly = True
        try:
            leg = self._engine.open_leg(media_call, local)
        except PortsExhausted as error:
            raise NoMediaPorts from error
        return MediaPort(leg.id, advertised, leg.rtp_port, leg.rtcp_port)

    def move_leg(self, leg: int, media_call: int) -> None:
        self._gathered = True
        self._engine.move_leg(leg, media_call)

    def update_leg(self, leg: int, plan: MediaPlan) -> None:
        self._gathered = True
        self._engine.update_leg(
            leg,
            LegPlan(  # by position, as with `MediaPlan` in `plan_of`
                plan.remote,
                plan.remote_rtcp,
                plan.signalling_ip,
                plan.rtcp_mux,
                plan.send,
                plan.receive,
                _key(plan.rx),
                _key(plan.tx),
                plan.secure_required,
                plan.payload_types,
                plan.clock_rate,
                plan.new_latch,
                plan.sealed,
                _formats(plan.formats),
                _formats(plan.transmit),
            ),
        )

    def bridge(self, a: int, b: int, map_ab: dict[int, int], map_ba: dict[int, int]) -> None:
        self._gathered = True
        self._engine.bridge(a, b, map_ab, map_ba)

    def transcode(self, a: int, b: int) -> None:
        self._gathered = True
        self._engine.transcode(a, b)

    def codecs(self) -> Mapping[str, str]:
        return self._codecs

    def send_packet(self, leg: int, packet: bytes) -> None:
        self._gathered = True
        self._engine.send_packet(leg, packet)

    def unbridge(self, leg: int) -> None:
        self._gathered = True
        self._engine.unbridge(leg)

    def echo(self, leg: int) -> None:
        self._gathered = True
        self._engine.echo(leg)

    def play(
        self, leg: int, sounds: tuple[str, ...], *, repeat: bool = False, over: bool = False, exactly: bool = False
    ) -> int:
        if exactly and (missing := self._sounds.missing(sounds)):
            raise CannotHear(
                f"The server has no sound {missing}: install espeak-ng and sox, run make build, restart it"
            )
        self._gathered = True
        with _in_words():
            return self._engine.play(leg, self._sounds.ready(sounds), repeat=repeat, over=over)

    def stop_playing(self, leg: int) -> None:
        self._gathered = True
        self._engine.stop_playing(leg)

    def start_recording(self, a: int, b: int | None, wish: RecordingWish) -> int:
        self._gathered = True
        with _in_words():
            return self._engine.start_recording(
                a, b, EngineWish(self._recordings / wish.path, wish.format, wish.recipients)
            )

    def stop_recording(self, recording: int) -> None:
        self._gathered = True
        self._engine.stop_recording(recording)

    def counters(self, leg: int) -> MediaCounters:
        stats = self._engine.leg_stats(leg)
        reported = stats.rtt_ms is not None or stats.remote_lost > 0 or stats.remote_jitter_ms > 0
        refused = stats.auth_failures + stats.replays + stats.insecure_drops
        heard_from = host_port(*stats.latched) if stats.latched is not None else ""
        return MediaCounters(  # by position, as with `MediaPlan` in `plan_of`
            stats.rx_packets,
            stats.tx_packets,
            stats.rx_octets,
            stats.tx_octets,
            stats.rx_lost,
            stats.rx_gaps,
            stats.rx_jitter_ms,
            stats.rtt_ms,
            refused,
            heard_from,
            stats.remote_lost if reported else None,
            stats.remote_jitter_ms if reported else None,
            stats.concealed_ms,
            stats.fec_used,
            stats.jitter_buffer_ms,
        )

    def close_leg(self, leg: int) -> MediaCounters:
        counters = self.counters(leg)
        self._gathered_idly = True
        self._engine.close_leg(leg)
        return counters

    def close_call(self, media_call: int) -> None:
        self._gathered_idly = True
        self._engine.close_call(media_call)

    def flush(self) -> None:
        if self._gathered:
            self._gathered = self._gathered_idly = False
            self._engine.wake()
        elif self._gathered_idly and not self._is_timed:
            self._is_timed = True
            self._call_later(_SOON_S, self._wake_late)

    def _wake_late(self) -> None:
        self._is_timed = False
        if self._gathered_idly:
            self._gathered_idly = False
            self._engine.wake()


@contextmanager
def _in_words() -> Iterator[None]:
    """What the engine cannot do here, as calls understand it."""
    try:
        yield
    except (NoCodecs, ValueError) as error:
        raise CannotHear(str(error)) from error


def codec_notes(engine: Engine) -> list[str]:
    """What whoever runs the server should know of its codecs, a line each."""
    codecs = engine.codecs()
    missing = {name: why for name, why in codecs.items() if why}
    if len(missing) == len(codecs):
        return [f"media {next(iter(missing.values()))}; calls between phones that share a codec go on"]
    notes = [f"media codec {name} is not offered: {why}" for name, why in missing.items()]
    if not engine.has_landlock():
        notes.append("media this kernel has no Landlock: the codec processes stand behind seccomp and limits alone")
    return notes


def _key(material: MasterKey | None) -> SrtpKey | None:
    return None if material is None else SrtpKey(material.suite.value, material.key, material.salt)


@remembered
def _formats(formats: tuple[PlannedFormat, ...]) -> tuple[PayloadFormat, ...]:
    """As the engine has them; calls have the same few, the very objects."""
    return tuple([PayloadFormat(*one) for one in formats])
