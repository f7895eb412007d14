"""What is played to a leg now in place of its call. A recording's notice is played by `recording_in_call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

Purpose = Literal["application", "music", "notice", "patience"]


class Playing(NamedTuple):
    """`number` as the media plane gave it."""

    number: int
    purpose: Purpose


def can_hear(leg: Leg) -> bool:
    """Whether the server can play to this phone: the media ends here, may flow, and is of a codec that is made here."""
    plan = leg.plan
    return leg.sealed is None and leg.may_flow() and plan is not None and not plan.sealed and makes_codec(leg)


def makes_codec(leg: Leg) -> bool:
    """Whether the server can make what this phone is sent."""
    transmit = leg.transmits
    return bool(transmit) and transmit[0].encoding in leg.call.exchange.encodings


def play(leg: Leg, sounds: tuple[str, ...], purpose: Purpose, *, repeat: bool = False) -> None:
    """In place of what the leg would hear, and of whatever is played to it now. Nothing where it cannot hear."""
    if can_hear(leg):
        exchange = leg.call.exchange
        exchange.playing[leg.port.id] = Playing(exchange.plane.play(leg.port.id, sounds, repeat=repeat), purpose)


def stop(leg: Leg, purpose: Purpose) -> None:
    """Silence, if this is what is played."""
    if is_playing(leg, purpose):
        exchange = leg.call.exchange
        del exchange.playing[leg.port.id]
        exchange.plane.stop_playing(leg.port.id)


def is_playing(leg: Leg, purpose: Purpose | None = None) -> bool:
    """Whether this is played to the leg now; None: anything."""
    playing = leg.call.exchange.playing.get(leg.port.id)
    return playing is not None and purpose in (None, playing.purpose)
