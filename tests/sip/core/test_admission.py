"""What the core itself answers, and what it refuses to believe: requests written by hand."""

import pytest

from calls.simnet import SimNet
from sealtone.sip.events import Ended, InDialogRequest, RequestReceived
from sealtone.sip.flow import Flow
from sealtone.sip.message import Response, parse_message
from sip.core.scenes import ANSWER, OFFER, RawPeer, call, pair


def bob_and_peer(**config: object):  # type: ignore[no-untyped-def]
    net = SimNet()
    bob = net.node("10.0.0.2", **config)
    return net, bob, RawPeer(bob, net)


def answered_call(net, bob, peer):  # type: ignore[no-untyped-def]
    """A call by the raw peer to Bob, answered and acknowledged; gives Bob's session and tag."""
    peer.send(peer.request("INVITE"), OFFER)
    net._drain()
    session = bob.endpoint.accept(bob.take_one(RequestReceived).tx, net.now)
    session.accept(ANSWER, net.now)
    tag = peer.replies()[-1].to.tag
    to = f"<sip:bob@example.org>;tag={tag}"
    assert not peer.send(peer.request("ACK", branch="z9hG4bKack", to=to))
    assert session.state == "confirmed"
    return session, to


def statuses(replies: list) -> list[int]:  # type: ignore[type-arg]
    return [reply.status for reply in replies]


@pytest.mark.parametrize(
    ("method", "parts", "extra", "status"),
    [
        ("INVITE", {"hops": "0"}, "", 483),
        ("MESSAGE", {"to": "<sip:bob@x>;tag=gone"}, "", 481),
        ("BYE", {"to": "<sip:bob@x>;tag=gone"}, "", 481),
        ("BYE", {}, "", 481),
        ("CANCEL", {}, "", 481),
        ("OPTIONS", {}, "Require: 100rel, teleport, levitate", 420),
        ("PUBLISH", {}, "", 405),
        ("DANCE", {}, "", 501),
        ("INVITE", {"uri": "mailto:bob@x"}, "", 416),
        ("OPTIONS", {"from_": "no address"}, "", 400),
    ],
)
def test_what_cannot_be_served_is_refused_by_the_core(
    method: str, parts: dict[str, str], extra: str, status: int
) -> None:
    _net, bob, peer = bob_and_peer()
    [reply] = peer.send(peer.request(method, extra=extra, **parts))
    assert reply.status == status
    if status in (405, 501):
        assert "INVITE" in reply.allow
    if status == 420:
        assert reply.headers.get("Unsupported") == "levitate, teleport"
    assert not bob.endpoint.events()
    assert bob.endpoint.transaction_count == 0  # nothing is kept for them


def test_options_with_no_hops_left_is_still_for_us() -> None:
    _net, bob, peer = bob_and_peer()
    assert not peer.send(peer.request("OPTIONS", hops="0"))
    assert len(bob.endpoint.events()) == 1


def test_the_same_request_over_another_path_is_a_loop() -> None:
    _net, _bob, peer = bob_and_peer()
    assert not peer.send(peer.request("OPTIONS", branch="z9hG4bK1"))
    [reply] = peer.send(peer.request("OPTIONS", branch="z9hG4bK2"))
    assert reply.status == 482


def test_a_repeated_request_gets_the_same_response_and_no_second_event() -> None:
    net, bob, peer = bob_and_peer()
    request = peer.request("OPTIONS")
    peer.send(request)
    [event] = bob.endpoint.events()
    assert not peer.send(request)
    bob.endpoint.respond(event.tx, 200, net.now)
    [first] = peer.replies()
    [second] = peer.send(request)
    assert first.encode() == second.encode()
    assert not bob.endpoint.events()
    bob.endpoint.respond(event.tx, 404, net.now)
    assert not peer.replies()


def test_an_rfc_2543_request_without_the_magic_cookie_is_matched_too() -> None:
    net, bob, peer = bob_and_peer()
    request = peer.request("INVITE", via="SIP/2.0/UDP 10.0.0.9:5060")
    peer.send(request)
    [event] = bob.endpoint.events()
    bob.endpoint.respond(event.tx, 404, net.now)
    [reply] = peer.replies()
    assert statuses(peer.send(request)) == [404]
    assert not peer.send(peer.request("ACK", via="SIP/2.0/UDP 10.0.0.9:5060", to=str(reply.to)))
    assert event.tx.state == 3


