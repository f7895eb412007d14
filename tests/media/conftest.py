"""Phones on loopback and an engine between them."""

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from sealtone.media import Engine, EngineConfig, LegPlan, MediaLeg

LOCAL = "127.0.0.1"


class Phone:
    """A phone's RTP socket and the numbers of its stream."""

    def __init__(self, ip: str = LOCAL, ssrc: int = 1) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.socket.settimeout(10.0)
        self.ssrc = ssrc
        self.sequence = 100

    @property
    def address(self) -> tuple[str, int]:
        ip, port = self.socket.getsockname()
        return ip, port

    def packet(self, payload: bytes, payload_type: int = 0) -> bytes:
        self.sequence = (self.sequence + 1) & 0xFFFF
        return struct.pack("!BBHII", 0x80, payload_type, self.sequence, self.sequence * 160, self.ssrc) + payload

    def send(self, leg: MediaLeg, payload: bytes, payload_type: int = 0) -> None:
        self.send_raw(leg, self.packet(payload, payload_type))

    def send_raw(self, leg: MediaLeg, packet: bytes) -> None:
        self.socket.sendto(packet, (leg.ip, leg.rtp_port))

    def hear(self, seconds: float = 10.0) -> bytes:
        """The next RTP packet; `TimeoutError` if none comes."""
        self.socket.settimeout(seconds)
        while True:
            packet = self.socket.recv(2048)
            if not 192 <= packet[1] <= 223:
                return packet

    def hears_nothing(self, seconds: float = 0.12) -> bool:
        try:
            self.hear(seconds)
        except TimeoutError:
            return True
        return False


def settle(engine: Engine) -> None:
    """Returns once the engine's one worker has obeyed every command so far: it gives back the ports of a last one."""
    in_use = engine.stats().ports_in_use
    call = engine.open_call()
    engine.open_leg(call, LOCAL)
    engine.close_call(call)
    wait_for(lambda: engine.stats().ports_in_use <= in_use)


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "never came"
        time.sleep(0.005)


def _free_range() -> int:
    """The first of 40 ports that nobody has now: servers of other tests choose theirs thereabouts."""
    while True:
        first = 12000 + random.randrange(140) * 40
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(first, first + 40):
                probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((LOCAL, port))
            return first


def config(**changes: object) -> EngineConfig:
    first = _free_range()
    base: dict[str, object] = {
        "workers": 1,
        "port_min": first,
        "port_max": first + 39,
        "pool_size": 4,
        "quarantine_s": 0,
    }
    return EngineConfig(**(base | changes))  # type: ignore[arg-type]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(config())
    yield engine
    engine.stop()


def bridged(engine: Engine, plan_a: LegPlan, plan_b: LegPlan) -> tuple[int, MediaLeg, MediaLeg]:
    """A call of two legs, planned and bridged."""
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, plan_a)
    engine.update_leg(leg_b.id, plan_b)
    engine.bridge(leg_a.id, leg_b.id)
    settle(engine)
    return call, leg_a, leg_b
