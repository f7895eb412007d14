"""The timers of RFC 3261 17, counted on the wire, and the heap that runs them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.simnet import SimNet
from sealtone.sip.dialog import is_loose, routed
from sealtone.sip.events import Answered, Rejected, RequestReceived, TransactionFailed
from sealtone.sip.message import Headers, Request
from sealtone.sip.timers import NEVER, Timed, Timers
from sip.core.scenes import ANSWER, RawPeer, assert_clean, invitation, invite_in, pair, response_text, ring


def options() -> Request:
    headers = Headers((("From", "<sip:a@x>;tag=1"), ("To", "<sip:b@y>"), ("Call-ID", "c1"), ("CSeq", "1 OPTIONS")))
    return Request("OPTIONS", "sip:b@10.0.0.2", headers)


def test_a_non_invite_request_is_sent_eleven_times_and_fails_after_64_t1() -> None:
    net = SimNet()
    alice, bob = pair(net)
    bob.deaf = True
    alice.endpoint.request(options(), net.udp(alice, bob), net.now)
    net.run(31.9)
    assert alice.count_sent("OPTIONS") == 11  # at 0, 0.5, 1.5, 3.5, then every 4 s
    net.run(0.2)
    assert alice.take_one(TransactionFailed).status == 408
    assert_clean(net, alice)


def test_a_provisional_response_slows_the_repetition_of_a_non_invite_request_to_t2() -> None:
    net = SimNet()
    alice, bob = pair(net)
    alice.endpoint.request(options(), net.udp(alice, bob), net.now)
    net.run(0.1)
    bob.endpoint.respond(bob.take_one(RequestReceived).tx, 183, net.now)
    net.run(12.0)
    assert alice.count_sent("OPTIONS") == 4  # at 0, 0.5 and then every 4 s
    assert bob.count_sent("SIP/2.0 183") == 4


def test_a_refusal_without_ack_is_repeated_eleven_times_until_timer_h() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    net.drop = lambda data, node: data.startswith(b"ACK")
    called.reject(486, net.now)
    net.run(40.0)
    assert bob.count_sent("SIP/2.0 486") == 11
    assert alice.count_sent("ACK") == 11
    assert_clean(net, alice, bob)


def test_nothing_is_repeated_towards_a_phone_that_rings() -> None:
    net = SimNet()
    alice, bob = pair(net)
    _, called = ring(net, alice, bob)
    called.progress(180, net.now)
    net.run(300.0)
    assert alice.count_sent("INVITE") == 1
    assert bob.count_sent("SIP/2.0") == 1
    called.accept(ANSWER, net.now)
    net.run(1.0)
    alice.take_one(Answered)


def test_a_final_response_that_comes_again_is_acknowledged_again_and_told_once() -> None:
    net = SimNet()
    alice = net.node("10.0.0.1")
    net.node("10.0.0.9").deaf = True
    peer = RawPeer(alice, net)
    alice.endpoint.invite(invitation(peer.flow), net.now)
    net.run(0.1)
    invite = invite_in(alice)
    for _ in range(3):
        [ack] = peer.send(response_text(invite, 404))
        assert (ack.method, ack.to.tag) == ("ACK", "t1")  # type: ignore[union-attr]
    net.run(0.1)
    assert alice.take_one(Rejected).status == 404


def test_other_t1_scales_every_timer() -> None:
    net = SimNet()
    alice, bob = pair(net, t1=0.1)
    bob.deaf = True
    alice.endpoint.invite(invitation(net.udp(alice, bob)), net.now)
    net.run(6.5)
    assert alice.take_one(Rejected).status == 408


class Waiter(Timed):
    __slots__ = ("fired", "wanted")

    def __init__(self) -> None:
        self.due = NEVER
        self.entry = None
        self.fired: list[float] = []
        self.wanted = NEVER

    def fire(self, now: float) -> None:
        self.fired.append(now)


@pytest.mark.interpreted
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["set", "clear", "run"]), st.integers(0, 20)), max_size=200)
)
def test_the_heap_fires_what_is_due_exactly_once_and_nothing_that_was_cleared(
    steps: list[tuple[int, str, int]],
) -> None:
    timers = Timers()
    waiters = [Waiter() for _ in range(6)]
    now = 0.0
    for which, action, number in steps:
        waiter = waiters[which]
        if action == "set":
            waiter.wanted = now + number
            timers.set(waiter, waiter.wanted)
        elif action == "clear":
            waiter.wanted = NEVER
            timers.clear(waiter)
        else:
            now += number
            timers.run(now)
            for each in waiters:
                assert len(each.fired) == (each.wanted <= now)
                if each.fired:
                    each.fired.clear()
                    each.wanted = NEVER
        waiting = [each.wanted for each in waiters if each.wanted is not NEVER]
        upcoming = timers.next()
        assert (upcoming is None) == (not waiting)
        assert upcoming is None or upcoming <= min(waiting)


@pytest.mark.interpreted
def test_timers_cleared_long_before_their_time_are_swept() -> None:
    timers = Timers()
    for number in range(100_000):
        waiter = Waiter()
        timers.set(waiter, 1000.0 + number)
        timers.clear(waiter)
    assert len(timers) < 5000


@pytest.mark.parametrize(
    ("route", "loose"),
    [
        ("<sip:p;lr>", True),
        ("<sip:p;LR=on;x>", True),
        ("<sip:p>;lr", False),
        ("<sip:lr@p;transport=tcp>", False),
        ('"a;lr" <sip:p;notlr>', False),
        ("<sip:p?x=;lr>", False),
    ],
)
def test_loose_routers_are_told_by_the_lr_parameter_of_their_uri(route: str, loose: bool) -> None:
    assert is_loose(route) is loose


def test_a_strict_router_is_put_into_the_request_uri() -> None:
    assert routed(("<sip:s?h=1>", "<sip:l;lr>"), "sip:t") == ("sip:s", "Route: <sip:l;lr>, <sip:t>\r\n")
    assert routed((), "sip:t") == ("sip:t", "")
