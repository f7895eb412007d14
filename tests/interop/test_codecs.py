"""Real phones with one codec each call each other through the server, which decodes and encodes between them."""

from __future__ import annotations

import pytest

from interop.test_calls import place

A_HZ, B_HZ = 440.0, 1000.0
SRTP = {"transport": "tls", "encryption": "required"}
PLAIN = {"transport": "udp"}

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
