"""ZRTP that ends at the server: one side, both sides, phones that speak none, late or lossy ones, what the record says."""

import pytest

from calls.scenes import all_gone
from calls.world import PLAIN, PREFER, REQUIRE
from calls.zrtp_world import ENDED, ENDED_WISH, ZID, ZrtpWorld
from sealtone.b2bua.zrtp_in_call import verify
from sealtone.model import CallState, KeyExchange, MediaPath, Protection, ZrtpStage
from sealtone.sip import events as sip

FAR = {"plain": ("udp", PLAIN), "srtp": ("tls", PREFER), "srtp required": ("tls", REQUIRE)}


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("side", ["caller", "callee"])
def test_one_side_speaks_zrtp_and_the_other_has_what_it_has(far: str, side: str) -> None:
    world = ZrtpWorld()
    a = world.phone("1000")
    b = world.phone("1001", transport=FAR[far][0], policy=FAR[far][1])
    caller, callee = (a, b) if side == "caller" else (b, a)
    caller.call(callee.number)
    world.run(3)
    security = world.security(a)
    assert security.protection is Protection.ZRTP
    assert security.key_exchange is KeyExchange.ZRTP
    assert security.media_path is MediaPath.SERVER
    assert security.zrtp is not None
    assert security.zrtp.stage is ZrtpStage.SECURE
    assert security.zrtp.sas == a.stream.secured.sas
    assert security.zrtp.hello_hash_matched is True
    assert a.stream.clear == 0
    if far == "plain":
        assert a.stream.good > 10
        assert b.stream.clear > 10
    world.hang_up(caller)
    assert world.record.state is (CallState.OPEN if far == "plain" else CallState.PROTECTED_TO_SERVER)
    zrtp = world.recorded(a).security.zrtp
    assert zrtp is not None
    assert (zrtp.key_agreement, zrtp.hash, zrtp.cipher, zrtp.auth_tag) == ("X255", "S256", "AES1", "HS80")
    assert zrtp.cache == "first contact"
    assert zrtp.client == "a phone"
    assert not zrtp.warnings
    all_gone(world)


def test_on_both_sides_each_leg_has_its_own_string_and_its_own_keys() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001")
    world.run(3)
    for phone in (a, b):
        zrtp = world.security(phone).zrtp
        assert zrtp is not None
        assert zrtp.sas == phone.stream.secured.sas
        assert phone.stream.good > 10
        assert phone.stream.clear == 0
        assert phone.stream.secured.trusted_mitm
        assert phone.stream.secured.peer_zid == ZID
    assert a.stream.secured.sas != b.stream.secured.sas
    world.hang_up(b)
    assert world.record.state is CallState.PROTECTED_TO_SERVER
    sas = [leg.security.zrtp.sas for leg in world.record.legs if leg.security.zrtp is not None]
    assert sas == [a.stream.secured.sas, b.stream.secured.sas]
    all_gone(world)


def test_nothing_leaves_in_the_clear_before_required_keys_are_there_and_nothing_after() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001", policy=PLAIN)
    a.hello_after_s = 5.0
    a.call("1001")
    world.run(4.9)
    assert world.from_server == []
    assert world.security(a).protection is Protection.NONE
    world.run(5)
    assert a.stream.good > 10
    assert b.stream.clear > 10
    assert all(packet.key is not None for to, packet in world.from_server if to == a.number)


def test_a_phone_that_speaks_none_leaves_a_wish_unfulfilled_and_that_is_said() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=ENDED_WISH), world.phone("1001", policy=PLAIN)
    a.zrtp = False
    a.call("1001")
    world.run(10)
    security = world.security(a)
    assert security.protection is Protection.NONE
    assert security.zrtp is not None
    assert security.zrtp.stage is ZrtpStage.ABSENT
    assert security.note == "The phone does not answer to ZRTP."
    assert a.stream.clear > 10
    assert b.stream.clear > 10
    world.hang_up(a)
    assert world.record.state is CallState.OPEN
    assert world.recorded(a).security.note == "The phone does not answer to ZRTP."


