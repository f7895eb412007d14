"""Before two phones are connected, who should know is told that the other side is not encrypted (per domain).

How it goes:

1. Once the call is answered and both legs' media may flow, the two are held apart while each that has to know hears the
   tone or the sentence. Then they are joined, as by any other `Call.link`.
2. Where nobody has to be told, or nobody can (a sealed or direct path; a codec that the server cannot make), nothing is
   delayed. The record says what was said, and what could not be.
3. What comes before the answer (early media) is heard as ever: nobody has picked up yet.
4. A notice that is not known to have ended in `_PATIENCE_S` ends there: nobody is left in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sealtone.b2bua.applications.playing import can_hear, is_playing, play, stop
from sealtone.b2bua.applications.prompts import OPEN_TONE, PAUSE, spoken
from sealtone.model import CallState, leg_state
from sealtone.model.announcements import NoticeTo, OpenNotice

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg

_PATIENCE_S: Final = 10.0


class Notice:
    """Of one call. `said`: for its record, as a sentence."""

    __slots__ = ("said", "stage", "until")

    def __init__(self) -> None:
        self.stage: Literal["due", "speaking", "over"] = "due"
        self.until = 0.0
        self.said = ""


def arm(call: Call) -> None:
    """Two phones are about to be connected: hold them apart if somebody may have to be told."""
    call.notice = None
    if call.b is None or call.a.sealed is not None or call.b.sealed is not None:
        return
    for leg, other in _pairs(call):
        if _wish(leg, other) is not OpenNotice.OFF:
            call.notice = Notice()


def holds_apart(call: Call) -> bool:
    """Whether the two must not be joined yet."""
    return call.notice is not None and call.notice.stage != "over"


def follow(call: Call, now: float) -> None:
    """Something has happened: begin to speak, or join the two once all was said."""
    notice = call.notice
    if notice is None or notice.stage == "over" or call.state != "answered" or call.b is None:
        return
    if notice.stage == "due" and len(call.legs()) == 2 and call.a.may_flow() and call.b.may_flow():
        _begin(call, notice, now)
    if notice.stage == "speaking" and (now >= notice.until or not any(map(_is_told, call.legs()))):
        _end(call, notice)


def _begin(call: Call, notice: Notice, now: float) -> None:
    notice.stage = "speaking"
    notice.until = now + _PATIENCE_S
    told, waits = [], []
    for leg, other in _pairs(call):
        wish = _wish(leg, other)
        open_there = leg_state(other.security()) is CallState.OPEN
        if wish is OpenNotice.OFF or not open_there:
            waits.append(leg)
        elif can_hear(leg):
            sounds = spoken(leg.user.language, "open-notice") if wish is OpenNotice.NOTICE else (PAUSE, OPEN_TONE)
            play(leg, sounds, "notice")
            told.append((leg, wish))
        else:
            notice.said += f"{leg.aor} could not be told that the other side is not encrypted. "
    for leg, wish in told:
        notice.said += f"{leg.aor} was told that the other side is not encrypted. "
        call.tell("announced", f"{leg.aor} is told that the other side is not encrypted ({wish.value})")
    notice.said = notice.said.strip()
    if any(wish is OpenNotice.NOTICE for _, wish in told):
        for leg in waits:
            play(leg, spoken(leg.user.language, "please-wait"), "patience")
    if told:
        call.exchange.wake_call(call, notice.until)


def _end(call: Call, notice: Notice) -> None:
    notice.stage = "over"
    for leg in call.legs():
        stop(leg, "notice")
        stop(leg, "patience")
    call.link()


def _pairs(call: Call) -> list[tuple[Leg, Leg]]:
    a, b = call.a, call.b
    return [(a, b), (b, a)] if b is not None else []


def _wish(leg: Leg, other: Leg) -> OpenNotice:
    """What its domain wants to be said to this leg of an open `other`."""
    wishes = leg.user.announcements
    is_called = leg is leg.call.b
    return OpenNotice.OFF if is_called and wishes.open_notice_to is NoticeTo.CALLER else wishes.open_notice


def _is_told(leg: Leg) -> bool:
    return is_playing(leg, "notice")
