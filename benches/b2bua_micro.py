"""What one call costs a whole node in Python alone: no sockets, no media core, no database.

    python benches/b2bua_micro.py [--calls 4000] [--rounds 5] [--kind calls|registrations] [--profile] [--memory]

A call is INVITE, 407, ACK, INVITE with digest, 180, 200, ACK, BYE, 200 with an SDP body each way, on both legs,
with its journal lines and its record; a registration is REGISTER, 401, REGISTER, 200. Only the node is timed: the
phones are texts. Time is simulated at `--rate` calls a second, so that what lingers is as much as in a server of that
load: ended transactions absorb repetitions for 32 s. `--memory` tells what a call leaves behind meanwhile, and what is
left once all of it has drained.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import heapq
import io
import itertools
import os
import pstats
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

from sealtone.b2bua.plane import MediaCounters, MediaPlan, MediaPort
from sealtone.media import Primitives
from sealtone.model import Account, Domain, SipUser, Snapshot
from sealtone.model.record import CallRecord
from sealtone.registrar import Binding, Rules
from sealtone.server.journal import Journal
from sealtone.server.node import Node
from sealtone.sip.digest import Challenge, authorization_for, ha1
from sealtone.sip.flow import Flow, Hop
from sealtone.zrtp import StandardCrypto

DOMAIN = "bench.example"
SERVER = ("192.0.2.1", 5060)
ALICE, BOB = ("192.0.2.10", 5060), ("192.0.2.11", 5060)
USERS = 200
SDP = (
    b"v=0\r\no=- 3724394400 3724394400 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
)


class Handle:
    """A timer of `Clock`."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def cancel(self) -> None:
        self.action = _nothing


def _nothing() -> None:
    """What a cancelled timer does."""


class Clock:
    """The part of an event loop that a node uses, under simulated time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Handle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, action: Callable[[], object]) -> Handle:
        handle = Handle(action)
        heapq.heappush(self._due, (at, next(self._numbers), handle))
        return handle

    def call_later(self, delay_s: float, action: Callable[[], object]) -> Handle:
        return self.call_at(self.now + delay_s, action)

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, handle = heapq.heappop(self._due)
            handle.action()
        self.now = until


_CODECS = dict.fromkeys(("opus", "silk", "g729", "ilbc", "g722", "pcmu", "pcma", "gsm", "speex", "telephone-event"), "")


class Ports:
    """A media plane of numbers."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def open_call(self) -> int:
        return next(self._numbers)

    def open_leg(self, media_call: int, hop: Hop) -> MediaPort:
        number = next(self._numbers)
        return MediaPort(number, SERVER[0], 20_000 + number % 5000 * 2, 20_001 + number % 5000 * 2)

    def move_leg(self, leg: int, media_call: int) -> None: ...
    def update_leg(self, leg: int, plan: MediaPlan) -> None: ...
    def bridge(self, a: int, b: int, map_ab: dict[int, int], map_ba: dict[int, int]) -> None: ...
    def transcode(self, a: int, b: int) -> None: ...
    def unbridge(self, leg: int) -> None: ...
    def echo(self, leg: int) -> None: ...
    def close_call(self, media_call: int) -> None: ...
    def flush(self) -> None: ...

    def codecs(self) -> dict[str, str]:
        return _CODECS

    def counters(self, leg: int) -> MediaCounters:
        return MediaCounters(packets_in=100, packets_out=100)

    def close_leg(self, leg: int) -> MediaCounters:
        return self.counters(leg)


