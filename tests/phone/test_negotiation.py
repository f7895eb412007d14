"""Offer and answer between two of our own phones, and with descriptions written by hand."""

import os

import pytest

from sealtone.phone.negotiation import Encryption, Negotiator, Unacceptable, Wish
from sealtone.sdp import Direction
from sealtone.srtp_keys import PREFERENCE, Suite

NONE, PREFER, REQUIRE = Encryption.NONE, Encryption.PREFER, Encryption.REQUIRE


def side(encryption, port=4000, secure=True, **wish):
    return Negotiator(Wish(encryption, **wish), "127.0.0.1", port, secure, os.urandom)


def agree(a, b):
    answer = b.answer(a.offer())
    return a.take_answer(answer), b.agreement


@pytest.mark.parametrize(
    ("a", "b", "encrypted"),
    [(NONE, NONE, False), (PREFER, PREFER, True), (REQUIRE, REQUIRE, True), (PREFER, REQUIRE, True),
     (REQUIRE, PREFER, True), (PREFER, NONE, False), (NONE, PREFER, False)],
)  # fmt: skip
def test_both_sides_hold_the_same_keys_or_none(a, b, encrypted):
    ours, theirs = agree(side(a, 4000), side(b, 5000))
    assert ours.remote_rtp == ("127.0.0.1", 5000)
    assert theirs.remote_rtp == ("127.0.0.1", 4000)
    assert ours.remote_rtcp == ("127.0.0.1", 5001)
    assert (ours.send_key is not None) is encrypted
    assert ours.send_key == theirs.receive_key
    assert ours.receive_key == theirs.send_key
    if encrypted:
        assert ours.send_key != ours.receive_key


@pytest.mark.parametrize("suite", list(Suite))
def test_every_suite_can_be_the_only_one(suite):
    ours, _ = agree(side(REQUIRE, suites=(suite,)), side(PREFER, suites=(*PREFERENCE, suite)))
    assert ours.send_key.suite is suite


@pytest.mark.parametrize(("a", "b"), [(REQUIRE, NONE), (NONE, REQUIRE)])
def test_required_encryption_is_never_quietly_given_up(a, b):
    with pytest.raises(Unacceptable) as refused:
        agree(side(a), side(b))
    assert refused.value.status == 488


def test_no_key_is_put_into_signalling_without_tls():
    assert b"crypto" not in side(PREFER, secure=False).offer()
    with pytest.raises(Unacceptable):
        side(REQUIRE, secure=False).offer()
    keyed = side(PREFER).offer()
    assert b"crypto" not in side(PREFER, secure=False).answer(keyed)
    with pytest.raises(Unacceptable):
        side(REQUIRE, secure=False).answer(keyed)


def test_hold_and_resume_change_the_direction_and_no_key():
    a, b = side(REQUIRE, 4000), side(REQUIRE, 5000)
    before, _ = agree(a, b)
    held = a.take_answer(b.answer(a.offer(Direction.SENDONLY)))
    assert held.direction is Direction.SENDONLY
    assert b.agreement.direction is Direction.RECVONLY
    resumed = a.take_answer(b.answer(a.offer()))
    assert resumed == before
    assert b.agreement.send_key == before.receive_key


def test_a_new_offer_from_either_side_keeps_the_own_key():
    a, b = side(REQUIRE, 4000), side(REQUIRE, 5000)
    first, _ = agree(a, b)
    again = b.take_answer(a.answer(b.offer()))
    assert (again.send_key, again.receive_key) == (first.receive_key, first.send_key)


def test_a_running_call_cannot_be_talked_out_of_its_encryption():
    a, b = side(PREFER), side(PREFER)
    agree(a, b)
    plain = side(NONE).offer()
    with pytest.raises(Unacceptable):
        b.answer(plain)
    a.offer()
    with pytest.raises(Unacceptable):
        a.take_answer(side(NONE).answer(plain))


def test_an_answer_with_a_key_that_was_not_offered_is_refused():
    a, b = side(PREFER), side(PREFER)
    answer = b.answer(a.offer()).replace(b"a=crypto:1 ", b"a=crypto:9 ")
    with pytest.raises(Unacceptable):
        a.take_answer(answer)


def test_an_offer_without_g711_is_refused_in_words():
    opus = b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 9 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
    with pytest.raises(Unacceptable, match="codec"):
        side(NONE).answer(opus)


def test_a_null_address_is_a_hold_and_nothing_is_sent_there():
    a, b = side(NONE), side(NONE)
    agree(a, b)
    b.answer(a.offer().replace(b"IN IP4 127.0.0.1", b"IN IP4 0.0.0.0"))
    assert b.agreement.remote_rtp is None
    assert not b.agreement.direction.sends
