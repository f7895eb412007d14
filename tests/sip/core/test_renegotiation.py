"""Offers in an established call: re-INVITE, UPDATE, glare, refusal, withdrawal, late offers."""

import pytest

from calls.simnet import Node, SimNet
from sealtone.sip.events import (
    AnswerReceived,
    Confirmed,
    Ended,
    InDialogResponse,
    OfferReceived,
    OfferRejected,
    OfferRequested,
    OfferWithdrawn,
)
from sealtone.sip.message import parse_message
from sealtone.sip.responses import response_to
from sip.core.scenes import assert_clean, call, pair

HOLD = b"v=0 hold"
HELD = b"v=0 held"


def end(net: SimNet, alice: Node, bob: Node, session: object) -> None:
    session.bye(net.now)  # type: ignore[attr-defined]
    net.run(1.0)
    assert_clean(net, alice, bob)


@pytest.mark.parametrize("by_called", [False, True])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_an_offer_goes_by_update_or_reinvite_and_its_answer_comes_back(method: str, by_called: bool) -> None:
    net = SimNet()
    alice, bob = pair(net)
    sessions = dict(zip(("a", "b"), call(net, alice, bob), strict=True))
    mine, theirs = ("b", "a") if by_called else ("a", "b")
    near, far = (bob, alice) if by_called else (alice, bob)
    sessions[mine].prefer_update = method == "UPDATE"
    sessions[mine].offer(HOLD, net.now)
    net.run(0.1)
    offer = far.take_one(OfferReceived)
    assert (offer.session, offer.body, offer.method) == (sessions[theirs], HOLD, method)
    sessions[theirs].answer(HELD, net.now)
    net.run(0.1)
    assert near.take_one(AnswerReceived).body == HELD
    assert (sessions[mine].local_body, sessions[mine].remote_body) == (HOLD, HELD)
    assert (sessions[theirs].local_body, sessions[theirs].remote_body) == (HELD, HOLD)
    assert len(far.take(Confirmed)) == (method == "INVITE")
    end(net, alice, bob, sessions[mine])


def test_a_peer_that_does_not_allow_update_gets_a_reinvite() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    bob = net.node("10.0.0.2", allow=("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"))
    calling, _ = call(net, alice, bob)
    calling.offer(HOLD, net.now)
    net.run(0.1)
    assert bob.take_one(OfferReceived).method == "INVITE"


def test_an_update_refused_with_405_is_made_again_as_a_reinvite() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.offer(HOLD, net.now)
    net.run(0.1)
    called.reject_offer(405, net.now)
    net.run(0.1)
    assert [event.method for event in bob.take(OfferReceived)] == ["UPDATE", "INVITE"]
    called.answer(HELD, net.now)
    net.run(0.1)
    assert alice.take_one(AnswerReceived).body == HELD
    end(net, alice, bob, called)


def test_a_refused_offer_leaves_what_was_agreed() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    before = (calling.local_body, calling.remote_body)
    for prefer_update in (True, False):
        calling.prefer_update = prefer_update
        calling.offer(HOLD, net.now)
        net.run(0.1)
        bob.take_one(OfferReceived)
        called.reject_offer(488, net.now)
        net.run(0.1)
        rejected = alice.take_one(OfferRejected)
        assert (rejected.status, rejected.reason) == (488, "Not Acceptable Here")
        assert (calling.local_body, calling.remote_body) == before
    assert calling.state == called.state == "confirmed"
    end(net, alice, bob, called)


@pytest.mark.parametrize("prefer_update", [False, True])
def test_glare_is_refused_with_491_and_retried_until_both_offers_are_through(prefer_update: bool) -> None:
    for seed in range(5):
        net = SimNet(seed)
        alice, bob = pair(net)
        calling, called = call(net, alice, bob)
        for session, node in ((calling, alice), (called, bob)):
            session.prefer_update = prefer_update
            node.on_event = lambda event, net=net: (  # type: ignore[misc]
                event.session.answer(HELD, net.now) if isinstance(event, OfferReceived) else None
            )
        calling.offer(b"from alice", net.now)
        called.offer(b"from bob", net.now)
        net.run(0.1)
        assert alice.count_sent("SIP/2.0 491") == bob.count_sent("SIP/2.0 491") == 1
        net.run(10.0)
        assert alice.take_one(AnswerReceived).body == HELD
        assert bob.take_one(AnswerReceived).body == HELD
        assert not alice.take(OfferRejected)
        assert (calling.local_body, called.remote_body) in ((b"from alice", b"from alice"), (HELD, HELD))
        assert calling.remote_body == called.local_body
        end(net, alice, bob, calling)


