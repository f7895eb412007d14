"""SRTP of the phone, with every suite."""

import os

import pytest

from sealtone.phone.rtp import build_rtcp, build_rtp
from sealtone.phone.srtp import SecureStream
from sealtone.srtp_keys import Suite, generate


def pair(suite):
    ours, theirs = generate(suite, os.urandom), generate(suite, os.urandom)
    return SecureStream(ours, theirs), SecureStream(theirs, ours), ours, theirs


@pytest.mark.parametrize("suite", list(Suite))
def test_what_one_side_protects_only_the_other_can_read_and_only_once(suite):
    a, b, *_ = pair(suite)
    packet = build_rtp(0, True, 5, 6, 7, b"voice" * 32)
    sent = a.protect(packet)
    assert b"voice" not in sent
    assert b.unprotect(sent) == packet
    assert b.unprotect(sent) is None
    report = build_rtcp(7, "name", (1.0, 2, 3, 4), None)
    assert b.unprotect_rtcp(a.protect_rtcp(report)) == report
    assert b.unprotect(b"\x80" + sent[1:-1] + bytes([sent[-1] ^ 1])) is None
    assert b.rejected == 2


def test_the_same_keys_again_keep_the_context_and_a_new_key_begins_anew():
    a, b, ours, theirs = pair(Suite.AES_CM_128_HMAC_SHA1_80)
    first = a.protect(build_rtp(0, False, 1, 160, 7, b"x" * 160))
    assert b.unprotect(first)
    a.rekey(ours, theirs)
    b.rekey(theirs, ours)
    assert b.unprotect(first) is None, "a context that began anew would take the replayed packet"
    fresh = generate(Suite.AEAD_AES_256_GCM, os.urandom)
    a.rekey(fresh, theirs)
    assert b.unprotect(a.protect(build_rtp(0, False, 2, 320, 7, b"x" * 160))) is None
    b.rekey(theirs, fresh)
    assert b.unprotect(a.protect(build_rtp(0, False, 3, 480, 7, b"x" * 160)))
