"""What happens in a running call: hold, resume, codec change, glare, transfers, requests passed on."""

from collections.abc import Callable

import pytest

from calls.world import EVENTS, OPUS, PCMA, PCMU, REQUIRE, Phone, World
from sealtone.b2bua.plane import MediaPlan
from sealtone.sdp import Direction
from sealtone.sip import events as sip


def plan_of(world: World, phone: Phone) -> MediaPlan:
    (plan,) = [plan for plan in world.plane.plans.values() if plan.remote and plan.remote[0] == phone.address[0]]
    return plan


def in_call(world: World, a: Phone, b: Phone) -> None:
    a.call(b.number)
    world.run(2)
    assert world.joined()
    assert b.session.state == "confirmed"


@pytest.mark.parametrize("who", [0, 1])
def test_hold_reaches_the_other_phone_and_stops_its_media_and_resume_brings_it_back(who: int) -> None:
    world = World()
    phones = [world.phone("1000"), world.phone("1001")]
    in_call(world, *phones)
    holder, held = phones[who], phones[1 - who]
    holder.hold(holder.session)
    world.run(1)
    assert held.heard is not None
    assert held.heard.direction is Direction.SENDONLY
    assert holder.heard is not None
    assert holder.heard.direction is Direction.RECVONLY
    assert not plan_of(world, held).receive
    assert not plan_of(world, holder).send
    holder.resume(holder.session)
    world.run(1)
    assert held.heard.direction is Direction.SENDRECV
    assert plan_of(world, held).receive
    assert plan_of(world, holder).send
    assert [kind for kind in world.kinds() if kind in ("held", "resumed")] == ["held", "resumed"]


def test_a_hold_by_a_null_address_sends_nothing_there() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    body = a.offer().replace(b"c=IN IP4 192.0.2.11", b"c=IN IP4 0.0.0.0")
    a.do(lambda now: a.session.offer(body, now))
    world.run(1)
    plans = list(world.plane.plans.values())
    assert [plan.remote for plan in plans].count(None) == 1


def test_a_new_address_is_answered_by_the_server_alone() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    offers_before = len(b.saw(sip.OfferReceived))
    body = a.offer().replace(b"m=audio 4000", b"m=audio 4500").replace(b" 1 IN IP4", b" 2 IN IP4")
    a.do(lambda now: a.session.offer(body, now))
    world.run(1)
    assert len(b.saw(sip.OfferReceived)) == offers_before
    plan = plan_of(world, a)
    assert plan.remote == (a.address[0], 4500)
    assert plan.new_latch


def test_a_codec_change_is_agreed_with_the_other_phone() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    a.codecs = b.codecs = (PCMA, EVENTS)
    in_call(world, a, b)
    a.codecs = (OPUS, EVENTS)
    b.codecs = (OPUS, PCMA, EVENTS)
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert a.heard is not None
    assert [codec.encoding for codec in a.heard.codecs] == ["opus", "telephone-event"]
    a.do(a.session.bye)
    world.run(1)
    assert {leg.codec for leg in world.record.legs} == {"opus/48000"}