class Shelf:
    """A store that has always committed already."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.records = 0

    def save_bindings(self, saved: tuple[Binding, ...], removed: tuple[Binding, ...] = ()) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        future.set_result(None)
        return future

    def write_call_record(self, record: CallRecord) -> None:
        self.records += 1

    def submit(self, operation: Callable[[Any], None]) -> asyncio.Future[None]:
        del operation  # the writer thread's work
        return self.save_bindings(())


class Unremembered:
    """A memory of ZRTP for phones that speak none."""

    def remember(self, records: list[object]) -> None: ...
    def find(self, *_: object) -> None: ...


class Wire:
    """Transports that keep what is sent."""

    is_gathering = False

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Hop]] = []

    def send(self, data: bytes, hop: Hop) -> None:
        self.sent.append((data, hop))


class Unread(io.TextIOBase):
    """Where the journal goes."""

    def write(self, text: str) -> int:
        return len(text)


class Bench:
    """A node and its phones; `spent_s` is the CPU time that the node took."""

    def __init__(self, rate: float) -> None:
        self.clock, self.wire = Clock(), Wire()
        self._gap_s = 1 / rate
        self.loop = asyncio.new_event_loop()
        self.shelf = Shelf(self.loop)
        users = [str(100_000 + index) for index in range(USERS)]
        snapshot = Snapshot(
            [Account(1, "bench")],
            [Domain(1, 1, DOMAIN)],
            [
                SipUser(index, 1, 1, name, DOMAIN, ha1(name, DOMAIN, name, "MD5"), ha1(name, DOMAIN, name, "SHA-256"))
                for index, name in enumerate(users)
            ],
            local_names=(SERVER[0],),
        )
        self.node = Node(
            user_agent="Sealtone",
            plane=Ports(),
            store=cast(Any, self.shelf),
            snapshot=snapshot,
            contact_for=lambda hop: SERVER,
            own_addresses=lambda: frozenset({SERVER}),
            journal=Journal(cast(TextIO, Unread())),
            entropy=os.urandom,
            rules=Rules(),
            zrtp=cast(Any, Unremembered()),
            zrtp_crypto=StandardCrypto(Primitives()),
        )
        self.node.start(cast(Any, self.wire), cast(Any, self.clock))
        self.flows = {place: Flow(1, "udp", SERVER, place) for place in (ALICE, BOB)}
        self.spent_s = 0.0
        self.profile: cProfile.Profile | None = None
        self._users = itertools.cycle(zip(users[: USERS // 2], users[USERS // 2 :], strict=True))
        self._numbers = itertools.count(1)
        for name in users:
            self.register(name, ALICE if name in users[: USERS // 2] else BOB)

    def _give(self, data: bytes, place: tuple[str, int]) -> list[str]:
        """One message to the node; gives those that it sends in return."""
        self.wire.sent.clear()
        flow = self.flows[place]
        profile = self.profile
        began = time.thread_time()
        if profile is not None:
            profile.enable()
        self.node.on_message(data, flow)
        if profile is not None:
            profile.disable()
        self.spent_s += time.thread_time() - began
        return [sent.decode() for sent, _ in self.wire.sent]

    def _pass(self, seconds: float) -> None:
        began = time.thread_time()
        self.clock.advance(seconds)
        self.spent_s += time.thread_time() - began

    def register(self, name: str, place: tuple[str, int]) -> None:
        number = next(self._numbers)
        credentials = ""
        for seq in (1, 2):
            request = (
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {place[0]}:5060;rport;branch=z9hG4bKr{number}.{seq}\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{name}@{DOMAIN}>;tag=r{number}\r\nTo: <sip:{name}@{DOMAIN}>\r\n"
                f"Call-ID: r{number}@bench\r\nCSeq: {seq} REGISTER\r\nContact: <sip:{name}@{place[0]}:5060>\r\n"
                # As long as a real phone's: what is very short is not answered at once (`server/reflection.py`).
                "User-Agent: bench\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK\r\n"
                f"Expires: 3600\r\n{credentials}Content-Length: 0\r\n\r\n"
            )
            answers = self._give(request.encode(), place)
            if seq == 1:
                credentials = _credentials("Authorization", answers[0], name, "REGISTER", f"sip:{DOMAIN}")
        self._settle()

    def _settle(self) -> None:
        """Let the store's commit come back."""
        began = time.thread_time()
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.spent_s += time.thread_time() - began

    def call(self) -> None:
        """One call, and `1 / rate` seconds."""
        caller, called = next(self._users)
        number = next(self._numbers)
        target = f"sip:{called}@{DOMAIN}"

        def request(method: str, uri: str, to: str, seq: int, lines: str = "", body: bytes = b"") -> bytes:
            return (
                f"{method} {uri} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {ALICE[0]}:5060;rport;branch=z9hG4bK{number}.{method[0]}{seq}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{caller}@{DOMAIN}>;tag=a{number}\r\nTo: {to}\r\n"
                f"Call-ID: {number}-3c6f0a@{ALICE[0]}\r\nCSeq: {seq} {method.partition(' ')[0]}\r\n"
                f"Contact: <sip:{caller}@{ALICE[0]}:5060>\r\nUser-Agent: bench\r\n{lines}"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode() + body

        sdp = "Content-Type: application/sdp\r\n"
        (challenge,) = self._give(request("INVITE", target, f"<{target}>", 1, sdp, SDP), ALICE)
        self._give(request("ACK", target, _value(challenge, "To"), 1), ALICE)
        credentials = _credentials("Proxy-Authorization", challenge, caller, "INVITE", target)
        (invite,) = self._give(request("INVITE", target, f"<{target}>", 2, sdp + credentials, SDP), ALICE)
        self._pass(self._gap_s / 3)
        contact = f"Contact: <sip:{called}@{BOB[0]}:5060>\r\nUser-Agent: bench\r\n"
        self._give(_response(invite, "180 Ringing", number, contact), BOB)
        sent = self._give(_response(invite, "200 OK", number, contact + sdp, SDP), BOB)
        answer = next(message for message in sent if message.startswith("SIP/2.0 200"))
        self._pass(self._gap_s / 3)
        contact_uri = _value(answer, "Contact").strip("<>")
        self._give(request("ACK", contact_uri, _value(answer, "To"), 2), ALICE)
        sent = self._give(request("BYE", contact_uri, _value(answer, "To"), 3), ALICE)
        bye = next(message for message in sent if message.startswith("BYE"))
        self._give(_response(bye, "200 OK", number), BOB)
        self._pass(self._gap_s / 3)

    def registration(self) -> None:
        """One registration, and `1 / rate` seconds."""
        self.register(next(self._users)[0], ALICE)
        self._pass(self._gap_s)


def _value(message: str, name: str) -> str:
    start = message.index(f"\r\n{name}: ") + len(name) + 4
    return message[start : message.index("\r\n", start)]


def _credentials(name: str, challenge: str, user: str, method: str, uri: str) -> str:
    """Answers the MD5 challenge, which is the one that most phones know."""
    values = [line.partition(": ")[2] for line in challenge.split("\r\n") if "-Authenticate:" in line]
    wanted = next(Challenge.parse(value) for value in values if "algorithm=MD5" in value)
    return f"{name}: {authorization_for(wanted, user, method, uri, 'c0ffee', password=user)}\r\n"


def _response(request: str, status: str, number: int, lines: str = "", body: bytes = b"") -> bytes:
    to = _value(request, "To")
    to = to if ";tag=" in to else f"{to};tag=b{number}"
    return (
        f"SIP/2.0 {status}\r\nVia: {_value(request, 'Via')}\r\nFrom: {_value(request, 'From')}\r\nTo: {to}\r\n"
        f"Call-ID: {_value(request, 'Call-ID')}\r\nCSeq: {_value(request, 'CSeq')}\r\n{lines}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tell_memory(bench: Bench, action: Callable[[], None], calls: int) -> None:
    """What `calls` leave behind while they linger, and after."""
    gc.collect()
    before, objects = resident_bytes(), len(gc.get_objects())
    for _ in range(calls):
        action()
    lingering = bench.node.endpoint.transaction_count
    gc.collect()
    print(
        f"{calls} done, {lingering} transactions linger: {(resident_bytes() - before) / 1e6:.1f} MB and"
        f" {len(gc.get_objects()) - objects} objects more than before"
    )
    bench.clock.advance(400.0)
    gc.collect()
    print(
        f"400 s later: {bench.node.endpoint.transaction_count} transactions,"
        f" {(resident_bytes() - before) / 1e6:.1f} MB and {len(gc.get_objects()) - objects} objects more than before"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--kind", choices=("calls", "registrations"), default="calls")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(arguments.rate)
    action = bench.call if arguments.kind == "calls" else bench.registration
    # As app.py has it: what exists now lives as long as the process.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    if arguments.memory:
        tell_memory(bench, action, arguments.calls)
        return
    for _ in range(200):
        action()
    rounds = []
    if arguments.profile:
        bench.profile = cProfile.Profile()
    for _ in range(1 if arguments.profile else arguments.rounds):
        bench.spent_s = 0.0
        for _ in range(arguments.calls):
            action()
        rounds.append(bench.spent_s / arguments.calls * 1e6)
    print(f"{statistics.median(rounds):.0f} µs each ({min(rounds):.0f} to {max(rounds):.0f})")
    if bench.profile is not None:
        pstats.Stats(bench.profile).sort_stats("tottime").print_stats(50)
        pstats.Stats(bench.profile).sort_stats("cumtime").print_stats(80)


if __name__ == "__main__":
    main()
