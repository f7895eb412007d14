"""Media from phone to phone: when it is chosen, what each phone is told, and how it falls back through the server."""

import pytest

from calls.media import Rtp
from calls.scenes import all_gone, in_call, join, refer, reliable_invitation, take_over
from calls.world import OPUS, PCMU
from calls.zrtp_world import DIRECT, DIRECT_WISH, ENDED, SEALED, ZrtpPhone, ZrtpWorld
from sealtone.model import CallState, LegPolicy, MediaPath, Protection, ZrtpStage
from sealtone.sdp import AudioDescription, Direction
from sealtone.sip import events as sip

SERVER = "192.0.2.1"


def direct(policy: LegPolicy = DIRECT, **world: object) -> tuple[ZrtpWorld, ZrtpPhone, ZrtpPhone]:
    found = ZrtpWorld(**world)  # type: ignore[arg-type]
    return found, found.phone("1000", policy=policy), found.phone("1001", policy=policy)


def behind_nat(phone: ZrtpPhone, inside: str = "10.0.0.5") -> None:
    phone.inside = inside


def told(phone: ZrtpPhone) -> AudioDescription:
    assert phone.stream.description is not None
    return phone.stream.description


def is_direct(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    """Each is told the other's place, the server's ports are deaf, and both hear each other."""
    for phone, other in ((a, b), (b, a)):
        assert (told(phone).address, told(phone).port) == (other.host, other.stream.port)
        plan = world.plane.plans[world.leg(phone).port.id]
        assert (plan.remote, plan.remote_rtcp, plan.send, plan.receive, plan.rx, plan.tx) == (
            None, None, False, False, None, None,
        )  # fmt: skip
        assert world.security(phone).media_path is MediaPath.DIRECT
        assert world.stage(phone) is ZrtpStage.ANNOUNCED
        assert phone.stream.good > 10
    assert a.stream.secured.sas == b.stream.secured.sas
    assert world.joined() == []
    assert world.from_server == []
    assert world.plane.sent == []
    assert state(world) is CallState.END_TO_END


def is_sealed(world: ZrtpWorld, a: ZrtpPhone, b: ZrtpPhone) -> None:
    """Both are told a port of the server's, ZRTP was seen, and both hear each other through the server alone."""
    heard = a.stream.good, b.stream.good
    world.direct.clear()
    world.run(3)
    for phone, before in ((a, heard[0]), (b, heard[1])):
        assert told(phone).address == SERVER
        assert world.security(phone).media_path is MediaPath.SEALED
        assert world.stage(phone) is ZrtpStage.SEEN
        assert phone.stream.good > before + 10
    assert a.stream.secured.sas == b.stream.secured.sas
    assert world.direct == []
    assert state(world) is CallState.END_TO_END


def state(world: ZrtpWorld) -> CallState:
    return CallState(world.live.security_state())


def shows(world: ZrtpWorld, text: str, to: ZrtpPhone) -> bool:
    """Whether a description with this text was sent to the phone."""
    return any(text.encode() in body for phone, body in world.bodies if phone is to)


# Chosen, and what passes


def test_each_phone_is_told_where_the_other_one_receives_and_the_server_hears_nothing() -> None:
    world, a, b = direct()
    a.says = {"rtcp_mux": True, "rtcp": (a.host, 4777), "ptime_ms": 30}
    b.says = {"rtcp": (b.host, 4999), "ptime_ms": 40}
    a.call("1001")
    world.run(3)
    is_direct(world, a, b)
    assert (told(b).rtcp_mux, told(b).rtcp, told(b).ptime_ms) == (True, (a.host, 4777), 30)
    assert (told(a).rtcp_mux, told(a).rtcp, told(a).ptime_ms) == (False, (b.host, 4999), 40)
    for phone, other in ((a, b), (b, a)):
        assert other.stream.zrtp is not None
        assert told(phone).zrtp_hashes == (str(other.stream.zrtp.hello_hash),)
    assert "1000 —ZRTP, direct→ 1001" in world.told("answered")[0]
    world.hang_up(a)
    for phone in (a, b):
        leg = world.recorded(phone)
        assert leg.security.media_path is MediaPath.DIRECT
        assert leg.security.protection is Protection.ZRTP
        assert (leg.security.suite_rx, leg.security.suite_tx) == (None, None)
        zrtp = leg.security.zrtp
        assert zrtp is not None
        assert (zrtp.stage, zrtp.sas, zrtp.key_agreement, zrtp.client) == (ZrtpStage.ANNOUNCED, "", "", "")
    assert world.record.state is CallState.END_TO_END
    all_gone(world)


def test_rtcp_mux_of_both_passes() -> None:
    world, a, b = direct()
    a.says = b.says = {"rtcp_mux": True}
    a.call("1001")
    world.run(3)
    is_direct(world, a, b)
    assert told(a).rtcp_mux
    assert told(b).rtcp_mux


def test_what_comes_to_the_servers_ports_all_the_same_goes_nowhere() -> None:
    world, a, b = direct()
    a.call("1001")
    world.run(3)
    for leg in list(world.plane.legs):
        assert world.plane.rtp_in(leg, Rtp(None, 8)) is None
        assert not world.plane.zrtp_in(leg, b"anything")
    for phone in (a, b):
        stream = phone.stream
        away, stream.far = stream.far, (SERVER, world.leg(phone).port.rtp_port)
        world.inject(stream, stream.received[0])
        world.run(1)
        stream.far = away
    assert world.from_server == []
    assert world.stage(a) is ZrtpStage.ANNOUNCED


@pytest.mark.parametrize("policies", [(DIRECT, SEALED), (SEALED, DIRECT)])
def test_where_only_one_of_the_users_wants_it_the_call_is_sealed_and_hides_the_addresses(
    policies: tuple[LegPolicy, LegPolicy],
) -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=policies[0]), world.phone("1001", policy=policies[1])
    a.call("1001")
    world.run(3)
    is_sealed(world, a, b)
    assert not shows(world, a.host, b)
    assert not shows(world, b.host, a)