def test_a_codec_change_that_the_other_phone_cannot_make_leaves_the_call_as_it_was() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)

    def refuse(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            event.session.reject_offer(488, world.now)
            return True
        return False

    b.on_event = refuse
    a.codecs = (OPUS,)
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert [event.status for event in a.saw(sip.OfferRejected)] == [488]
    assert world.joined()
    assert plan_of(world, a).send


def test_both_phones_offering_at_once_settle_on_something() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    a.direction = Direction.SENDONLY
    a.session.offer(a.offer(), world.now)
    b.codecs = (PCMU, EVENTS)
    b.session.offer(b.offer(), world.now)
    world.pump()
    world.run(20)
    assert a.session.state == b.session.state == "confirmed"
    assert not world.exchange.calls[next(iter(world.exchange.calls))].change
    assert world.joined()


def test_a_reinvite_without_an_offer_is_given_one() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    a.do(a.session.request_offer)
    world.run(1)
    assert a.session.state == "confirmed"
    assert not a.saw(sip.OfferRejected)
    assert world.joined()


def test_a_running_call_cannot_be_lowered_below_its_policy() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    b = world.phone("1001", transport="tls", policy=REQUIRE)
    in_call(world, a, b)
    before = plan_of(world, a)
    a.secure, a.profile = False, "RTP/AVP"
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    (rejected,) = a.saw(sip.OfferRejected)
    assert rejected.status == 488
    assert plan_of(world, a) == before
    assert "refused" in world.kinds()
    assert world.joined()


def test_our_key_for_a_leg_stays_over_hold_and_resume() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    b = world.phone("1001", transport="tls", policy=REQUIRE)
    in_call(world, a, b)
    keys = [plan_of(world, phone).tx for phone in (a, b)]
    a.hold(a.session)
    world.run(1)
    a.resume(a.session)
    world.run(1)
    assert [plan_of(world, phone).tx for phone in (a, b)] == keys


def test_info_and_message_pass_and_the_answer_comes_back() -> None:
    world = World()
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    a.do(lambda now: a.session.request("INFO", now, (), b"Signal=5\r\n", "application/dtmf-relay"))
    b.do(lambda now: b.session.request("MESSAGE", now, (), b"hello", "text/plain"))
    world.run(1)
    (info,) = b.saw(sip.InDialogRequest)
    (message,) = a.saw(sip.InDialogRequest)
    assert (info.request.method, info.request.body) == ("INFO", b"Signal=5\r\n")
    assert (message.request.method, message.request.body) == ("MESSAGE", b"hello")
    assert [event.status for event in a.saw(sip.InDialogResponse)] == [200]


def refer(phone: Phone, target: str) -> None:
    phone.do(lambda now: phone.session.request("REFER", now, (("Refer-To", target), ("Referred-By", "<sip:x@y>"))))


def fragments(phone: Phone) -> list[bytes]:
    return [event.request.body.strip() for event in phone.saw(sip.InDialogRequest) if event.request.method == "NOTIFY"]


@pytest.mark.parametrize("who", [0, 1])
def test_a_blind_transfer_joins_the_other_phone_with_the_target(who: int) -> None:
    world = World()
    phones, target = [world.phone("1000"), world.phone("1001")], world.phone("1002")
    in_call(world, *phones)
    referrer, other = phones[who], phones[1 - who]
    refer(referrer, "<sip:1002@office.example>")
    world.run(3)
    assert fragments(referrer)[-1] == b"SIP/2.0 200 OK"
    assert referrer.session.state == "ended"
    assert target.session.state == other.session.state == "confirmed"
    assert len(world.joined()) == 1
    target.do(target.session.bye)
    world.run(1)
    assert other.session.state == "ended"
    assert [record.reason for record in world.records] == ["transferred", "hung up"]
    assert not world.plane.legs
    assert not world.plane.open_calls


def test_a_blind_transfer_survives_the_transferor_hanging_up_at_once() -> None:
    world = World()
    a, b, c = (world.phone(number) for number in ("1000", "1001", "1002"))
    c.answers = None
    in_call(world, a, b)
    refer(a, "<sip:1002@office.example>")
    world.run(0.5)
    a.do(a.session.bye)
    world.run(1)
    assert b.session.state == "confirmed"
    c.do(lambda now: c.pick_up(c.session, now))
    world.run(2)
    assert len(world.joined()) == 1
    b.do(b.session.bye)
    world.run(1)
    assert c.session.state == "ended"
    assert not world.plane.open_calls


def test_a_blind_transfer_to_a_busy_phone_leaves_the_two_together() -> None:
    world = World()
    a, b, c = (world.phone(number) for number in ("1000", "1001", "1002"))
    c.answers = 486
    in_call(world, a, b)
    refer(a, "<sip:1002@office.example>")
    world.run(3)
    assert fragments(a)[-1].startswith(b"SIP/2.0 486")
    assert a.session.state == b.session.state == "confirmed"
    assert world.joined()
    a.do(a.session.bye)
    world.run(1)
    assert b.session.state == "ended"
    assert not world.plane.open_calls


def test_who_is_transferred_may_hang_up_while_the_target_rings() -> None:
    world = World()
    a, b, c = (world.phone(number) for number in ("1000", "1001", "1002"))
    c.answers = None
    in_call(world, a, b)
    refer(a, "<sip:1002@office.example>")
    world.run(1)
    b.do(b.session.bye)
    world.run(2)
    assert c.session.state == "ended"
    assert a.session.state == "ended"
    assert not world.plane.open_calls


def test_an_attended_transfer_joins_the_two_far_phones() -> None:
    world = World()
    a, b, c = (world.phone(number) for number in ("1000", "1001", "1002"))
    in_call(world, a, b)
    first = a.session
    a.hold(first)
    world.run(1)
    a.direction = Direction.SENDRECV
    a.call("1002")
    world.run(2)
    second = a.session
    assert second.dialog is not None
    replaces = f"{second.call_id}%3Bto-tag%3D{second.dialog.remote_tag}%3Bfrom-tag%3D{second.local_tag}"
    a.do(lambda now: first.request("REFER", now, (("Refer-To", f"<sip:1002@office.example?Replaces={replaces}>"),)))
    world.run(3)
    assert fragments(a)[-1] == b"SIP/2.0 200 OK"
    assert first.state == second.state == "ended"
    assert b.session.state == c.session.state == "confirmed"
    assert len(world.joined()) == 1
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())
    b.do(b.session.bye)
    world.run(1)
    assert c.session.state == "ended"
    assert not world.plane.legs
    assert not world.plane.open_calls
    assert len(world.records) == 3


