"""What one call costs the SIP core: UAC to UAS through two endpoints in memory, no sockets, no media.

    python benches/sip_core_micro.py [--calls 20000] [--profile]

A call is INVITE, 100, 180, 200, ACK, BYE, 200 with an SDP body each way: each side parses and builds seven messages
between them. Prints the median of interleaved rounds in microseconds per call and side, with the spread.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import statistics
import time

from sealtone.sip.endpoint import Endpoint, EndpointConfig, Invitation
from sealtone.sip.events import Answered, Ended, RequestReceived
from sealtone.sip.flow import Flow
from sealtone.sip.session import InviteSession

SDP = (
    b"v=0\r\no=- 3724394400 3724394400 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
)


class Side:
    """One endpoint and the flow by which it reaches the other."""

    def __init__(self, host: str, peer: str, number: int) -> None:
        self.flow = Flow(number, "udp", (host, 5060), (peer, 5060))
        self.endpoint = Endpoint(EndpointConfig("Sealtone", lambda hop: (host, 5060)), os.urandom)


def exchange(near: Side, far: Side, now: float) -> None:
    """Carry messages both ways until none are left."""
    while True:
        forth = near.endpoint.transmits()
        for data, _ in forth:
            far.endpoint.receive(data, far.flow, now)
        back = far.endpoint.transmits()
        for data, _ in back:
            near.endpoint.receive(data, near.flow, now)
        if not forth and not back:
            return


def one_call(caller: Side, called: Side, now: float) -> None:
    """Set up and end one call."""
    session = caller.endpoint.invite(
        Invitation(
            request_uri="sip:1001@192.0.2.2",
            from_='"Alice" <sip:1000@example.org>',
            to="<sip:1001@example.org>",
            hop=caller.flow,
            body=SDP,
            contact_user="1000",
            session_expires_s=1800,
        ),
        now,
    )
    exchange(caller, called, now)
    leg: InviteSession | None = None
    for event in called.endpoint.events():
        if isinstance(event, RequestReceived):
            leg = called.endpoint.accept(event.tx, now)
            leg.contact_user = "1001"
            leg.progress(180, now)
    assert leg is not None
    exchange(caller, called, now)
    leg.accept(SDP, now)
    exchange(caller, called, now)
    assert any(isinstance(event, Answered) for event in caller.endpoint.events())
    session.bye(now)
    exchange(caller, called, now)
    assert any(isinstance(event, Ended) for event in called.endpoint.events())


def round_of(calls: int, now: float) -> tuple[float, float]:
    """Run calls, 500 a simulated second, timers included; gives µs a call and side, and the new simulated time."""
    caller, called = Side("192.0.2.1", "192.0.2.2", 1), Side("192.0.2.2", "192.0.2.1", 2)
    start = time.process_time()
    for number in range(calls):
        one_call(caller, called, now)
        now += 0.002
        if number % 10 == 0:
            caller.endpoint.handle_timeout(now)
            called.endpoint.handle_timeout(now)
    used = time.process_time() - start
    return used / calls / 2 * 1e6, now


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    if arguments.profile:
        profile = cProfile.Profile()
        profile.enable()
        round_of(arguments.calls, 0.0)
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return
    costs = []
    now = 0.0
    for _ in range(arguments.rounds):
        cost, now = round_of(arguments.calls, now)
        costs.append(cost)
    print(f"{statistics.median(costs):.0f} µs a call and side (from {min(costs):.0f} to {max(costs):.0f})")


if __name__ == "__main__":
    main()
