"""Real phones call each other through the server: signalling, audio both ways, records, and nothing readable on the wire."""

from __future__ import annotations

import re
import time

import pytest

from interop import wire
from interop.processes import eventually
from sealtone.model import CallState, Protection
from sealtone.net.control import ask

A_HZ, B_HZ = 440.0, 1000.0
PROTECTED = {"transport": "tls", "encryption": "required"}
OFFERING = {"transport": "tls", "encryption": "srtp"}
UDP = {"transport": "udp"}
TCP = {"transport": "tcp"}

CALLS = [
    pytest.param("linphone", PROTECTED, "baresip", PROTECTED, "caller", id="srtp-linphone-to-baresip"),
    pytest.param("baresip", PROTECTED, "linphone", PROTECTED, "callee", id="srtp-baresip-to-linphone"),
    pytest.param("linphone", PROTECTED, "linphone", PROTECTED, "caller", id="srtp-linphone-to-linphone"),
    pytest.param("baresip", OFFERING, "baresip", PROTECTED, "callee", id="srtp-baresip-to-baresip"),
    pytest.param("linphone", PROTECTED, "baresip", UDP, "callee", id="srtp-linphone-to-plain-baresip"),
    pytest.param("baresip", UDP, "linphone", PROTECTED, "caller", id="plain-baresip-to-srtp-linphone"),
    pytest.param("baresip", PROTECTED, "linphone", TCP, "caller", id="srtp-baresip-to-plain-linphone"),
    pytest.param("linphone", UDP, "baresip", UDP, "caller", id="plain-linphone-to-baresip"),
    pytest.param("baresip", TCP, "linphone", UDP, "callee", id="plain-baresip-to-linphone"),
]


@pytest.mark.parametrize("kind", ["linphone", "baresip"])
def test_the_first_messages_of_a_real_phone_are_answered_at_once(guarded_server, registered, kind):
    """What the unauthenticated get back is limited by what they sent; a phone must not notice."""
    caller = registered(kind, A_HZ, at=guarded_server, user=guarded_server.user("open"), **UDP)
    caller.wait_registered()
    caller.call(caller.uri("nobody"))
    caller.wait_for("closed")
    assert ask(guarded_server.folder, "status")["network"]["responses_withheld"] == 0


def place(caller, callee):
    """Register both, call, and wait until audio flows both ways."""
    for each in (callee, caller):
        each.wait_registered()
    caller.call(caller.uri(callee.setup.user))
    caller.wait_for("established")
    callee.wait_for("established")
    callee.wait_audio(caller.setup.tone_hz)
    caller.wait_audio(callee.setup.tone_hz)


def end_and_prove(caller, callee, who="caller"):
    (caller if who == "caller" else callee).hang_up()
    caller.wait_for("closed")
    callee.wait_for("closed")
    callee.prove_heard(caller.setup.tone_hz)
    caller.prove_heard(callee.setup.tone_hz)


@pytest.mark.parametrize(("a", "a_line", "b", "b_line", "who"), CALLS)
def test_a_call_is_heard_both_ways_and_recorded_as_it_was(server, registered, wiretap, a, a_line, b, b_line, who):
    caller, callee = registered(a, A_HZ, **a_line), registered(b, B_HZ, **b_line)
    tap = wiretap(*server.ports, caller.ports, callee.ports)
    place(caller, callee)
    end_and_prove(caller, callee, who)
    record = server.call_of(caller.setup.user)
    assert record.status == 200
    assert record.ended_by == who
    assert record.duration_s > 1
    both = a_line["transport"] == b_line["transport"] == "tls"
    assert record.state is (CallState.PROTECTED_TO_SERVER if both else CallState.OPEN)
    packets = tap.stop()
    legs = {leg.aor.partition("@")[0]: leg for leg in record.legs if leg.chosen}
    for phone, line in ((caller, a_line), (callee, b_line)):
        leg = legs[phone.setup.user]
        assert leg.security.transport == line["transport"]
        encrypted = line["transport"] == "tls"
        assert leg.security.protection is (Protection.SRTP if encrypted else Protection.NONE)
        assert bool(leg.security.tls_cipher) is encrypted
        if encrypted:
            assert leg.security.suite_rx is not None
            assert leg.security.suite_rx is leg.security.suite_tx
        assert leg.codec.startswith("PCM")
        assert min(leg.packets_rx, leg.packets_tx) > 50
        assert leg.lost <= 2
        line_of_phone = wire.of_ports(packets, phone.ports, int(leg.remote_signalling.rpartition(":")[2]))
        check_the_wire(line_of_phone, encrypted, server.secret(phone.setup.user))


