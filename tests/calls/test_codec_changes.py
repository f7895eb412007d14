"""Codecs and packets that change in a running call: by a new offer, or without a word."""

import pytest

from calls.codec_scenes import (
    EVENTS_48,
    G722,
    G729,
    ILBC,
    able,
    hang_up,
    is_transcoded,
    leg_of,
    said,
    sends,
    switches,
    talk_both_ways,
)
from calls.media import ALL_CODECS
from calls.scenes import in_call, nobody_hangs, plan_of, three
from calls.world import EVENTS, OPUS, PCMA, PCMU, World
from sealtone.sdp import Codec
from sealtone.sip import events as sip

# by an offer


@pytest.mark.parametrize("who", [0, 1])
def test_a_phone_changes_its_codec_and_the_other_is_left_alone(who: int) -> None:
    world = able()
    phones = three(world)[:2]
    in_call(world, *phones)
    changes, other = phones[who], phones[1 - who]
    before, offers = plan_of(world, other), len(other.saw(sip.OfferReceived))
    changes.codecs = (G722, EVENTS)
    changes.do(lambda now: changes.session.offer(changes.offer(), now))
    world.run(1)
    assert said(changes.heard) == ["g722"]
    assert len(other.saw(sip.OfferReceived)) == offers
    assert plan_of(world, other)._replace(new_latch=before.new_latch) == before
    assert is_transcoded(world)
    changes.codecs = (PCMA, PCMU, EVENTS)
    changes.do(lambda now: changes.session.offer(changes.offer(), now))
    world.run(1)
    assert not is_transcoded(world)
    assert len(other.saw(sip.OfferReceived)) == offers
    talk_both_ways(world, *phones)


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("codecs", [{}, ALL_CODECS], ids=["passes", "decodes"])
def test_a_wish_for_other_packets_in_a_relayed_call_is_told_to_the_phone_that_makes_them(
    codecs: dict[str, str], who: int
) -> None:
    world = World(codecs=codecs)
    phones = three(world)[:2]
    in_call(world, *phones)
    asks, makes = phones[who], phones[1 - who]
    asks.packets, makes.packets = (40, None), (40, None)
    asks.do(lambda now: asks.session.offer(asks.offer(), now))
    world.run(1)
    assert len(makes.saw(sip.OfferReceived)) == 1
    assert [phone.heard.ptime_ms for phone in phones if phone.heard is not None] == [40, 40]
    assert not is_transcoded(world)
    talk_both_ways(world, *phones)


@pytest.mark.parametrize("who", [0, 1])
def test_a_wish_for_other_packets_in_a_transcoded_call_is_fulfilled_here(who: int) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    in_call(world, a, b)
    asks, other = ((a, b), (b, a))[who]
    before = plan_of(world, other)
    asks.packets = (60, None)
    asks.do(lambda now: asks.session.offer(asks.offer(), now))
    world.run(1)
    assert asks.session.state == "confirmed"
    assert not other.saw(sip.OfferReceived)
    assert plan_of(world, asks).transmit[0].packet_ms == 60
    assert plan_of(world, other)._replace(new_latch=before.new_latch) == before
    assert is_transcoded(world)


@pytest.mark.parametrize("who", [0, 1])
def test_hold_and_resume_of_a_transcoded_call_keep_both_codecs(who: int) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (OPUS, EVENTS_48), (G729, EVENTS)
    in_call(world, a, b)
    phone, other = ((a, b), (b, a))[who]
    phone.hold(phone.session)
    world.run(1)
    assert not plan_of(world, phone).send
    assert not plan_of(world, other).receive
    phone.resume(phone.session)
    world.run(1)
    assert is_transcoded(world)
    assert [plan_of(world, one).transmit[0].encoding for one in (a, b)] == ["opus", "g729"]
    assert all(plan.send and plan.receive for plan in world.plane.plans.values())
    talk_both_ways(world, a, b)


