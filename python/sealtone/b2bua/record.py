"""From an ended call to what is written down of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from sealtone.b2bua.leg_codecs import in_use
from sealtone.b2bua.leg_quality import quality_of
from sealtone.model import CallState, call_state
from sealtone.model.record import CallRecord, LegRecord
from sealtone.sip.flow import Flow, host_port

if TYPE_CHECKING:
    from sealtone.b2bua.call import Call
    from sealtone.b2bua.leg import Leg


_LONGEST_AGENT: Final = 200


class EndedBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    SERVER = "server"


def state_of(call: Call) -> CallState:
    """The state a person is shown now: the weakest leg's."""
    other = call.far
    if other is None and call.service is None:
        return CallState.OPEN if call.answered_at is None else call_state(call.a.security(), None)
    return call_state(call.a.security(), other.security() if other is not None else None)


def leg_record(leg: Leg, status: int, chosen: bool, role: Literal["caller", "callee"] | None = None) -> LegRecord:
    """What one leg came to; `role` where it is another than the leg's own."""
    counters = leg.counters()
    hop = leg.hop
    host, port = hop.remote if isinstance(hop, Flow) else (hop.host, hop.port)
    heard = counters.packets_in > 0
    codecs = in_use(leg)
    quality = quality_of(leg, counters)
    return LegRecord(  # by position, as with `MediaPlan` in `plan_of`
        role or leg.role,
        leg.aor,
        leg.security(),
        status,
        chosen,
        codecs.rx,
        counters.packets_in,
        counters.packets_out,
        counters.octets_in,
        counters.octets_out,
        counters.lost_in,
        counters.jitter_ms if heard else None,
        counters.round_trip_ms,
        host_port(host, port),
        counters.heard_from or media_address(leg),
        _user_agent(leg)[:_LONGEST_AGENT],
        leg.session.call_id,
        codecs.tx,
        codecs.ptime_ms,
        leg.transcoded,
        counters.reported_lost,
        counters.reported_jitter_ms,
        quality.sent,
        quality.heard,
    )


def shown_name(caller: Leg) -> str:
    """The caller's name as the called party sees it."""
    invite = caller.session.invite_request
    return caller.user.display_name or (invite.from_.display if invite is not None else "")


def media_address(leg: Leg) -> str:
    """Where the phone says that it receives, as text."""
    media = leg.media
    return host_port(media.remote.address, media.remote.port) if media is not None else ""


def _user_agent(leg: Leg) -> str:
    """What the phone calls itself."""
    invite = leg.session.invite_request
    if leg.role == "caller" and invite is not None:
        return invite.headers.get("User-Agent") or ""
    return leg.agent


def parties_of(call: Call) -> tuple[str, str]:
    """Who called and who was called: AORs, or the name of a service."""
    if call.placed:
        return call.service or "", call.a.aor
    return call.a.aor, call.b.aor if call.b is not None else call.service or call.called_aor


def call_record(call: Call, ended_by: EndedBy, status: int) -> CallRecord:
    """The record of a call that has ended, made while its legs still know their keys' suites."""
    wall = call.exchange.settings.wall_of
    a, b = call.a, call.b
    caller, callee = parties_of(call)
    answered = call.answered_at
    # After a transfer the one that called may be the called one's leg, and the other way round.
    moved = call.moved.get(id(a))
    role: Literal["caller", "callee"] = "callee" if call.placed else "caller"
    legs = [leg_record(a, status, True, role) if moved is None else moved._replace(role=role)]
    if b is not None:
        moved = call.moved.get(id(b))
        status_b = 200 if answered is not None else status
        legs.append(leg_record(b, status_b, True, "callee") if moved is None else moved._replace(role="callee"))
    legs.extend(call.lost_branches)
    return CallRecord(
        id=call.id,
        account_id=a.user.account_id,
        caller=caller,
        dialled=call.target,
        callee=callee,
        started_at=wall(call.started_at),
        ended_at=wall(call.ended_at if call.ended_at is not None else call.started_at),
        ended_by=ended_by.value,
        status=200 if answered is not None else status,
        reason=call.reason,
        state=call.weakest if call.weakest is not None else CallState.OPEN,
        legs=tuple(legs),
        caller_name="" if call.placed else shown_name(a),
        answered_at=wall(answered) if answered is not None else None,
        recordings=call.recording.recorded,
        recording_note=call.recording.note,
        announced=call.notice.said if call.notice is not None else "",
    )


def weaker(first: CallState | None, second: CallState) -> CallState:
    """The weaker of two states: a call that was open for a while is open."""
    return second if first is None or _RANK[second] < _RANK[first] else first


_RANK: Final = {state: rank for rank, state in enumerate(CallState)}
