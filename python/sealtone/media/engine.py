"""The typed face of the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from sealtone.media import _engine
from sealtone.media.events import MediaEvent, read_events

CODEC_PROCESS = Path(__file__).parent / "sealtone-codecs"
"""The program of the codec processes, built beside this module."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How an engine runs.

    Under load (`coalesce_pps` packets a second and worker) a worker wakes for some 50 packets at once, and at the
    latest `tick_us` microseconds after it woke before: that halves the cost of a packet and adds at most the tick and a
    round to its way.
    """

    workers: int = 0
    """Worker threads; 0 is one for each core."""
    cpus: tuple[int, ...] = ()
    """Cores the workers are pinned to, in turn; none pins nothing."""
    port_min: int = 16384
    port_max: int = 32767
    """UDP ports for media, both inclusive: each leg takes an even one and the next."""
    tick_us: int = 500
    """Under load rounds begin at most so far apart: 250 to 1000; 0 never pauses."""
    coalesce_pps: int = 5000
    pool_size: int = 64
    """Port pairs kept bound in advance for each local address."""
    quarantine_s: float = 5.0
    """How long a released port rests, so that late packets of its last call reach nobody."""
    receive_buffer: int = 65536
    """Bytes asked of the kernel for each socket's queue; it doubles them, and charges only what waits."""
    dscp: int = 46
    """Differentiated services code point of what is sent; 46 is expedited forwarding."""
    silence_s: float = 15.0
    """A leg that should receive and has not for so long is reported by `Silent`."""
    local_ips: tuple[str, ...] = ()
    """Local addresses whose ports are bound in advance from the start."""
    codec_process: Path | None = CODEC_PROCESS
    """The program that decodes and encodes, in a sandbox, one process for each worker; None: nothing does. Where it
    cannot run, `Engine.codecs` says why, and all else works."""


class SrtpKey(NamedTuple):
    """The master key of one direction of one leg. Its text never shows the key."""

    suite: str
    key: bytes
    salt: bytes

    def __repr__(self) -> str:
        return f"SrtpKey({self.suite})"


class PayloadFormat(NamedTuple):
    """What a payload type stands for where it is decoded or encoded here."""

    payload_type: int
    encoding: str
    """Name of its rtpmap: "opus", "pcmu", "telephone-event", "cn"."""
    clock: int
    """RTP clock, Hz."""
    packet_ms: int = 20
    """Sound in one packet of ours: 10 to 120."""
    bitrate: int = 0
    """Bits a second of what is encoded; 0: what suits the codec."""
    frame_ms: int = 0
    """iLBC's frame: 20 or 30; 0 for all others."""
    fec: bool = False
    """What is encoded carries forward error correction."""
    dtx: bool = False
    """Nothing, or comfort noise, may be sent for silence."""
    max_rate: int = 0
    """Highest sample rate that the receiver cares for, Hz (Opus); 0: any."""


class RecordingWish(NamedTuple):
    """Where a recording goes, what it is, and who can open it."""

    path: Path
    """The file, an age file (age-encryption.org/v1); it must not exist. Folders above it are made."""
    format: Literal["opus", "wav", "flac"]
    recipients: tuple[str, ...]
    """Public X25519 keys (``age1…``), at least one."""


class MediaLeg(NamedTuple):
    """A leg's id and its local address."""

    id: int
    ip: str
    rtp_port: int
    rtcp_port: int


