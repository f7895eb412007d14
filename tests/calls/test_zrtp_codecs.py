"""Sealed and direct calls pass what both phones have. Where they share nothing, the server decodes, and says so."""

from dataclasses import replace

import pytest

from calls.media import ALL_CODECS
from calls.scenes import all_gone
from calls.world import EVENTS, OPUS, PCMA, PCMU
from calls.zrtp_world import DIRECT, SEALED, SEALED_WISH, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, LegPolicy, MediaPath, Protection, ZrtpStage
from sealtone.sdp import Codec
from sealtone.sip import events as sip

G729 = Codec(18, "G729", 8000)
GSM = Codec(3, "GSM", 8000)
POLICIES = pytest.mark.parametrize("policy", [SEALED, SEALED_WISH, DIRECT], ids=["sealed", "wish", "direct"])


def town(policy: LegPolicy, codecs: dict[str, str] = ALL_CODECS) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    world = ZrtpWorld(codecs=codecs)
    a, b = world.phone("1000", policy=policy), world.phone("1001", policy=policy)
    if policy is DIRECT:
        world.move(a, "203.0.113.11")
        world.move(b, "203.0.113.12")
    return world, a, b


def goes_through_the_server_and_says_so(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    """Both legs end here with keys of their own, the voice of either reaches the other, and the record is honest."""
    for phone in (a, b):
        security = world.security(phone)
        assert security.media_path is MediaPath.SERVER
        assert security.protection is Protection.ZRTP
        assert security.zrtp is not None
        assert security.zrtp.stage is ZrtpStage.SECURE
        assert security.zrtp.sas == phone.stream.secured.sas
        assert phone.stream.secured.trusted_mitm
        assert phone.stream.good > 10
        assert phone.stream.clear == 0
    assert a.stream.secured.sas != b.stream.secured.sas
    assert world.live.drawn() == "1000 —ZRTP→ server, transcoded opus ↔ g729 —ZRTP→ 1001"
    world.hang_up(a)
    record = world.record
    assert record.state is CallState.PROTECTED_TO_SERVER
    assert [leg.transcoded for leg in record.legs if leg.chosen] == [True, True]
    assert [leg.security.media_path for leg in record.legs if leg.chosen] == [MediaPath.SERVER] * 2
    notes = [leg.security.note for leg in record.legs if leg.chosen and leg.role == "callee"]
    assert "the server decodes between them, and can listen" in notes[0]
    all_gone(world)


@POLICIES
def test_a_switch_of_codecs_that_passes_unseen_is_left_to_the_phones(policy: LegPolicy) -> None:
    world, a, b = town(policy)
    a.codecs, b.codecs = (PCMU, EVENTS), (PCMU, PCMA, EVENTS)
    a.call("1001")
    world.run(4)
    before = {leg: world.plane.joined.get(leg) for leg in world.plane.legs}
    for leg in world.plane.legs:
        for number in (0, 8, 101):
            world.exchange.receive_unmapped(leg, number, world.now)
    world.pump()
    assert {leg: world.plane.joined.get(leg) for leg in world.plane.legs} == before
    assert not world.plane.through_codecs
    path = MediaPath.DIRECT if policy is DIRECT else MediaPath.SEALED
    assert [world.security(phone).media_path for phone in (a, b)] == [path, path]


@POLICIES
def test_users_whose_lists_share_no_codec_talk_through_the_server_with_zrtp_on_both_legs(policy: LegPolicy) -> None:
    world, a, b = town(policy)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    b.user = replace(b.user, codecs=("g729",))
    a.call("1001")
    world.run(4)
    assert len(b.sessions) == 1, "nothing had to be tried twice"
    goes_through_the_server_and_says_so(world, a, b)


@POLICIES
def test_a_phone_that_refuses_what_the_other_has_is_asked_again_through_the_server(policy: LegPolicy) -> None:
    world, a, b = town(policy)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    a.call("1001")
    world.run(4)
    assert len(b.sessions) == 2
    goes_through_the_server_and_says_so(world, a, b)


@POLICIES
def test_phones_that_share_a_codec_stay_sealed_and_are_offered_nothing_else(policy: LegPolicy) -> None:
    world, a, b = town(policy)
    a.codecs, b.codecs = (OPUS, PCMA, EVENTS), (G729, PCMA, EVENTS)
    a.call("1001")
    world.run(4)
    assert world.security(a).media_path is (MediaPath.DIRECT if policy is DIRECT else MediaPath.SEALED)
    assert b.stream.description is not None
    assert [codec.encoding for codec in b.stream.description.codecs] == ["opus", "PCMA", "telephone-event"]
    assert not world.plane.through_codecs
    world.hang_up(a)
    assert world.record.state is CallState.END_TO_END
    assert all("decodes" not in leg.security.note for leg in world.record.legs)


@POLICIES
def test_where_the_server_cannot_convert_either_the_call_is_refused_with_the_reason(policy: LegPolicy) -> None:
    for of_b in (("gsm",), ()):
        world, a, b = town(policy, {"opus": "", "gsm": "libgsm.so.1 is not installed"})
        a.codecs, b.codecs = (OPUS, EVENTS), (GSM, EVENTS)
        b.user = replace(b.user, codecs=of_b)
        a.call("1001")
        world.run(4)
        (rejected,) = a.saw(sip.Rejected)
        assert rejected.status == 488  # type: ignore[union-attr]
        assert "opus" in world.record.reason
        assert world.record.state is CallState.OPEN
        all_gone(world)


def test_a_late_offer_of_codecs_that_the_other_user_does_not_permit_goes_through_the_server() -> None:
    world, a, b = town(SEALED)
    a.codecs, b.codecs = (OPUS, EVENTS), (G729, EVENTS)
    a.user = replace(a.user, codecs=("opus",))

    def answers(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived) and event.method == "2xx":
            event.session.answer(a.answer_body(event.body), world.now)
            assert a.heard is not None
            a.stream.described(a.heard, world.now)
            return True
        return False

    a.on_event = answers
    a.call("1001", body=None)
    world.run(4)
    assert world.security(a).media_path is MediaPath.SERVER
    assert world.security(b).media_path is MediaPath.SERVER
    assert a.stream.good > 10
    assert b.stream.good > 10


def test_a_sealed_call_is_never_decoded_however_its_codecs_change() -> None:
    world, a, b = town(SEALED)
    a.codecs, b.codecs = (PCMA, EVENTS), (PCMA, PCMU, EVENTS)
    a.call("1001")
    world.run(3)
    a.codecs = (PCMU, EVENTS)
    a.offer_anew(a.session)
    world.run(1)
    assert b.stream.description is not None
    assert [codec.encoding for codec in b.stream.description.codecs] == ["PCMU", "telephone-event"]
    a.codecs = (G729, EVENTS)
    a.offer_anew(a.session)
    world.run(1)
    assert a.saw(sip.OfferRejected)
    assert not world.plane.through_codecs
    assert world.security(a).media_path is MediaPath.SEALED
