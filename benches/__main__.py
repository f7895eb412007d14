"""`python -m benches [--quick] [--only PART] …`: see README.md beside this file."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benches.machine import LOAD_CPU, BenchError, raise_open_files
from benches.media import LIMIT, OURS, PEER, MediaPlan, run_media, run_media_memory
from benches.panel import PanelPlan, run_panel, run_panel_on_postgres
from benches.panel_store import StorePlan, run_panel_store
from benches.phones import run_phone_memory
from benches.report import Outcome, human, save
from benches.signalling import B2BUA, PROXY, SignallingPlan, run_signalling
from benches.transcoding import PAIRS, TranscodingPlan, run_transcoding
from benches.zrtp.handshakes import HandshakePlan, run_handshakes
from benches.zrtp.packets import PacketPlan, run_packets

HERE = Path(__file__).resolve().parent
LOADGEN = HERE / "loadgen"


def build_loadgen() -> Path:
    """Builds the Rust programs in release mode; returns the folder of the binaries."""
    command = ["cargo", "build", "--release", "--quiet", "--locked"]
    if subprocess.run(command, cwd=LOADGEN, check=False).returncode:
        raise BenchError("the load generator does not build: see cargo's words above")
    return LOADGEN / "target" / "release"


def media_plan(arguments: argparse.Namespace, binaries: Path, work: Path) -> MediaPlan:
    quick = arguments.quick
    return MediaPlan(
        binaries=binaries,
        work=work,
        relays=tuple(name.strip() for name in arguments.relays.split(",")),
        kinds=tuple(kind == "srtp" for kind in ("rtp", "srtp") if arguments.protection in (None, kind)),
        rounds=arguments.rounds or (3 if quick else 5),
        seconds=arguments.seconds or (1.0 if quick else 3.0),
        sizes=tuple(int(size) for size in arguments.calls.split(",")),
        capacity_rounds=0 if quick or arguments.no_capacity else 2,
        capacity_seconds=2.0,
        overload_rounds=1,
        memory_rounds=3 if quick else 5,
    )


def transcoding_plan(arguments: argparse.Namespace, binaries: Path, work: Path) -> TranscodingPlan:
    quick = arguments.quick
    return TranscodingPlan(
        binaries=binaries,
        work=work,
        relays=tuple(name.strip() for name in arguments.relays.split(",")),
        pairs=tuple(name.strip() for name in arguments.codecs.split(",")),
        rounds=arguments.rounds or (3 if quick else 5),
        seconds=arguments.seconds or (1.0 if quick else 3.0),
        capacity=not (quick or arguments.no_capacity),
    )


def signalling_plan(arguments: argparse.Namespace, binaries: Path, work: Path) -> SignallingPlan:
    quick = arguments.quick
    return SignallingPlan(
        binaries=binaries,
        work=work,
        servers=tuple(name.strip() for name in arguments.servers.split(",")),
        rounds=arguments.rounds or (2 if quick else 4),
        seconds=arguments.seconds or (2.0 if quick else 5.0),
        registration_seconds=1.5 if quick else 3.0,
    )


def panel_plan(arguments: argparse.Namespace, work: Path) -> PanelPlan:
    quick = arguments.quick
    size = (1_000, 50_000) if quick else (10_000, 1_000_000)
    return PanelPlan(
        work, *size, arguments.seconds or (6.0 if quick else 24.0), arguments.rounds or (1 if quick else 3)
    )


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="benches", description="Sealtone against its peers, interleaved in one run.")
    parse.add_argument("--quick", action="store_true", help="about two minutes; no calls-a-core and overload runs")
    parts = (
        "media",
        "capacity",
        "transcoding",
        "signalling",
        "zrtp",
        "memory",
        "panel",
        "panel-postgresql",
        "panel-store",
    )
    parse.add_argument("--only", choices=parts)
    parse.add_argument("--relays", default=f"{PEER},{LIMIT},{OURS}", help="media relays, separated by commas")
    parse.add_argument("--servers", default=f"{PROXY},{B2BUA},{OURS}", help="SIP servers, separated by commas")
    parse.add_argument("--calls", default="300,1000", help="sizes of the media runs")
    parse.add_argument("--codecs", default=",".join(pair.name for pair in PAIRS), help="codecs towards PCMU")
    parse.add_argument("--protection", choices=("rtp", "srtp"), help="one of the two kinds of media only")
    parse.add_argument("--rounds", type=int, help="rounds of every comparison")
    parse.add_argument("--seconds", type=float, help="length of a media run")
    parse.add_argument("--no-capacity", action="store_true", help="no calls-a-core and overload runs")
    parse.add_argument("--results", type=Path, default=HERE / "results")
    parse.add_argument("--label", help="name of the saved files (default: quick or full)")
    return parse


def main() -> int:
    arguments = parser().parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {text}", file=sys.stderr, flush=True)

    # So that children find both the benchmarks and Sealtone, installed or not.
    os.environ["PYTHONPATH"] = os.pathsep.join((str(HERE.parent), str(HERE.parent / "python")))
    # A run that is told to end (by `timeout`, say) still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_open_files()
    outcomes: list[Outcome] = []
    try:
        binaries = build_loadgen()
        # What prepares and watches stays off the core of the programs under test.
        os.sched_setaffinity(0, {LOAD_CPU})
        with tempfile.TemporaryDirectory(prefix="bench-") as work:
            plan = media_plan(arguments, binaries, Path(work))
            if arguments.only in (None, "media"):
                outcomes.append(run_media(plan, say))
            if arguments.only == "capacity":
                rounds = arguments.rounds or 1
                outcomes.append(run_media(plan._replace(sizes=(), capacity_rounds=rounds), say))
            if arguments.only in (None, "transcoding"):
                outcomes.append(run_transcoding(transcoding_plan(arguments, binaries, Path(work)), say))
            if arguments.only in (None, "signalling"):
                outcomes.append(run_signalling(signalling_plan(arguments, binaries, Path(work)), say))
            if arguments.only in (None, "zrtp"):
                rounds = arguments.rounds or (3 if arguments.quick else 5)
                seconds = arguments.seconds or (0.2 if arguments.quick else 0.4)
                outcomes.append(run_handshakes(HandshakePlan(Path(work), rounds, seconds), say))
                # An engine of its own for each run takes longer than the run.
                rounds = arguments.rounds or (1 if arguments.quick else 3)
                seconds = arguments.seconds or (0.5 if arguments.quick else 1.5)
                outcomes.append(run_packets(PacketPlan(binaries, Path(work), rounds, seconds), say))
            if arguments.only in (None, "panel"):
                outcomes.append(run_panel(panel_plan(arguments, Path(work)), say))
            if arguments.only == "panel-postgresql":
                outcomes.append(run_panel_on_postgres(panel_plan(arguments, Path(work)), say))
            if arguments.only in (None, "memory"):
                outcomes.append(run_media_memory(plan, say))
                if OURS in arguments.servers:
                    outcomes.append(run_phone_memory(Path(work), 1, say))
            if arguments.only == "panel-store":
                size = StorePlan(Path(work), 1_000, 50_000) if arguments.quick else StorePlan(Path(work))
                outcomes.append(run_panel_store(size, say))
    except BenchError as problem:
        print(f"benches: {problem}", file=sys.stderr)
        return 1
    mode = arguments.label or ("quick" if arguments.quick else "full")
    saved = save(outcomes, mode, arguments.results)
    print(human(outcomes, mode))
    say(f"saved {saved} and {saved.with_suffix('.json').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
