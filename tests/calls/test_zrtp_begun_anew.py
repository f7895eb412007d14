"""A phone that announces another ZRTP Hello in a running call: keys are agreed on anew, and nothing passes meanwhile."""

import pytest

from calls.scenes import all_gone, in_call, refusing_offers
from calls.zrtp_world import DIRECT, ENDED, ENDED_WISH, SEALED, SEALED_WISH, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, LegPolicy, ZrtpFacts, ZrtpStage
from sealtone.sip import events as sip

BEGUN = "The phone began its ZRTP anew in the running call."


def talking(policy: LegPolicy) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=policy), world.phone("1001", policy=policy)
    in_call(world, a, b)
    world.run(2)
    return world, a, b


def facts(world: ZrtpWorld, phone: ZrtpPhone) -> ZrtpFacts:
    found = world.security(phone).zrtp
    assert found is not None
    return found


def hear_each_other(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    before = a.stream.good, b.stream.good
    world.run(2)
    assert a.stream.good > before[0] + 10
    assert b.stream.good > before[1] + 10


@pytest.mark.parametrize("policy", [ENDED, ENDED_WISH])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_phone_whose_zrtp_ends_at_the_server_comes_to_new_keys(policy: LegPolicy, method: str) -> None:
    world, a, b = talking(policy)
    old, hash_before = world.leg(a).keys, a.stream.description.zrtp_hashes  # type: ignore[union-attr]
    a.stream.begin_anew()
    a.session.prefer_update = method == "UPDATE"
    a.offer_anew(a.session)
    world.run(0.011)
    assert world.leg(a).keys == (None, None)
    assert not world.plane.plans[world.leg(a).port.id].send
    world.run(2)
    assert a.stream.description is not None
    assert a.stream.description.zrtp_hashes != hash_before, "our Hello is another one too"
    assert world.leg(a).keys not in (old, (None, None))
    assert facts(world, a).stage is ZrtpStage.SECURE
    assert facts(world, a).sas == a.stream.secured.sas
    assert facts(world, a).cache == "matched", "it is known by its secrets all the same"
    assert facts(world, a).warnings == (BEGUN,)
    assert f"1000@office.example: {BEGUN}" in world.told("warned")
    hear_each_other(world, a, b)
    assert b.stream.clear == 0
    world.hang_up(a)
    assert world.record.state is CallState.PROTECTED_TO_SERVER
    all_gone(world)


@pytest.mark.parametrize("policy", [ENDED, ENDED_WISH])
def test_without_new_keys_nothing_is_heard_and_the_call_ends(policy: LegPolicy) -> None:
    world, a, b = talking(policy)
    a.stream.begin_anew()
    a.offer_anew(a.session)
    a.stream.zrtp = None  # it announced another Hello, and sends in the clear
    heard = len(b.stream.heard)
    world.run(29)
    assert len(b.stream.heard) <= heard + 1
    assert a.session.state == "confirmed"
    world.run(3)
    assert "did not come to keys in time" in world.record.reason
    assert world.record.state is CallState.PROTECTED_TO_SERVER
    all_gone(world)


def test_an_answer_with_another_hello_changes_no_keys() -> None:
    world, a, b = talking(ENDED)
    keys = world.leg(b).keys
    zrtp = b.stream.zrtp
    b.stream.zrtp = b.stream._new_session()
    a.hold(a.session)
    world.run(0.1)
    b.stream.zrtp = zrtp
    world.run(1)
    a.resume(a.session)
    world.run(1)
    assert world.leg(b).keys == keys
    assert any("announced another ZRTP Hello" in one for one in facts(world, b).warnings)
    hear_each_other(world, a, b)


@pytest.mark.parametrize("policy", [SEALED, SEALED_WISH])
def test_two_phones_on_a_sealed_path_agree_anew_and_that_is_seen(policy: LegPolicy) -> None:
    world, a, b = talking(policy)
    old = a.stream.secured.sas
    a.stream.begin_anew()

    def too(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            b.stream.begin_anew()
        return False

    b.on_event = too
    a.offer_anew(a.session)
    world.run(3)
    assert a.stream.secured.sas == b.stream.secured.sas != old
    assert facts(world, a).stage is facts(world, b).stage is ZrtpStage.SEEN
    assert BEGUN in facts(world, a).warnings + facts(world, b).warnings
    hear_each_other(world, a, b)
    assert a.stream.clear == b.stream.clear == 0


def test_a_sealed_call_that_is_required_passes_nothing_without_a_new_agreement_and_ends() -> None:
    """As a phone would do that is to be led into the clear: its peer's Hello is announced as another one."""
    world, a, b = talking(SEALED)
    a.stream.begin_anew()
    a.offer_anew(a.session)
    a.stream.zrtp = None
    world.run(0.2)
    heard = len(b.stream.heard)
    world.run(5)
    assert len(b.stream.heard) == heard
    assert facts(world, a).stage is ZrtpStage.AGREEING
    world.run(27)
    assert "did not come to keys in time" in world.record.reason
    assert world.record.state is CallState.END_TO_END


def test_an_offer_to_begin_anew_that_the_other_phone_refuses_leaves_the_sealed_call_as_it_was() -> None:
    world, a, b = talking(SEALED)
    b.on_event = refusing_offers(b)
    zrtp = a.stream.zrtp
    a.stream.zrtp = a.stream._new_session()
    a.offer_anew(a.session)
    world.run(0.015)
    assert facts(world, a).stage is facts(world, b).stage is ZrtpStage.AGREEING
    assert not world.plane.plans[world.leg(b).port.id].send
    world.run(1)
    a.stream.zrtp = zrtp
    assert facts(world, a).stage is facts(world, b).stage is ZrtpStage.SEEN
    hear_each_other(world, a, b)


def test_where_zrtp_is_only_preferred_the_call_goes_on_in_the_clear_and_that_is_recorded() -> None:
    world, a, b = talking(SEALED_WISH)
    a.stream.begin_anew()
    a.offer_anew(a.session)
    a.stream.zrtp = None
    world.run(20)
    assert b.stream.clear > 0
    world.hang_up(a)
    assert world.record.state is CallState.OPEN
    assert BEGUN in [one for leg in world.record.legs if leg.security.zrtp for one in leg.security.zrtp.warnings]


def test_on_a_direct_path_the_other_phone_is_told_and_a_warning_made() -> None:
    world, a, b = talking(DIRECT)
    a.stream.begin_anew()
    a.offer_anew(a.session)
    world.run(1)
    assert b.stream.description is not None
    assert a.stream.zrtp is not None
    assert b.stream.description.zrtp_hashes == (str(a.stream.zrtp.hello_hash),)
    assert facts(world, a).warnings == (BEGUN,)
