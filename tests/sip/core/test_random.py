"""Whatever both owners do, in whatever order and at whatever time: nothing raises, and everything ends clean."""

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.simnet import SimNet
from sealtone.sip.events import Event, InDialogRequest, RequestReceived
from sealtone.sip.flow import Hop, Target
from sealtone.sip.session import InviteSession
from sip.core.scenes import ANSWER, OFFER, assert_clean, invitation, pair

Action = Literal[
    "offer", "offer-by-reinvite", "request-offer", "answer", "reject-offer", "progress", "reliable", "accept", "reject",
    "cancel", "bye", "info", "break",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = Action.__args__  # type: ignore[attr-defined]
steps = st.lists(
    st.tuples(st.booleans(), st.sampled_from(ACTIONS), st.sampled_from([0.0, 0.005, 0.015, 0.1, 0.6, 3.0, 40.0])),
    max_size=25,
)


def act(session: InviteSession, action: Action, now: float) -> None:
    """One thing an owner may do; what belongs to the other role is left out."""
    called = session.role == "uas"
    if action == "offer":
        session.prefer_update = True
        session.offer(OFFER, now)
    elif action == "offer-by-reinvite":
        session.prefer_update = False
        session.offer(OFFER, now)
    elif action == "request-offer":
        session.request_offer(now)
    elif action == "answer":
        session.answer(ANSWER, now)
    elif action == "reject-offer":
        session.reject_offer(488, now)
    elif action == "info":
        session.request("INFO", now)
    elif action == "bye":
        session.bye(now)
    elif called and action == "progress":
        session.progress(183, now, body=ANSWER)
    elif called and action == "reliable":
        session.progress(183, now, body=ANSWER, reliable=True)
    elif called and action == "accept":
        session.accept(ANSWER, now)
    elif called and action == "reject":
        session.reject(486, now)
    elif not called and action == "cancel":
        session.cancel(now)


@settings(max_examples=300)
@given(
    seed=st.integers(0, 9),
    loss=st.sampled_from([0.0, 0.0, 0.2]),
    stream=st.booleans(),
    late=st.booleans(),
    established=st.booleans(),
    script=steps,
)
def test_random_actions_on_both_sides_never_raise_and_always_end_clean(
    seed: int, loss: float, stream: bool, late: bool, established: bool, script: list[tuple[bool, Action, float]]
) -> None:
    net = SimNet(seed, loss, duplicate=loss / 2, reorder=loss)
    alice, bob = pair(net)
    called: list[InviteSession] = []

    def hear(event: Event) -> None:
        if isinstance(event, RequestReceived):
            called.append(bob.endpoint.accept(event.tx, net.now))
        elif isinstance(event, InDialogRequest):
            event.session.endpoint.respond(event.tx, 200, net.now)

    alice.on_event = bob.on_event = hear
    hop: Hop = net.connect(alice, bob) if stream else net.udp(alice, bob)
    calling = alice.endpoint.invite(invitation(hop, body=None if late else OFFER, session_expires_s=120), net.now)
    net.run(0.05)
    if established and called:
        called[0].accept(OFFER if late else ANSWER, net.now)
        net.run(0.05)
        if late:
            calling.answer(ANSWER, net.now)
            net.run(0.05)
    for by_called, action, pause_s in script:
        if action == "break":
            if stream:
                assert not isinstance(hop, Target)
                net.close(hop)
                hop = net.connect(alice, bob)
                calling.hop = hop
        elif not by_called:
            act(calling, action, net.now)
        elif called:
            act(called[0], action, net.now)
        net.run(pause_s)
    if not loss and not any(action == "break" for _, action, _ in script):
        states = {calling.state, *(session.state for session in called)}
        assert not ("confirmed" in states and states & {"calling", "early", "incoming"})
    calling.bye(net.now)
    net.run(40.0)
    for session in called:
        session.bye(net.now)
    net.run(140.0)
    assert_clean(net, alice, bob)
