"""ZRTP packets from phones and strangers at the calls of a node, in any stage of an agreement, beside a live one.

An input is one octet for the kind of call and whether it goes on afterwards, one for how far it comes before, and then
packets: an octet with where it goes and how it is made, an octet with a length or the number of a real packet, octets.
Odd packets are real ones of this very call with the octets laid over them and a CRC that fits.

Invariants:
1. Nothing is raised, and no call is ended by a fault.
2. The call beside keeps its keys.
3. A leg has keys only where its phone has the same ones; a sealed leg never has any.
4. Where ZRTP with the server is required, no voice leaves it in the clear. (What is sealed it cannot tell apart.)
5. What waits for time, and what is warned about, stays small.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

with atheris.instrument_imports(include=["sealtone.zrtp", "sealtone.b2bua"]):
    import sealtone.b2bua.exchange
    import sealtone.zrtp

from calls.zrtp_world import ENDED, ENDED_WISH, SEALED, SEALED_WISH, Stream, ZrtpPhone, ZrtpWorld
from sealtone.zrtp import ZrtpError
from sealtone.zrtp.packet import Packet

POLICIES = (ENDED, SEALED, ENDED_WISH, SEALED_WISH)
MAX_PACKETS = 24


def overlaid(real: bytes, octets: bytes, at: int) -> bytes:
    """A real packet with `octets` laid over its message at `at`, and a CRC that fits."""
    try:
        packet = Packet.parse(real)
    except ZrtpError:
        return octets
    message = bytearray(packet.message)
    message[at : at + len(octets)] = octets
    return Packet(packet.sequence, packet.ssrc, bytes(message)).encode()


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    policy = POLICIES[data[0] % 4]
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=policy), world.phone("1001", policy=policy)
    c, d = world.phone("1002", policy=ENDED), world.phone("1003", policy=ENDED)
    c.call("1003")
    world.run(0.3)
    beside = [world.leg(phone).keys for phone in (c, d)]
    assert all(key is not None for keys in beside for key in keys)
    left = data[1] % 40  # both ends of both legs are secure after some thirty
    seen: list[bytes] = []

    def some(packet: bytes, to: str) -> bytes | None:
        nonlocal left
        seen.append(packet)
        left -= 1
        return packet if left >= 0 else None

    world.tap = some
    a.call("1001")
    world.run(0.15)
    feed(world, (a.stream, b.stream if b.streams else a.stream), data[2:], seen)
    left = 1000 if data[0] & 4 else 0
    world.run(1.0)
    judge(world, policy is ENDED)
    assert [world.leg(phone).keys for phone in (c, d)] == beside


def feed(world: ZrtpWorld, streams: tuple[Stream, Stream], data: bytes, seen: list[bytes]) -> None:
    for _ in range(MAX_PACKETS):
        if len(data) < 2:
            return
        how, number = data[0], data[1]
        if how & 1 and seen:
            length = how >> 4
            packet = overlaid(seen[number % len(seen)], data[3 : 3 + length], data[2] if len(data) > 2 else 0)
            data = data[3 + length :]
        else:
            packet = data[2 : 2 + number]
            data = data[2 + number :]
        if how & 4:
            for leg in list(world.plane.legs):
                world.exchange.receive_zrtp(leg, packet, world.now)
            world.pump()
        else:
            world.inject(streams[how >> 1 & 1], packet)
        if how & 8:
            world.run(0.05)


def judge(world: ZrtpWorld, required: bool) -> None:
    exchange = world.exchange
    for call in exchange.calls.values():
        for leg in call.legs():
            rx, _ = leg.keys
            assert rx is None or leg.sealed is None
            assert len(leg.security().zrtp.warnings if leg.security().zrtp else ()) <= 8
            if rx is not None:
                phone = next(each for each in world.phones.values() if each.user is leg.user)
                assert isinstance(phone, ZrtpPhone)
                assert phone.stream.zrtp is not None
                keys = [bytes(event.keys.send_key) for event in phone.stream.told if hasattr(event, "keys")]
                assert rx.key in keys, "keys that the phone does not have"
    if required:
        assert all(packet.key is not None for _, packet in world.from_server)
    assert len(exchange._zrtp_due) <= 64
    assert len(exchange._zrtp_wakes) <= len(world.plane.legs)


if __name__ == "__main__":
    assert sealtone.b2bua.exchange
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
