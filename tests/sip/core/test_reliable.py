"""Reliable provisional responses (RFC 3262) and UPDATE in early dialogs (RFC 3311)."""

from calls.simnet import SimNet
from sealtone.sip.events import Answered, AnswerReceived, Confirmed, Ended, OfferReceived, Progress, Rejected
from sip.core.scenes import ANSWER, OFFER, assert_clean, pair, ring


def test_a_reliable_183_is_acknowledged_by_prack_and_its_answer_is_not_sent_again() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    called.progress(183, net.now, body=ANSWER, reliable=True)
    net.run(0.1)
    progress = alice.take_one(Progress)
    assert (progress.reliable, progress.response.body) == (True, ANSWER)
    assert alice.count_sent("PRACK") == 1
    called.accept(ANSWER, net.now)
    net.run(0.1)
    answered = alice.take_one(Answered)
    assert answered.response.body == b""
    assert calling.remote_body == called.local_body == ANSWER
    bob.take_one(Confirmed)
    called.bye(net.now)
    assert_clean(net, alice, bob)


def test_without_100rel_at_the_caller_nothing_is_sent_reliably() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob, supported=("timer",))
    called.progress(183, net.now, body=ANSWER, reliable=True)
    net.run(0.1)
    assert not alice.take_one(Progress).reliable
    assert alice.count_sent("PRACK") == 0


def test_a_caller_that_requires_100rel_gets_every_provisional_response_reliably() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob, require=("100rel",))
    called.progress(180, net.now)
    called.progress(183, net.now, body=ANSWER)
    called.accept(ANSWER, net.now)
    net.run(0.5)
    assert [event.response.status for event in alice.take(Progress)] == [180, 183]
    assert alice.count_sent("PRACK") == 2
    assert alice.take_one(Answered).session.remote_body == ANSWER
    called.bye(net.now)
    assert_clean(net, alice, bob)


def test_a_200_waits_for_the_prack_of_an_answer_sent_before() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    net.drop = lambda data, node: data.startswith(b"PRACK")
    called.progress(183, net.now, body=ANSWER, reliable=True)
    called.accept(ANSWER, net.now)
    net.run(2.0)
    assert not alice.take(Answered)
    assert bob.count_sent("SIP/2.0 183") == 3
    net.drop = None
    net.run(5.0)
    alice.take_one(Answered)
    assert len(alice.take(Progress)) == 1


def test_a_reliable_response_without_prack_refuses_the_call_after_64_t1() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    net.drop = lambda data, node: data.startswith(b"PRACK")
    called.progress(183, net.now, reliable=True)
    net.run(33.0)
    assert bob.take_one(Ended).cause == "no-ack"
    assert alice.take_one(Rejected).status in (487, 504)
    assert_clean(net, alice, bob)


def test_an_offer_in_a_reliable_183_is_answered_in_the_prack() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob, body=None)
    called.progress(183, net.now, body=OFFER, reliable=True)
    net.run(0.1)
    offer = alice.take_one(OfferReceived)
    assert (offer.body, offer.method) == (OFFER, "1xx")
    assert alice.count_sent("PRACK") == 0
    calling.answer(ANSWER, net.now)
    net.run(0.1)
    assert bob.take_one(AnswerReceived).body == ANSWER
    called.accept(None, net.now)
    net.run(0.1)
    assert alice.take_one(Answered).session is calling
    bob.take_one(Confirmed)
    assert not alice.take(OfferReceived)
    calling.bye(net.now)
    assert_clean(net, alice, bob)


def test_update_changes_an_early_session_in_both_directions_once_it_is_negotiated() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    calling.offer(b"too early", net.now)
    net.run(0.1)
    assert not bob.take(OfferReceived)
    called.progress(183, net.now, body=ANSWER, reliable=True)
    net.run(0.1)
    offer = bob.take_one(OfferReceived)
    assert (offer.body, offer.method) == (b"too early", "UPDATE")
    called.answer(b"answer 2", net.now)
    net.run(0.1)
    assert alice.take_one(AnswerReceived).body == b"answer 2"
    called.offer(b"bob's offer", net.now)
    net.run(0.1)
    assert alice.take_one(OfferReceived).body == b"bob's offer"
    calling.answer(b"answer 3", net.now)
    net.run(0.1)
    assert bob.take_one(AnswerReceived).body == b"answer 3"
    called.accept(None, net.now)
    net.run(0.1)
    assert calling.state == called.state == "confirmed"
    assert (calling.local_body, calling.remote_body) == (b"answer 3", b"bob's offer")
    calling.bye(net.now)
    assert_clean(net, alice, bob)


def test_cancelling_during_a_reliable_response_leaves_nothing() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    called.progress(183, net.now, body=ANSWER, reliable=True)
    calling.cancel(net.now)
    net.run(1.0)
    assert alice.take_one(Rejected).status == 487
    assert_clean(net, alice, bob)