class LegPlan(NamedTuple):
    """Everything about a leg that signalling decides. It is applied whole, between two packets.

    Plain media is taken from `remote` exactly, or from any port of `signalling_ip`; the first such packet latches the
    leg. Within 2 s of it the very port that was signalled takes the place of another of the same IP address, and either
    that of the port from before a move; after that nothing moves the latch but a plan with `new_latch`. Media that
    authenticates under `rx` may move it. ZRTP latches a leg without `rx` as plain media does, even where that is
    refused (`secure_required`).
    """

    remote: tuple[str, int] | None = None
    """Where the remote receives RTP (IP literal); None, 0.0.0.0 or port 0: nothing is sent to it."""
    remote_rtcp: tuple[str, int] | None = None
    """Where it receives RTCP; by default the port after `remote`."""
    signalling_ip: str | None = None
    """Where the leg's signalling came from."""
    rtcp_mux: bool = False
    send: bool = True
    """Media may be sent to the remote."""
    receive: bool = True
    """Media from the remote may pass."""
    rx: SrtpKey | None = None
    """Key of what the remote sends. The present key goes on; another replaces it, the old one passing for 2 s more."""
    tx: SrtpKey | None = None
    """Key of what we send."""
    secure_required: bool = False
    """Nothing plain passes in either direction, whether there are keys or not."""
    payload_types: tuple[int, ...] = ()
    """The payload types negotiated with the remote: others are dropped."""
    clock_rate: int = 8000
    """RTP clock of the audio codec, Hz."""
    new_latch: bool = False
    """The remote has newly signalled where it is: the latch is forgotten."""
    sealed: bool = False
    """RTP, RTCP and ZRTP pass unchanged, octet by octet, to and from another sealed leg, and nothing passes to or from
    a leg that is not. There are no reports of ours, and payload types are not mapped. ZRTP passes closed gates too, up
    to 100 packets a second; a copy is told as `PacketReceived`. Such a leg has no `rx` and no `tx`, and whether its
    media is secure only the phones know: `secure_required` says nothing of it."""
    formats: tuple[PayloadFormat, ...] = ()
    """What the remote may send, by payload type, in order of preference: how to decode it where that is done, and of
    which payload type the events are that are told as `Digit`."""
    transmit: tuple[PayloadFormat, ...] = ()
    """What the remote is sent where that is encoded here: a voice format, then events and comfort noise if agreed."""


