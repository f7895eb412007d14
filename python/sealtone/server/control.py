"""What the command line may ask of a running server: its state, who is registered, live calls, a reload, a hang-up."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sealtone import __version__
from sealtone.b2bua.applications.music_on_hold import holds
from sealtone.b2bua.applications.open_notice import holds_apart
from sealtone.b2bua.call import Call
from sealtone.b2bua.leg import Leg
from sealtone.b2bua.leg_codecs import in_use
from sealtone.b2bua.leg_quality import quality_of
from sealtone.b2bua.record import media_address, parties_of, state_of
from sealtone.media import Engine
from sealtone.model.directory import ECHO_SERVICE, WHO_CAN_HEAR_SERVICE
from sealtone.net.control import Action
from sealtone.net.errors import ControlError
from sealtone.net.transport import Listening, Transports
from sealtone.server.node import Node
from sealtone.sip.flow import host_port
from sealtone.store import Store


def control_actions(
    *,
    node: Node,
    transports: Transports,
    engine: Engine,
    store: Store,
    listening: tuple[Listening, ...],
    started_at: float,
    reload: Callable[[], Awaitable[int]],
) -> dict[str, Action]:
    """The actions by name. Each gives what JSON can hold; times are Unix seconds."""

    def status() -> dict[str, Any]:
        net, media, sip = transports.counters, engine.stats(), node.endpoint.counters
        return {
            "version": __version__,
            "uptime_s": round(time.time() - started_at, 1),
            "listening": [{"transport": one.transport, "host": one.host, "port": one.port} for one in listening],
            "snapshot": node.snapshot.version,
            "sip_users": sum(1 for _ in node.snapshot.users()),
            "registrations": len(node.registrar),
            "calls": len(node.exchange.calls),
            "connections": transports.connections(),
            "transactions": node.endpoint.transaction_count,
            "media": {"calls": media.calls, "legs": media.legs, "datagrams": media.datagrams, "faults": media.faults},
            "messages": {"received": sip.received, "malformed": sip.malformed, "absorbed": sip.absorbed},
            "passwords": {
                "verified": node.authenticator.verified,
                "wrong": node.authenticator.failed,
                "not_looked_at": node.throttle.refused,
            },
            "network": {
                "datagrams_in": net.datagrams_in,
                "datagrams_out": net.datagrams_out,
                "responses_withheld": node.reflection.withheld,
                "refused_connections": net.refused_total + net.refused_source,
                "handshake_failures": net.handshake_failures,
                "framing_errors": net.framing_errors,
            },
            "codecs": dict(node.exchange.plane.codecs()),
            "store": {"records_lost": store.records_lost, "last_error": store.last_error},
        }

    def registrations(aors: list[str] | None = None) -> list[dict[str, Any]]:
        """Of these users, or of all."""
        now_wall = time.time()
        found = (
            node.registrar.all_bindings(now_wall)
            if aors is None
            else (binding for aor in aors for binding in node.registrar.bindings(aor, now_wall))
        )
        return [
            {
                "aor": binding.aor,
                "contact": binding.contact,
                "transport": binding.transport,
                "received": host_port(*binding.received),
                "tls_version": binding.flow.tls.version if binding.flow is not None and binding.flow.tls else "",
                "expires_at": binding.expires_at,
                "registered_at": binding.registered_at,
                "q": binding.q / 1000,
                "instance": binding.instance,
                "reg_id": binding.reg_id,
                "user_agent": binding.user_agent,
                "reachable": binding.hop_hint is not None,
            }
            for binding in found
        ]

    def calls_live() -> list[dict[str, Any]]:
        wall = node.exchange.settings.wall_of
        return [_live_call(call, wall) for call in node.exchange.calls.values()]

    def verify(call: str, user: str, matches: bool) -> dict[str, Any]:
        """A person compared the SAS that a phone shows with the one of `calls.live`. `user`: whose phone; may be empty
        where only one leg has a SAS."""
        found = node.exchange.calls.get(call)
        if found is None:
            raise ControlError(f"There is no live call {call}. `sealtone calls --live` lists them.")
        legs = [leg for leg in found.legs() if leg.zrtp is not None and leg.zrtp.facts.sas]
        if user:
            legs = [leg for leg in legs if user in (leg.aor, leg.name)]
        if len(legs) != 1:
            known = ", ".join(leg.aor for leg in found.legs() if leg.zrtp is not None and leg.zrtp.facts.sas)
            raise ControlError(
                f"Say whose SAS was compared: {known}." if known else "No leg of this call has a SAS of this server's."
            )
        node.verify(legs[0], matches)
        return {"aor": legs[0].aor, "sas": legs[0].zrtp.facts.sas if legs[0].zrtp else "", "matches": matches}

    def record(call: str, start: bool, by: str) -> bool:
        """Begins or ends a recording of a live call, for `by`."""
        objection = node.record(call, start, by)
        if objection:
            raise ControlError(f"{objection}.")
        return True

    def hang_up(call: str) -> bool:
        if not node.hang_up(call):
            raise ControlError(f"There is no live call {call}. `sealtone calls --live` lists them.")
        return True

    return {
        "status": status,
        "registrations": registrations,
        "calls.live": calls_live,
        "calls.hang_up": hang_up,
        "calls.verify": verify,
        "calls.record": record,
        "calls.test": partial(_place_test, node),
        "reload": reload,
    }


def _place_test(node: Node, user: str, service: str = WHO_CAN_HEAR_SERVICE) -> dict[str, str]:
    """Calls a phone of a SIP user and plays it a service: `who-can-hear` or `echo`."""
    if service not in (WHO_CAN_HEAR_SERVICE, ECHO_SERVICE):
        raise ControlError(f"There is no test {service}: {WHO_CAN_HEAR_SERVICE} and {ECHO_SERVICE} are.")
    placed = node.place(user, service)
    if isinstance(placed, str):
        raise ControlError(f"{placed}.")
    return {"call": placed.id}


def _live_call(call: Call, wall: Callable[[float], float]) -> dict[str, Any]:
    legs = call.legs()
    caller, callee = parties_of(call)
    return {
        "id": call.id,
        "stage": "announcing" if call.state == "answered" and holds_apart(call) else call.state,
        "caller": caller,
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
        "legs": [_live_leg(leg) for leg in legs],
    }


def _live_leg(leg: Leg) -> dict[str, Any]:
    security, counters, codecs = leg.security(), leg.counters(), in_use(leg)
    quality = quality_of(leg, counters)
    return {
        "role": leg.role,
        "aor": leg.aor,
        "transport": security.transport,
        "tls_version": security.tls_version,
        "tls_cipher": security.tls_cipher,
        "protection": security.protection.value,
        "key_exchange": security.key_exchange.value,
        "media_path": security.media_path.value,
        "sas_verified": security.sas_verified,
        "zrtp": security.zrtp._asdict() if security.zrtp is not None else None,
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
        "media": counters.heard_from or media_address(leg),
        "held": holds(leg),
        "sip_call_id": leg.session.call_id,
    }
