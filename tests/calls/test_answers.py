"""Each answer belongs to its offer: glare, repeated offers, session refreshes, crossing changes."""

from calls.scenes import attended, in_call, join, nobody_hangs, plan_of, take_over, three
from calls.world import EVENTS, PCMA, PCMU, REQUIRE, World
from sealtone.sdp import Direction
from sealtone.sip import events as sip
from sealtone.sip.flow import Flow


class _Deaf:
    def receive(self, *_: object) -> None: ...
    def handle_timeout(self, *_: object) -> None: ...
    def next_timeout(self) -> None: ...
    def events(self) -> list[object]:
        return []

    def transmits(self) -> list[object]:
        return []


# these fail


def test_an_attended_transfer_asked_for_right_after_a_hold_gives_two_way_audio() -> None:
    world = World()
    a, b, c = three(world)
    first, second = attended(world, a, b, c)
    a.direction = Direction.SENDONLY
    second.offer(a.offer(), world.now)
    world.run(0.015)  # the hold is on its way to C
    join(a, first, second)
    world.run(8)
    nobody_hangs(world)
    if len(world.exchange.calls) == 1:
        assert len(world.joined()) == 1
        assert all(plan.send and plan.receive for plan in world.plane.plans.values())


def test_a_take_over_during_a_hold_under_way_leaves_two_way_audio() -> None:
    world = World()
    a, b, c = three(world)
    in_call(world, a, b)
    b.direction = Direction.SENDONLY
    b.session.offer(b.offer(), world.now)
    world.pump()
    world.run(0.015)
    take_over(a, b, c)
    world.run(8)
    nobody_hangs(world)
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())


def test_an_early_update_of_one_of_several_phones_does_not_cost_the_call() -> None:
    world = World()
    a, first, second = world.phone("1000"), world.phone("1001"), world.phone("1001")
    second.answers = None

    def reliable(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived) and event.request.method == "INVITE":
            session = first.endpoint.accept(event.tx, world.now)
            first.sessions.append(session)
            session.progress(183, world.now, body=first.answer_body(session.remote_body), reliable=True)
            return True
        return False

    first.on_event = reliable
    a.call("1001")
    world.run(1)
    first.on_event = None
    first.do(lambda now: first.session.offer(first.offer().replace(b"m=audio 4000", b"m=audio 4100"), now))
    world.run(1)
    first.do(lambda now: first.session.accept(None, now))
    world.run(3)
    assert a.session.state == "confirmed"
    assert world.joined()
    assert plan_of(world, first).remote == (first.address[0], 4100)


def test_the_answer_to_a_session_refresh_is_heard() -> None:
    """A phone without UPDATE that makes a new key, and a new port, for each answer."""
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    b = world.phone("1001", transport="tls", policy=REQUIRE)
    object.__setattr__(b.endpoint, "allow_line", "Allow: INVITE, ACK, CANCEL, BYE\r\n")
    b.endpoint.capability_lines = b.endpoint.allow_line + "Supported: timer\r\n"
    in_call(world, a, b)
    before = plan_of(world, b).rx
    session = next(call.b.session for call in world.exchange.calls.values() if call.b is not None)
    session._refresh(world.now)
    world.pump()
    world.run(2)
    assert b.saw(sip.OfferReceived), "no refresh by re-INVITE was made"
    after = plan_of(world, b).rx
    assert b._crypto is not None
    assert after != before, "the phone's new key was not taken"


def test_glare_in_both_directions_leaves_each_side_as_it_last_answered() -> None:
    for seed in range(12):
        world = World(seed)
        a, b, _ = three(world)
        in_call(world, a, b)
        a.direction = Direction.SENDONLY
        a.session.offer(a.offer(), world.now)
        b.codecs = (PCMU, EVENTS)
        body = b.offer().replace(b"m=audio 4000", b"m=audio 4600")
        b.session.offer(body, world.now)
        world.pump()
        world.run(30)
        plan = plan_of(world, b)
        assert not plan_of(world, a).send, f"seed {seed}: A holds, but is sent to"
        assert b.heard is not None
        assert not plan.receive, f"seed {seed}: B's voice passes though A holds"


def test_what_a_phone_answers_to_an_offer_that_had_to_be_repeated_counts() -> None:
    """B's own refresh comes between our offer that met 491 and its repetition; B's last answer moves its port."""
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    met = [0]

    def busy_once(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived) and event.session is b.session and not met[0]:
            met[0] = 1
            event.session.reject_offer(491, world.now)
            refresh = b.session.local_body
            b.session.offer(refresh, world.now)
            return True
        if isinstance(event, sip.OfferReceived) and event.session is b.session:
            body = b.answer_body(event.body).replace(b"m=audio 4000", b"m=audio 4700")
            event.session.answer(body, world.now)
            return True
        return False

    b.on_event = busy_once
    a.hold(a.session)
    world.run(15)
    assert met[0]
    assert plan_of(world, b).remote == (b.address[0], 4700), "the answer to the repeated offer was not read"
    assert not plan_of(world, b).receive


def test_offers_to_one_phone_never_go_back_in_version() -> None:
    world = World()
    a, b, _ = three(world)
    in_call(world, a, b)
    met = [0]
    versions: list[int] = []

    def busy_once(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived | sip.AnswerReceived) and event.session is b.session:
            if isinstance(event, sip.OfferReceived) and not met[0]:
                met[0] = 1
                event.session.reject_offer(491, world.now)
                b.session.offer(b.session.local_body, world.now)
                return True
            versions.append(int(event.body.split(b"o=- ")[1].split()[1]))
        return False

    b.on_event = busy_once
    a.hold(a.session)
    world.run(15)
    assert versions == sorted(versions)


def test_an_offerless_reinvite_that_crosses_a_codec_change_does_not_end_the_call() -> None:
    world = World()
    a, b, _ = three(world)
    a.codecs = b.codecs = (PCMA, PCMU, EVENTS)
    in_call(world, a, b)
    held_back: list[bytes] = []
    a.codecs = (PCMA, EVENTS)
    original = world.receive

    def slow_acks(data: bytes, flow: Flow, now: float) -> None:
        if data.startswith(b"ACK") and flow == a.seen_by_server and not held_back:
            held_back.append(data)
            return
        original(data, flow, now)

    world.receive = slow_acks
    a.do(a.session.request_offer)
    world.run(0.05)
    b.codecs = (PCMU, EVENTS)
    b.do(lambda now: b.session.offer(b.offer(), now))
    world.run(0.1)
    assert held_back
    a.codecs = (PCMA, PCMU, EVENTS)
    world.receive = original
    original(held_back[0], a.seen_by_server, world.now)
    world.pump()
    world.run(10)
    assert a.session.state == b.session.state == "confirmed"
    ((x, _),) = world.joined()
    assert world.plane.maps[x]


# these pass
