"""Calls through two codecs, simulated by `rust/codec/examples/chain.rs` faster than they are spoken."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from pesq import pesq

from codec.speech import ROOT, Speech, read_wav

PROGRAM = ROOT / "target" / "release" / "examples" / "chain"


class Job(NamedTuple):
    """One call, spoken by each voice in turn."""

    first: str
    """The codec of who speaks, and of what comes to the server."""
    second: str = "-"
    """The codec of who listens; `-` for what the server itself hears."""
    loss_percent: int = 0
    jitter_ms: int = 0
    is_ideal: bool = False
    """Encoded and decoded, and that again: no network, no jitter buffer."""
    seeds: int = 1
    """How often, each time with other losses."""


class Heard(NamedTuple):
    """How a call sounded."""

    pesq: float
    """Mean over the voices."""
    fec_used: int
    """Packets that the first receiver restored out of the next ones."""
    delay_ms: int
    """How long they waited at the first receiver, mean; the longest of all voices."""


def build() -> None:
    """Builds the program; that takes nothing where `cargo test` has done it."""
    command = [
        "cargo",
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--package",
        "sealtone-codec",
        "--example",
        "chain",
    ]
    subprocess.run(command, cwd=ROOT, check=True)


def run(job: Job, voices: list[Speech]) -> Heard | None:
    """How a job sounded; None where one of its codecs is not there."""
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / f"{index}.wav" for index in range(len(voices) * job.seeds)]
        jitter = "ideal" if job.is_ideal else str(job.jitter_ms)
        lines = [
            f"{voices[index % len(voices)].spoken} {out} {job.first} {job.second} {job.loss_percent} {jitter} {index + 1}\n"
            for index, out in enumerate(outs)
        ]
        answer = subprocess.run([PROGRAM], input="".join(lines), text=True, capture_output=True, check=True).stdout
        told = answer.splitlines()
        if "missing" in told:
            return None
        scores = [
            float(pesq(8000, read_wav(voices[index % len(voices)].reference), read_wav(out), "nb"))
            for index, out in enumerate(outs)
        ]
    counts = [[int(count) for count in line.split()] for line in told if line]
    return Heard(
        pesq=sum(scores) / len(scores),
        fec_used=sum(count[2] for count in counts),
        delay_ms=max((count[3] for count in counts), default=0),
    )
