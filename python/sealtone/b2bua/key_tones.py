"""Keys that one phone presses as events (RFC 4733), for a phone that takes none: it hears their tones (ITU-T Q.23).

Where packets go through codecs the tone is made there, and so it is while the tone of a recording sounds over the call.
Where they are passed on it is played to that phone once the event is over, in place of what it would hear, and nothing
needs to be decoded for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.applications.open_notice import holds_apart
from sealtone.b2bua.applications.playing import can_hear, is_playing
from sealtone.b2bua.recording_in_call import sounds_tone

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

_SPELLED = {"*": "star", "#": "hash"}


def on_digit(leg: Leg, digit: str, now: float) -> None:
    """The phone of a leg has sent this key in its media."""
    call, other = leg.call, leg.call.other(leg)
    if other is None or leg.transcoded or not _takes_events(leg) or _takes_events(other):
        return
    if holds_apart(call) or call.recording.announcing or sounds_tone(call, now):
        return
    if can_hear(other) and not is_playing(other):
        call.exchange.plane.play(other.port.id, (f"key-{_SPELLED.get(digit, digit)}",))


def _takes_events(leg: Leg) -> bool:
    return leg.media is not None and any(codec.is_telephone_event for codec in leg.media.agreed)
