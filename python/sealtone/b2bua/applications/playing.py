"""What is played to a leg now. The one place that plays."""

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
    return leg.sealed is None and leg.may_flow() and plan is not None and not plan.sealed and bool(plan.transmit)


def play(leg: Leg, sounds: tuple[str, ...], purpose: Purpose, *, repeat: bool = False) -> None:
    """In place of what the leg would hear, and of whatever is played to it now. Nothing where it cannot hear."""
    if can_hear(leg):
        leg.playing = Playing(leg.call.exchange.plane.play(leg.port.id, sounds, repeat=repeat), purpose)


def stop(leg: Leg, purpose: Purpose) -> None:
    """Silence, if this is what is played."""
    if is_playing(leg, purpose):
        leg.playing = None
        leg.call.exchange.plane.stop_playing(leg.port.id)


def is_playing(leg: Leg, purpose: Purpose) -> bool:
    return leg.playing is not None and leg.playing.purpose == purpose
