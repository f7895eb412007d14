"""Limits on what the wire can make a session do, and the counters that show them."""

from __future__ import annotations

from dataclasses import dataclass

PACKETS_PER_S, PACKET_BURST = 100.0, 200.0
"""Datagrams that are looked at, of the peer and of all others. An honest peer sends forty in its busiest second."""

ANSWERS_PER_S, ANSWER_BURST = 20.0, 40.0
"""Answers to what anybody could have sent: Hello, Ping, Error, GoClear."""

MAX_EXCHANGES = 8
"""Key agreements that one session begins, failed ones included; each costs a DH computation or two."""

MAX_MEETINGS = 16
"""Hellos that are accepted in one session, each in place of the one before."""

STEADY_S = 1.0
"""For how long a peer's place is its own, before an exchange begins, though another says Hello."""

MAX_RELAYS = 64
"""SASrelay messages that are believed in one session; transfers bring new ones."""


class TokenBucket:
    """So many a second on average, so many at once."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Whether one more may pass."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Counters:
    """What a session has met with. `flooded`: over the rate, not looked at. `damaged`: wrong CRC. `malformed`: wrong
    structure. `discarded`: not proven to be the peer's. `unexpected`: not awaited in this state. `unanswered`: over
    the rate of answers. `meetings`: Hellos accepted.
    `exchanges`: key agreements begun. `key_pairs`, `agreements`: DH computations."""

    received: int = 0
    flooded: int = 0
    damaged: int = 0
    malformed: int = 0
    discarded: int = 0
    unexpected: int = 0
    unanswered: int = 0
    meetings: int = 0
    exchanges: int = 0
    key_pairs: int = 0
    agreements: int = 0
