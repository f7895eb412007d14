"""Music for whoever was put on hold, where the media is the server's: from the hold until it ends, or the call changes.

Whether there is music is up to the domain of who holds. A hold is a change in mid-call: a phone that sends only, from
the beginning (an intercom, say), is heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.applications.playing import can_hear, is_playing, play, stop
from sealtone.b2bua.applications.prompts import MUSIC
from sealtone.sdp import Direction

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg


def follow(call: Call) -> None:
    """The call's legs are joined, or one of their phones has held or resumed: begin or stop."""
    for leg in call.legs():
        other = call.other(leg)
        wanted = call.state == "answered" and other is not None and holds(other) and _is_waiting(leg, other)
        if not wanted:
            stop(leg, "music")
        elif not is_playing(leg) and can_hear(leg):
            play(leg, (MUSIC,), "music", repeat=True)


def holds(leg: Leg) -> bool:
    """Whether its phone has put the other on hold. It may also have ended that by an answer, as in a transfer."""
    return leg.was_held and not leg.remote_direction().receives


def direction_for(leg: Leg, other: Leg) -> Direction:
    """What a leg's phone is told of the other's direction: one that is to hear music goes on receiving."""
    said = other.remote_direction()
    if said is Direction.INACTIVE and other.user.announcements.music_on_hold and can_hear(leg):
        return Direction.SENDONLY
    return said


def _is_waiting(leg: Leg, holder: Leg) -> bool:
    return holder.user.announcements.music_on_hold and leg.remote_direction().receives
