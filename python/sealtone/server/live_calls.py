"""What may be asked of a running server about its live calls, and done to them; and the feed of what happens.

Each action takes `account_id`: who asks for one account (None: for whoever operates the machine) is shown the calls
that its records will have, of a foreign leg only what says who could listen, and can do nothing to any other call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sealtone.b2bua import recording_in_call
from sealtone.b2bua.applications.music_on_hold import holds
from sealtone.b2bua.applications.open_notice import holds_apart
from sealtone.b2bua.call import Call
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.leg_codecs import in_use
from sealtone.b2bua.leg_quality import quality_of
from sealtone.b2bua.record import media_address, parties_of, shown_name, state_of
from sealtone.model.listeners import who_could_listen
from sealtone.net.control import Action
from sealtone.net.errors import ControlError
from sealtone.server.node import Node
from sealtone.sip.flow import Flow, host_port

_NOBODY = "the administrator"


def live_actions(node: Node) -> dict[str, Action]:
    """The actions by name. Each gives what JSON can hold; times are Unix seconds."""

    def find(call: str, account_id: int | None) -> Call:
        found = node.exchange.calls.get(call)
        if found is None or not _is_of(found, account_id):
            raise ControlError(f"There is no live call {call}. `sealtone calls --live` lists them.")
        return found

    def live(account_id: int | None = None, call: str = "") -> list[dict[str, Any]]:
        """All live calls of an account, or the one that is named if it is among them."""
        wall = node.exchange.settings.wall_of
        return [
            _live_call(one, wall, account_id)
            for one in list(node.exchange.calls.values())
            if _is_of(one, account_id) and call in ("", one.id)
        ]

    def verify(
        call: str,
        user: str,
        matches: bool,
        account_id: int | None = None,
        by: str = _NOBODY,
        hang_up: bool = True,
    ) -> dict[str, Any]:
        """A person compared the SAS that a phone shows with the one of `calls.live`. `user`: whose phone; may be empty
        where only one leg has a SAS. `hang_up`: a difference ends the call."""
        found = find(call, account_id)
        legs = [leg for leg in found.legs() if _has_sas(leg) and _is_own(leg, account_id)]
        known = ", ".join(leg.aor for leg in legs)
        if user:
            legs = [leg for leg in legs if user in (leg.aor, leg.name)]
        if len(legs) != 1:
            raise ControlError(
                f"Say whose SAS was compared: {known}." if known else "No leg of this call has a SAS of this server's."
            )
        leg = legs[0]
        sas = leg.zrtp.facts.sas if leg.zrtp is not None else ""
        node.verify(leg, matches, by, hang_up)
        return {"call": call, "aor": leg.aor, "sas": sas, "matches": matches, "account_id": found.a.user.account_id}

    def record(call: str, start: bool, by: str, account_id: int | None = None) -> bool:
        """Begins or ends a recording of a live call, for `by`."""
        find(call, account_id)
        objection = node.record(call, start, by)
        if objection:
            raise ControlError(f"{objection}.")
        return True

    def hang_up(call: str, account_id: int | None = None, by: str = _NOBODY) -> bool:
        find(call, account_id)
        node.hang_up(call, by)
        return True

    async def wait(after: int, patience_s: float = 25.0) -> dict[str, Any]:
        return await node.feed.wait(after, patience_s)

    return {
        "calls.live": live,
        "calls.hang_up": hang_up,
        "calls.verify": verify,
        "calls.record": record,
        "events.wait": wait,
    }


def _is_of(call: Call, account_id: int | None) -> bool:
    return account_id is None or call.a.user.account_id == account_id


def _is_own(leg: Leg, account_id: int | None) -> bool:
    return account_id is None or leg.user.account_id == account_id


def _has_sas(leg: Leg) -> bool:
    return leg.zrtp is not None and leg.sealed is None and bool(leg.zrtp.facts.sas)


def _live_call(call: Call, wall: Callable[[float], float], account_id: int | None) -> dict[str, Any]:
    caller, callee = parties_of(call)
    return {
        "id": call.id,
        "account_id": call.a.user.account_id,
        "stage": "announcing" if call.state == "answered" and holds_apart(call) else call.state,
        "caller": caller,
        "caller_name": shown_name(call.a),
        "callee": callee,
        "dialled": call.target,
        "started_at": wall(call.started_at),
        "answered_at": wall(call.answered_at) if call.answered_at is not None else None,
        "state": state_of(call).value,
        "announced": call.notice.said if call.notice is not None else "",
        "drawn": call.drawn(),
        "recordings": list(call.recording.recorded),
        "recording": call.recording.facts.id if call.recording.facts is not None else None,
        "recording_note": call.recording.note,
        "recording_objection": recording_in_call.objection(call),
        "audience": _audience(call),
        "legs": [_live_leg(call, leg, _is_own(leg, account_id)) for leg in call.legs()],
    }


def _audience(call: Call) -> dict[str, Any] | None:
    """Who could listen now; None while nobody has answered."""
    other = call.far
    if call.answered_at is None or (other is None and call.service is None):
        return None
    audience = who_could_listen(call.a.security(), other.security() if other is not None else None)
    return {
        "listeners": [listener.value for listener in audience.listeners],
        "compare": audience.compare.value,
        "addresses_shown": audience.addresses_shown,
    }


def _live_leg(call: Call, leg: Leg, is_own: bool) -> dict[str, Any]:
    """`is_own`: of the account that asks. Of another's only what says who could listen, and how it sounds, is shown."""
    security, counters, codecs = leg.security(), leg.counters(), in_use(leg)
    quality = quality_of(leg, counters)
    zrtp = security.zrtp
    if zrtp is not None and not is_own:
        zrtp = zrtp._replace(sas="", client="", warnings=(), cache="")
    return {
        "role": leg.role,
        "aor": leg.aor,
        "own": is_own,
        "chosen": leg is call.a or leg is call.b,
        "transport": security.transport,
        "tls_version": security.tls_version,
        "tls_cipher": security.tls_cipher,
        "protection": security.protection.value,
        "key_exchange": security.key_exchange.value,
        "media_path": security.media_path.value,
        "sas_verified": security.sas_verified,
        "zrtp": zrtp._asdict() if zrtp is not None else None,
        "suite_rx": security.suite_rx.value if security.suite_rx is not None else "",
        "suite_tx": security.suite_tx.value if security.suite_tx is not None else "",
        "note": security.note,
        "codec": codecs.rx,
        "codec_tx": codecs.tx,
        "ptime_ms": codecs.ptime_ms,
        "transcoded": leg.transcoded,
        "mos_rx": quality.sent,
        "mos_tx": quality.heard,
        "packets_rx": counters.packets_in,
        "packets_tx": counters.packets_out,
        "lost": counters.lost_in,
        "jitter_ms": round(counters.jitter_ms, 2),
        "rtt_ms": None if counters.round_trip_ms is None else round(counters.round_trip_ms, 2),
        "reported_lost": counters.reported_lost,
        "reported_jitter_ms": counters.reported_jitter_ms,
        "held": holds(leg),
        "signalling": _signalling(leg) if is_own else "",
        "media": (counters.heard_from or media_address(leg)) if is_own else "",
        "user_agent": leg.agent if is_own else "",
        "sip_call_id": leg.session.call_id if is_own else "",
    }


def _signalling(leg: Leg) -> str:
    hop = leg.hop
    return host_port(*hop.remote) if isinstance(hop, Flow) else host_port(hop.host, hop.port)