def check_the_wire(packets, encrypted, secret):
    """What an eavesdropper on one phone's line has: nothing where it is encrypted, all where it is not."""
    seen = wire.readable(packets, also=(secret,))
    assert not any(secret in line for line in seen), "a secret crossed the wire"
    streams = wire.rtp_streams(packets)
    assert streams, "the wiretap saw no voice at all"
    if encrypted:
        assert seen == []
        assert sum(len(packet.payload) for packet in packets if packet.protocol == "tcp") > 3000
        for stream in streams:
            for hz in (A_HZ, B_HZ):
                assert wire.tone_on_the_wire(stream, hz).tone_s == 0
            assert wire.entropy_bits(stream) > 7.5
    else:
        assert any("INVITE sip" in line for line in seen)
        for hz in (A_HZ, B_HZ):
            assert max(wire.tone_on_the_wire(stream, hz).tone_s for stream in streams) > 1
        assert not any("inline:" in line for line in seen), "keys crossed in open signalling"


def test_a_phone_that_can_encrypt_without_insisting_is_called_encrypted(server, registered):
    caller, callee = registered("baresip", A_HZ, **PROTECTED), registered("linphone", B_HZ, **OFFERING)
    place(caller, callee)
    end_and_prove(caller, callee)
    assert server.call_of(caller.setup.user).state is CallState.PROTECTED_TO_SERVER


