"""What command line and panel may ask of a running server: its state, who is registered, a reload; `live_calls`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from sealtone import __version__
from sealtone.media import Engine
from sealtone.model.directory import ECHO_SERVICE, WHO_CAN_HEAR_SERVICE
from sealtone.net.control import Action
from sealtone.net.errors import ControlError
from sealtone.net.relay import HttpRelay
from sealtone.net.transport import Listening, Transports
from sealtone.server.live_calls import live_actions
from sealtone.server.node import Node
from sealtone.server.panel_process import PanelProcess
from sealtone.sip.flow import host_port
from sealtone.store import Store


def control_actions(
    *,
    node: Node,
    transports: Transports,
    engine: Engine,
    store: Store,
    listening: tuple[Listening, ...],
    began: float,
    reload: Callable[[], Awaitable[int]],
    panel: PanelProcess,
    relay: HttpRelay,
) -> dict[str, Action]:
    """The actions by name. Each gives what JSON can hold; times are Unix seconds. `began`: when the server did, in
    monotonic seconds."""

    def status() -> dict[str, Any]:
        net, media, sip = transports.counters, engine.stats(), node.endpoint.counters
        return {
            "version": __version__,
            "uptime_s": round(time.monotonic() - began, 1),
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
                "refused_connections": net.refused_total + net.displaced,
                "handshake_failures": net.handshake_failures,
                "framing_errors": net.framing_errors,
            },
            "panel": {
                "pid": panel.pid,
                "restarts": panel.restarts,
                "connections": len(relay),
                **asdict(relay.counters),
            },
            "codecs": dict(node.exchange.plane.codecs()),
            "ladders_not_kept": node.ladders.not_kept,
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

    return {
        "status": status,
        "registrations": registrations,
        "calls.test": partial(_place_test, node),
        "reload": reload,
        **live_actions(node),
    }


def _place_test(node: Node, user: str, service: str = WHO_CAN_HEAR_SERVICE) -> dict[str, str]:
    """Calls a phone of a SIP user and plays it a service: `who-can-hear` or `echo`."""
    if service not in (WHO_CAN_HEAR_SERVICE, ECHO_SERVICE):
        raise ControlError(f"There is no test {service}: {WHO_CAN_HEAR_SERVICE} and {ECHO_SERVICE} are.")
    placed = node.place(user, service)
    if isinstance(placed, str):
        raise ControlError(f"{placed}.")
    return {"call": placed.id}
