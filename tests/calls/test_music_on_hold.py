"""Music for who was put on hold: when it begins, when it stops, and where there is never any."""

import pytest

from calls.listening import leg_of, playing, wishing
from calls.media import ALL_CODECS
from calls.scenes import all_gone, attended, in_call, join, refer, refusing_offers, three
from calls.world import OPUS, PCMA, PCMU, PREFER, Phone, World
from calls.zrtp_world import DIRECT, ENDED, SEALED, ZrtpWorld
from sealtone.sdp import Codec, Direction

MUSIC = ("music",)


def two(world: World) -> tuple[Phone, Phone]:
    a, b = world.phone("1000"), world.phone("1001")
    in_call(world, a, b)
    return a, b


def holds(phone: Phone, direction: Direction = Direction.SENDONLY) -> None:
    phone.direction = direction
    phone.do(lambda now: phone.session.offer(phone.offer(), now))
    phone.world.run(1)


@pytest.mark.parametrize("direction", [Direction.SENDONLY, Direction.INACTIVE])
@pytest.mark.parametrize("who", [0, 1])
def test_who_is_held_hears_music_until_the_other_resumes(who: int, direction: Direction) -> None:
    world = World(codecs=ALL_CODECS)
    phones = two(world)
    holder, held = phones[who], phones[1 - who]
    assert world.plane.heard == []
    holds(holder, direction)
    assert playing(world, held) == MUSIC
    assert world.plane.plays[leg_of(world, held).port.id].repeat
    assert world.plane.plans[leg_of(world, held).port.id].send
    assert playing(world, holder) == ()
    assert held.heard is not None
    assert held.heard.direction is Direction.SENDONLY
    holds(holder, Direction.SENDRECV)
    assert world.plane.plays == {}
    assert len(world.plane.heard) == 1
    assert held.heard.direction is Direction.SENDRECV
    holder.do(holder.session.bye)
    world.run(1)
    all_gone(world)


def test_who_holds_inactively_is_answered_inactive_all_the_same() -> None:
    world = World(codecs=ALL_CODECS)
    a, _ = two(world)
    holds(a, Direction.INACTIVE)
    assert a.heard is not None
    assert a.heard.direction is Direction.INACTIVE
    plan = world.plane.plans[leg_of(world, a).port.id]
    assert not plan.send
    assert not plan.receive


def test_where_the_domain_wants_no_music_there_is_none_and_inactive_stays_inactive() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = world.phone("1000"), world.phone("1001")
    wishing(a, music_on_hold=False)
    in_call(world, a, b)
    holds(a, Direction.INACTIVE)
    assert world.plane.heard == []
    assert b.heard is not None
    assert b.heard.direction is Direction.INACTIVE


def test_of_two_that_hold_each_other_none_hears_music_and_the_last_to_hold_does_when_it_resumes() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = two(world)
    holds(a)
    assert playing(world, b) == MUSIC
    holds(b, Direction.INACTIVE)
    assert world.plane.plays == {}
    holds(b, Direction.RECVONLY)
    assert playing(world, b) == MUSIC


def test_music_goes_on_through_a_refresh_and_begins_once() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = two(world)
    holds(a)
    first = dict(world.plane.plays)
    for phone in (a, b, a):
        if phone is b:
            b.direction = Direction.RECVONLY
        phone.do(lambda now, phone=phone: phone.session.offer(phone.offer(), now))
        world.run(1)
    assert world.plane.plays == first


def test_a_hold_that_the_other_phone_refuses_brings_no_music() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = two(world)
    b.on_event = refusing_offers(b)
    holds(a)
    assert world.plane.heard == []


def test_a_phone_that_only_sends_from_the_beginning_is_heard_and_not_replaced_by_music() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = world.phone("1000"), world.phone("1001")
    a.direction = Direction.SENDONLY
    in_call(world, a, b)
    assert world.plane.heard == []


def test_a_phone_whose_codec_the_server_cannot_make_hears_what_the_holder_sends() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = world.phone("1000"), world.phone("1001")
    a.codecs = b.codecs = (Codec(97, "EVS", 16000),)
    in_call(world, a, b)
    holds(a, Direction.INACTIVE)
    assert world.plane.heard == []
    assert b.heard is not None
    assert b.heard.direction is Direction.INACTIVE


def test_music_is_encrypted_as_the_leg_is() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = (world.phone(number, transport="tls", policy=PREFER) for number in ("1000", "1001"))
    in_call(world, a, b)
    holds(a)
    assert playing(world, b) == MUSIC
    assert world.plane.plans[leg_of(world, b).port.id].tx is not None


def test_between_legs_that_go_through_codecs_there_is_music_too() -> None:
    world = World(codecs=ALL_CODECS)
    a, b = world.phone("1000"), world.phone("1001")
    a.codecs, b.codecs = (PCMU,), (OPUS,)
    in_call(world, a, b)
    assert world.plane.through_codecs
    holds(a)
    assert playing(world, b) == MUSIC
    holds(a, Direction.SENDRECV)
    assert world.plane.plays == {}
    assert world.plane.through_codecs


@pytest.mark.parametrize("policy", [SEALED, DIRECT])
def test_nothing_is_played_into_a_sealed_or_direct_call(policy: object) -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = (world.phone(number, policy=policy) for number in ("1000", "1001"))  # type: ignore[arg-type]
    a.call("1001")
    world.run(3)
    assert leg_of(world, a).sealed is not None
    a.hold(a.session)
    world.run(2)
    assert leg_of(world, a).was_held
    assert world.plane.heard == []
    assert b.heard is not None


def test_over_zrtp_that_ends_here_there_is_music() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a, b = (world.phone(number, policy=ENDED) for number in ("1000", "1001"))
    a.call("1001")
    world.run(3)
    a.hold(a.session)
    world.run(1)
    assert playing(world, b) == MUSIC
    a.resume(a.session)
    world.run(1)
    assert world.plane.plays == {}


def test_music_goes_on_while_a_transfer_rings_and_stops_when_it_is_answered() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    c.answers = None
    in_call(world, a, b)
    holds(a)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(2)
    (play,) = world.plane.plays.values()
    assert play.sounds == MUSIC
    c.do(lambda now: c.pick_up(c.session, now))
    world.run(2)
    assert world.plane.plays == {}
    assert world.joined()


def test_after_a_transfer_that_failed_the_held_phone_hears_music_still() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    c.answers = 486
    in_call(world, a, b)
    holds(a)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(2)
    assert playing(world, b) == MUSIC
    holds(a, Direction.SENDRECV)
    assert world.plane.plays == {}


def test_an_attended_transfer_ends_the_music() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    in_call(world, a, b)
    first = a.session
    a.hold(first)
    world.run(1)
    assert playing(world, b) == MUSIC
    a.direction = Direction.SENDRECV
    in_call(world, a, c)
    join(a, first, a.session)
    world.run(2)
    assert world.plane.plays == {}
    assert len(world.joined()) == 1
    b.do(b.session.bye)
    world.run(2)
    all_gone(world)


def test_a_hold_in_one_call_plays_nothing_into_another() -> None:
    world = World(codecs=ALL_CODECS)
    a, b, c = three(world)
    a.codecs = (PCMA,)
    first, _ = attended(world, a, b, c)
    a.hold(first)
    world.run(1)
    assert playing(world, b) == MUSIC
    assert playing(world, c) == ()
