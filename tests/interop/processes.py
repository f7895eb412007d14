"""Starting, watching and ending the peers' programs. Every process is ended by its own id, also when a test fails."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
_handed_out: set[int] = set()


class DeadlineMissed(AssertionError):
    """What was waited for did not happen in time; the message says what, and what was seen instead."""


def eventually(probe: Callable[[], T], timeout_s: float, what: str, evidence: Callable[[], str] | None = None) -> T:
    """Poll `probe` until it is truthy and return its value; fail with `what` and the evidence after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            seen = f"\n{evidence()}" if evidence else ""
            raise DeadlineMissed(f"not within {timeout_s:g} s: {what}{seen}")
        time.sleep(0.03)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def free_ports(count: int, low: int = 12000, high: int = 32000) -> int:
    """The first of `count` consecutive ports, beginning at an even one, free for UDP and TCP and not handed out before.

    By default they lie below the kernel's ephemeral range (32768-60999), so that no passing client takes one meanwhile.
    """
    rng = random.Random(os.urandom(8))
    for _ in range(500):
        first = rng.randrange(low, high - count, 2)
        block = range(first, first + count)
        if _handed_out.isdisjoint(block) and all(_is_free(port) for port in block):
            _handed_out.update(block)
            return first
    raise RuntimeError(f"no {count} consecutive free ports on this machine")


class Program:
    """One child process with its output in a file; `variables` go into its environment. `stop` is safe to call at any time and more than once."""

    def __init__(
        self, name: str, arguments: list[str], folder: Path, *, with_stdin: bool = False, **variables: str
    ) -> None:
        self.name = name
        self.output_file = folder / f"{name}.out"
        environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C", "TERM": "dumb", **variables}
        self._sink: IO[bytes] = self.output_file.open("wb")
        self.process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    def tail(self, characters: int = 4000) -> str:
        return f"--- end of the output of {self.name} ---\n{self.output()[-characters:]}"

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def say(self, line: str) -> None:
        if self.process.stdin is None:
            raise RuntimeError(f"{self.name} was started without a standard input")
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, timeout_s: float) -> int:
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DeadlineMissed(f"{self.name} did not end within {timeout_s:g} s\n{self.tail()}") from None

    def stop(self, first: int = signal.SIGTERM, grace_s: float = 4.0) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(first)
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(grace_s)
        if not self._sink.closed:
            self._sink.close()
