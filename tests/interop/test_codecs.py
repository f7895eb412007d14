"""Real phones with one codec each call each other through the server, which decodes and encodes between them."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from interop import tone, wire
from interop.processes import LOOPBACK, eventually
from interop.server import DOMAIN
from interop.sipp import SCENARIOS, credentials
from interop.test_calls import place
from sealtone.model import CallState, Protection, ZrtpStage

A_HZ, B_HZ = 440.0, 1000.0
SRTP = {"transport": "tls", "encryption": "required"}
PLAIN = {"transport": "udp"}
ZRTP = {"transport": "udp", "encryption": "zrtp"}

SAME = [
    pytest.param("linphone", "GSM", PLAIN, "baresip", "GSM", PLAIN, id="gsm"),
    pytest.param("linphone", "opus", SRTP, "baresip", "opus", SRTP, id="opus"),
    pytest.param("baresip", "G722", PLAIN, "linphone", "G722", SRTP, id="g722"),
    pytest.param("linphone", "G729", SRTP, "linphone", "G729", PLAIN, id="g729"),
    pytest.param("linphone", "speex/16000", PLAIN, "pjsua", "speex/16000", PLAIN, id="speex-wide"),
    pytest.param("pjsua", "iLBC", PLAIN, "pjsua", "iLBC", PLAIN, id="ilbc"),
]


def codec_of(record, phone) -> str:
    return next(leg.codec for leg in record.legs if leg.aor.startswith(f"{phone.setup.user}@")).lower()


def between(registered, a, a_codec, a_line, b, b_codec, b_line):
    caller = registered(a, A_HZ, codecs=(a_codec,), **a_line)
    callee = registered(b, B_HZ, codecs=(b_codec,), **b_line)
    place(caller, callee)
    caller.hang_up()
    caller.wait_for("closed")
    callee.wait_for("closed")
    callee.prove_heard(A_HZ, pauses_ring=True)
    caller.prove_heard(B_HZ, pauses_ring=True)
    return caller, callee


@pytest.mark.parametrize(("a", "a_codec", "a_line", "b", "b_codec", "b_line"), SAME)
def test_phones_that_share_a_codec_are_joined_in_it(server, registered, a, a_codec, a_line, b, b_codec, b_line):
    caller, callee = between(registered, a, a_codec, a_line, b, b_codec, b_line)
    record = server.call_of(caller.setup.user)
    for phone, codec in ((caller, a_codec), (callee, b_codec)):
        assert codec_of(record, phone).startswith(codec.lower())


ACROSS = [
    pytest.param("linphone", "opus", SRTP, "baresip", "PCMU", PLAIN, id="opus-pcmu"),
    pytest.param("baresip", "PCMA", SRTP, "linphone", "opus", SRTP, id="pcma-opus"),
    pytest.param("linphone", "speex/8000", PLAIN, "baresip", "GSM", SRTP, id="speex8-gsm"),
    pytest.param("linphone", "speex/16000", SRTP, "baresip", "G722", PLAIN, id="speex16-g722"),
    pytest.param("linphone", "G729", SRTP, "baresip", "opus", SRTP, id="g729-opus"),
    pytest.param("baresip", "GSM", PLAIN, "linphone", "G729", PLAIN, id="gsm-g729"),
    pytest.param("baresip", "G722", SRTP, "linphone", "PCMU", SRTP, id="g722-pcmu"),
    pytest.param("linphone", "PCMA", PLAIN, "linphone", "speex/16000", SRTP, id="pcma-speex16"),
]


@pytest.mark.parametrize(("a", "a_codec", "a_line", "b", "b_codec", "b_line"), ACROSS)
def test_phones_that_share_no_codec_hear_each_other(server, registered, a, a_codec, a_line, b, b_codec, b_line):
    caller, callee = between(registered, a, a_codec, a_line, b, b_codec, b_line)
    record = server.call_of(caller.setup.user)
    for phone, codec in ((caller, a_codec), (callee, b_codec)):
        assert codec_of(record, phone).startswith(codec.lower())


@pytest.mark.parametrize("rate", [8000, 12000, 16000, 24000])
def test_a_silk_phone_and_a_plain_one_hear_each_other(server, registered, sipp, tmp_path: Path, rate):
    """SIPp does the signalling of the SILK phone, silk-python its sound."""
    why = "silk-python (requirements/peers.in) has no wheel for this machine"
    silk_peer = pytest.importorskip("interop.silk_peer", reason=why, exc_type=ImportError)
    callee = registered("baresip", B_HZ, codecs=("PCMU",), **PLAIN)
    callee.wait_registered()
    caller = server.user()
    media = silk_peer.SilkMedia(silk_peer.encode(tone.write_tone(tmp_path / "a.wav", A_HZ, 20, rate), rate), rate)
    try:
        scenario = (SCENARIOS / "caller.xml").read_text()
        scenario = re.sub(
            r"m=audio .*?PCMA/8000\n",
            f"m=audio {media.port} RTP/AVP 96\n      a=rtpmap:96 SILK/{rate}\n",
            scenario,
            flags=re.S,
        )
        scenario = scenario.replace('<pause milliseconds="300"/>', '<pause milliseconds="4500"/>')
        invite = credentials(
            (LOOPBACK, server.sip_port),
            DOMAIN,
            caller,
            server.secret(caller),
            "INVITE",
            f"sip:{callee.setup.user}@{DOMAIN}",
        )
        sipp().run(scenario, caller, invite, DOMAIN, callee.setup.user)
        callee.wait_for("closed")
        callee.prove_heard(A_HZ, pauses_ring=True)
    finally:
        media.close()
    heard = tone.listen_to_file(silk_peer.decode(media.heard, rate, tmp_path / "b.wav"), B_HZ)
    assert heard.tone_s > 2, heard
    assert heard.share > 0.8, heard
    record = server.call_of(caller)
    assert [leg.codec for leg in record.legs if leg.chosen] == [f"SILK/{rate}", "PCMU/8000"]


ILBC = [
    pytest.param("speex/32000", "iLBC", id="speex32-ilbc"),
    pytest.param("GSM", "iLBC", id="gsm-ilbc"),
    pytest.param("G722", "iLBC", id="g722-ilbc"),
]


@pytest.mark.parametrize(("a_codec", "b_codec"), ILBC)
def test_keys_pressed_and_sound_cross_codecs_between_phones_of_pjsip(server, registered, a_codec, b_codec):
    caller = registered("pjsua", A_HZ, codecs=(a_codec,))
    callee = registered("pjsua", B_HZ, codecs=(b_codec,))
    place(caller, callee)
    caller.dial_digits("14*")
    callee.dial_digits("70#")
    time.sleep(2.0)
    caller.hang_up()
    callee.wait_for("closed")
    caller.wait_for("closed")
    assert (callee.digits(), caller.digits()) == ("14*", "70#")
    for phone, hz in ((callee, A_HZ), (caller, B_HZ)):
        phone.prove_heard(hz, pauses_ring=True)


def transcoded_legs(record):
    legs = {leg.aor.partition("@")[0]: leg for leg in record.legs if leg.chosen}
    assert all(leg.transcoded for leg in legs.values())
    return legs


@pytest.mark.parametrize("holder", ["caller", "callee"])
@pytest.mark.parametrize(("a_codec", "a_line"), [("opus", SRTP), ("speex/16000", PLAIN)], ids=["opus", "speex16"])
def test_a_transcoded_call_is_heard_both_ways_after_hold_and_resume(
    server, registered, wiretap, a_codec, a_line, holder
):
    caller = registered("linphone", A_HZ, codecs=(a_codec,), **a_line)
    callee = registered("baresip", B_HZ, codecs=("PCMU",), **PLAIN)
    tap = wiretap(callee.ports)
    place(caller, callee)
    phone = caller if holder == "caller" else callee
    for act, seen in ((phone.hold, "held"), (phone.resume, "resumed")):
        act()
        told = f"call {seen} by {phone.setup.user}@"
        eventually(lambda told=told: told in server.output(), 5, told, server.evidence)
        time.sleep(1.0)
    # After a re-INVITE baresip records nothing more, and linphonec begins anew.
    wire.wait_tone(tap, callee, A_HZ, time.time())
    caller.wait_audio(B_HZ)
    caller.hang_up()
    callee.wait_for("closed")
    caller.wait_for("closed")
    assert caller.heard_at_the_end(B_HZ).share > 0.8
    legs = transcoded_legs(server.call_of(caller.setup.user))
    assert legs[caller.setup.user].codec.lower().startswith(a_codec)


def test_a_transcoded_call_between_phones_of_different_srtp_suites_is_heard(server, registered):
    caller = registered("linphone", A_HZ, codecs=("opus",), srtp_suites="AES_CM_128_HMAC_SHA1_32", **SRTP)
    callee = registered("baresip", B_HZ, codecs=("GSM",), **SRTP)
    place(caller, callee)
    caller.hang_up()
    callee.wait_for("closed")
    caller.wait_for("closed")
    callee.prove_heard(A_HZ, pauses_ring=True)
    caller.prove_heard(B_HZ, pauses_ring=True)
    record = server.call_of(caller.setup.user)
    assert record.state is CallState.PROTECTED_TO_SERVER
    legs = transcoded_legs(record)
    suites = [legs[phone.setup.user].security.suite_rx for phone in (caller, callee)]
    assert all(suites)
    assert suites[0].value == "AES_CM_128_HMAC_SHA1_32"
    assert suites[0] is not suites[1]
    assert all(leg.security.suite_rx is leg.security.suite_tx for leg in legs.values())


def test_a_zrtp_phone_with_opus_and_a_plain_one_with_pcma_hear_each_other(server, registered):
    caller = registered("linphone", A_HZ, codecs=("opus",), user=server.user("ended"), **ZRTP)
    callee = registered("baresip", B_HZ, codecs=("PCMA",), user=server.user("open"), **PLAIN)
    place(caller, callee)
    caller.hang_up()
    callee.wait_for("closed")
    caller.wait_for("closed")
    callee.prove_heard(A_HZ, pauses_ring=True)
    caller.prove_heard(B_HZ, pauses_ring=True)
    legs = transcoded_legs(server.call_of(caller.setup.user))
    mine, theirs = legs[caller.setup.user], legs[callee.setup.user]
    assert (mine.codec, theirs.codec) == ("opus/48000", "PCMA/8000")
    assert mine.security.protection is Protection.ZRTP
    assert mine.security.zrtp.stage is ZrtpStage.SECURE
    assert theirs.security.protection is Protection.NONE


@pytest.mark.parametrize("far", ["baresip", "linphone"])
def test_a_phone_changes_its_codec_in_a_running_call_and_the_other_is_left_alone(server, registered, wiretap, far):
    caller = registered("pjsua", A_HZ, codecs=("PCMU",))
    callee = registered(far, B_HZ, codecs=("PCMU",), **PLAIN)
    tap = wiretap(callee.ports)
    place(caller, callee)
    invites = server.output().count("INVITE sip")
    for codec in ("iLBC", "GSM", "PCMU"):
        caller.change_codecs(codec)
        eventually(lambda codec=codec: caller.codec() == codec, 5, f"{codec} is agreed on", caller.evidence)
        wire.wait_tone(tap, callee, A_HZ, time.time())
        caller.wait_audio(B_HZ)
    assert server.output().count("INVITE sip") - invites <= 3
    caller.hang_up()
    callee.wait_for("closed")
    caller.wait_for("closed")
    callee.prove_heard(A_HZ, pauses_ring=True)
    caller.prove_heard(B_HZ, pauses_ring=True)
    legs = [leg for leg in server.call_of(caller.setup.user).legs if leg.chosen]
    assert [leg.codec for leg in legs] == ["PCMU/8000", "PCMU/8000"]
    assert not any(leg.transcoded for leg in legs)