def test_after_glare_the_owner_of_the_call_id_waits_2_1_to_4_s_and_the_other_at_most_2_s() -> None:
    for seed in range(8):
        net = SimNet(seed)
        alice, bob = pair(net)
        calling, called = call(net, alice, bob)
        calling.prefer_update = called.prefer_update = False
        times: dict[str, list[float]] = {"a": [], "b": []}

        def note(data: bytes, node: Node, times: dict[str, list[float]] = times, net: SimNet = net) -> bool:
            if data.startswith(b"INVITE"):
                times["a" if node.host == "10.0.0.1" else "b"].append(net.now)
            return False

        net.drop = note
        bob.on_event = alice.on_event = lambda event, net=net: (  # type: ignore[misc]
            event.session.answer(HELD, net.now) if isinstance(event, OfferReceived) else None
        )
        calling.offer(b"from alice", net.now)
        called.offer(b"from bob", net.now)
        start = net.now
        net.run(10.0)
        assert 2.1 <= times["a"][1] - start <= 4.1
        assert times["b"][1] - start <= 2.1


def test_offers_wait_for_one_another_and_beyond_the_limit_are_refused() -> None:
    net = SimNet()
    alice, bob = pair(net, max_queued_offers=2)
    calling, _ = call(net, alice, bob)
    bob.on_event = lambda event: event.session.answer(HELD, net.now) if isinstance(event, OfferReceived) else None
    for number in range(4):
        calling.offer(b"offer %d" % number, net.now)
    net.run(1.0)
    assert [event.body for event in bob.take(OfferReceived)] == [b"offer 0", b"offer 1", b"offer 2"]
    assert alice.take_one(OfferRejected).status == 491
    assert alice.endpoint.counters.refused_over_limit == 1


@pytest.mark.parametrize("by_called", [False, True])
def test_a_reinvite_without_a_body_asks_for_an_offer_and_answers_it_in_the_ack(by_called: bool) -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    near, far, mine, theirs = (bob, alice, called, calling) if by_called else (alice, bob, calling, called)
    mine.request_offer(net.now)
    net.run(0.1)
    assert far.take_one(OfferRequested).session is theirs
    theirs.answer(b"their offer", net.now)
    net.run(0.1)
    offer = near.take_one(OfferReceived)
    assert (offer.body, offer.method) == (b"their offer", "2xx")
    mine.answer(b"my answer", net.now)
    net.run(0.1)
    assert far.take_one(AnswerReceived).body == b"my answer"
    far.take_one(Confirmed)
    assert (theirs.local_body, theirs.remote_body) == (b"their offer", b"my answer")
    mine.offer(HOLD, net.now)
    net.run(0.1)
    assert far.take_one(OfferReceived).body == HOLD
    end(net, alice, bob, mine)


def test_an_offer_request_may_be_refused() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.request_offer(net.now)
    net.run(0.1)
    bob.take_one(OfferRequested)
    called.reject_offer(488, net.now)
    net.run(0.1)
    assert alice.take_one(OfferRejected).status == 488
    end(net, alice, bob, called)


def test_a_reinvite_whose_answer_is_never_acknowledged_ends_the_call() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.prefer_update = False
    net.drop = lambda data, node: data.startswith(b"ACK")
    calling.offer(HOLD, net.now)
    net.run(0.1)
    called.answer(HELD, net.now)
    net.run(40.0)
    assert bob.take_one(Ended).cause == "no-ack"
    assert alice.take_one(Ended).cause == "bye"
    assert_clean(net, alice, bob)


def test_a_reinvite_that_gets_no_response_ends_the_call() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, _ = call(net, alice, bob)
    bob.deaf = True
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(40.0)
    assert alice.take_one(Ended).cause == "transport"
    assert calling.state == "ended"


