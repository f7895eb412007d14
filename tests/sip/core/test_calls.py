"""Whole calls between two endpoints: set-up, answer, ending, refusal, cancelling."""

import gc

import pytest

from calls.simnet import SimNet
from sealtone.sip.events import (
    Answered,
    AnswerReceived,
    Cancelled,
    Confirmed,
    Ended,
    InDialogRequest,
    InDialogResponse,
    OfferReceived,
    Progress,
    Rejected,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
)
from sealtone.sip.flow import Target
from sealtone.sip.headers import NameAddr
from sealtone.sip.message import Headers, Request
from sip.core.scenes import ANSWER, OFFER, assert_clean, call, invitation, pair, ring


def test_a_call_is_set_up_answered_and_ended_with_exactly_the_messages_of_the_rfc() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    called.progress(180, net.now)
    net.run(0.1)
    assert alice.take_one(Progress).response.status == 180
    assert calling.state == "early"
    called.accept(ANSWER, net.now)
    net.run(0.1)
    assert alice.take_one(Answered).response.body == ANSWER
    assert calling.remote_body == ANSWER
    assert called.remote_body == OFFER
    bob.take_one(Confirmed)
    calling.bye(net.now)
    net.run(1.0)
    ended = bob.take_one(Ended)
    assert ended.cause == "bye"
    assert ended.request is not None
    assert [line.split(" ")[0] for line in alice.sent_lines()] == ["INVITE", "ACK", "BYE"]
    assert [line.split(" ")[1] for line in bob.sent_lines()] == ["180", "200", "200"]
    assert not alice.take(Ended)
    assert_clean(net, alice, bob)


def test_a_caller_that_hears_nothing_for_200_ms_is_told_that_its_call_is_tried() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    net.run(0.1)
    assert not bob.sent_lines()
    net.run(0.2)
    assert [line.split(" ")[1] for line in bob.sent_lines()] == ["100"]
    called.progress(180, net.now)
    net.run(60.0)
    assert [line.split(" ")[1] for line in bob.sent_lines()] == ["100", "180"]
    assert alice.count_sent("INVITE") == 1


def test_the_called_party_ends_the_call() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = call(net, alice, bob)
    called.bye(net.now, (("Reason", "Q.850;cause=16"),))
    net.run(1.0)
    request = alice.take_one(Ended).request
    assert request is not None
    assert request.headers.get("Reason") == "Q.850;cause=16"
    assert request.uri == "sip:alice@10.0.0.1:5060"
    assert_clean(net, alice, bob)


def test_a_refusal_ends_the_session_on_both_sides_and_is_acknowledged() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    called.reject(486, net.now, headers=(("Warning", '399 x "no"'),))
    net.run(1.0)
    rejected = alice.take_one(Rejected)
    assert (rejected.status, rejected.reason) == (486, "Busy Here")
    assert rejected.response is not None
    assert rejected.response.headers.get("Warning") == '399 x "no"'
    assert calling.state == called.state == "ended"
    assert alice.count_sent("ACK ") == 1
    assert bob.count_sent("SIP/2.0 486") == 1
    assert_clean(net, alice, bob)


def test_a_redirection_is_a_rejection_that_carries_its_contacts() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    called.reject(302, net.now, headers=(("Contact", "<sip:carol@10.0.0.3>"),))
    net.run(1.0)
    response = alice.take_one(Rejected).response
    assert response is not None
    assert response.contacts == [NameAddr.parse("<sip:carol@10.0.0.3>")]


def test_nobody_answering_is_408_after_64_t1_and_seven_invites() -> None:
    net = SimNet()
    alice, bob = pair(net)
    bob.deaf = True
    alice.endpoint.invite(invitation(net.udp(alice, bob)), net.now)
    net.run(31.9)
    assert not alice.take(Rejected)
    net.run(0.2)
    rejected = alice.take_one(Rejected)
    assert (rejected.status, rejected.response) == (408, None)
    assert alice.count_sent("INVITE") == 7
    assert_clean(net, alice, bob)


def test_cancel_waits_for_a_provisional_response() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling = alice.endpoint.invite(invitation(net.udp(alice, bob)), net.now)
    calling.cancel(net.now, "SIP;cause=200")
    net.run(0.05)
    assert alice.count_sent("CANCEL") == 0
    called = bob.endpoint.accept(bob.take_one(RequestReceived).tx, net.now)
    net.run(1.0)
    cancelled = bob.take_one(Cancelled)
    assert cancelled.session is called
    assert cancelled.request.headers.get("Reason") == "SIP;cause=200"
    assert alice.take_one(Rejected).status == 487
    assert called.state == "ended"
    assert_clean(net, alice, bob)


def test_a_cancel_that_crosses_the_200_gets_ack_and_bye_and_the_owner_hears_487() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob)
    called.progress(180, net.now)
    net.run(0.1)
    called.accept(ANSWER, net.now)
    calling.cancel(net.now)
    net.run(1.0)
    assert alice.take_one(Rejected).status == 487
    assert not alice.take(Answered)
    assert bob.take_one(Ended).cause == "bye"
    assert not bob.take(Cancelled)
    assert [line.split(" ")[0] for line in alice.sent_lines()] == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert_clean(net, alice, bob)


