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


MediaEvent = Latched | Silent | Heard | PacketReceived


def read_events(engine: _engine.Engine) -> list[MediaEvent]:
    """Takes the events that are there, oldest first."""
    events: list[MediaEvent] = []
    for leg, kind, address, data in engine.events():
        if kind == "latched" and address is not None:
            events.append(Latched(leg, address))
        elif kind == "silent":
            events.append(Silent(leg))
        elif kind == "heard":
            events.append(Heard(leg))
        elif address is not None and data is not None:
            events.append(PacketReceived(leg, kind, address, data))
    return events
