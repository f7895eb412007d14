"""What the engine tells its owner."""

from typing import NamedTuple

from sealtone.media import _engine


class Latched(NamedTuple):
    """A leg's media now comes from, and goes to, `address`."""

    leg: int
    address: tuple[str, int]


class Silent(NamedTuple):
    """Nothing was accepted from the remote for `EngineConfig.silence_s`, though the leg should receive."""

    leg: int


class Heard(NamedTuple):
    """Media came again after `Silent`."""

    leg: int


class PacketReceived(NamedTuple):
    """A packet for the control plane: `protocol` is "stun", "dtls" or "zrtp"."""

    leg: int
    protocol: str
    source: tuple[str, int]
    data: bytes


class Digit(NamedTuple):
    """The remote sent a digit (0-9, *, #, A-D): as events (RFC 4733), or as a tone where it is heard through codecs."""

    leg: int
    digit: str
    duration_ms: int


class Unmapped(NamedTuple):
    """The remote sends a negotiated payload type that the leg it is bridged to has no number for: it is dropped.

    Told once for each bridge and type.
    """

    leg: int
    payload_type: int


class Played(NamedTuple):
    """All sounds of `Engine.play`, which gave the number `playing`, were played."""

    leg: int
    playing: int


class CodecFault(NamedTuple):
    """A leg cannot be sent anything through codecs; `reason` is for a person."""

    leg: int
    reason: str


class CodecsLost(NamedTuple):
    """A worker's codec process is gone. It is started again, and told anew what it has to know."""

    worker: int


class RecordingEnded(NamedTuple):
    """A recording is over. Its files are as `Engine.start_recording` has them."""

    recording: int
    reason: str
    """Empty where it was told to end, or with its legs; else why, as a sentence for a person."""
    octets: int
    """Of the file within the seal, as far as it is on the disk."""
    seconds: float


MediaEvent = (
    Latched | Silent | Heard | PacketReceived | Digit | Unmapped | Played | CodecFault | CodecsLost | RecordingEnded
)


def read_events(engine: _engine.Engine) -> list[MediaEvent]:
    """Takes the events that are there, oldest first."""
    events: list[MediaEvent] = []
    for leg, kind, address, data, (number, second), text in engine.events():
        if kind == "latched" and address is not None:
            events.append(Latched(leg, address))
        elif kind == "silent":
            events.append(Silent(leg))
        elif kind == "heard":
            events.append(Heard(leg))
        elif kind == "digit":
            events.append(Digit(leg, text, number))
        elif kind == "unmapped":
            events.append(Unmapped(leg, number))
        elif kind == "played":
            events.append(Played(leg, number))
        elif kind == "codec-fault":
            events.append(CodecFault(leg, text))
        elif kind == "codecs-lost":
            events.append(CodecsLost(number))
        elif kind == "recording-ended":
            events.append(RecordingEnded(leg, text, number, second / 1000))
        elif address is not None and data is not None:
            events.append(PacketReceived(leg, kind, address, data))
    return events