def test_a_cancel_before_the_owner_has_taken_the_call_ends_it_and_accepting_it_later_says_so() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling = alice.endpoint.invite(invitation(net.udp(alice, bob)), net.now)
    net.run(0.3)  # the 100 of the transaction goes out after 200 ms
    calling.cancel(net.now)
    net.run(0.5)
    assert alice.take_one(Rejected).status == 487
    assert not bob.take(Cancelled)
    called = bob.endpoint.accept(bob.take_one(RequestReceived).tx, net.now)
    net.run(0.1)
    assert bob.take_one(Cancelled).session is called
    assert called.state == "ended"
    called.accept(ANSWER, net.now)
    called.progress(180, net.now)
    called.bye(net.now)
    assert_clean(net, alice, bob)
    assert bob.count_sent("SIP/2.0 200") == 1  # of the CANCEL


def test_a_cancel_without_any_final_response_counts_as_cancelled_after_64_t1() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, _ = ring(net, alice, bob)
    bob.deaf = True
    calling.cancel(net.now)
    net.run(33.0)
    assert alice.take_one(Rejected).status == 487
    assert alice.endpoint.session_count == 0


def test_a_200_without_ack_is_repeated_for_64_t1_and_then_ended_by_bye() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    net.drop = lambda data, node: data.startswith(b"ACK")
    called.accept(ANSWER, net.now)
    net.run(33.0)
    assert bob.take_one(Ended).cause == "no-ack"
    assert bob.count_sent("SIP/2.0 200") == 11
    assert alice.count_sent("ACK") == 11  # one for each 200
    assert alice.take_one(Ended).cause == "bye"
    net.drop = None
    assert_clean(net, alice, bob)


def test_a_bye_of_the_called_party_waits_for_the_ack() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    called.accept(ANSWER, net.now)
    called.bye(net.now)
    net.run(0.005)
    assert bob.count_sent("BYE") == 0
    net.run(1.0)
    assert bob.count_sent("BYE") == 1
    assert alice.take_one(Ended).cause == "bye"
    assert not bob.take(Confirmed)
    assert_clean(net, alice, bob)


def test_crossing_byes_are_both_answered_200() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.bye(net.now)
    called.bye(net.now)
    net.run(1.0)
    assert alice.sent_lines()[-1] == bob.sent_lines()[-1] == "SIP/2.0 200 OK"
    assert not alice.take(Ended)
    assert not bob.take(Ended)
    assert_clean(net, alice, bob)


def test_a_late_offer_goes_in_the_200_and_its_answer_in_the_ack() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob, body=None)
    called.accept(OFFER, net.now)
    net.run(0.1)
    alice.take_one(Answered)
    offer = alice.take_one(OfferReceived)
    assert (offer.body, offer.method) == (OFFER, "2xx")
    assert alice.count_sent("ACK") == 0
    calling.answer(ANSWER, net.now)
    net.run(0.1)
    assert bob.take_one(AnswerReceived).body == ANSWER
    bob.take_one(Confirmed)
    assert (calling.local_body, calling.remote_body, called.local_body, called.remote_body) == (
        ANSWER,
        OFFER,
        OFFER,
        ANSWER,
    )
    called.bye(net.now)
    net.run(0.1)
    assert_clean(net, alice, bob)


def test_a_late_offer_that_is_never_answered_ends_the_session() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob, body=None)
    called.accept(OFFER, net.now)
    net.run(40.0)
    assert alice.take_one(Ended).cause == "error"
    assert len(bob.take(Ended)) == 1
    assert_clean(net, alice, bob)


def test_a_bye_instead_of_an_answer_to_a_late_offer_is_preceded_by_the_ack() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = ring(net, alice, bob, body=None)
    called.accept(OFFER, net.now)
    net.run(0.1)
    calling.bye(net.now)
    net.run(1.0)
    assert [line.split(" ")[0] for line in alice.sent_lines()][:3] == ["INVITE", "ACK", "BYE"]
    assert len(bob.take(Ended)) == 1
    assert_clean(net, alice, bob)


def test_requests_in_the_dialog_are_handed_to_the_owner_and_their_answers_back() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    for method in ("INFO", "MESSAGE", "REFER", "NOTIFY", "OPTIONS"):
        tx = calling.request(method, net.now, (("X-Kind", method),), b"hello", "text/plain")
        net.run(0.1)
        received = bob.take_one(InDialogRequest)
        assert received.session is called
        assert (received.request.method, received.request.body) == (method, b"hello")
        assert received.request.content_type == "text/plain"
        bob.endpoint.respond(received.tx, 202, net.now)
        net.run(0.1)
        outcome = alice.take_one(InDialogResponse)
        assert (outcome.tx, outcome.status) == (tx, 202)
    calling.bye(net.now)
    assert_clean(net, alice, bob)


