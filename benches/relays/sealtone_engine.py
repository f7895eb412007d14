"""Sealtone's media engine, in a process of its own (`engine_process`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from benches.machine import SERVER_CPU, BenchError, LineProcess, descendants
from benches.relays.interface import CallMedia, CallPlan, LegMedia, PhonePlan, SrtpKey, new_key

FIRST_PORT, LAST_PORT = 10_000, 31_998
CHUNK = 100


class SealtoneEngine:
    name = "sealtone"

    def __init__(self, log: Path) -> None:
        self._log = log
        self._child: LineProcess | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "benches.relays.engine_process", "--cpu", str(SERVER_CPU)]
        command += ["--port-min", str(FIRST_PORT), "--port-max", str(LAST_PORT)]
        self._child = LineProcess(command, SERVER_CPU, self._log)
        self._child.answer()

    def add_calls(self, plans: Sequence[CallPlan]) -> list[CallMedia]:
        assert self._child is not None
        media: list[CallMedia] = []
        for start in range(0, len(plans), CHUNK):
            keys = [_call_keys(plan) for plan in plans[start : start + CHUNK]]
            calls = [
                [_leg_words(plan.a, key_a, plan.sealed), _leg_words(plan.b, key_b, plan.sealed)]
                for plan, (key_a, key_b) in zip(plans[start : start + CHUNK], keys, strict=True)
            ]
            self._child.send([json.dumps({"calls": calls})])
            answer = self._child.answer()
            if "error" in answer:
                raise BenchError(f"Sealtone's engine: {answer['error']}")
            for (port_a, port_b), pair in zip(cast(list[tuple[int, int]], answer["ports"]), keys, strict=True):
                media.append(CallMedia(LegMedia(port_a, *pair[0]), LegMedia(port_b, *pair[1])))
        return media

    def pids(self) -> tuple[int, ...]:
        """With its codec processes."""
        return descendants(self._child.pid) if self._child else ()

    def stop(self) -> None:
        if self._child:
            self._child.close()
            self._child = None


Pair = tuple[SrtpKey | None, SrtpKey | None]


def _keys(phone: PhonePlan) -> Pair:
    """The key that the phone sends with, and the one it receives with."""
    return (new_key(phone.suite), new_key(phone.suite)) if phone.suite else (None, None)


def _call_keys(plan: CallPlan) -> tuple[Pair, Pair]:
    """Those of the two phones; in a sealed call each receives with what the other sends with."""
    keys_a = _keys(plan.a)
    return keys_a, keys_a[::-1] if plan.sealed else _keys(plan.b)


def _leg_words(phone: PhonePlan, keys: Pair, sealed: bool) -> dict[str, object]:
    if sealed:
        return {"port": phone.port, "phone_key": None, "relay_key": None, "sealed": True, "codec": phone.codec}

    def words(key: SrtpKey | None) -> dict[str, str] | None:
        return {"suite": key.suite, "key": key.key.hex(), "salt": key.salt.hex()} if key else None

    shared = {"port": phone.port, "sealed": False, "codec": phone.codec}
    return {**shared, "phone_key": words(keys[0]), "relay_key": words(keys[1])}