@pytest.mark.parametrize(("holder", "held"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_hold_silences_the_held_phone_and_resume_brings_both_voices_back(registered, wiretap, holder, held):
    caller, callee = registered(holder, A_HZ, **UDP), registered(held, B_HZ, **UDP)
    tap = wiretap(caller.ports, callee.ports)
    place(caller, callee)
    caller.hold()
    wire.wait_quiet(tap, caller, B_HZ)
    resumed = time.time()
    caller.resume()
    for listener, hz in ((callee, A_HZ), (caller, B_HZ)):
        wire.wait_tone(tap, listener, hz, resumed)
    end_and_prove(caller, callee)


@pytest.mark.parametrize("line", [UDP, PROTECTED], ids=["udp", "tls"])
@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_a_wrong_secret_is_refused_and_never_registers(registered, guarded_server, kind, line):
    phone = registered(kind, A_HZ, at=guarded_server, secret="wrong-secret", **line)
    eventually(phone.registration_refused, 10, "the refusal is seen", phone.evidence)
    assert not phone.is_registered()


@pytest.mark.parametrize("kind", ["baresip", "linphone"])
def test_a_number_that_nobody_has_is_not_found(server, registered, kind):
    caller = registered(kind, A_HZ, **UDP)
    caller.wait_registered()
    caller.call(caller.uri("9999"))
    caller.wait_for("closed")
    assert caller.final_status() == 404


def test_a_user_whose_phone_is_away_is_unavailable(server, registered):
    caller = registered("linphone", A_HZ, **UDP)
    caller.wait_registered()
    caller.call(caller.uri(server.user("srtp")))
    caller.wait_for("closed")
    assert caller.final_status() == 480


@pytest.mark.parametrize(("a", "b"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_a_refused_call_is_busy_for_the_caller(server, registered, a, b):
    caller, callee = registered(a, A_HZ, **UDP), registered(b, B_HZ, auto_answer=False, **PROTECTED)
    for each in (callee, caller):
        each.wait_registered()
    caller.call(caller.uri(callee.setup.user))
    callee.wait_for("incoming")
    callee.hang_up()
    caller.wait_for("closed")
    assert caller.final_status() in (486, 603)
    assert server.call_of(caller.setup.user).status == caller.final_status()


@pytest.mark.parametrize(("a", "b"), [("baresip", "linphone"), ("linphone", "baresip")])
def test_a_caller_who_gives_up_stops_the_ringing(server, registered, a, b):
    caller, callee = registered(a, A_HZ, **PROTECTED), registered(b, B_HZ, auto_answer=False, **UDP)
    for each in (callee, caller):
        each.wait_registered()
    caller.call(caller.uri(callee.setup.user))
    callee.wait_for("incoming")
    caller.wait_for("ringing")
    caller.hang_up()
    callee.wait_for("closed")
    record = server.call_of(caller.setup.user)
    assert record.status == 487
    assert record.answered_at is None
    assert record.ended_by == "caller"


@pytest.mark.parametrize(("kind", "line"), [("baresip", PROTECTED), ("linphone", PROTECTED), ("baresip", UDP)])
def test_the_echo_service_sends_back_what_is_said(server, registered, kind, line):
    caller = registered(kind, A_HZ, **line)
    caller.wait_registered()
    caller.call(caller.uri("*43"))
    caller.wait_for("established")
    time.sleep(8)  # once it has said what it is
    caller.hang_up()
    caller.wait_for("closed")
    assert caller.heard_at_the_end(A_HZ, 1.5).share > 0.9


def test_one_user_with_two_phones_rings_on_both_and_the_first_answer_wins(server, registered):
    caller = registered("linphone", A_HZ, **UDP)
    user = server.user("srtp")
    slow = registered("baresip", B_HZ, user=user, auto_answer=False, **UDP)
    quick = registered("linphone", B_HZ, user=user, auto_answer=False, **PROTECTED)
    for each in (slow, quick, caller):
        each.wait_registered()
    caller.call(caller.uri(user))
    slow.wait_for("incoming")
    quick.wait_for("incoming")
    quick.answer()
    slow.wait_for("closed")
    caller.wait_for("established")
    caller.wait_audio(B_HZ)
    caller.hang_up()
    quick.wait_for("closed")
    quick.prove_heard(A_HZ)


def test_a_plain_phone_cannot_use_an_account_that_requires_encryption(server, registered):
    user = server.user("strict")
    caller, callee = registered("baresip", A_HZ, user=user, **UDP), registered("linphone", B_HZ, **PROTECTED)
    for each in (callee, caller):
        each.wait_registered()
    caller.call(caller.uri(callee.setup.user))
    caller.wait_for("closed")
    assert caller.final_status() == 488
    assert "incoming" not in callee.states()


def test_a_phone_with_keys_but_without_tls_gets_none_in_return(server, registered, wiretap):
    caller, callee = registered("baresip", A_HZ, transport="udp", encryption="required"), registered("linphone", B_HZ)
    tap = wiretap(callee.ports)
    for each in (callee, caller):
        each.wait_registered()
    caller.call(caller.uri(callee.setup.user))
    caller.wait_for("closed")
    assert caller.final_status() == 488
    assert not any("inline:" in line for line in wire.readable(tap.stop()))


def test_a_blind_transfer_by_linphone_connects_the_other_two(server, registered):
    transferrer, other = registered("linphone", A_HZ, **PROTECTED), registered("baresip", B_HZ, **UDP)
    third = registered("linphone", 1700.0, **PROTECTED)
    third.wait_registered()
    place(transferrer, other)
    transferrer.transfer(transferrer.uri(third.setup.user))
    third.wait_for("established")
    transferrer.wait_for("closed", 15)
    third.wait_audio(B_HZ)
    third.hang_up()
    other.wait_for("closed")
    third.prove_heard(B_HZ)


def test_nothing_of_the_secrets_is_in_the_log_of_the_server(server):
    log = server.evidence()
    assert not [user for user, secret in server.secrets.items() if secret in log]
    assert not re.search(r"inline:[A-Za-z0-9+/]{20}", log)
