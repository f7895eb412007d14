"""Media from phone to phone: when it is chosen, what each phone is told, and how it falls back through the server."""

import pytest

from calls.direct_scenes import SERVER, behind_nat, direct, is_direct, is_sealed, shows, state, told
from calls.media import Rtp
from calls.scenes import all_gone, reliable_invitation
from calls.world import OPUS, PCMU
from calls.zrtp_world import DIRECT, DIRECT_WISH, ENDED, SEALED, ZrtpWorld
from sealtone.model import CallState, LegPolicy, MediaPath, Protection, ZrtpStage
from sealtone.sip import events as sip

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
    pytest.param(("9.9.9.9", "7.7.7.7"), ("9.9.9.9", "10.0.0.6"), False, id="at the same address, one names a third's"),
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


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_nobody_is_sent_to_a_third_address_by_rtcp(who: str) -> None:
    world, a, b = direct()
    (a if who == "caller" else b).says = {"rtcp": ("192.0.2.200", 9)}
    a.call("1001")
    world.run(4)
    is_sealed(world, a, b)


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