@pytest.mark.parametrize(
    ("via", "source", "sent_to", "noted"),
    [
        ("SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1", ("10.0.0.9", 6000), ("10.0.0.9", 5060), None),
        ("SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1;rport", ("10.0.0.9", 6000), ("10.0.0.9", 6000), ("10.0.0.9", 6000)),
        ("SIP/2.0/UDP 192.168.0.5;rport;branch=z9hG4bK1", ("10.0.0.9", 6000), ("10.0.0.9", 6000), ("10.0.0.9", 6000)),
        ("SIP/2.0/UDP 192.168.0.5:5070;branch=z9hG4bK1", ("10.0.0.9", 6000), ("10.0.0.9", 5070), ("10.0.0.9", None)),
        (
            "SIP/2.0/UDP 192.168.0.5;branch=z9hG4bK1;received=1.2.3.4;rport=9",
            ("10.0.0.9", 6000),
            ("10.0.0.9", 6000),
            ("10.0.0.9", 6000),
        ),
        (
            "SIP/2.0/UDP [2001:db8::5];rport;branch=z9hG4bK1",
            ("2001:db8::9", 6000),
            ("2001:db8::9", 6000),
            ("2001:db8::9", 6000),
        ),
    ],
)
def test_responses_go_where_rfc_3261_18_2_2_and_rfc_3581_say(via, source, sent_to, noted) -> None:  # type: ignore[no-untyped-def]
    net, bob, peer = bob_and_peer()
    peer.flow = Flow(1, "udp", ("10.0.0.2", 5060), source)
    peer.send(peer.request("OPTIONS", via=via + ", SIP/2.0/TCP elder;branch=z9hG4bK0"))
    [event] = bob.endpoint.events()
    bob.endpoint.respond(event.tx, 200, net.now)
    [(data, hop)] = bob.endpoint.transmits()
    assert hop == Flow(1, "udp", ("10.0.0.2", 5060), sent_to)
    text = data.decode()
    reply = parse_message(data)
    assert len(reply.vias) == 2
    if noted is None:
        assert "received" not in text
    else:
        assert (reply.via.received, reply.via.rport) == noted
    assert "1.2.3.4" not in text


def test_a_cancel_from_another_address_or_connection_is_not_honoured() -> None:
    net, bob, peer = bob_and_peer()
    peer.send(peer.request("INVITE"), OFFER)
    session = bob.endpoint.accept(bob.endpoint.events()[0].tx, net.now)
    peer.replies()
    forger = RawPeer(bob, net, Flow(bob.socket_id, "udp", ("10.0.0.2", 5060), ("10.6.6.6", 5060)))
    assert statuses(forger.send(peer.request("CANCEL"))) == [481]
    other = RawPeer(bob, net, Flow(77, "tcp", ("10.0.0.2", 5060), ("10.0.0.9", 5060)))
    assert statuses(other.send(peer.request("CANCEL"))) == [481]
    assert session.state == "incoming"
    assert statuses(peer.send(peer.request("CANCEL"))) == [200, 487]
    assert session.state == "ended"


def test_in_dialog_requests_with_wrong_tags_or_call_id_find_nothing() -> None:
    net, bob, peer = bob_and_peer()
    session, to = answered_call(net, bob, peer)
    for number, parts in enumerate(
        (
            {"to": "<sip:bob@example.org>;tag=wrong"},
            {"to": to, "from_": "<sip:carol@example.org>;tag=wrong"},
            {"to": to, "call_id": "other"},
        )
    ):
        assert statuses(peer.send(peer.request("BYE", 2, f"z9hG4bKb{number}", **parts))) == [481]
    assert session.state == "confirmed"
    assert statuses(peer.send(peer.request("BYE", 2, "z9hG4bKb9", to=to))) == [200]
    assert session.state == "ended"


def test_the_owner_may_require_that_in_dialog_requests_come_from_the_right_place() -> None:
    net, bob, peer = bob_and_peer(accept_in_dialog=lambda session, flow: flow.remote[0] == session.flow.remote[0])
    session, to = answered_call(net, bob, peer)
    forger = RawPeer(bob, net, Flow(bob.socket_id, "udp", ("10.0.0.2", 5060), ("10.6.6.6", 5060)))
    for number, method in enumerate(("BYE", "INFO", "INVITE", "UPDATE", "REFER")):
        extra = "Refer-To: <sip:x@y>" if method == "REFER" else ""
        assert statuses(forger.send(peer.request(method, 5, f"z9hG4bKf{number}", extra, to=to))) == [481]
    assert not forger.send(peer.request("ACK", 1, "z9hG4bKf9", to=to))
    assert bob.endpoint.counters.spoofed == 6
    assert session.state == "confirmed"
    assert session.dialog.remote_seq == 1
    assert statuses(peer.send(peer.request("BYE", 2, "z9hG4bKb9", to=to))) == [200]


