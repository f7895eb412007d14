"""The bare forwarder of `benches/loadgen`: the least that a relay can cost here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from benches.machine import SERVER_CPU, LineProcess
from benches.relays.interface import CallMedia, CallPlan, LegMedia, PhonePlan, SrtpKey, new_key

# Answers are read as often as this, so that neither pipe fills.
CHUNK = 100


def key_words(key: SrtpKey) -> str:
    return f"{key.key.hex()} {key.salt.hex()}"


class Forwarder:
    """`coalesce_us` 0 never waits; 500 is the same coalescing as Sealtone's."""

    def __init__(self, binary: Path, coalesce_us: int = 500) -> None:
        self.name = "forwarder" if coalesce_us else "forwarder, no coalescing"
        self._command = [str(binary), "--coalesce-us", str(coalesce_us)]
        self._child: LineProcess | None = None

    def start(self) -> None:
        self._child = LineProcess(self._command, SERVER_CPU)

    def add_calls(self, plans: Sequence[CallPlan]) -> list[CallMedia]:
        assert self._child is not None
        media: list[CallMedia] = []
        for start in range(0, len(plans), CHUNK):
            lines, keys = [], []
            for plan in plans[start : start + CHUNK]:
                pair = (_keys(plan.a), _keys(plan.b))
                keys.append(pair)
                words = [f"call {plan.a.port} {plan.b.port}"]
                words += [f"{key[0].suite} {key_words(key[0])} {key_words(key[1])}" for key in pair if key]
                lines.append(" ".join(words))
            self._child.send(lines)
            for key_a, key_b in keys:
                port_a, port_b = cast(list[int], self._child.answer()["ports"])
                media.append(CallMedia(_leg(port_a, key_a), _leg(port_b, key_b)))
        return media

    def pids(self) -> tuple[int, ...]:
        return (self._child.pid,) if self._child else ()

    def stop(self) -> None:
        if self._child:
            self._child.close()
            self._child = None


Pair = tuple[SrtpKey, SrtpKey] | None


def _keys(phone: PhonePlan) -> Pair:
    """The key that the phone sends with, and the one it receives with."""
    return (new_key(phone.suite), new_key(phone.suite)) if phone.suite else None


def _leg(port: int, keys: Pair) -> LegMedia:
    return LegMedia(port, keys[0], keys[1]) if keys else LegMedia(port, None, None)
