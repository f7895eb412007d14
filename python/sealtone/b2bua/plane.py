"""What a call asks of the media plane and of the directory, as interfaces; the server brings the implementations."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, Protocol

from sealtone.model import SipUser
from sealtone.sip.flow import Hop
from sealtone.srtp_keys import MasterKey


class MediaPort(NamedTuple):
    """Where the server receives one leg's media: an IP literal and its RTP and RTCP ports."""

    id: int
    ip: str
    rtp_port: int
    rtcp_port: int


class PayloadFormat(NamedTuple):
    """What a payload type stands for where the server itself decodes or encodes it."""

    payload_type: int
    encoding: str
    """Name of its rtpmap in lower case: "opus", "pcmu", "telephone-event", "cn"."""
    clock: int
    """RTP clock, Hz."""
    packet_ms: int = 20
    """Sound in one packet of ours."""
    bitrate: int = 0
    """Bits a second of what we encode; 0: what suits the codec."""
    frame_ms: int = 0
    """iLBC's frame: 20 or 30; 0 for all others."""
    fec: bool = False
    """What we encode carries forward error correction."""
    dtx: bool = False
    """We may send nothing, or comfort noise, for silence."""
    max_rate: int = 0
    """Highest sample rate that the receiver cares for, Hz (Opus maxplaybackrate); 0: any."""


class MediaPlan(NamedTuple):
    """All that the media core must know of one leg; it replaces the plan before it in one step.

    `signalling_ip` is where the leg's signalling came from: media may come from there, whatever the SDP says, since
    phones behind NAT write addresses that nobody can reach. `new_latch` lets go of the source heard so far; only new
    signalling sets it.
    """

    remote: tuple[str, int] | None
    remote_rtcp: tuple[str, int] | None
    signalling_ip: str | None
    rtcp_mux: bool
    send: bool
    receive: bool
    rx: MasterKey | None
    tx: MasterKey | None
    secure_required: bool
    payload_types: tuple[int, ...]
    new_latch: bool
    clock_rate: int = 8000
    sealed: bool = False
    """Packets pass to and from another sealed leg unchanged: the server has no keys of them."""
    formats: tuple[PayloadFormat, ...] = ()
    """What the phone may send, by the payload types it may use: how to decode it where the server does."""
    transmit: tuple[PayloadFormat, ...] = ()
    """What the server sends where it makes the media: a voice format, then telephone-event and cn where agreed."""


class MediaCounters(NamedTuple):
    """What one leg's media came to. Jitter and round trip are milliseconds; the latter None where no report came."""

    packets_in: int = 0
    packets_out: int = 0
    octets_in: int = 0
    octets_out: int = 0
    lost_in: int = 0
    gaps_in: int = 0
    """Runs of lost packets."""
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    refused: int = 0
    heard_from: str = ""
    """The address media came from, as text."""
    reported_lost: int | None = None
    """Of what we sent, as the phone reports; None where it reported nothing."""
    reported_jitter_ms: float | None = None
    concealed_ms: int = 0
    """Sound made up for what was lost or late, where the server decodes."""
    restored: int = 0
    """Packets whose sound was taken from the redundancy of the next."""
    buffer_ms: int = 0
    """Mean time that sound waits in the jitter buffer; 0 where nothing is decoded."""

    def since(self, earlier: "MediaCounters") -> "MediaCounters":
        """What was counted after `earlier`."""
        if not earlier.packets_in and not earlier.packets_out:
            return self
        return self._replace(
            packets_in=self.packets_in - earlier.packets_in,
            packets_out=self.packets_out - earlier.packets_out,
            octets_in=self.octets_in - earlier.octets_in,
            octets_out=self.octets_out - earlier.octets_out,
            lost_in=self.lost_in - earlier.lost_in,
            gaps_in=self.gaps_in - earlier.gaps_in,
            refused=self.refused - earlier.refused,
            reported_lost=None if self.reported_lost is None else self.reported_lost - (earlier.reported_lost or 0),
            concealed_ms=self.concealed_ms - earlier.concealed_ms,
            restored=self.restored - earlier.restored,
        )


NOTHING_COUNTED: Final = MediaCounters()


