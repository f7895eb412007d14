"""What a benchmark needs of the machine: pinned processes, CPU time, memory, tidy ends.

CPU time of a process is `sum_exec_runtime` of its threads (``/proc/PID/task/TID/schedstat``, ns): user and
kernel time, measured at each context switch rather than sampled at ticks, which a program that sleeps by a timer
can evade. Without CONFIG_IRQ_TIME_ACCOUNTING it contains the soft interrupts that ran on top of the process; on
loopback that is where the network stack delivers what the process sends. `core_busy_s` is the second opinion:
everything that ran on the core, whoever it is charged to.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import secrets
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

SERVER_CPU = 0
LOAD_CPU = 1
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
ANSWER_S = 30.0


class BenchError(Exception):
    """A benchmark could not be run; the text says why."""


def thread_cpu_ns(pid: int) -> dict[int, int]:
    """CPU time in ns of each thread of `pid`; empty when it has ended."""
    times: dict[int, int] = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                times[int(task.name)] = int((task / "schedstat").read_text().split()[0])
    return times


def core_busy_s(cpu: int) -> float:
    """Seconds that `cpu` was not idle, since boot."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{cpu} "):
            user, nice, system, idle, iowait, irq, softirq, *_ = map(int, line.split()[1:])
            del idle, iowait
            return (user + nice + system + irq + softirq) * TICK_S
    raise BenchError(f"no cpu{cpu} in /proc/stat")


class CpuUse(NamedTuple):
    """Shares of one core (1.0 is a whole core) over an interval."""

    process: float
    core: float
    elapsed_s: float


class CpuMeter:
    """CPU used by processes and by their core between `start` and `stop`."""

    def __init__(self, pids: Sequence[int], cpu: int = SERVER_CPU) -> None:
        self._pids = tuple(pids)
        self._cpu = cpu
        self._threads: dict[int, int] = {}
        self._core = 0.0
        self._at = 0.0

    def _read(self) -> dict[int, int]:
        merged: dict[int, int] = {}
        for pid in self._pids:
            merged.update(thread_cpu_ns(pid))
        return merged

    def start(self) -> None:
        self._core = core_busy_s(self._cpu)
        self._threads = self._read()
        self._at = time.monotonic()

    def stop(self) -> CpuUse:
        now = self._read()
        elapsed = time.monotonic() - self._at
        core = core_busy_s(self._cpu) - self._core
        used = sum(ns - self._threads.get(thread, 0) for thread, ns in now.items()) / 1e9
        return CpuUse(used / elapsed, core / elapsed, elapsed)


# What a socket in an epoll set is made of in the kernel, apart from its inode's name and security label: those caches
# (and all others) grow with other programs' files, so that one of each is counted for every socket instead.
SOCKET_CACHES = re.compile(
    r"UDP|UDPv6|TCP|TCPv6|sock_inode_cache|filp|eventpoll_\w+|lsm_file_cache|skbuff_\w+|kmalloc-(cg-)?64"
)
ONE_A_SOCKET = ("dentry", "lsm_inode_cache")


def kernel_memory_bytes() -> int:
    """Kernel memory of sockets, files and epoll entries: as root the objects of their slab caches, each with its share
    of the page; else all slab, which moves by kilobytes a call with whatever else the machine does."""
    try:
        slab = Path("/proc/slabinfo").read_text()
    except OSError:
        return kibibytes(Path("/proc/meminfo"), "Slab:")
    total = 0
    shares: dict[str, int] = {}
    counts: dict[str, int] = {}
    for line in slab.splitlines()[2:]:
        name, objects, _, _, per_slab, pages = line.split()[:6]
        shares[name] = int(pages) * resource.getpagesize() // int(per_slab)
        counts[name] = int(objects)
        if SOCKET_CACHES.fullmatch(name):
            total += counts[name] * shares[name]
    return total + counts["sock_inode_cache"] * sum(shares.get(name, 0) for name in ONE_A_SOCKET)


def kibibytes(file: Path, *names: str) -> int:
    """The sum of the lines of `file` (of /proc) that begin with one of `names`, in octets."""
    return sum(int(line.split()[1]) * 1024 for line in file.read_text().splitlines() if line.startswith(names))


def private_bytes(pid: int) -> int:
    """Memory of `pid` that would be freed by its end: private clean and dirty pages, and its page tables."""
    process = Path("/proc", str(pid))
    return kibibytes(process / "smaps_rollup", "Private_Clean:", "Private_Dirty:") + kibibytes(
        process / "status", "VmPTE:"
    )


def descendants(pid: int) -> tuple[int, ...]:
    """`pid` and every process below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found.extend(parents.get(known, ()))
    return tuple(found)


@contextlib.contextmanager
def asleep(pids: Iterable[int]) -> Iterator[None]:
    """Stops processes for a while (SIGSTOP): what stands idle beside a measured one keeps timers and takes caches."""
    stopped = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def free_port() -> int:
    """A port on loopback that nobody has, UDP or TCP, below those that the kernel hands out by itself."""
    for _ in range(1000):
        port = 3_000 + 2 * secrets.randbelow(3_450)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for number in (port, port + 1):
                    taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    taken.bind(("127.0.0.1", number))
            return port
    raise BenchError("no free port on loopback")


def raise_open_files(wanted: int = 200_000) -> None:
    """Raises the limit of open files for this process and its children, as far as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pinned(cpu: int, command: Sequence[str]) -> list[str]:
    """`command` bound to one core."""
    return ["taskset", "-c", str(cpu), *command]


def end(process: subprocess.Popen[bytes], patience_s: float = 5.0) -> None:
    """Ends a process we started (and only that one): politely first."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(patience_s)


def wait_for(what: str, condition: Iterator[bool], timeout_s: float = 10.0) -> None:
    """Polls `condition` every 20 ms until it yields true."""
    deadline = time.monotonic() + timeout_s
    for met in condition:
        if met:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


class LineProcess:
    """A child that takes command lines on standard input and answers with JSON lines."""

    def __init__(self, command: Sequence[str], cpu: int, log: Path | None = None) -> None:
        self._log: IO[bytes] | None = log.open("ab") if log else None
        self.process = subprocess.Popen(
            pinned(cpu, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        self._buffer = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, lines: Iterable[str]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def answer(self, timeout_s: float = ANSWER_S) -> dict[str, object]:
        """The next JSON line; raises BenchError when none comes or the child has ended."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(descriptor, 1 << 16) if ready else b""
            if not chunk:
                raise BenchError(f"no answer from {self.process.args!r} (exit status {self.process.poll()})")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return cast(dict[str, object], json.loads(line))

    def close(self) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            end(self.process)
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self._log is not None:
            self._log.close()
