"""How a leg sounds, each way: from its counters to `model.quality`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sealtone.model.quality import FEWEST_PACKETS, Path, mos
from sealtone.sdp.catalogue import name_of

if TYPE_CHECKING:
    from sealtone.b2bua.leg import Leg
    from sealtone.b2bua.plane import MediaCounters


class Quality(NamedTuple):
    """The MOS of what a phone sent, as it came here, and of what it heard; None where too little is known."""

    sent: float | None = None
    heard: float | None = None


_UNKNOWN: Final = Quality()


def quality_of(leg: Leg, counters: MediaCounters) -> Quality:
    """What was heard is judged by the phone's own reports, and where the server made it, by what that was made of."""
    if leg.sealed is not None or max(counters.packets_in, counters.packets_out) < FEWEST_PACKETS:
        return _UNKNOWN
    sent = _sent(leg, counters)
    if sent is None:
        return _UNKNOWN
    return Quality(mos(sent), _heard(leg, counters, sent))


def _heard(leg: Leg, counters: MediaCounters, sent: Path) -> float | None:
    if counters.reported_lost is None:
        return None
    lost = min(max(counters.reported_lost, 0), counters.packets_out)
    heard = sent._replace(
        received=counters.packets_out - lost,
        lost=lost,
        jitter_ms=counters.reported_jitter_ms or 0.0,
        mean_burst=1.0,  # a report tells how much was lost, and not how
    )
    other = leg.call.other(leg)
    if other is None:
        return mos(heard)
    theirs = other.counters()
    if not leg.transcoded:
        # What the other phone's packets lost on their way here is missing in the phone's report too.
        return mos(heard._replace(round_trip_ms=(heard.round_trip_ms or 0.0) + (theirs.round_trip_ms or 0.0)))
    before = _sent(other, theirs)
    return mos(heard, before) if before is not None else None


def _sent(leg: Leg, counters: MediaCounters) -> Path | None:
    codec, wanted = leg.sends or leg.chosen_codec, leg.transmits
    if codec is None:
        return None
    packet_ms = wanted[0].packet_ms if wanted else 20
    lost, trip_ms = max(counters.lost_in, 0), counters.round_trip_ms
    burst = max(1.0, lost / counters.gaps_in) if counters.gaps_in else 1.0
    return Path(name_of(codec), counters.packets_in, lost, counters.jitter_ms, trip_ms, packet_ms, burst)
