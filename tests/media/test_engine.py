"""The engine through its Python face, between phones on loopback."""

import os
import select
import struct
import threading
import time

import pytest

from media.conftest import LOCAL, Phone, bridged, config, settle, wait_for
from sealtone.media import (
    Engine,
    EngineConfig,
    EngineStopped,
    Heard,
    Latched,
    LegPlan,
    PacketReceived,
    PortsExhausted,
    Silent,
    Srtp,
    SrtpError,
    SrtpKey,
    UnknownLeg,
)

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (16, 14),
    "AES_CM_128_HMAC_SHA1_32": (16, 14),
    "AES_256_CM_HMAC_SHA1_80": (32, 14),
    "AES_256_CM_HMAC_SHA1_32": (32, 14),
    "AEAD_AES_128_GCM": (16, 12),
    "AEAD_AES_256_GCM": (32, 12),
}


def _plan(phone: Phone, **changes: object) -> LegPlan:
    return LegPlan(remote=phone.address, payload_types=(0, 101))._replace(**changes)  # type: ignore[arg-type]


def _key(suite: str) -> SrtpKey:
    key, salt = SUITES[suite]
    return SrtpKey(suite, os.urandom(key), os.urandom(salt))


def test_two_phones_hear_each_other_and_the_call_ends_with_the_counts(engine: Engine) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    call, leg_a, leg_b = bridged(engine, _plan(alice), _plan(bob))
    assert leg_a.rtp_port % 2 == 0
    assert leg_a.rtcp_port == leg_a.rtp_port + 1
    for _ in range(10):
        alice.send(leg_a, b"a" * 160)
        assert bob.hear()[12:] == b"a" * 160
        bob.send(leg_b, b"b" * 160)
        assert alice.hear()[12:] == b"b" * 160
    settle(engine)
    live = engine.leg_stats(leg_a.id)
    assert live.latched == alice.address
    assert live.last_rx_age_s is not None
    assert live.last_rx_age_s < 2
    assert live.rtt_ms is None
    final = engine.close_call(call)
    assert {leg: (stats.rx_packets, stats.tx_packets, stats.tx_octets) for leg, stats in final.items()} == {
        leg_a.id: (10, 10, 1600),
        leg_b.id: (10, 10, 1600),
    }
    with pytest.raises(UnknownLeg):
        engine.leg_stats(leg_a.id)


@pytest.mark.parametrize("suite", SUITES)
def test_an_encrypted_leg_is_joined_to_a_plain_one(engine: Engine, suite: str) -> None:
    alice, bob = Phone(ssrc=1), Phone(ssrc=2)
    rx, tx = _key(suite), _key(suite)
    secure = _plan(alice, rx=rx, tx=tx, secure_required=True)
    _, leg_a, leg_b = bridged(engine, secure, _plan(bob))
    sending, receiving = Srtp(*rx), Srtp(*tx)
    alice.send_raw(leg_a, sending.protect_rtp(alice.packet(b"in the dark")))
    assert bob.hear()[12:] == b"in the dark"
    bob.send(leg_b, b"in the clear")
    on_the_wire = alice.hear()
    assert b"clear" not in on_the_wire
    assert receiving.unprotect_rtp(on_the_wire)[12:] == b"in the clear"
    alice.send(leg_a, b"plain, to a leg that must be secure")
    alice.send_raw(leg_a, on_the_wire)
    assert bob.hears_nothing()
    assert engine.leg_stats(leg_a.id).auth_failures == 2


