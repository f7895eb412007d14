"""A process that holds nothing but Sealtone's media engine, and opens calls as it is told.

One JSON line in: ``{"calls": [[leg, leg], …]}`` with leg ``{"port": phone port, "phone_key": key | null,
"relay_key": key | null, "sealed": bool, "codec": [payload type, encoding, clock, channels, frame in ms]}`` and key
``{"suite", "key", "salt"}`` in hexadecimal. One JSON line out:
``{"ports": [[a, b], …]}``, or ``{"error": text}``. It ends at the end of its input.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from benches.relays.interface import EVENTS
from sealtone.media import Engine, EngineConfig, LegPlan, PayloadFormat, SrtpKey

LOOPBACK = "127.0.0.1"


def srtp_key(key: dict[str, str] | None) -> SrtpKey | None:
    return SrtpKey(key["suite"], bytes.fromhex(key["key"]), bytes.fromhex(key["salt"])) if key else None


def voice(codec: list[Any]) -> PayloadFormat:
    """Opus at 32 kbit/s is what rtpengine makes, too; the others have one rate."""
    payload_type, encoding, clock, _, frame_ms = codec
    ilbc = frame_ms if encoding == "iLBC" else 0
    return PayloadFormat(payload_type, encoding.lower(), clock, packet_ms=frame_ms, frame_ms=ilbc)


def open_call(engine: Engine, legs: list[dict[str, Any]]) -> list[int]:
    """Opens and bridges both legs of a call; returns the engine's RTP ports."""
    events = PayloadFormat(EVENTS, "telephone-event", 8000)
    call = engine.open_call()
    opened = []
    for leg in legs:
        media = engine.open_leg(call, LOOPBACK)
        rx, tx = srtp_key(leg["phone_key"]), srtp_key(leg["relay_key"])
        plan = LegPlan(
            remote=(LOOPBACK, leg["port"]),
            remote_rtcp=(LOOPBACK, leg["port"] + 1),
            signalling_ip=LOOPBACK,
            rtcp_mux=False,
            send=True,
            receive=True,
            rx=rx,
            tx=tx,
            secure_required=rx is not None,
            payload_types=(leg["codec"][0], EVENTS),
            clock_rate=leg["codec"][2],
            new_latch=True,
            sealed=leg["sealed"],
            formats=(voice(leg["codec"]), events),
            transmit=(voice(leg["codec"]), events),
        )
        engine.update_leg(media.id, plan)
        opened.append(media)
    if legs[0]["codec"] == legs[1]["codec"]:
        engine.bridge(opened[0].id, opened[1].id, None, None)
    else:
        engine.transcode(opened[0].id, opened[1].id)
    return [media.rtp_port for media in opened]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--port-min", type=int, required=True)
    parser.add_argument("--port-max", type=int, required=True)
    arguments = parser.parse_args()
    engine = Engine(
        EngineConfig(workers=1, cpus=(arguments.cpu,), port_min=arguments.port_min, port_max=arguments.port_max)
    )
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            ports = [open_call(engine, legs) for legs in json.loads(line)["calls"]]
        except Exception as problem:
            print(json.dumps({"error": f"{type(problem).__name__}: {problem}"}), flush=True)
        else:
            print(json.dumps({"ports": ports}), flush=True)
        engine.events()
    engine.stop()


if __name__ == "__main__":
    main()