@pytest.mark.parametrize("method", ["INFO", "INVITE", "UPDATE"])
def test_a_phone_that_is_known_to_have_moved_to_another_network_is_reached_there(method: str) -> None:
    net, bob, peer = bob_and_peer(accept_in_dialog=lambda session, flow: flow.remote[0] in ("10.0.0.9", "10.6.6.6"))
    session, to = answered_call(net, bob, peer)
    there = Flow(bob.socket_id, "udp", ("10.0.0.2", 5060), ("10.6.6.6", 5060))
    RawPeer(bob, net, there).send(peer.request(method, 5, "z9hG4bKm", to=to))
    assert session.hop == session.flow == there
    session.bye(net.now)
    assert [hop for data, hop in bob.endpoint.transmits() if data.startswith(b"BYE")] == [there]


def test_a_phone_that_asks_over_another_transport_is_not_followed_there() -> None:
    net, bob, peer = bob_and_peer(accept_in_dialog=lambda session, flow: True)
    session, to = answered_call(net, bob, peer)
    before = session.hop
    there = Flow(99, "tcp", ("10.0.0.2", 5060), ("10.6.6.6", 40000))
    RawPeer(bob, net, there).send(peer.request("INFO", 5, "z9hG4bKm", to=to))
    assert session.hop == before


def test_a_request_with_an_old_cseq_is_refused_with_500() -> None:
    net, bob, peer = bob_and_peer()
    session, to = answered_call(net, bob, peer)
    assert not peer.send(peer.request("INFO", 7, "z9hG4bKi", to=to))
    assert statuses(peer.send(peer.request("BYE", 6, "z9hG4bKj", to=to))) == [500]
    assert statuses(peer.send(peer.request("BYE", 7, "z9hG4bKk", to=to))) == [500]
    assert session.state == "confirmed"


def test_a_second_reinvite_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    net, bob, peer = bob_and_peer()
    _, to = answered_call(net, bob, peer)
    assert not peer.send(peer.request("INVITE", 2, "z9hG4bKi", to=to), OFFER)
    [reply] = peer.send(peer.request("INVITE", 3, "z9hG4bKj", to=to), OFFER)
    assert reply.status == 500
    assert "Retry-After" in reply.headers


def test_a_reinvite_stands_for_a_lost_ack() -> None:
    net, bob, peer = bob_and_peer()
    session, to = answered_call(net, bob, peer)
    peer.send(peer.request("INVITE", 2, "z9hG4bKi", to=to), OFFER)
    session.answer(ANSWER, net.now)
    assert statuses(peer.replies()) == [200]
    assert not peer.send(peer.request("INVITE", 3, "z9hG4bKj", to=to), OFFER)
    session.answer(ANSWER, net.now)
    assert statuses(peer.replies()) == [200]


def test_unanswered_requests_in_a_dialog_are_limited() -> None:
    net, bob, peer = bob_and_peer(max_pending_in_dialog=3)
    _, to = answered_call(net, bob, peer)
    replies = [peer.send(peer.request("INFO", 10 + n, f"z9hG4bKi{n}", to=to)) for n in range(4)]
    assert replies[:3] == [[], [], []]
    assert statuses(replies[3]) == [503]
    assert "Retry-After" in replies[3][0].headers
    events = [event for event in bob.endpoint.events() if isinstance(event, InDialogRequest)]
    bob.endpoint.respond(events[0].tx, 200, net.now)
    peer.replies()
    assert not peer.send(peer.request("INFO", 20, "z9hG4bKi9", to=to))