def test_an_invite_with_replaces_takes_the_place_of_a_leg_of_the_same_account() -> None:
    world = World()
    a, b, c = (world.phone(number) for number in ("1000", "1001", "1002"))
    in_call(world, a, b)
    assert b.session.dialog is not None
    value = f"{b.session.call_id};to-tag={b.session.dialog.remote_tag};from-tag={b.session.local_tag}"
    c.call("1000", headers=(("Replaces", value),))
    world.run(2)
    assert b.session.state == "ended"
    assert c.session.state == a.session.state == "confirmed"
    assert len(world.joined()) == 1


def test_replaces_that_names_no_call_here_is_answered_481() -> None:
    world = World()
    a = world.phone("1000")
    a.call("1001", headers=(("Replaces", "nobody;to-tag=a;from-tag=b"),))
    world.run(1)
    assert [event.status for event in a.saw(sip.Rejected)] == [481]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order_of_actions_every_call_ends_clean(seed: int) -> None:
    world = World(seed)
    phones = [world.phone(number) for number in ("1000", "1001", "1002")]
    random = world.random

    def any_session(phone: Phone) -> Callable[[], None]:
        def act() -> None:
            live = [session for session in phone.sessions if session.state == "confirmed"]
            if not live:
                if random.random() < 0.5:
                    phone.call(random.choice([other.number for other in phones if other is not phone]))
                return
            session = random.choice(live)
            choice = random.randrange(6)
            if choice == 0:
                phone.do(session.bye)
            elif choice == 1:
                phone.hold(session)
            elif choice == 2:
                phone.resume(session)
            elif choice == 3:
                phone.do(session.request_offer)
            elif choice == 4:
                target = random.choice(phones).number
                phone.do(lambda now: session.request("REFER", now, (("Refer-To", f"<sip:{target}@office.example>"),)))
            else:
                phone.do(lambda now: session.request("INFO", now, (), b"x", "text/plain"))

        return act

    for step in range(60):
        world.after(random.uniform(0, 30), any_session(phones[step % 3]))
    world.run(40)
    for phone in phones:
        for session in phone.sessions:
            phone.do(session.bye)
    world.run(120)
    assert not world.exchange.calls
    assert not world.plane.legs
    assert not world.plane.open_calls


def test_a_key_that_a_call_has_left_is_not_taken_again() -> None:
    world = World()
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    b = world.phone("1001", transport="tls", policy=REQUIRE)
    in_call(world, a, b)
    first = a.offer()
    a._crypto = ()
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert not a.saw(sip.OfferRejected)
    second = plan_of(world, a).rx
    a.do(lambda now: a.session.offer(first, now))
    world.run(1)
    assert [event.status for event in a.saw(sip.OfferRejected)] == [488]
    assert plan_of(world, a).rx == second
    assert world.joined()