@pytest.mark.parametrize("policies", [(DIRECT, ENDED), (ENDED, DIRECT)])
def test_where_one_of_the_users_wants_the_server_it_is_the_server(policies: tuple[LegPolicy, LegPolicy]) -> None:
    world = ZrtpWorld()
    a, b = world.phone("1000", policy=policies[0]), world.phone("1001", policy=policies[1])
    a.call("1001")
    world.run(3)
    assert a.stream.secured.trusted_mitm
    assert a.stream.good > 10
    assert state(world) is CallState.PROTECTED_TO_SERVER
    assert not shows(world, a.host, b)


PLACES = [
    # who may reach whom: (address, inside NAT) of the caller and the callee
    pytest.param(("9.9.9.9", None), ("8.8.8.8", None), True, id="both public"),
    pytest.param(("10.0.0.5", None), ("192.168.1.7", None), True, id="both private, seen as they are"),
    pytest.param(("2001:4860::1", None), ("2001:4860::2", None), True, id="both IPv6"),
    pytest.param(("9.9.9.9", "10.0.0.5"), ("9.9.9.9", "10.0.0.6"), True, id="both behind the same address"),
    pytest.param(("10.0.0.5", None), ("9.9.9.9", None), False, id="private calls public"),
    pytest.param(("9.9.9.9", None), ("10.0.0.5", None), False, id="public calls private"),
    pytest.param(("100.64.0.7", None), ("9.9.9.9", None), False, id="shared address space calls public"),
    pytest.param(("127.0.0.1", None), ("10.0.0.5", None), False, id="the server's own machine calls private"),
    pytest.param(("10.0.0.5", None), ("127.0.0.1", None), False, id="private calls the server's own machine"),
    pytest.param(("9.9.9.9", "10.0.0.5"), ("8.8.8.8", None), False, id="caller behind NAT"),
    pytest.param(("9.9.9.9", None), ("8.8.8.8", "10.0.0.5"), False, id="callee behind NAT"),
    pytest.param(("9.9.9.9", "10.0.0.5"), ("8.8.8.8", "10.0.0.6"), False, id="each behind its own NAT"),
    pytest.param(("9.9.9.9", None), ("2001:4860::2", None), False, id="IPv4 calls IPv6"),
    pytest.param(("2001:4860::2", None), ("9.9.9.9", None), False, id="IPv6 calls IPv4"),
    pytest.param(("2001:4860::1", "10.0.0.5"), ("9.9.9.9", None), False, id="signalling by IPv6, media by IPv4"),
    pytest.param(("9.9.9.9", None), ("8.8.8.8", "2001:4860::1"), False, id="the answer is by another IP"),
]


