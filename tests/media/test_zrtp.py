"""ZRTP through the Python face: packets of ours, packets of phones, and sealed legs that pass everything as it is."""

import os
import struct
import time

import pytest

from media.conftest import LOCAL, Phone, bridged, settle, wait_for
from sealtone.media import Engine, Latched, LegPlan, PacketReceived, SrtpKey, UnknownLeg


def _zrtp(number: int, length: int = 76, first: int = 0x10) -> bytes:
    return (struct.pack("!BBH4s", first, 0, number, b"ZRTP") + os.urandom(length))[:length]


def _plan(phone: Phone, **changes: object) -> LegPlan:
    return LegPlan(remote=phone.address, payload_types=(0, 101))._replace(**changes)  # type: ignore[arg-type]


def _sealed(phone: Phone, **changes: object) -> LegPlan:
    return _plan(phone, sealed=True, rtcp_mux=True, **changes)


def test_a_leg_that_waits_for_its_keys_speaks_zrtp_and_nothing_else(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    _, leg_a, leg_b = bridged(engine, _plan(alice, send=False, secure_required=True), _plan(bob))
    ours, hers = _zrtp(1), _zrtp(2)
    engine.send_packet(leg_a.id, ours)
    assert alice.socket.recv(2048) == ours
    alice.send(leg_a, b"plain")
    bob.send(leg_b, b"plain")
    alice.send_raw(leg_a, hers)
    assert alice.hears_nothing()
    assert bob.hears_nothing()
    assert [event for event in engine.events() if event.leg == leg_a.id] == [
        Latched(leg_a.id, alice.address),
        PacketReceived(leg_a.id, "zrtp", alice.address, hers),
    ]
    stats = engine.leg_stats(leg_a.id)
    assert (stats.zrtp_tx, stats.zrtp_rx, stats.tx_packets) == (1, 1, 0)


def test_only_zrtp_packets_of_at_most_2048_octets_are_sent(engine: Engine) -> None:
    alice = Phone()
    leg = engine.open_leg(engine.open_call(), LOCAL)
    engine.update_leg(leg.id, _plan(alice))
    for packet in (b"", alice.packet(b"media"), b"\x10\x00\x00\x01ABCD" + bytes(40), _zrtp(1, 2049)):
        with pytest.raises(ValueError, match="ZRTP"):
            engine.send_packet(leg.id, packet)
    longest = _zrtp(1, 2048)
    engine.send_packet(leg.id, longest)
    assert alice.socket.recv(4096) == longest
    with pytest.raises(UnknownLeg):
        engine.send_packet(leg.id + 1, _zrtp(1))


def test_sealed_legs_pass_media_reports_and_zrtp_octet_by_octet(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = bridged(engine, _sealed(alice), _sealed(bob))
    extended = struct.pack("!BBHII", 0xB2, 0x80 | 101, 7, 8, 9) + bytes(8) + b"\xbe\xde\x00\x01abcd" + os.urandom(90)
    report = struct.pack("!BBHI", 0x81, 200, 6, 1) + os.urandom(34)
    for packet in (alice.packet(os.urandom(170)), extended, report, _zrtp(1), _zrtp(2, 1200, 0x11)):
        alice.send_raw(leg_a, packet)
        assert bob.socket.recv(2048) == packet
        bob.send_raw(leg_b, packet)
        assert alice.socket.recv(2048) == packet
    settle(engine)
    shown = [event for event in engine.events() if isinstance(event, PacketReceived)]
    assert [len(event.data) for event in shown if event.leg == leg_a.id] == [76, 1200]
    final = engine.close_call(call)
    for stats in final.values():
        assert (stats.rx_packets, stats.tx_packets, stats.rtcp_rx, stats.rtcp_tx) == (2, 2, 1, 1)
        assert (stats.zrtp_rx, stats.zrtp_tx, stats.rtt_ms) == (2, 2, None)
    assert alice.hears_nothing()
    alice.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        alice.socket.recv(2048)  # not even a BYE of ours


def test_zrtp_passes_between_sealed_legs_before_media_may(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    _, leg_a, _ = bridged(engine, _sealed(alice, receive=False), _sealed(bob, send=False))
    hello = _zrtp(1)
    alice.send(leg_a, b"too early")
    alice.send_raw(leg_a, hello)
    assert bob.socket.recv(2048) == hello
    assert bob.hears_nothing()


def test_a_sealed_leg_has_no_keys_and_no_way_to_any_other(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    key = SrtpKey("AES_CM_128_HMAC_SHA1_80", os.urandom(16), os.urandom(14))
    _, leg_a, leg_b = bridged(engine, _sealed(alice), _plan(bob))
    for keys in ({"rx": key}, {"tx": key}):
        with pytest.raises(ValueError, match="sealed"):
            engine.update_leg(leg_a.id, _sealed(alice, **keys))
    for phone, leg in ((alice, leg_a), (bob, leg_b)):
        phone.send(leg, b"x")
        phone.send_raw(leg, _zrtp(1))
    assert alice.hears_nothing()
    assert bob.hears_nothing()


def test_a_flood_of_zrtp_is_cut_and_counted(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    _, leg_a, _ = bridged(engine, _sealed(alice), _sealed(bob))
    begun, sent = time.monotonic(), 0
    # On a slow machine these take so long that more of them may pass.
    while sent < 300 or engine.leg_stats(leg_a.id).zrtp_drops < 50:
        assert sent < 30_000
        for _ in range(20):
            alice.send_raw(leg_a, _zrtp(sent))
            sent += 1
        wait_for(lambda sent=sent: engine.leg_stats(leg_a.id).zrtp_rx == sent)  # type: ignore[misc]
    windows = 2 + int(time.monotonic() - begun)
    stats = engine.leg_stats(leg_a.id)
    assert 100 <= sent - stats.zrtp_drops <= 100 * windows
    assert 50 <= sent - stats.zrtp_drops - stats.slow_path_drops <= 50 * windows
