"""Many calls over a bad network: loss, duplication and reordering; both sides converge and nothing is left over."""

import random

import pytest

from calls.simnet import Node, SimNet
from sealtone.sip.events import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    Event,
    InDialogRequest,
    OfferReceived,
    OfferRequested,
    Rejected,
    RequestReceived,
)
from sealtone.sip.session import InviteSession
from sip.core.scenes import ANSWER, assert_clean, invitation, pair

TERMINAL = (Rejected, Cancelled, Ended)


class Phone:
    """An owner that takes every call, rings a while, answers or refuses, and answers whatever it is asked."""

    def __init__(self, net: SimNet, node: Node, seed: int) -> None:
        self.net = net
        self.node = node
        self.random = random.Random(seed)
        self.sessions: list[InviteSession] = []
        node.on_event = self.hear

    def hear(self, event: Event) -> None:
        now = self.net.now
        if isinstance(event, RequestReceived):
            session = self.node.endpoint.accept(event.tx, now)
            self.sessions.append(session)
            reliable = self.random.random() < 0.5
            self.later(0.05, lambda: session.progress(180, self.net.now))
            self.later(0.1, lambda: session.progress(183, self.net.now, body=ANSWER, reliable=reliable))
            if self.random.random() < 0.15:
                self.later(1.0, lambda: session.reject(486, self.net.now))
            else:
                self.later(1.0, lambda: session.accept(ANSWER, self.net.now))
        elif isinstance(event, OfferReceived | OfferRequested):
            event.session.answer(ANSWER, now)
        elif isinstance(event, InDialogRequest):
            self.node.endpoint.respond(event.tx, 200, now)
        elif isinstance(event, Answered | Confirmed) and self.random.random() < 0.5:
            session = event.session
            session.prefer_update = self.random.random() < 0.5
            self.later(2.0, lambda: session.offer(b"new offer", self.net.now))

    def later(self, seconds: float, action) -> None:  # type: ignore[no-untyped-def]
        self.net.at(self.net.now + seconds * self.random.random() * 2, action)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("loss", "duplicate", "reorder"), [(0.05, 0.03, 0.05), (0.15, 0.1, 0.1), (0.3, 0.1, 0.3)])
def test_calls_over_a_bad_network_converge_and_leave_nothing(
    seed: int, loss: float, duplicate: float, reorder: float
) -> None:
    net = SimNet(seed, loss, duplicate, reorder, (0.01, 0.06))
    alice, bob = pair(net)
    caller, called = Phone(net, alice, seed), Phone(net, bob, seed + 1000)
    for _ in range(20):
        session = alice.endpoint.invite(invitation(net.udp(alice, bob), session_expires_s=None), net.now)
        caller.sessions.append(session)
        if caller.random.random() < 0.2:
            caller.later(1.5, lambda session=session: session.cancel(net.now))  # type: ignore[misc]
        net.run(0.2)
    net.run(60.0)
    by_call = {session.call_id: session for session in called.sessions}
    standing = [session for session in caller.sessions if session.state != "ended"]
    if loss <= 0.05:
        assert len(standing) >= 10
    for session in standing:
        other = by_call[session.call_id]
        assert (session.state, other.state) == ("confirmed", "confirmed")
        assert (session.local_body, session.remote_body) == (other.remote_body, other.local_body)
    for number, session in enumerate(standing):
        (session if number % 2 else by_call[session.call_id]).bye(net.now)
    net.run(70.0)
    for phone in (caller, called):
        assert all(session.state == "ended" for session in phone.sessions)
        for session in phone.sessions:
            ends = [event for event in phone.node.log if isinstance(event, TERMINAL) and event.session is session]
            assert len(ends) <= 1
    assert_clean(net, alice, bob)


def test_at_five_percent_loss_99_of_100_calls_are_set_up() -> None:
    net = SimNet(7, loss=0.05, reorder=0.03, delay_s=(0.0, 0.04))
    alice, bob = pair(net)
    bob.on_event = lambda event: (
        bob.endpoint.accept(event.tx, net.now).accept(ANSWER, net.now) if isinstance(event, RequestReceived) else None
    )
    sessions = [alice.endpoint.invite(invitation(net.udp(alice, bob)), net.now) for _ in range(200)]
    net.run(60.0)
    assert sum(session.state == "confirmed" for session in sessions) >= 198
