"""What the suites of ZRTP cost Sealtone's engine a relayed packet, beside SDES, and what sealed calls cost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benches.media import CAPACITY_LOSS, doubts
from benches.media_load import MediaLoad, MediaSample
from benches.relays.interface import Protection
from benches.relays.sealtone_engine import SealtoneEngine
from benches.report import Outcome, Row, compare

CALLS = 300
BASIS = "SDES AES_CM_128_HMAC_SHA1_80"


def _both(suite: str) -> tuple[tuple[str, str], ...]:
    return ((suite, suite),)


PROTECTIONS: dict[str, Protection] = {
    BASIS: Protection(_both("AES_CM_128_HMAC_SHA1_80")),
    "ZRTP AES1 HS80": Protection(_both("ZRTP_AES1_HS80")),
    "ZRTP AES3 HS80": Protection(_both("ZRTP_AES3_HS80")),
    "ZRTP AES1 SK32": Protection(_both("ZRTP_AES1_SK32")),
    "ZRTP 2FS1 HS80": Protection(_both("ZRTP_2FS1_HS80")),
    "ZRTP 2FS3 HS80": Protection(_both("ZRTP_2FS3_HS80")),
    "ZRTP 2FS1 SK32": Protection(_both("ZRTP_2FS1_SK32")),
    "ZRTP 2FS3 SK64": Protection(_both("ZRTP_2FS3_SK64")),
    "ZRTP sealed": Protection(_both("ZRTP_AES1_HS80"), sealed=True),
}

Say = Callable[[str], None]


class PacketPlan(NamedTuple):
    """`seconds`: of one run."""

    binaries: Path
    work: Path
    rounds: int
    seconds: float


def run_packets(plan: PacketPlan, say: Say) -> Outcome:
    """Each in turn on an engine of its own, for calls that idle on the same core would be felt; the order rotates."""
    names = list(PROTECTIONS)
    samples: dict[str, list[MediaSample]] = {name: [] for name in names}
    for turn in range(plan.rounds):
        for position in range(len(names)):
            name = names[(turn + position) % len(names)]
            sample = _run(PROTECTIONS[name], plan)
            samples[name].append(sample)
            say(
                f"{name} {CALLS} calls, round {turn + 1}: {sample.cpu_us_per_packet:.2f} µs a packet,"
                f" loss {sample.loss:.3%}"
            )
    kept = {f"{name} {CALLS}": [each._asdict() for each in taken] for name, taken in samples.items()}
    return Outcome(packet_rows(samples), [], kept)


def _run(protection: Protection, plan: PacketPlan) -> MediaSample:
    relay = SealtoneEngine(plan.work / "sealtone-engine.log")
    try:
        relay.start()
        with closing(MediaLoad(plan.binaries / "media-load", relay, protection)) as load:
            return load.run(CALLS, plan.seconds)
    finally:
        relay.stop()


def packet_rows(samples: dict[str, list[MediaSample]]) -> list[Row]:
    """Each beside SDES, whose own figure is the peer's."""
    basis = samples[BASIS]
    return [
        compare(
            f"{name} {CALLS} calls: CPU",
            "µs/packet",
            [each.cpu_us_per_packet for each in taken],
            BASIS.partition("_HMAC")[0],
            [each.cpu_us_per_packet for each in basis],
            None,
            doubts(basis + taken),
            all(each.loss < CAPACITY_LOSS and not each.refused for each in taken),
        )
        for name, taken in samples.items()
        if name != BASIS
    ]