def test_over_the_limit_of_sessions_or_transactions_the_answer_is_503_with_a_random_retry_after() -> None:
    net, bob, peer = bob_and_peer(max_sessions=2, max_transactions=6)
    waits = set()
    for number in range(30):
        replies = peer.send(peer.request("INVITE", 1, f"z9hG4bKi{number}", call_id=f"c{number}"), OFFER)
        for event in bob.endpoint.events():
            if isinstance(event, RequestReceived):
                bob.endpoint.accept(event.tx, net.now)
        for reply in replies:
            assert isinstance(reply, Response)
            assert reply.status == 503
            waits.add(reply.headers.get("Retry-After"))
        peer.replies()
    assert bob.endpoint.session_count == 2
    assert len(waits) > 3
    for number in range(30):
        peer.send(peer.request("OPTIONS", 1, f"z9hG4bKo{number}", call_id=f"o{number}"))
    assert bob.endpoint.transaction_count == 6
    assert bob.endpoint.counters.refused_over_limit == 28 + 26


def test_an_unauthenticated_peer_gets_no_more_messages_than_it_sends() -> None:
    net, bob, peer = bob_and_peer()
    received = sent = 0
    for number, method in enumerate(("INVITE", "REGISTER", "OPTIONS", "MESSAGE")):
        request = peer.request(method, 1, f"z9hG4bKx{number}", call_id=f"c{number}")
        replies = peer.send(request)
        [event] = bob.endpoint.events()
        bob.endpoint.respond(event.tx, 401, net.now, headers=(("WWW-Authenticate", "Digest x"),))
        received += 1
        sent += len(replies) + len(peer.replies())
    net.run(40.0)
    sent += len(bob.sent)
    assert sent == received
    net.run(40.0)
    assert bob.endpoint.transaction_count == 0


def test_an_invite_that_was_told_to_wait_gets_its_refusal_repeated_until_the_ack() -> None:
    net, bob, peer = bob_and_peer()
    net.node("10.0.0.9").deaf = True
    peer.send(peer.request("INVITE"), OFFER)
    net.run(0.3)
    assert bob.count_sent("SIP/2.0 100") == 1
    bob.endpoint.respond(bob.take_one(RequestReceived).tx, 404, net.now)
    net.run(2.0)
    assert bob.count_sent("SIP/2.0 404") == 3
    to = parse_message(bob.sent[-1].encode()).to
    peer.send(peer.request("ACK", to=str(to)))
    net.run(40.0)
    assert bob.count_sent("SIP/2.0 404") == 3
    assert bob.endpoint.transaction_count == 0


def test_a_request_that_the_owner_never_answers_is_forgotten_or_refused() -> None:
    net, bob, peer = bob_and_peer()
    net.node("10.0.0.9").deaf = True
    peer.send(peer.request("INVITE"), OFFER)
    peer.send(peer.request("OPTIONS", 9, "z9hG4bKo"))
    net.run(32.2)
    assert bob.endpoint.counters.unanswered == 2
    assert bob.count_sent("SIP/2.0 500") == 1
    net.run(70.0)
    assert bob.endpoint.transaction_count == 0


def test_header_values_of_the_owner_cannot_start_a_header_of_their_own() -> None:
    net, bob, peer = bob_and_peer()
    peer.send(peer.request("OPTIONS"))
    [event] = bob.endpoint.events()
    bob.endpoint.respond(event.tx, 404, net.now, "No\r\nX-Evil: 1", (("X-Good", "a\r\nX-Evil: 2"),))
    [reply] = peer.replies()
    assert "X-Evil" not in reply.headers
    assert reply.headers.get("X-Good") == "a X-Evil: 2"


def test_garbage_and_keep_alives_are_dropped_in_silence() -> None:
    net, bob, peer = bob_and_peer()
    for data in (
        b"",
        b"\r\n\r\n",
        b"\0" * 500,
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE\r\n\r\n",
        b"x" * 70000,
        b"ACK sip:x SIP/2.0\r\n\r\n",
    ):
        bob.endpoint.receive(data, peer.flow, net.now)
    assert not bob.endpoint.transmits()
    assert not bob.endpoint.events()


def test_a_phone_that_comes_back_over_a_new_connection_gets_later_requests_there() -> None:
    net = SimNet()
    alice, bob = pair(net)
    calling, called = call(net, alice, bob, hop=net.connect(alice, bob))
    old = called.hop
    net.close(calling.hop)
    calling.hop = net.connect(alice, bob)
    calling.request("INFO", net.now)
    net.run(0.1)
    bob.endpoint.respond(bob.take_one(InDialogRequest).tx, 200, net.now)
    assert called.hop != old
    called.bye(net.now)
    net.run(0.1)
    assert alice.take_one(Ended).cause == "bye"
