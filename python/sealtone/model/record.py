"""What is written down of a call once it has ended: who, when, how long, why, and what each leg reached.

A call has one `LegRecord` for each phone that was tried, in the order of trying: the caller's first, then every fork.
Times are wall-clock seconds since the epoch. Nothing here is secret: no keys, no message bodies.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sealtone.model.security import CallState, LegSecurity

LegRole = Literal["caller", "callee", "service"]
"""`service` is an application of the server (the echo test), which has no phone behind it."""

EndedBy = Literal["caller", "callee", "server"]
"""`server` covers its own decisions: policy, timers, a restart, an application that finished."""


class LegRecord(NamedTuple):
    """One leg: one dialog with one phone, and its media session. Counters are the server's own of this leg."""

    role: LegRole
    aor: str
    """``user@domain`` of the SIP user, or the URI when it is none of ours."""
    security: LegSecurity
    """Transport, TLS version and cipher, protection, suites rx and tx, key exchange, and why it is no better."""
    status: int = 0
    """Final SIP status of this leg's INVITE; 0 when there was none."""
    chosen: bool = True
    """Whether the call was bridged over this leg; False for the forks that lost."""
    codec: str = ""
    """What the phone sent, such as ``PCMU/8000`` or ``opus/48000``; empty when no media was agreed."""
    packets_rx: int = 0
    """RTP packets received from the phone and accepted."""
    packets_tx: int = 0
    """RTP packets sent to the phone."""
    octets_rx: int = 0
    """RTP payload octets, as RFC 3550 counts them."""
    octets_tx: int = 0
    lost: int = 0
    """Packets that the phone sent and that never arrived (RFC 3550 6.4.1); may be negative with duplicates."""
    jitter_ms: float | None = None
    """Interarrival jitter of what the phone sends (RFC 3550 A.8); None when nothing came."""
    rtt_ms: float | None = None
    """Round trip between server and phone from RTCP reports; None when no report allowed it to be computed."""
    remote_signalling: str = ""
    """``ip:port`` that the signalling came from or went to."""
    remote_media: str = ""
    """``ip:port`` that media came from, or else the one in the SDP."""
    user_agent: str = ""
    sip_call_id: str = ""
    """Call-ID of this leg's dialog."""
    codec_tx: str = ""
    """What was sent to the phone."""
    ptime_ms: int | None = None
    """Sound in one packet to the phone; None when no media was agreed."""
    transcoded: bool = False
    """Whether the server decoded and encoded between this leg and the other one, when the call ended."""
    reported_lost: int | None = None
    """Packets sent to the phone that never arrived, as it reports; None when no report came."""
    reported_jitter_ms: float | None = None
    """Interarrival jitter of what the phone received, as it reports."""
    mos_rx: float | None = None
    """Estimated quality of what the phone sent (`model.quality`), 1 to 4.5; None when too little is known."""
    mos_tx: float | None = None
    """The same of what the phone heard, by its own reports."""


def transcoding_drawn(one: str, other: str) -> str:
    """How a server between two codecs is drawn (`LegRecord.codec`): ``transcoded opus ↔ g729``."""
    if one.lower() == other.lower():
        return f"{one.partition('/')[0].lower()} in other packets"
    names = [codec.partition("/")[0].lower() for codec in (one, other)]
    if names[0] == names[1]:
        names = [one.lower(), other.lower()]
    return f"transcoded {names[0]} ↔ {names[1]}"


class CallRecord(NamedTuple):
    """One call from the first INVITE to its end."""

    id: str
    """The server's own id of the call, unique over nodes and restarts."""
    account_id: int | None
    """The tenant that the caller belongs to; None for a caller that is none of ours."""
    caller: str
    """``user@domain`` as authenticated."""
    dialled: str
    """The Request-URI's user and host, as the caller sent it."""
    callee: str
    """``user@domain`` of the SIP user reached, or the name of the service."""
    started_at: float
    ended_at: float
    ended_by: EndedBy
    status: int
    """The SIP status that the caller's INVITE came to: 200 for an answered call."""
    reason: str
    """Why it ended, as a short sentence for a person."""
    state: CallState
    """The weakest leg's state, for the whole of the call: a call that was open for a while is open."""
    legs: tuple[LegRecord, ...] = ()
    caller_name: str = ""
    """Display name shown to the callee."""
    answered_at: float | None = None
    recordings: tuple[str, ...] = ()
    """Ids of its recordings, in order."""
    recording_note: str = ""
    """Who had it recorded, or why it was not, although somebody wished it; for a person."""
    announced: str = ""
    """What was said to whom before the two were connected, as a sentence; empty where nothing was."""

    @property
    def duration_s(self) -> float:
        """From answer to end; 0 for a call that was never answered."""
        return 0.0 if self.answered_at is None else max(0.0, self.ended_at - self.answered_at)