class Engine:
    """The media engine. Its methods may be called from any thread and return at once.

    Raises: `PortsExhausted` when no port or socket is to be had, `UnknownLeg`, `EngineStopped`, `EngineBusy`,
    `NoCodecs` where something would have to be decoded or encoded and nothing can be; `ValueError` for addresses,
    suites, keys, payload types, formats and sounds that are none. All but the last are `MediaError`s.
    """

    def __init__(self, config: EngineConfig | None = None) -> None:
        config = config or EngineConfig()
        self.config = config
        self._engine = _engine.Engine(
            workers=config.workers,
            cpus=list(config.cpus),
            port_min=config.port_min,
            port_max=config.port_max,
            tick_us=config.tick_us,
            coalesce_pps=config.coalesce_pps,
            pool_size=config.pool_size,
            quarantine_s=config.quarantine_s,
            receive_buffer=config.receive_buffer,
            dscp=config.dscp,
            silence_s=config.silence_s,
            local_ips=list(config.local_ips),
            codec_process=None if config.codec_process is None else str(config.codec_process),
        )

    def event_fd(self) -> int:
        """A descriptor that is readable while there are events. It belongs to the engine."""
        return self._engine.event_fd()

    def events(self) -> list[MediaEvent]:
        """Takes the events that are there, oldest first."""
        return read_events(self._engine)

    def open_call(self) -> int:
        """Opens a call, on the worker with the fewest."""
        return self._engine.open_call()

    def open_leg(self, call: int, local_ip: str) -> MediaLeg:
        """Opens a leg on a port of `local_ip`. It is deaf and mute until `update_leg`."""
        leg, rtp_port, rtcp_port = self._engine.open_leg(call, local_ip)
        return MediaLeg(leg, local_ip, rtp_port, rtcp_port)

    def move_leg(self, leg: int, call: int) -> None:
        """Takes a leg into another call, with its port, keys and counters. What it is joined to and what plays to it
        ends."""
        self._engine.move_leg(leg, call)

    def update_leg(self, leg: int, plan: LegPlan) -> None:
        """Applies a plan to a leg, whole."""
        self._engine.update_leg(
            leg,
            plan.remote,
            plan.remote_rtcp,
            plan.signalling_ip,
            plan.rtcp_mux,
            plan.send,
            plan.receive,
            plan.rx,
            plan.tx,
            plan.secure_required,
            list(plan.payload_types),
            plan.clock_rate,
            plan.new_latch,
            plan.sealed,
            list(plan.formats),
            list(plan.transmit),
        )

    def bridge(
        self,
        leg_a: int,
        leg_b: int,
        map_ab: Mapping[int, int] | None = None,
        map_ba: Mapping[int, int] | None = None,
    ) -> None:
        """Joins two legs of one call. `map_ab` gives for each payload type at A that passes the one at B, `map_ba` the
        other way; without a map they stay the same. Earlier bridges of either leg end."""
        self._engine.bridge(
            leg_a,
            leg_b,
            None if map_ab is None else list(map_ab.items()),
            None if map_ba is None else list(map_ba.items()),
        )

    def unbridge(self, leg: int) -> None:
        """Ends the bridge or echo of a leg, on both its sides."""
        self._engine.unbridge(leg)

    def echo(self, leg: int) -> None:
        """Sends a leg's own packets back to it."""
        self._engine.echo(leg)

    def transcode(self, leg_a: int, leg_b: int) -> None:
        """Joins two legs of one call through codecs: what each sends is decoded by its plan's `formats` and encoded by
        the other's `transmit`. Earlier bridges of either end, unless they are joined so already."""
        self._engine.transcode(leg_a, leg_b)

    def play(self, leg: int, sounds: tuple[str, ...], *, repeat: bool = False, over: bool = False) -> int:
        """Plays loaded sounds to a leg, one after the other, in place of what it would hear, or mixed `over` it (the
        leg is then heard through codecs for so long). What played before ends. Returns the number that `Played` tells
        when all were played."""
        return self._engine.play(leg, list(sounds), repeat, over)

    def stop_playing(self, leg: int) -> None:
        """Ends what plays to a leg. No `Played` tells of it."""
        self._engine.stop_playing(leg)

    def start_recording(self, leg_a: int, leg_b: int | None, wish: RecordingWish) -> int:
        """Records what two legs of one call send, the first on the left, the second on the right, however they are
        joined; sealed legs never. Returns the number that `RecordingEnded` tells, whatever ends it."""
        return self._engine.start_recording(leg_a, leg_b, str(wish.path), wish.format, list(wish.recipients))

    def stop_recording(self, recording: int) -> None:
        """Ends a recording, where it has not ended already."""
        self._engine.stop_recording(recording)

    def send_digit(self, leg: int, digit: str, duration_ms: int = 100) -> None:
        """Sends a digit (0-9, *, #, A-D) to a leg that is heard through codecs or played to: as an event where that was
        agreed on, else as a tone. To a leg that is relayed nothing is sent."""
        self._engine.send_digit(leg, digit, duration_ms)

    def load_sound(self, name: str, rate: int, pcm: bytes) -> None:
        """Loads a sound to play: mono, 16 bits a sample, little-endian, at 8000 to 48000 Hz, of at most 8 MiB."""
        self._engine.load_sound(name, rate, pcm)

    def codecs(self) -> dict[str, str]:
        """Every encoding: "" where it can be decoded and encoded here, else why not."""
        return dict(self._engine.codecs())

    def has_landlock(self) -> bool:
        """Whether the kernel adds Landlock to the walls around the codec processes."""
        return self._engine.has_landlock()

    def send_packet(self, leg: int, data: bytes) -> None:
        """Sends a ZRTP packet of at most 2048 octets from a leg's RTP port to its remote, be the gates open or closed.
        It is dropped where there is no remote to send to, and on a sealed leg. Another packet is a `ValueError`."""
        self._engine.send_packet(leg, data)

    def close_leg(self, leg: int) -> None:
        """Ends a leg: its remote gets an RTCP BYE and nothing after it. Its statistics stay until `close_call`."""
        self._engine.close_leg(leg)

    def close_call(self, call: int) -> dict[int, _engine.LegStats]:
        """Ends a call with the legs it still has. Returns the final statistics of every leg it ever had."""
        return dict(self._engine.close_call(call))

    def leg_stats(self, leg: int) -> _engine.LegStats:
        """A leg's statistics, read from shared counters."""
        return self._engine.leg_stats(leg)

    def gather_commands(self) -> None:
        """From now on commands wait for `wake`, so that those that belong together share one wake-up of the worker."""
        self._engine.gather_commands()

    def wake(self) -> None:
        """Has the workers obey what was gathered."""
        self._engine.wake()

    def stats(self) -> _engine.EngineStats:
        """Totals over the engine."""
        return self._engine.stats()

    def stop(self) -> None:
        """Ends every leg, with RTCP BYEs, and the workers."""
        self._engine.stop()
