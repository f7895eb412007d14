"""Direct media that falls back through the server, and what changes in a running call."""

import pytest

from calls.direct_scenes import behind_nat, direct, is_direct, is_sealed, shows, state, told
from calls.scenes import all_gone
from calls.world import PCMU
from calls.zrtp_world import DIRECT, DIRECT_WISH, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, MediaPath, Protection, ZrtpStage
from sealtone.sdp import Direction
from sealtone.sip import events as sip

# Back through the server


def fallen_back(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    behind_nat(b)
    a.call("1001")


def test_a_callee_whose_answer_shows_nat_is_offered_the_servers_port_at_once() -> None:
    world, a, b = direct()
    fallen_back(world, a, b)
    world.run(0.2)
    assert len(b.saw(sip.OfferReceived)) == 1
    world.run(3)
    is_sealed(world, a, b)
    assert shows(world, a.host, b), "the callee was told where the caller receives, before it answered"
    assert not shows(world, b.host, a)
    assert a.saw(sip.OfferReceived) == [], "the caller notices nothing"
    plan = world.plane.plans[world.leg(b).port.id]
    assert plan.sealed
    assert plan.remote == ("10.0.0.5", 4000)
    assert plan.signalling_ip == b.address[0]
    world.hang_up(a)
    for phone in (a, b):
        assert world.recorded(phone).security.media_path is MediaPath.SEALED
    assert world.record.state is CallState.END_TO_END
    all_gone(world)


def test_the_callee_is_in_the_same_call_whichever_of_them_holds_it_afterwards() -> None:
    world, a, b = direct()
    fallen_back(world, a, b)
    world.run(3)
    for phone in (a, b):
        phone.hold(phone.session)
        world.run(1)
        phone.resume(phone.session)
        world.run(1)
    is_sealed(world, a, b)
    assert not shows(world, b.host, a)


@pytest.mark.parametrize("why", ["behind NAT", "unannounced"])
@pytest.mark.parametrize("latency_s", [0.005, 0.1, 0.3])
@pytest.mark.parametrize("thinks_s", [0.0, 0.15, 1.0, 3.5])
def test_a_callee_that_takes_its_time_over_the_new_offer_is_seen_agreeing_on_keys(
    thinks_s: float, latency_s: float, why: str
) -> None:
    """Its first Hello goes to the caller directly; from what comes after it the server has to know enough."""
    for seed in range(1, 6):
        world, a, b = direct(DIRECT if why == "behind NAT" else DIRECT_WISH, latency_s=latency_s, seed=seed)
        b.thinks_s = thinks_s
        if why == "behind NAT":
            behind_nat(b)
        b.announces = why == "behind NAT"
        a.call("1001")
        world.run(thinks_s + 4 + 20 * latency_s)
        is_sealed(world, a, b)


@pytest.mark.parametrize("status", [488, 603])
def test_a_callee_that_refuses_the_servers_port_loses_the_call_and_the_record_says_why(status: int) -> None:
    world, a, b = direct()

    def refuse(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived):
            event.session.reject_offer(status, world.now)
            return True
        return False

    b.on_event = refuse
    fallen_back(world, a, b)
    world.run(3)
    assert "refuses to send its media" in world.record.reason
    assert a.session.state == b.session.state == "ended"
    assert world.record.state is CallState.OPEN
    all_gone(world)


def test_a_callee_that_does_not_answer_the_new_offer_is_given_up() -> None:
    world, a, b = direct()
    b.on_event = lambda event: isinstance(event, sip.OfferReceived)
    fallen_back(world, a, b)
    world.run(40)
    assert not world.exchange.calls
    assert len(world.records) == 1
    assert world.record.state is CallState.OPEN
    assert a.session.state == "ended"


def test_a_callee_that_offers_at_the_same_moment_is_brought_back_all_the_same() -> None:
    world, a, b = direct()
    behind_nat(b)
    done: list[bool] = []

    def cross(event: sip.Event) -> bool:
        if isinstance(event, sip.OfferReceived) and not done:
            done.append(True)
            event.session.reject_offer(491, world.now)
            return True
        return False

    b.on_event = cross
    a.call("1001")
    world.run(0.1)
    assert done
    b.codecs = (*b.codecs, PCMU) if PCMU not in b.codecs else b.codecs[::-1]
    b.offer_anew(b.session)
    world.run(6)
    is_sealed(world, a, b)


def test_a_callee_whose_own_re_invite_crosses_ours_is_brought_back() -> None:
    world, a, b = direct()
    behind_nat(b)
    a.call("1001")
    while not b.sessions or b.session.state != "confirmed":
        world.run(0.005)
    b.hold(b.session)
    world.run(5)
    b.resume(b.session)
    world.run(5)
    is_sealed(world, a, b)


def test_a_caller_that_hangs_up_meanwhile_ends_it_cleanly() -> None:
    world, a, b = direct()
    b.on_event = lambda event: isinstance(event, sip.OfferReceived)
    fallen_back(world, a, b)
    world.run(0.3)
    world.hang_up(a)
    world.run(40)
    assert len(world.records) == 1
    all_gone(world)


def test_a_caller_that_holds_meanwhile_is_asked_to_wait() -> None:
    world, a, b = direct()
    b.thinks_s = 0.5
    fallen_back(world, a, b)
    world.run(0.3)
    a.hold(a.session)
    world.run(5)
    assert world.leg(a).was_held
    a.resume(a.session)
    world.run(5)
    is_sealed(world, a, b)


# Changes in mid-call


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_hold_and_resume_pass_with_their_directions_and_addresses(who: str, method: str) -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    holder, other = (a, b) if who == "caller" else (b, a)
    holder.session.prefer_update = method == "UPDATE"
    holder.hold(holder.session)
    world.run(1)
    assert told(other).direction is Direction.SENDONLY
    assert told(holder).direction is Direction.RECVONLY
    assert (told(other).address, told(other).port) == (holder.host, holder.stream.port)
    assert world.leg(holder).was_held
    holder.resume(holder.session)
    world.run(1)
    assert told(other).direction is told(holder).direction is Direction.SENDRECV
    is_direct(world, a, b)
    assert not world.told("refused")


def test_a_hold_by_a_null_address_passes_and_ends() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    a.inside = "0.0.0.0"
    a.offer_anew(a.session)
    world.run(1)
    assert not world.told("refused")
    assert told(b).null_address
    assert not told(b).direction.receives
    a.inside = None
    a.offer_anew(a.session)
    world.run(1)
    is_direct(world, a, b)


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_new_port_or_address_within_reach_reaches_the_other_phone(who: str, method: str) -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    phone = a if who == "caller" else b
    phone.session.prefer_update = method == "UPDATE"
    phone.stream.port = 4700
    phone.offer_anew(phone.session)
    world.run(2)
    is_direct(world, a, b)
    world.move(phone, "192.0.2.99")
    phone.offer_anew(phone.session)
    world.run(2)
    is_direct(world, a, b)


def test_an_answer_from_out_of_reach_ends_the_call() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    behind_nat(b, "7.7.7.7")
    a.hold(a.session)
    world.run(1)
    assert "would not at that address" in world.record.reason
    assert not shows(world, "7.7.7.7", a)
    all_gone(world)


def test_an_rtcp_address_out_of_reach_is_refused() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    a.says = {"rtcp": ("192.0.2.200", 9)}
    a.offer_anew(a.session)
    world.run(1)
    assert "would not at that address" in world.told("refused")[0]
    assert not shows(world, "192.0.2.200", b)
    is_direct(world, a, b)


def test_an_address_out_of_reach_is_refused_and_the_call_stays_as_it_was() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    behind_nat(a)
    a.offer_anew(a.session)
    world.run(1)
    (rejected,) = a.saw(sip.OfferRejected)
    assert rejected.status == 488  # type: ignore[attr-defined]
    assert "would not at that address" in world.told("refused")[0]
    assert b.saw(sip.OfferReceived) == []
    a.inside = None
    is_direct(world, a, b)
    a.hold(a.session)
    world.run(1)
    assert world.leg(a).was_held


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("what", ["hash dropped", "SDES"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_what_would_lower_a_direct_call_is_refused_where_either_requires_it(who: str, what: str, method: str) -> None:
    world = ZrtpWorld()
    a = world.phone("1000", transport="tls", policy=DIRECT if who == "callee" else DIRECT_WISH)
    b = world.phone("1001", transport="tls", policy=DIRECT if who == "caller" else DIRECT_WISH)
    a.call("1001")
    world.run(3)
    phone = a if who == "caller" else b
    if what == "SDES":
        phone.secure, phone.profile = True, "RTP/SAVP"
    else:
        phone.announces = False
    phone.session.prefer_update = method == "UPDATE"
    phone.offer_anew(phone.session)
    world.run(2)
    (rejected,) = phone.saw(sip.OfferRejected)
    assert rejected.status == 488  # type: ignore[attr-defined]
    assert "ZRTP" in world.told("refused")[0]
    is_direct(world, a, b)
    world.hang_up(a)
    assert world.record.state is CallState.END_TO_END


@pytest.mark.parametrize("returns", [False, True])
def test_a_direct_call_that_gives_up_zrtp_where_it_is_only_wished_for_is_open_from_then_on(returns: bool) -> None:
    world, a, b = direct(DIRECT_WISH)
    a.call("1001")
    world.run(3)
    a.announces = False
    a.offer_anew(a.session)
    world.run(2)
    assert state(world) is CallState.OPEN
    assert world.stage(a) is ZrtpStage.ABSENT
    assert world.security(a).protection is Protection.NONE
    assert "1000@office.example: The phone gave up the ZRTP of a running call." in world.told("warned")
    if returns:
        a.announces = True
        a.offer_anew(a.session)
        world.run(2)
        assert state(world) is CallState.END_TO_END
    world.hang_up(b)
    assert world.record.state is CallState.OPEN


def test_an_answer_that_drops_the_announcement_ends_the_call_where_it_is_required() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    b.announces = False
    a.hold(a.session)
    world.run(2)
    assert a.session.state == b.session.state == "ended"
    assert "ZRTP is required" in world.record.reason


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_session_refresh_is_answered_with_the_other_phones_place(who: str) -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    phone, other = (a, b) if who == "caller" else (b, a)
    phone.offer_anew(phone.session)
    world.run(1)
    assert other.saw(sip.OfferReceived) == []
    is_direct(world, a, b)


def test_a_re_invite_without_an_offer_is_offered_the_other_phones_place() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    a.do(a.session.request_offer)
    world.run(2)
    is_direct(world, a, b)
