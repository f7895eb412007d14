"""Keys that one phone presses as events (RFC 4733), for a phone that gets none: it hears their tones (ITU-T Q.23).

Where packets go through codecs the tone is made there, and so it is while the tone of a recording sounds over the call.
Where they are passed on it is played to that phone once the event is over, in place of what it would hear, and nothing
needs to be decoded for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealtone.b2bua.applications.open_notice import holds_apart
from sealtone.b2bua.applications.playing import can_hear, is_playing
from sealtone.b2bua.codec_choice import events_of, first_voice
from sealtone.b2bua.recording_in_call import sounds_tone

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg

_SPELLED = {"*": "star", "#": "hash"}


def on_digit(leg: Leg, digit: str, now: float) -> None:
    """The phone of a leg has sent this key in its media."""
    call, other = leg.call, leg.call.other(leg)
    if other is None or leg.transcoded or not _is_lost_to(other, leg):
        return
    if holds_apart(call) or call.recording.announcing or sounds_tone(call, now):
        return
    if can_hear(other) and not is_playing(other):
        call.exchange.plane.play(other.port.id, (f"key-{_SPELLED.get(digit, digit)}",))


def _is_lost_to(other: Leg, leg: Leg) -> bool:
    """Whether an event that a leg's phone sends is not passed on: the other one agreed to none, or to another clock."""
    agreed = leg.media.agreed if leg.media is not None else ()
    sent, voice = events_of(agreed), first_voice(agreed)
    if sent is None:
        return False
    # Without events of its voice's clock a phone may send any that it agreed to.
    is_sure = voice is not None and sent.clock == voice.clock
    may_send = (sent,) if is_sure else tuple(codec for codec in agreed if codec.is_telephone_event)
    return other.media is None or not any(one.same_format(it) for one in may_send for it in other.media.agreed)