class RecordingWish(NamedTuple):
    """Where a recording goes (below the folder of recordings), what kind of file, and whose keys open it."""

    path: str
    format: Literal["opus", "wav", "flac"]
    recipients: tuple[str, ...]
    """Public keys (``age1…``)."""


class MediaPlane(Protocol):
    """The media core as calls see it. No method waits. What was commanded takes effect, in order, with `flush`."""

    def open_call(self) -> int: ...

    def open_leg(self, media_call: int, hop: Hop) -> MediaPort:
        """A port on an address that the phone behind `hop` can reach. Raises `NoMediaPorts`."""
        ...

    def move_leg(self, leg: int, media_call: int) -> None:
        """Takes a leg into another media call with its port, keys and counters. Whom it was joined to, it leaves."""
        ...

    def update_leg(self, leg: int, plan: MediaPlan) -> None: ...

    def bridge(self, a: int, b: int, map_ab: dict[int, int], map_ba: dict[int, int]) -> None:
        """Joins two legs; each map turns the payload types of one into the other's, and others are not forwarded."""
        ...

    def transcode(self, a: int, b: int) -> None:
        """Joins two legs through codecs, by their plans' `formats` and `transmit`. Ends what either was joined to.

        Nothing is heard of it where they are joined so already.
        """
        ...

    def codecs(self) -> Mapping[str, str]:
        """Encodings that the server can decode and encode here: "" for those it can, else why it cannot.

        The same object as long as nothing has changed.
        """
        ...

    def send_packet(self, leg: int, packet: bytes) -> None:
        """Sends a ZRTP packet of ours from a leg's port to its phone."""
        ...

    def unbridge(self, leg: int) -> None: ...

    def echo(self, leg: int) -> None: ...

    def play(
        self, leg: int, sounds: tuple[str, ...], *, repeat: bool = False, over: bool = False, exactly: bool = False
    ) -> int:
        """Plays sounds to a leg, one after the other, in place of what it would hear, or mixed `over` it (the leg is
        then heard through codecs for so long). Returns a number that `Played` tells when all were played.

        `exactly`: these and nothing in their place, should one not be on this machine.

        Raises `CannotHear`.
        """
        ...

    def stop_playing(self, leg: int) -> None: ...

    def start_recording(self, a: int, b: int | None, wish: RecordingWish) -> int:
        """Records what legs `a` (left) and `b` (right) send, whether they are joined by relay or through codecs.

        Raises `CannotHear`.
        """
        ...

    def stop_recording(self, recording: int) -> None: ...

    def counters(self, leg: int) -> MediaCounters: ...

    def close_leg(self, leg: int) -> MediaCounters: ...

    def close_call(self, media_call: int) -> None:
        """Ends it with the legs it still has."""
        ...

    def flush(self) -> None:
        """Called once after each message or timer: the commands that it led to are to be obeyed now."""
        ...


class CannotHear(Exception):
    """What was asked needs media that the server cannot decode, make or play here; the text says why."""


class NoMediaPorts(Exception):
    """Every media port of the configured range is in use."""


class Destination(NamedTuple):
    """One binding to ring: the request goes to `hop`, with `request_uri` and the stored Path as `route`.

    `others` are further flows of the same device, each tried where the one before proves dead (RFC 5626 7).
    """

    user: SipUser
    hop: Hop
    request_uri: str
    route: tuple[str, ...] = ()
    others: tuple["Destination", ...] = ()
    replaces: str = ""
    """The dialog of the phone's that the new one is to take the place of (RFC 3891)."""


class Ring(NamedTuple):
    """Ring all of these; the first to answer has the call. `aor` is who was asked for."""

    aor: str
    destinations: tuple[Destination, ...]


class Service(NamedTuple):
    """A service of the server itself answers: `echo`."""

    name: str


class NoRoute(NamedTuple):
    """The call goes nowhere; status and a sentence that a person can read."""

    status: int
    reason: str


class Directory(Protocol):
    """Who can be reached under a URI, as seen by `caller` (tenancy is decided here)."""

    def resolve(self, uri: str, caller: SipUser) -> Ring | Service | NoRoute: ...

    def recording_key(self, user: SipUser) -> str:
        """The public key (``age1…``) that recordings for this user are sealed to as of now; "" where there is none.

        A call knows its users as they were when it began."""
        ...