@pytest.mark.parametrize(("a_at", "b_at", "reaches"), PLACES)
def test_it_is_direct_only_where_nothing_shows_that_they_would_not_reach_each_other(
    a_at: tuple[str, str | None], b_at: tuple[str, str | None], reaches: bool
) -> None:
    world, a, b = direct()
    for phone, (host, inside), port in ((a, a_at, 5060), (b, b_at, 5070)):
        world.move(phone, host, port)
        phone.inside = inside
    a.call("1001")
    world.run(4)
    (is_direct if reaches else is_sealed)(world, a, b)
    world.hang_up(b)
    assert world.record.state is CallState.END_TO_END
    all_gone(world)


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_phone_behind_a_proxy_is_not_taken_for_it(who: str) -> None:
    """Two phones of one proxy have its address in common and nothing else."""
    world, a, b = direct()
    for phone, port in ((a, 5060), (b, 5070)):
        world.move(phone, "9.9.9.9", port)
        phone.inside = f"10.{port - 5000}.0.5"
    if who == "caller":
        a.call("1001", headers=(("Record-Route", "<sip:9.9.9.9:5060;lr>"),))
    else:
        world.path = ("<sip:9.9.9.9:5070;lr>",)
        a.call("1001")
    world.run(4)
    assert world.security(a).media_path is MediaPath.SEALED
    assert world.security(b).media_path is MediaPath.SEALED


def test_a_caller_behind_nat_does_not_show_its_address() -> None:
    world, a, b = direct()
    behind_nat(a)
    a.call("1001")
    world.run(4)
    is_sealed(world, a, b)
    assert not shows(world, a.host, b)
    assert not shows(world, b.host, a)


def test_a_late_offer_is_sealed() -> None:
    world, a, b = direct()
    a.call("1001", body=None)
    world.run(3)
    is_sealed(world, a, b)
    assert not shows(world, a.host, b)
    assert not shows(world, b.host, a)


@pytest.mark.parametrize("silent", ["caller", "callee", "both"])
def test_a_phone_that_announces_no_zrtp_is_not_reached_directly(silent: str) -> None:
    world, a, b = direct(DIRECT_WISH)
    a.announces, b.announces = silent == "callee", silent == "caller"
    a.call("1001")
    world.run(4)
    is_sealed(world, a, b)


def test_a_plain_phone_of_a_user_who_only_wishes_for_it_is_open_through_the_server() -> None:
    world, a, b = direct(DIRECT_WISH)
    b.zrtp = False
    a.call("1001")
    world.run(20)
    assert world.security(b).media_path is MediaPath.SEALED
    assert world.stage(b) is ZrtpStage.ABSENT
    assert told(b).address == SERVER
    assert b.stream.clear > 10
    world.hang_up(a)
    assert world.record.state is CallState.OPEN


def test_a_plain_phone_of_a_user_who_requires_it_gets_nothing_through_the_server() -> None:
    world, a, b = direct()
    b.zrtp = False
    a.call("1001")
    world.run(32)
    assert world.from_server == []
    assert "did not come to keys in time" in world.record.reason
    assert world.record.state is CallState.OPEN
    all_gone(world)


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


# Forks, early media, redirects, ends


@pytest.mark.parametrize("first", ["direct", "sealed", "behind NAT"])
def test_of_forked_phones_the_first_answer_decides_the_path(first: str) -> None:
    world = ZrtpWorld()
    a = world.phone("1000", policy=DIRECT)
    phones = {
        "direct": world.phone("1001", policy=DIRECT),
        "sealed": world.phone("1001", policy=SEALED),
        "behind NAT": world.phone("1001", policy=DIRECT),
    }
    behind_nat(phones["behind NAT"])
    for phone in phones.values():
        phone.answers = None
    a.call("1001")
    world.run(1)
    b = phones[first]
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(4)
    (is_direct if first == "direct" else is_sealed)(world, a, b)
    assert not shows(world, a.host, phones["sealed"])
    world.hang_up(a)
    all_gone(world)