def test_a_phone_that_announces_zrtp_and_is_silent_is_waited_for_and_then_open() -> None:
    world = ZrtpWorld()
    a, _ = world.phone("1000", policy=ENDED_WISH), world.phone("1001", policy=PLAIN)
    a.hello_after_s = 1000.0
    a.call("1001")
    world.run(3.5)
    assert world.from_server == []
    world.run(2)
    assert a.stream.clear > 5
    assert "1000@office.example: The phone does not answer to ZRTP. open" in world.told("warned")


@pytest.mark.parametrize("announces", [True, False])
def test_a_phone_that_speaks_none_though_it_must_hears_silence_and_then_the_call_ends(announces: bool) -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001", policy=PLAIN)
    a.zrtp, a.hello_after_s = announces, 1000.0
    a.call("1001")
    world.run(29)
    assert a.session.state == "confirmed"
    assert world.live.weakest is None
    world.run(2)
    assert world.from_server == []
    assert b.session.state == a.session.state == "ended"
    assert world.record.reason == (
        "ZRTP is required for this user, but the phone of 1000@office.example did not come to keys in time"
    )
    assert world.record.ended_by == "server"
    assert world.record.state is CallState.OPEN
    assert world.record.reason in world.told("warned")
    all_gone(world)


def test_the_caller_of_an_echo_test_is_not_left_in_silence_either() -> None:
    world = ZrtpWorld()
    a = world.phone("1000")
    a.zrtp = False
    a.call("*43")
    world.run(31)
    assert world.from_server == []
    assert "did not come to keys" in world.record.reason
    all_gone(world)


def test_the_echo_test_comes_back_under_keys() -> None:
    world = ZrtpWorld()
    a = world.phone("1000")
    a.call("*43")
    world.run(3)
    assert a.stream.good > 10
    assert a.stream.clear == 0
    world.hang_up(a)
    assert world.record.state is CallState.PROTECTED_TO_SERVER


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("policy", [ENDED, ENDED_WISH])
def test_a_hello_eight_seconds_late_is_in_time(late: int, policy: object) -> None:
    world = ZrtpWorld()
    phones = world.phone("1000", policy=policy), world.phone("1001", policy=policy)  # type: ignore[arg-type]
    phones[late].hello_after_s = 8.0
    phones[0].call("1001")
    world.run(12)
    for phone in phones:
        assert world.security(phone).protection is Protection.ZRTP
        assert phone.stream.good > 10
    if policy is ENDED:
        assert all(packet.key is not None for _, packet in world.from_server)
    world.hang_up(phones[0])
    # Who only wished for it talked in the clear for a while, so that the call was open.
    assert world.record.state is (CallState.PROTECTED_TO_SERVER if policy is ENDED else CallState.OPEN)


@pytest.mark.parametrize("seed", range(1, 26))
def test_with_a_third_of_all_packets_lost_the_keys_come_all_the_same(seed: int) -> None:
    world = ZrtpWorld(seed, loss=0.3)
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001")
    world.run(20)
    for phone in (a, b):
        zrtp = world.security(phone).zrtp
        assert zrtp is not None
        assert zrtp.stage is ZrtpStage.SECURE
        assert zrtp.sas == phone.stream.secured.sas
    assert all(packet.key is not None for _, packet in world.from_server)


def test_hold_and_resume_change_no_key_and_use_none_up() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    session = a.call("1001")
    world.run(3)
    keys = [world.leg(phone).keys for phone in (a, b)]
    for _ in range(20):
        a.hold(session)
        world.run(1)
        a.resume(session)
        world.run(1)
    assert not world.told("refused")
    assert [world.leg(phone).keys for phone in (a, b)] == keys
    heard = b.stream.good
    world.run(2)
    assert b.stream.good > heard + 10
    assert b.stream.clear == a.stream.clear == 0


def test_keys_that_come_with_early_media_are_used_at_once() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(3)
    assert world.live.state == "ringing"
    assert a.stream.is_secure
    assert b.stream.is_secure
    assert a.stream.good > 5
    assert a.stream.clear == 0
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(2)
    assert b.stream.good > 10
    world.hang_up(a)
    assert world.record.state is CallState.PROTECTED_TO_SERVER
    all_gone(world)


