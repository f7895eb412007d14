"""Offer and answer between two of our own phones, and with descriptions written by hand."""

import os

import pytest

from sealtone.model import KeyExchange
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


HASH = "1.10 " + "5a" * 32


def zrtp_side(encryption, port=4000, secure=False):
    return Negotiator(Wish(encryption, KeyExchange.ZRTP), "127.0.0.1", port, secure, os.urandom, HASH)


def test_zrtp_is_announced_in_the_open_profile_on_any_transport_and_brings_no_key():
    a, b = zrtp_side(REQUIRE, 4000), zrtp_side(PREFER, 5000)
    offer = a.offer()
    assert b"RTP/AVP " in offer
    assert f"a=zrtp-hash:{HASH}".encode() in offer
    assert b"crypto" not in offer
    answer = b.answer(offer)
    for agreement in (a.take_answer(answer), b.agreement):
        assert agreement.zrtp
        assert agreement.zrtp_hashes == (HASH,)
        assert agreement.send_key is agreement.receive_key is None
    again = a.take_answer(b.answer(a.offer(Direction.SENDONLY)))
    assert again.zrtp
    assert again.direction is Direction.SENDONLY


def test_a_side_without_zrtp_leaves_the_keys_to_it_all_the_same_since_it_may_come_unannounced():
    a = zrtp_side(REQUIRE)
    agreement = a.take_answer(side(NONE, 5000).answer(a.offer()))
    assert agreement.zrtp
    assert agreement.zrtp_hashes == ()


def test_keys_in_the_signalling_do_not_stand_in_for_required_zrtp():
    offer = side(REQUIRE).offer()
    with pytest.raises(Unacceptable, match="this call is for ZRTP"):
        zrtp_side(REQUIRE, secure=True).answer(offer)
    a = zrtp_side(PREFER, secure=True)
    keyed = side(REQUIRE, 5000).answer(side(REQUIRE).offer())
    a.offer()
    with pytest.raises(Unacceptable, match="was offered ZRTP"):
        a.take_answer(keyed)


def test_preferred_zrtp_gives_way_to_keys_that_are_demanded_at_the_start_of_a_call_and_not_later():
    fresh, running = zrtp_side(PREFER, 5000, secure=True), zrtp_side(PREFER, 5000, secure=True)
    demanding = side(REQUIRE)
    taken = demanding.take_answer(fresh.answer(demanding.offer()))
    assert taken.send_key == fresh.agreement.receive_key
    assert not fresh.agreement.zrtp
    running.answer(zrtp_side(PREFER).offer())
    with pytest.raises(Unacceptable, match="this call is for ZRTP"):
        running.answer(side(REQUIRE).offer())
    with pytest.raises(Unacceptable):
        zrtp_side(PREFER, secure=False).answer(side(REQUIRE).offer())