def test_a_leg_that_must_be_secure_and_has_no_keys_passes_nothing(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    _, leg_a, leg_b = bridged(engine, _plan(alice, secure_required=True), _plan(bob))
    alice.send(leg_a, b"x")
    bob.send(leg_b, b"x")
    assert bob.hears_nothing()
    assert alice.hears_nothing()
    assert engine.leg_stats(leg_a.id).insecure_drops == 2


def test_a_stranger_neither_speaks_nor_hears(engine: Engine) -> None:
    alice, bob, mallory = Phone(ssrc=1), Phone(ssrc=2), Phone("127.0.0.6", ssrc=3)
    _, leg_a, leg_b = bridged(engine, _plan(alice, signalling_ip=LOCAL), _plan(bob, signalling_ip=LOCAL))
    for _ in range(50):
        mallory.send(leg_a, b"injected")
        mallory.send(leg_b, b"injected")
        alice.send(leg_a, b"real")
        assert bob.hear()[12:] == b"real"
    assert mallory.hears_nothing()
    assert alice.hears_nothing()


def test_payload_types_are_mapped_between_the_legs(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    call, leg_a, leg_b = bridged(engine, _plan(alice), _plan(bob, payload_types=(8, 96)))
    engine.bridge(leg_a.id, leg_b.id, {101: 96}, {96: 101})
    settle(engine)
    alice.send(leg_a, b"not in the map", 0)
    alice.send(leg_a, b"digit", 101)
    assert bob.hear()[1] & 0x7F == 96
    bob.send(leg_b, b"digit", 96)
    assert alice.hear()[1] & 0x7F == 101
    assert set(engine.close_call(call)) == {leg_a.id, leg_b.id}


def test_an_echo_leg_hears_itself(engine: Engine) -> None:
    alice = Phone(ssrc=5)
    leg = engine.open_leg(engine.open_call(), LOCAL)
    engine.update_leg(leg.id, _plan(alice))
    engine.echo(leg.id)
    settle(engine)
    alice.send(leg, b"hello?")
    echoed = alice.hear()
    assert echoed[12:] == b"hello?"
    assert struct.unpack("!I", echoed[8:12])[0] != 5


def test_a_plan_without_mux_after_one_with_it_opens_the_rtcp_port_again(engine: Engine) -> None:
    alice, bob = Phone(), Phone()
    _, leg_a, _ = bridged(engine, _plan(alice, rtcp_mux=True), _plan(bob))
    control = Phone()
    report = struct.pack("!BBHI", 0x80, 201, 1, 7)

    def is_taken() -> bool:
        control.socket.sendto(report, (LOCAL, leg_a.rtcp_port))
        return engine.leg_stats(leg_a.id).rtcp_rx > 0

    time.sleep(0.05)
    assert not is_taken()
    engine.update_leg(leg_a.id, _plan(alice, rtcp_mux=False, remote_rtcp=control.address))
    wait_for(is_taken)
    engine.update_leg(leg_a.id, _plan(alice, rtcp_mux=True))
    engine.update_leg(leg_a.id, _plan(alice))


def test_events_make_the_descriptor_readable() -> None:
    engine = Engine(config(silence_s=0.3))
    alice, bob = Phone(), Phone()
    _, leg_a, _ = bridged(engine, _plan(alice), _plan(bob, receive=False))
    alice.send(leg_a, b"x")

    def next_event() -> object:
        assert select.select([engine.event_fd()], [], [], 3)[0]
        (event,) = engine.events()
        return event

    assert next_event() == Latched(leg_a.id, alice.address)
    assert not select.select([engine.event_fd()], [], [], 0)[0]
    assert next_event() == Silent(leg_a.id)
    alice.send(leg_a, b"x")
    assert next_event() == Heard(leg_a.id)
    hello = b"\x10\x00\x00\x01ZRTP" + bytes(20)
    alice.send_raw(leg_a, hello)
    assert next_event() == PacketReceived(leg_a.id, "zrtp", alice.address, hello)
    engine.stop()


def test_ports_run_out_with_an_error_and_come_back() -> None:
    base = config()
    engine = Engine(config(port_min=base.port_min, port_max=base.port_min + 3))
    call = engine.open_call()
    first = engine.open_leg(call, LOCAL)
    engine.open_leg(call, LOCAL)
    with pytest.raises(PortsExhausted, match="in use"):
        engine.open_leg(call, LOCAL)
    assert engine.stats().ports_exhausted == 1
    engine.close_leg(first.id)

    def is_back() -> bool:
        try:
            engine.open_leg(call, LOCAL)
        except PortsExhausted:
            return False
        return True

    wait_for(is_back)
    engine.stop()


def test_bad_arguments_are_told_apart_from_failures(engine: Engine) -> None:
    call = engine.open_call()
    leg = engine.open_leg(call, LOCAL)
    with pytest.raises(ValueError, match="IP address"):
        engine.open_leg(call, "localhost")
    with pytest.raises(ValueError, match="IP address"):
        engine.update_leg(leg.id, LegPlan(remote=("example.org", 4000)))
    with pytest.raises(ValueError, match="suite"):
        engine.update_leg(leg.id, LegPlan(rx=SrtpKey("ROT13", bytes(16), bytes(14))))
    with pytest.raises(ValueError, match="key"):
        engine.update_leg(leg.id, LegPlan(rx=SrtpKey("AEAD_AES_128_GCM", bytes(16), bytes(14))))
    with pytest.raises(ValueError, match="payload type"):
        engine.update_leg(leg.id, LegPlan(payload_types=(128,)))
    with pytest.raises(PortsExhausted, match="socket"):
        engine.open_leg(call, "192.0.2.1")
    with pytest.raises(ValueError, match="ports"):
        Engine(EngineConfig(port_min=20000, port_max=20000))
    with pytest.raises(ValueError, match="tick"):
        Engine(EngineConfig(tick_us=5000))


def test_a_stopped_engine_says_so_and_says_goodbye() -> None:
    engine = Engine(config())
    alice, bob = Phone(), Phone()
    _, _, leg_b = bridged(engine, _plan(alice, rtcp_mux=True), _plan(bob))
    bob.send(leg_b, b"x")
    alice.hear()
    engine.stop()
    engine.stop()
    assert b"\x81\xcb" in alice.socket.recv(2048), "a BYE of one source"
    with pytest.raises(EngineStopped):
        engine.open_call()


def test_a_key_does_not_show_in_its_text() -> None:
    key = SrtpKey("AEAD_AES_128_GCM", b"secret-key-bytes", b"salty-bytes!")
    assert "secret" not in repr(key) + str(key) + repr(LegPlan(rx=key))
    assert "secret" not in repr(Srtp(*key))


def test_srtp_of_single_packets_refuses_replay_and_damage() -> None:
    key = _key("AES_CM_128_HMAC_SHA1_32")
    sender, receiver = Srtp(*key), Srtp(*key)
    packet = Phone().packet(b"sound")
    protected = sender.protect_rtp(packet)
    with pytest.raises(SrtpError, match="authentication"):
        receiver.unprotect_rtp(protected[:-1] + bytes([protected[-1] ^ 1]))
    assert receiver.unprotect_rtp(protected) == packet
    with pytest.raises(SrtpError, match="before"):
        receiver.unprotect_rtp(protected)
    report = struct.pack("!BBHI", 0x80, 201, 1, 7)
    assert receiver.unprotect_rtcp(sender.protect_rtcp(report)) == report


def test_a_worker_that_holds_the_stage_does_not_hold_python(engine: Engine) -> None:
    """Statistics and commands stay quick while the worker is flooded."""
    alice, bob = Phone(), Phone()
    _, leg_a, _ = bridged(engine, _plan(alice), _plan(bob))
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            alice.send(leg_a, b"x" * 160)

    thread = threading.Thread(target=flood)
    thread.start()
    slowest = []
    for _ in range(200):
        before = time.thread_time()
        engine.leg_stats(leg_a.id)
        slowest.append(time.thread_time() - before)
    over.set()
    thread.join()
    assert sorted(slowest)[len(slowest) // 2] < 50e-6


def test_a_whole_call_costs_the_caller_microseconds() -> None:
    """Open, two legs with keys, bridge, close: some 35 µs on a quiet machine; the bound leaves room for a busy one."""
    engine = Engine(EngineConfig(workers=1, port_min=10000, port_max=11999, pool_size=128, quarantine_s=0))
    engine.close_call(_whole_call(engine))
    time.sleep(0.2)
    costs = []
    for _ in range(100):
        before = time.thread_time()
        call = _whole_call(engine)
        engine.close_call(call)
        costs.append(time.thread_time() - before)
        time.sleep(0.001)
    engine.stop()
    assert sorted(costs)[len(costs) // 2] < 150e-6


def _whole_call(engine: Engine) -> int:
    key = SrtpKey("AES_CM_128_HMAC_SHA1_80", bytes(16), bytes(14))
    call = engine.open_call()
    leg_a, leg_b = engine.open_leg(call, LOCAL), engine.open_leg(call, LOCAL)
    engine.update_leg(leg_a.id, LegPlan(remote=(LOCAL, 9), payload_types=(0, 101), rx=key, tx=key))
    engine.update_leg(leg_b.id, LegPlan(remote=(LOCAL, 9), payload_types=(0, 101)))
    engine.bridge(leg_a.id, leg_b.id)
    return call
