"""Retransmission (RFC 6189 6): T1 for Hello, T2 for what the initiator sends, for SASrelay and for Error.

Intervals double up to a cap. The responder sends nothing twice of its own accord: it answers each repetition.
"""

from __future__ import annotations

from typing import NamedTuple


class Schedule(NamedTuple):
    """`first_s` and `cap_s` in seconds; `retransmissions`: how often after the first time."""

    first_s: float
    cap_s: float
    retransmissions: int


T1 = Schedule(0.050, 0.200, 20)
T2 = Schedule(0.150, 1.200, 10)

RESPONDER_PATIENCE_S = 15.0
"""How long a responder waits for an initiator that went silent: longer than T2 can last, which is 10.65 s."""


class Retransmission:
    """One message that is sent again until it is answered. `deadline`: when it is due next, in the time of `now`."""

    __slots__ = ("_interval_s", "_left", "deadline", "message", "schedule")

    def __init__(self, message: bytes, schedule: Schedule, now: float) -> None:
        self.message = message
        self.schedule = schedule
        self._interval_s = schedule.first_s
        self._left = schedule.retransmissions
        self.deadline = now + self._interval_s

    def again(self, now: float) -> bool:
        """Whether the message is to be sent once more, at its deadline; False when it was sent often enough."""
        if self._left == 0:
            return False
        self._left -= 1
        self._interval_s = min(self._interval_s * 2, self.schedule.cap_s)
        self.deadline = now + self._interval_s
        return True
