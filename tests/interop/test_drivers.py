"""The drivers and the oracles proven on their own, phone to phone without a server.

An oracle that never saw the bad case proves nothing: each is shown an open call first.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import time

import numpy as np
import pytest

from interop import tone, wire
from interop.processes import LOOPBACK, free_ports

A_HZ, B_HZ = 440.0, 1000.0


def test_the_tone_meter_hears_its_own_tone_and_not_the_other_nor_noise(tmp_path):
    samples, rate = tone.read_wav(tone.write_tone(tmp_path / "a.wav", A_HZ, 8.0))
    right, wrong = tone.listen(samples, A_HZ, rate), tone.listen(samples, B_HZ, rate)
    assert right.tone_s == pytest.approx(6.0, abs=0.7)
    assert right.silent_s == pytest.approx(2.0, abs=0.5)
    assert right.share > 0.95
    assert right.bursts == 10
    assert wrong.tone_s == 0
    assert wrong.share < 0.05
    noise = np.random.default_rng(1).normal(0, 6000, 8 * rate)
    assert tone.listen(noise, A_HZ, rate).tone_s == 0


def test_g711_tables_agree_with_the_standard_at_its_corners():
    assert [tone.ULAW[code] for code in (0x00, 0x7F, 0x80, 0xFF)] == [-32124, 0, 32124, 0]
    assert [tone.ALAW[code] for code in (0x00, 0x55, 0x80, 0xD5)] == [-5504, -8, 5504, 8]
    assert tone.ALAW[0x2A] == -32256
    assert tone.ALAW[0xAA] == 32256


@pytest.mark.skipif(not wire.may_capture(), reason="recording needs the right to capture")
@pytest.mark.parametrize("recorder", ["dumpcap", "socket"])
def test_the_wiretap_records_every_packet_of_its_ports_once_and_no_other(tmp_path, recorder):
    if recorder == "dumpcap" and shutil.which("dumpcap") is None:
        pytest.skip("dumpcap is missing (Debian package tshark)")
    port = free_ports(4)
    payloads = [f"packet {number}".encode() for number in range(500)]
    with wire.Wiretap([(port, port + 1)], tmp_path, recorder) as tap, contextlib.ExitStack() as open_sockets:
        udp, other = (open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        udp.bind((LOOPBACK, port))
        other.bind((LOOPBACK, port + 3))
        for payload in payloads:
            udp.sendto(payload, (LOOPBACK, 9))
            other.sendto(b"of another port", (LOOPBACK, 9))
        with socket.create_server((LOOPBACK, port + 1)) as listener:
            client = open_sockets.enter_context(socket.create_connection((LOOPBACK, port + 1)))
            server_side = open_sockets.enter_context(listener.accept()[0])
            client.sendall(b"over TCP, there")
            server_side.sendall(b"and back")
        time.sleep(0.8)
        packets = tap.stop()
    assert [packet.payload for packet in packets if packet.protocol == "udp"] == payloads
    assert [packet.payload for packet in packets if packet.protocol == "tcp"] == [b"over TCP, there", b"and back"]


def _talk(caller, callee):
    """Both are connected and audio flows both ways for more than a second."""
    caller.wait_for("established")
    callee.wait_for("established")
    callee.wait_audio(caller.setup.tone_hz)
    caller.wait_audio(callee.setup.tone_hz)


def _end_and_prove(caller, callee):
    """The caller hangs up; each has the other's tone in its recording, with its pauses and nothing else."""
    caller.hang_up()
    caller.wait_for("closed")
    callee.wait_for("closed")
    callee.prove_heard(caller.setup.tone_hz)
    caller.prove_heard(callee.setup.tone_hz)


@pytest.mark.parametrize(("a", "b"), [("baresip", "baresip"), ("linphone", "baresip"), ("baresip", "linphone")])
def test_an_open_call_is_heard_at_both_ends_and_on_the_wire(phone, wiretap, a, b):
    callee = phone(b, user="b", tone_hz=B_HZ)
    caller = phone(a, user="a", tone_hz=A_HZ)
    tap = wiretap(callee.ports, caller.ports)
    caller.call(callee.address)
    _talk(caller, callee)
    _end_and_prove(caller, callee)
    packets = tap.stop()
    found = wire.readable(packets, also=("a=sendrecv",))
    assert any("SIP/2.0" in line for line in found)
    assert any("m=audio" in line for line in found)
    for hz in (A_HZ, B_HZ):
        loudest = max(wire.tone_on_the_wire(stream, hz).tone_s for stream in wire.rtp_streams(packets))
        assert loudest >= 1.0, f"the wiretap must hear {hz:g} Hz in an open call"


def test_srtp_hides_the_tone_but_keys_in_open_signalling_are_seen(phone, wiretap):
    callee = phone("baresip", user="b", tone_hz=B_HZ, encryption="required")
    caller = phone("linphone", user="a", tone_hz=A_HZ, encryption="required")
    tap = wiretap(callee.ports, caller.ports)
    caller.call(callee.address)
    _talk(caller, callee)
    _end_and_prove(caller, callee)
    assert callee.srtp_suite()
    packets = tap.stop()
    assert any("inline:" in line for line in wire.readable(packets))
    streams = wire.rtp_streams(packets)
    assert len(streams) >= 2
    for stream in streams:
        for hz in (A_HZ, B_HZ):
            heard = wire.tone_on_the_wire(stream, hz)
            assert heard.tone_s == 0, (stream.source, hz, heard)
        assert wire.entropy_bits(stream) > 7.5


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_nothing_readable_crosses_between_phones_over_tls_with_srtp(phone, wiretap, certificates, kind):
    callee = phone(
        "baresip", user="b", tone_hz=B_HZ, transport="tls", encryption="required", certificate=certificates.server
    )
    caller = phone(
        kind, user="a", tone_hz=A_HZ, transport="tls", encryption="required", authority=certificates.authority
    )
    tap = wiretap(callee.ports, caller.ports)
    # Linphone's TLS library compares names only, never the addresses of a certificate.
    caller.call(callee.address.replace("127.0.0.1", "localhost") if kind == "linphone" else callee.address)
    _talk(caller, callee)
    _end_and_prove(caller, callee)
    packets = tap.stop()
    assert sum(len(packet.payload) for packet in packets if packet.protocol == "tcp") > 2000
    assert wire.readable(packets) == []
    for stream in wire.rtp_streams(packets):
        assert wire.tone_on_the_wire(stream, A_HZ).tone_s == 0
        assert wire.tone_on_the_wire(stream, B_HZ).tone_s == 0


@pytest.mark.parametrize(("holder", "held"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_a_held_phone_is_silent_and_is_heard_again_after_resume(phone, wiretap, holder, held):
    callee = phone(held, user="b", tone_hz=B_HZ)
    caller = phone(holder, user="a", tone_hz=A_HZ)
    tap = wiretap(callee.ports, caller.ports)
    caller.call(callee.address)
    _talk(caller, callee)
    caller.hold()
    wire.wait_quiet(tap, caller, B_HZ)  # the holder may play its tone on, as music; the held must be silent
    resumed = time.time()
    caller.resume()
    for listener, hz in ((callee, A_HZ), (caller, B_HZ)):
        wire.wait_tone(tap, listener, hz, resumed)
    _end_and_prove(caller, callee)
