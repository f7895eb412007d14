"""Several responses to one INVITE from different phones behind a forking proxy, and the routes it records."""

from calls.simnet import SimNet
from sealtone.sip.events import Answered, Progress, Rejected
from sealtone.sip.message import Request
from sip.core.scenes import ANSWER, OFFER, RawPeer, invitation, invite_in, response_text


def calling(net: SimNet, **changes: object):  # type: ignore[no-untyped-def]
    """Alice calls something that the test plays itself."""
    alice = net.node("10.0.0.1")
    net.node("10.0.0.9").deaf = True
    peer = RawPeer(alice, net)
    session = alice.endpoint.invite(invitation(peer.flow, **changes), net.now)
    net.run(0.1)
    return alice, peer, session, invite_in(alice)


CONTACT = "Contact: <sip:bob@10.0.0.9;n={}>\n"


def test_each_fork_has_its_early_dialog_and_the_first_200_wins() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    for tag in ("t1", "t2", "t3"):
        assert not peer.send(response_text(invite, 180, tag, CONTACT.format(tag)))
    net.run(0.1)
    assert len(alice.take(Progress)) == 3
    assert len(alice.endpoint.dialogs) == 3
    [ack] = peer.send(response_text(invite, 200, "t2", CONTACT.format("t2")), ANSWER)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.to.tag) == ("ACK", "sip:bob@10.0.0.9;n=t2", "t2")
    net.run(0.1)
    alice.take_one(Answered)
    assert session.dialog.remote_tag == "t2"
    assert len(alice.endpoint.dialogs) == 1


def test_a_200_of_another_fork_is_acknowledged_and_ended_each_time_it_comes() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    peer.send(response_text(invite, 200, "t1", CONTACT.format("t1")), ANSWER)
    ack, bye = peer.send(response_text(invite, 200, "t2", CONTACT.format("t2")), ANSWER)
    assert isinstance(ack, Request)
    assert isinstance(bye, Request)
    assert (ack.method, ack.to.tag, bye.method, bye.to.tag) == ("ACK", "t2", "BYE", "t2")
    assert bye.uri == "sip:bob@10.0.0.9;n=t2"
    [again] = peer.send(response_text(invite, 200, "t2", CONTACT.format("t2")), ANSWER)
    assert again.encode() == ack.encode()
    [winner] = peer.send(response_text(invite, 200, "t1", CONTACT.format("t1")), ANSWER)
    assert (winner.method, winner.to.tag) == ("ACK", "t1")  # type: ignore[union-attr]
    net.run(0.1)
    assert len(alice.take(Answered)) == 1
    assert session.state == "confirmed"
    assert session.dialog.remote_tag == "t1"


def test_a_200_of_another_fork_after_the_call_has_ended_leaves_nothing() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    peer.send(response_text(invite, 200, "t1", CONTACT.format("t1")), ANSWER)
    session.bye(net.now)
    [bye] = peer.replies()
    peer.send(response_text(bye, 200, None))  # type: ignore[arg-type]
    assert [message.method for message in peer.send(response_text(invite, 200, "t2", CONTACT.format(2)), ANSWER)] == [
        "ACK",
        "BYE",
    ]  # type: ignore[union-attr]
    assert alice.endpoint.session_count == 0
    assert not alice.endpoint.dialogs
    net.run(70.0)
    assert alice.endpoint.transaction_count == 0


def test_more_forks_than_the_limit_are_heard_but_not_kept_and_the_winner_is_served() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    for number in range(40):
        peer.send(response_text(invite, 180, f"t{number}", CONTACT.format(number)))
    assert len(alice.endpoint.dialogs) == 16
    [ack] = peer.send(response_text(invite, 200, "t39", CONTACT.format(39)), ANSWER)
    assert ack.to.tag == "t39"
    assert len(alice.endpoint.dialogs) == 1
    assert session.state == "confirmed"