@pytest.mark.parametrize("status", [481, 408])
@pytest.mark.parametrize("method", ["NOTIFY", "REFER", "MESSAGE", "OPTIONS"])
def test_a_request_of_no_call_that_is_answered_481_or_408_does_not_end_the_call(method: str, status: int) -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    extra = {"NOTIFY": (("Event", "refer"), ("Subscription-State", "active")), "REFER": (("Refer-To", "<sip:c@d>"),)}
    calling.request(method, net.now, extra.get(method, ()))
    net.run(0.1)
    bob.endpoint.respond(bob.take_one(InDialogRequest).tx, status, net.now)
    net.run(0.5)
    assert alice.take_one(InDialogResponse).status == status
    assert calling.state == called.state == "confirmed"


def test_an_info_answered_481_ends_the_session() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, _ = call(net, alice, bob)
    calling.request("INFO", net.now)
    net.run(0.1)
    bob.endpoint.respond(bob.take_one(InDialogRequest).tx, 481, net.now)
    net.run(0.5)
    assert alice.take_one(InDialogResponse).status == 481
    assert alice.take_one(Ended).cause == "error"
    assert bob.take_one(Ended).cause == "bye"


def test_requests_outside_dialogs_go_to_the_owner_and_responses_come_back() -> None:
    net = SimNet()
    alice, bob = pair(net)
    headers = Headers((("From", "<sip:a@x>;tag=1"), ("To", "<sip:b@y>"), ("Call-ID", "c1"), ("CSeq", "1 OPTIONS")))
    tx = alice.endpoint.request(Request("OPTIONS", "sip:b@10.0.0.2", headers), net.udp(alice, bob), net.now)
    net.run(0.1)
    received = bob.take_one(RequestReceived)
    bob.endpoint.respond(received.tx, 200, net.now, headers=(("Allow", "INVITE"),))
    net.run(0.1)
    answer = alice.take_one(ResponseReceived)
    assert answer.tx is tx
    assert answer.response.to.tag
    assert_clean(net, alice, bob)


def test_a_request_that_cannot_be_sent_fails_with_503() -> None:
    net = SimNet()
    alice, bob = pair(net)
    headers = Headers((("From", "<sip:a@x>;tag=1"), ("To", "<sip:b@y>"), ("Call-ID", "c1"), ("CSeq", "1 OPTIONS")))
    nowhere = Target("tcp", "10.9.9.9", 5060)
    tx = alice.endpoint.request(Request("OPTIONS", "sip:b@10.9.9.9", headers), nowhere, net.now)
    net.run(0.1)
    assert alice.take_one(TransactionFailed) == TransactionFailed(tx, 503)
    alice.endpoint.invite(invitation(nowhere), net.now)
    net.run(0.1)
    assert alice.take_one(Rejected).status == 503
    assert_clean(net, alice, bob)


def test_a_call_over_tcp_stays_on_the_connection_that_was_opened_for_it() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob, hop=Target("tcp", "10.0.0.2", 5060))
    called.bye(net.now)
    net.run(1.0)
    assert alice.take_one(Ended).cause == "bye"
    assert len(set(net.connections.values())) == 1
    assert calling.flow is not None
    assert calling.flow.transport == "tcp"
    assert "Via: SIP/2.0/TCP" in bob.sent[-1]
    assert ";transport=tcp>" in alice.sent[0]
    assert_clean(net, alice, bob)


def test_over_tcp_nothing_is_repeated_but_the_200_to_an_invite() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob, hop=net.connect(alice, bob))
    net.run(20.0)
    assert alice.count_sent("INVITE") == 1
    called.reject(486, net.now)
    net.run(20.0)
    assert bob.count_sent("SIP/2.0 486") == 1
    assert_clean(net, alice, bob)


def test_a_broken_connection_ends_a_call_that_rings_but_not_one_that_stands() -> None:
    net = SimNet()
    alice, bob = pair(net)
    flow = net.connect(alice, bob)
    ring(net, alice, bob, hop=flow)
    net.close(flow)
    net.run(0.1)
    assert bob.take_one(Ended).cause == "transport"
    assert_clean(net, bob)
    alice.endpoint.layer.fail(flow, net.now)
    flow = net.connect(alice, bob)
    calling, called = call(net, alice, bob, hop=flow)
    net.close(flow)
    net.run(0.1)
    assert calling.state == called.state == "confirmed"
    called.bye(net.now)
    net.run(1.0)
    assert called.state == "ended"
    calling.hop = net.connect(alice, bob)
    calling.bye(net.now)
    assert_clean(net, alice, bob)


def test_what_a_call_has_used_is_freed_without_the_garbage_collector() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob)
    calling.bye(net.now)
    assert_clean(net, alice, bob)
    for node in (alice, bob):
        node.log.clear()
        node.take(object)
    gc.collect()
    gc.disable()
    try:
        del calling, called
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [found for found in gc.garbage if type(found).__module__.startswith("sealtone.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