def only_trying(node: Node, net: SimNet) -> None:
    """From now on a node answers offers with 100 and no more."""

    def answer(event: object) -> None:
        if isinstance(event, OfferReceived):
            tx = event.session._invite_server
            assert tx is not None
            tx.send(100, response_to(tx, 100), net.now)

    node.on_event = answer


@pytest.mark.parametrize("by_called", [False, True])
def test_a_reinvite_that_gets_100_and_no_more_is_cancelled_and_the_call_goes_on(by_called: bool) -> None:
    net = SimNet()
    nodes = pair(net)
    sessions = call(net, *nodes)
    (near, far), mine = (nodes[::-1], sessions[1]) if by_called else (nodes, sessions[0])
    only_trying(far, net)
    mine.prefer_update = False
    before = mine.local_body
    mine.offer(HOLD, net.now)
    net.run(23.9)
    assert not near.take(OfferRejected)
    net.run(0.2)
    assert near.take_one(OfferRejected).status == 480
    assert far.take_one(OfferWithdrawn)
    assert not near.take(InDialogResponse), "the CANCEL is nothing the owner asked for"
    assert mine.local_body == before
    far.on_event = None
    far.take(OfferReceived)
    mine.offer(HOLD, net.now)
    net.run(0.1)
    far.take_one(OfferReceived).session.answer(HELD, net.now)
    net.run(0.1)
    assert near.take_one(AnswerReceived).body == HELD
    end(net, *nodes, mine)


def test_a_reinvite_whose_cancel_changes_nothing_is_given_up_and_the_call_goes_on() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    only_trying(bob, net)
    net.drop = lambda data, node: data.startswith((b"SIP/2.0 487", b"CANCEL"))
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(30.5)
    assert alice.take_one(OfferRejected).status == 480
    net.run(40)
    assert calling.state == called.state == "confirmed"
    end(net, alice, bob, calling)


def test_an_answer_that_crosses_the_cancel_of_a_reinvite_holds() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    only_trying(bob, net)
    net.drop = lambda data, node: data.startswith(b"CANCEL")
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(25)
    called.answer(HELD, net.now)
    net.run(1)
    assert alice.take_one(AnswerReceived).body == HELD
    assert not alice.take(OfferRejected)
    bob.take_one(Confirmed)
    end(net, alice, bob, calling)


def test_nothing_stays_of_a_reinvite_without_an_outcome_in_a_call_that_ended() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, _ = call(net, alice, bob)
    only_trying(bob, net)
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(1)
    net.drop = lambda data, node: data.startswith(b"SIP/2.0 487")
    end(net, alice, bob, calling)


def test_a_bye_during_a_reinvite_ends_both_and_refuses_the_reinvite_with_487() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, _ = call(net, alice, bob)
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(0.1)
    calling.bye(net.now)
    net.run(0.1)
    assert bob.take_one(Ended).cause == "bye"
    assert bob.count_sent("SIP/2.0 487") == 1
    assert_clean(net, alice, bob)


def test_the_target_is_refreshed_by_a_reinvite() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.contact_user = "alice-moved"
    calling.hop = calling.hop._replace()  # the Contact is built anew for a hop set anew
    calling.offer(HOLD, net.now)
    net.run(0.1)
    called.answer(HELD, net.now)
    called.bye(net.now)
    net.run(0.1)
    bye = parse_message(next(text for text in bob.sent if text.startswith("BYE")).encode())
    assert bye.uri == "sip:alice-moved@10.0.0.1:5060"  # type: ignore[union-attr]


def test_a_reinvite_cancelled_by_the_peer_is_withdrawn_and_the_call_stays() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.prefer_update = False
    calling.offer(HOLD, net.now)
    net.run(0.3)
    bob.take_one(OfferReceived)
    assert calling._invite_tx is not None
    calling._invite_tx.cancel("", calling, net.now)
    net.run(0.1)
    assert bob.take_one(OfferWithdrawn).session is called
    assert alice.take_one(OfferRejected).status == 487
    called.answer(HELD, net.now)
    net.run(0.1)
    assert calling.state == called.state == "confirmed"
    end(net, alice, bob, called)