def test_the_reliable_answer_of_one_fork_is_not_taken_for_that_of_another() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    reliable = "Require: 100rel\nRSeq: 7\n"
    [prack] = peer.send(response_text(invite, 183, "t1", CONTACT.format(1) + reliable), b"answer of 1")
    assert prack.headers.get("RAck") == f"7 {invite.cseq.seq} INVITE"
    peer.send(response_text(invite, 200, "t2", CONTACT.format(2)), b"answer of 2")
    net.run(0.1)
    alice.take_one(Answered)
    assert session.remote_body == b"answer of 2"


def test_a_reliable_response_out_of_order_is_not_acknowledged() -> None:
    net = SimNet()
    _, peer, _, invite = calling(net)
    extra = CONTACT.format(1) + "Require: 100rel\nRSeq: {}\n"
    assert len(peer.send(response_text(invite, 183, "t1", extra.format(7)))) == 1
    assert not peer.send(response_text(invite, 183, "t1", extra.format(9)))
    assert not peer.send(response_text(invite, 183, "t1", extra.format(7)))
    assert len(peer.send(response_text(invite, 183, "t1", extra.format(8)))) == 1


def test_requests_follow_the_recorded_route_and_a_strict_router_gets_its_own_uri() -> None:
    for last, uri, routes in (
        ("<sip:p1;lr>", "sip:bob@10.0.0.9", ["<sip:p1;lr>", "<sip:p2;lr>"]),
        ("<sip:p1>", "sip:p1", ["<sip:p2;lr>", "<sip:bob@10.0.0.9>"]),
    ):
        net = SimNet()
        _, peer, session, invite = calling(net)
        extra = f"Contact: <sip:bob@10.0.0.9>\nRecord-Route: <sip:p2;lr>, {last}\n"
        [ack] = peer.send(response_text(invite, 200, "t1", extra), ANSWER)
        assert ack.uri == uri  # type: ignore[union-attr]
        assert ack.headers.split("Route") == routes
        session.bye(net.now)
        [bye] = peer.replies()
        assert (bye.uri, bye.headers.split("Route")) == (uri, routes)  # type: ignore[union-attr]


def test_a_preloaded_route_goes_into_the_invite_its_ack_and_its_cancel() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net, route=("<sip:proxy;lr>",))
    assert invite.headers.split("Route") == ["<sip:proxy;lr>"]
    peer.send(response_text(invite, 180, "t1", CONTACT.format(1)))
    session.cancel(net.now)
    [cancel] = peer.replies()
    assert cancel.headers.split("Route") == ["<sip:proxy;lr>"]
    assert cancel.headers.get("Via") == invite.headers.get("Via")
    assert cancel.cseq == (invite.cseq.seq, "CANCEL")
    [ack] = peer.send(response_text(invite, 487, "t1"))
    assert ack.headers.split("Route") == ["<sip:proxy;lr>"]
    assert ack.headers.get("Via") == invite.headers.get("Via")
    net.run(0.1)
    assert alice.take_one(Rejected).status == 487


def test_a_challenged_invite_is_sent_again_as_the_same_call() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    peer.send(response_text(invite, 407, "t1"))
    again = alice.endpoint.invite(
        invitation(
            peer.flow,
            call_id=session.call_id,
            from_tag=session.local_tag,
            cseq=invite.cseq.seq + 1,
            headers=(("Proxy-Authorization", "Digest x"),),
        ),
        net.now,
    )
    net.run(0.1)
    second = invite_in(alice)
    assert (second.call_id, second.from_.tag, second.cseq.seq) == (
        invite.call_id,
        invite.from_.tag,
        invite.cseq.seq + 1,
    )
    assert again.local_body == OFFER


def test_a_response_with_two_vias_or_an_unknown_branch_is_dropped() -> None:
    net = SimNet()
    alice, peer, session, invite = calling(net)
    good = response_text(invite, 180, "t1", CONTACT.format(1))
    peer.send(good.replace("From:", "Via: SIP/2.0/UDP other\nFrom:", 1))
    peer.send(good.replace("branch=z9hG4bK", "branch=z9hG4bKx", 1))
    assert session.state == "calling"
    assert alice.endpoint.counters.discarded == 2
