"""Session timers (RFC 4028), in both roles."""

import pytest

from calls.simnet import SimNet
from sealtone.sip.events import AnswerReceived, Ended, OfferReceived
from sip.core.scenes import ANSWER, RawPeer, assert_clean, call, pair


def test_without_a_wish_of_the_caller_who_supports_it_the_called_party_asks_for_the_timer() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    assert (calling.session_expires, called.session_expires) == (1800, 1800)
    assert (calling.refresher, called.refresher) == ("local", "remote")


def test_a_caller_without_timer_support_gets_none() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob, supported=())
    assert calling.session_expires is called.session_expires is None


def test_the_shorter_interval_holds_and_half_of_it_later_the_session_is_refreshed_by_update() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob, session_expires_s=200)
    assert (calling.session_expires, called.session_expires) == (200, 200)
    net.run(99.0)
    assert alice.count_sent("UPDATE") == 0
    net.run(1000.0)
    assert 9 <= alice.count_sent("UPDATE") <= 11
    assert calling.state == called.state == "confirmed"
    calling.bye(net.now)
    assert_clean(net, alice, bob)


def test_a_peer_without_update_is_refreshed_by_a_reinvite_with_the_same_description() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    bob = net.node("10.0.0.2", allow=("INVITE", "ACK", "BYE", "CANCEL"))
    calling, _ = call(net, alice, bob, session_expires_s=200)
    bob.on_event = lambda event: event.session.answer(ANSWER, net.now) if isinstance(event, OfferReceived) else None
    net.run(450.0)
    assert alice.count_sent("INVITE") == 5
    assert bob.take(OfferReceived)[0].body == calling.local_body
    assert not alice.take(AnswerReceived)  # the same answer as before is no news
    assert calling.state == "confirmed"


def test_a_refused_refresh_is_tried_again_and_does_not_end_the_call() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    bob = net.node("10.0.0.2", allow=("INVITE", "ACK", "BYE", "CANCEL"))
    calling, called = call(net, alice, bob, session_expires_s=200)
    net.run(101.0)
    bob.take_one(OfferReceived)
    called.reject_offer(488, net.now)
    net.run(30.0)
    bob.take_one(OfferReceived)
    called.answer(ANSWER, net.now)
    net.run(90.0)
    assert calling.state == called.state == "confirmed"


def test_a_422_raises_the_interval_and_the_call_is_placed_again() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    bob = net.node("10.0.0.2", min_se_s=600)
    calling, called = call(net, alice, bob, session_expires_s=120)
    assert bob.count_sent("SIP/2.0 422") == 1
    assert "Min-SE: 600" in alice.sent[2]
    assert (calling.session_expires, called.session_expires) == (600, 600)


def test_a_min_se_of_the_caller_is_respected() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    bob = net.node("10.0.0.2", session_expires_s=300)
    _, called = call(net, alice, bob, session_expires_s=3600, min_se_s=900)
    assert called.session_expires == 900


@pytest.mark.parametrize("refresher_lost", [True, False])
def test_a_session_that_is_not_refreshed_is_ended_by_bye_on_both_sides(refresher_lost: bool) -> None:
    net = SimNet()
    alice, bob = pair(net)
    call(net, alice, bob, session_expires_s=90)
    lost = alice if refresher_lost else bob
    lost.deaf = True
    net.drop = lambda data, node: node is lost
    net.run(61.0)
    net.run(40.0)
    if refresher_lost:
        assert bob.take_one(Ended).cause == "session-timer"
    else:
        assert alice.take_one(Ended).cause in ("transport", "session-timer")
    net.run(100.0)
    assert not alice.endpoint.session_count
    assert not bob.endpoint.session_count


def test_a_refresh_request_below_our_minimum_is_refused_with_422() -> None:
    net = SimNet()
    bob = net.node("10.0.0.2")
    peer = RawPeer(bob, net)
    [reply] = peer.send(peer.request("INVITE", extra="Session-Expires: 30\nSupported: timer"), b"x")
    assert (reply.status, reply.headers.get("Min-SE")) == (422, "90")  # type: ignore[union-attr]
