"""A process in which two ZRTP endpoints of one implementation shake hands over UDP on loopback, again and again.

One JSON line in: ``{"key_agreement": name, "seconds": for about so long}``. One JSON line out: ``{"handshakes": how
many, "cpu_us": CPU time of all, both sides, from making the endpoints to closing them, "secure_us": from the first
Hello to both sides secure, of each, "datagrams": how many were sent, "commits": how many of them were Commits}``, or
``{"error": text}``. It ends at the end of its input.

For Multistream the first stream's handshake, by X25519, is not counted.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import NamedTuple

from benches.machine import BenchError
from benches.zrtp.endpoints import CALLS, MULTISTREAM, Call, Endpoint

PATIENCE_S = 5.0
MAX_DATAGRAM = 2048


class Wire:
    """A UDP socket for each side, connected to the other's."""

    def __init__(self) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for each in self._sockets:
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        self._poll = select.poll()
        for each, other in zip(self._sockets, reversed(self._sockets), strict=True):
            each.connect(other.getsockname())
            self._poll.register(each.fileno(), select.POLLIN)
        self._sides = {each.fileno(): side for side, each in enumerate(self._sockets)}

    def send(self, side: int, datagram: bytes) -> None:
        self._sockets[side].send(datagram)

    def wait(self, seconds: float) -> list[tuple[int, bytes]]:
        """One datagram of each side that has one, with the side; none when none came in time."""
        ready = self._poll.poll(max(0.0, seconds) * 1000)
        sides = [self._sides[descriptor] for descriptor, _ in ready]
        return [(side, self._sockets[side].recv(MAX_DATAGRAM)) for side in sides]

    def clear(self) -> None:
        """Throws away what nobody waited for."""
        while self.wait(0):
            pass


class Handshake(NamedTuple):
    secure_ns: int
    datagrams: int
    commits: int


def shake_hands(ends: tuple[Endpoint, Endpoint], wire: Wire) -> Handshake:
    """Until both are secure; raises BenchError if they do not come to that."""
    datagrams = commits = 0

    def flush(side: int) -> None:
        nonlocal datagrams, commits
        for datagram in ends[side].transmits():
            wire.send(side, datagram)
            datagrams += 1
            commits += datagram[16:24] == b"Commit  "

    began = time.monotonic_ns()
    for side, end in enumerate(ends):
        end.start(time.monotonic())
        flush(side)
    while not (ends[0].is_secure and ends[1].is_secure):
        now = time.monotonic()
        due = [each for end in ends if (each := end.next_timeout()) is not None]
        came = wire.wait(min(due, default=now + PATIENCE_S) - now)
        for side, datagram in came:
            ends[side].receive(datagram, time.monotonic())
            flush(side)
        if not came:
            now = time.monotonic()
            for side, end in enumerate(ends):
                end.handle_timeout(now)
                flush(side)
            if now > began / 1e9 + PATIENCE_S:
                raise BenchError(f"not secure after {PATIENCE_S:.0f} s")
    return Handshake(time.monotonic_ns() - began, datagrams, commits)


def run(implementation: str, key_agreement: str, seconds: float, wire: Wire) -> dict[str, object]:
    further = key_agreement == MULTISTREAM
    make = CALLS[implementation]
    cpu_ns, taken = 0, []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        wire.clear()
        started = time.process_time_ns()
        call: Call = make("X255" if further else key_agreement)
        if further:
            shake_hands(call.ends, wire)
            wire.clear()
            started = time.process_time_ns()
            call.add_stream()
        taken.append(shake_hands(call.ends, wire))
        cpu_ns += time.process_time_ns() - started
        ours, theirs = call.agreed()
        if not ours.fits(theirs) or ours.key_agreement != key_agreement:
            raise BenchError(f"{implementation}: {ours.key_agreement} and {theirs.key_agreement}, or keys that differ")
        started = time.process_time_ns()
        call.close()
        if not further:
            cpu_ns += time.process_time_ns() - started
    return {
        "handshakes": len(taken),
        "cpu_us": cpu_ns / 1000,
        "secure_us": [each.secure_ns / 1000 for each in taken],
        "datagrams": sum(each.datagrams for each in taken),
        "commits": sum(each.commits for each in taken),
    }


def main() -> None:
    implementation = sys.argv[1]
    wire = Wire()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = run(implementation, order["key_agreement"], order["seconds"], wire)
        except Exception as problem:
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