@pytest.mark.parametrize("reliable", [False, True])
@pytest.mark.parametrize("nat", [False, True])
def test_early_media_goes_the_way_that_the_call_goes(nat: bool, reliable: bool) -> None:
    world, a, b = direct()
    b.early_media, b.answers = True, None
    if nat:
        behind_nat(b)
    if reliable:
        a.open_call(lambda: a.endpoint.invite(reliable_invitation(a), world.now))
    else:
        a.call("1001")
    world.run(3)
    assert world.live.state == "ringing"
    if nat:
        assert a.stream.description is None, "who cannot answer it yet does not hear it yet"
        world.run(20)
    else:
        is_direct(world, a, b)
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(5)
    (is_sealed if nat else is_direct)(world, a, b)
    world.hang_up(b)
    assert world.record.state is CallState.END_TO_END


def test_an_answer_from_another_place_than_the_early_one_reaches_the_caller() -> None:
    world, a, b = direct()
    b.early_media, b.answers = True, None
    a.call("1001")
    world.run(3)
    b.stream.port = 4800
    b.do(lambda now: b.pick_up(b.session, now))
    world.run(3)
    assert told(a).port == 4800
    is_direct(world, a, b)


@pytest.mark.parametrize("then", ["direct", "sealed", "behind NAT"])
@pytest.mark.parametrize("early", [False, True])
def test_a_redirect_takes_the_path_of_the_phone_it_leads_to(then: str, early: bool) -> None:
    world, a, b = direct()
    c = world.phone("1002", policy=SEALED if then == "sealed" else DIRECT)
    if then == "behind NAT":
        behind_nat(c)
    b.early_media, b.answers = early, None
    a.call("1001")
    world.run(0.06)
    b.do(lambda now: b.session.reject(302, now, None, (("Contact", "<sip:1002@office.example>"),)))
    b.stream.over = True
    world.run(8)
    (is_direct if then == "direct" else is_sealed)(world, a, c)
    world.hang_up(a)
    all_gone(world)


@pytest.mark.parametrize("early", [False, True])
def test_a_caller_that_gives_up_leaves_nothing(early: bool) -> None:
    world, a, b = direct()
    b.early_media, b.answers = early, None
    a.call("1001")
    world.run(2)
    a.do(a.session.cancel)
    world.run(2)
    assert world.record.status == 487
    assert world.record.state in (CallState.OPEN, CallState.END_TO_END)
    all_gone(world)


def test_two_phones_without_a_common_codec_are_refused() -> None:
    world, a, b = direct()
    a.codecs, b.codecs = (OPUS,), (PCMU,)
    a.call("1001")
    world.run(2)
    (rejected,) = a.saw(sip.Rejected)
    assert rejected.status == 488  # type: ignore[attr-defined]
    all_gone(world)


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


def test_a_direct_call_is_neither_transferred_nor_taken_over_and_the_reason_is_given() -> None:
    world, a, b = direct()
    c = world.phone("1002", policy=DIRECT)
    in_call(world, a, b)
    refer(a, a.session, "<sip:1002@office.example>")
    world.run(2)
    (answer,) = a.saw(sip.InDialogResponse)
    assert answer.status == 603  # type: ignore[attr-defined]
    assert "A sealed or direct call cannot be transferred" in answer.response.reason  # type: ignore[attr-defined]
    first = a.session
    a.call("1002")
    world.run(2)
    join(a, first, a.session)
    world.run(2)
    assert [answer.status for answer in a.saw(sip.InDialogResponse)] == [603, 603]  # type: ignore[attr-defined]
    take_over(a, b, c)
    world.run(2)
    (rejected,) = c.saw(sip.Rejected)
    assert rejected.status == 486  # type: ignore[attr-defined]
    assert len(world.exchange.calls) == 2
    assert world.told("error") == []