def test_a_payload_type_means_one_thing_however_often_codecs_change() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    meanings: dict[int, Codec] = {}
    for codecs in ((OPUS, EVENTS), (Codec(96, "SILK", 16000), EVENTS_48), (ILBC, PCMA, EVENTS), (PCMA, EVENTS)):
        a.codecs = codecs
        a.hold(a.session)
        world.run(1)
        a.resume(a.session)
        world.run(1)
        assert b.heard is not None
        for codec in b.heard.codecs:
            assert meanings.setdefault(codec.payload_type, codec).same_format(codec)
    assert a.session.state == b.session.state == "confirmed"


def test_an_offerless_reinvite_is_offered_what_the_server_can_make_of_the_others_codec() -> None:
    world = able()
    a, b, _ = three(world)
    in_call(world, a, b)
    a.codecs = (G722, EVENTS)
    a.do(a.session.request_offer)
    world.run(1)
    assert said(a.heard)[:2] == ["pcma", "pcmu"]
    assert is_transcoded(world)
    assert plan_of(world, a).transmit[0].encoding == "g722"
    assert not b.saw(sip.OfferReceived)
    talk_both_ways(world, a, b)


# without one


@pytest.mark.parametrize("renegotiates", [0, 1])
def test_a_phone_that_switches_by_itself_to_what_the_other_lacks_is_heard_through_codecs_until_they_agree_anew(
    renegotiates: int,
) -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMU, EVENTS), (PCMU, G722, PCMA, EVENTS)
    in_call(world, a, b)
    assert not is_transcoded(world)
    assert sends(world, b, 9) is None
    switches(world, b, 9)
    assert is_transcoded(world)
    assert [sends(world, b, number) for number in (9, 0, 8)] == [0, 0, 0]
    assert sends(world, a, 0) == 0
    assert not a.saw(sip.OfferReceived)
    assert not b.saw(sip.OfferReceived)
    (told,) = [event for event in world.events if event.kind == "changed"]
    assert "G722/8000" in told.detail
    phone, other = (a, b)[renegotiates], (b, a)[renegotiates]
    phone.hold(phone.session)
    world.run(1)
    phone.resume(phone.session)
    world.run(1)
    assert not is_transcoded(world)
    talk_both_ways(world, phone, other)
    nobody_hangs(world)


def test_the_record_names_the_codec_that_a_phone_has_switched_to_by_itself() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMU, EVENTS), (PCMU, PCMA, EVENTS)
    in_call(world, a, b)
    switches(world, b, 8)
    switches(world, b, 0)
    hang_up(world, a)
    (leg_a, leg_b) = world.record.legs
    assert (leg_a.codec, leg_b.codec, leg_b.codec_tx) == ("PCMU/8000", "PCMA/8000", "PCMU/8000")
    assert leg_a.transcoded
    assert leg_b.transcoded


def test_a_session_that_is_only_refreshed_stays_with_the_codec_that_the_phone_has_switched_to() -> None:
    world = able()
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMU, EVENTS), (PCMU, PCMA, EVENTS)
    in_call(world, a, b)
    switches(world, b, 8)
    assert is_transcoded(world)
    for _ in range(2):
        b.do(lambda now: b.session.offer(b.offer(), now))
        world.run(1)
    assert is_transcoded(world)
    a.codecs = (PCMA, EVENTS)
    a.do(lambda now: a.session.offer(a.offer(), now))
    world.run(1)
    assert not is_transcoded(world), "now the other phone has it"
    assert sends(world, b, 8) == 8


def test_what_was_not_agreed_or_cannot_be_decoded_changes_nothing_however_often_it_is_sent() -> None:
    world = World(codecs={**ALL_CODECS, "g722": "no library"})
    a, b, _ = three(world)
    a.codecs, b.codecs = (PCMU, PCMA), (PCMU, G722, EVENTS)
    in_call(world, a, b)
    for phone in (a, b):
        for number in range(128):
            world.exchange.receive_unmapped(leg_of(world, phone), number, world.now)
    world.run(1)
    assert not is_transcoded(world)
    talk_both_ways(world, a, b)