def test_early_media_of_a_branch_that_refuses_ends_with_its_keys() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(3)
    agreement = world.live.branches[0].zrtp
    assert agreement is not None
    assert agreement.rx is not None
    b.do(lambda now: b.session.reject(486, now))
    world.run(3)
    assert agreement.rx is None
    assert agreement.secured is None
    all_gone(world)


def test_a_late_offer_comes_to_keys_on_both_sides() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    a.call("1001", body=None)
    world.run(3)
    for phone in (a, b):
        assert world.security(phone).protection is Protection.ZRTP
        assert phone.stream.good > 10
        assert phone.stream.clear == 0


def test_a_redirect_takes_the_callers_zrtp_along() -> None:
    world = ZrtpWorld()
    a, b, c = world.phone("1000"), world.phone("1001"), world.phone("1002", policy=PLAIN)

    def forward(event: sip.Event) -> bool:
        if isinstance(event, sip.RequestReceived) and event.request.method == "INVITE":
            contact = (("Contact", "<sip:1002@office.example>"),)
            b.endpoint.respond(event.tx, 302, world.now, None, contact)
            return True
        return False

    b.on_event = forward
    a.call("1001")
    world.run(3)
    assert world.security(a).protection is Protection.ZRTP
    assert a.stream.good > 10
    assert c.stream.clear > 10


def test_of_forked_phones_the_losers_keys_are_forgotten() -> None:
    world = ZrtpWorld()
    a = world.phone("1000")
    winner, loser = world.phone("1001"), world.phone("1001")
    loser.answers = None
    winner.answers = None
    a.call("1001")
    world.run(1)
    branches = list(world.live.branches)
    winner.do(lambda now: winner.pick_up(winner.session, now))
    world.run(3)
    assert world.security(winner).protection is Protection.ZRTP
    lost = next(leg for leg in branches if leg.user is loser.user)
    assert lost.keys == (None, None)
    assert lost.port.id not in world.exchange._zrtp_legs
    assert winner.stream.good > 10


def test_a_refused_codec_leaves_no_agreement_behind() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    b.codecs = ()
    a.call("1001")
    world.run(3)
    all_gone(world)
    assert world.exchange._zrtp_legs == {}
    assert world.exchange._zrtp_wakes == {}


def test_a_comparison_says_nothing_of_the_time_before_the_keys_it_is_about() -> None:
    """The phone began with keys in the signalling, and came to ZRTP later."""
    world = ZrtpWorld()
    a = world.phone("1000", transport="tls", policy=ENDED_WISH)
    a.secure, a.profile = True, "RTP/SAVP"
    session = a.call("*43")
    world.run(2)
    assert world.security(a).protection is Protection.SRTP
    a.secure, a.profile = False, "RTP/AVP"
    a.offer_anew(session)
    world.run(3)
    assert world.security(a).protection is Protection.ZRTP
    verify(world.leg(a), True, world.now)
    assert world.security(a).sas_verified
    assert world.live.security_state() == CallState.PROTECTED_CHECKED.value
    world.hang_up(a)
    assert world.record.state is CallState.PROTECTED_TO_SERVER


def test_enrolment_is_offered_to_who_dials_it_and_not_to_who_is_led_there() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000"), world.phone("1001")
    b.answers = None
    a.call("1001")
    world.run(1)
    b.do(lambda now: b.session.reject(302, now, None, (("Contact", "<sip:*44@office.example>"),)))
    world.run(3)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status >= 400  # type: ignore[attr-defined]
    assert world.cache == {}
    all_gone(world)


def test_the_other_phone_is_not_told_of_zrtp_that_nobody_announced() -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=ENDED_WISH), world.phone("1001", policy=ENDED_WISH)
    a.announces = False
    b.zrtp = False
    a.call("1001")
    world.run(2)
    assert any(b"X-Sealtone-Far-Leg: media=none;signalling=udp" in message for message in world.wire)
    assert not any(b"X-Sealtone-Far-Leg: media=zrtp" in message for message in world.wire)
