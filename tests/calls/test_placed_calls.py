"""A call that the server itself places to a phone: "call my phone"."""

import pytest

from calls.listening import ended_reason, hear_out, playing
from calls.media import ALL_CODECS
from calls.scenes import all_gone
from calls.world import PLAIN, PREFER, REQUIRE, Phone, World
from calls.zrtp_world import ENDED, ZrtpPhone, ZrtpWorld
from sealtone.b2bua.plane import Destination
from sealtone.model import CallState, LegPolicy, Protection
from sealtone.model.directory import ECHO_SERVICE, WHO_CAN_HEAR_SERVICE
from sealtone.sdp import SdpError
from sealtone.sip import events as sip


def ring(world: World, phone: Phone, service: str = WHO_CAN_HEAR_SERVICE) -> None:
    there = Destination(phone.user, phone.seen_by_server, f"sip:{phone.number}@{phone.address[0]}:5060")
    placed = world.exchange.place(there, service, world.now)
    assert not isinstance(placed, str), placed
    world.pump()
    world.run(1)


@pytest.mark.parametrize(
    ("policy", "transport", "state"),
    [
        pytest.param(PLAIN, "udp", CallState.OPEN, id="open"),
        pytest.param(REQUIRE, "tls", CallState.PROTECTED_TO_SERVER, id="srtp"),
    ],
)
def test_the_phone_rings_hears_who_can_hear_it_and_the_record_says_the_server_called(
    policy: LegPolicy, transport: str, state: CallState
) -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000", transport=transport, policy=policy)
    ring(world, phone)
    assert phone.session.state == "confirmed"
    assert playing(world, phone)
    hear_out(world, phone)
    assert playing(world, phone) == ("goodbye",)
    hear_out(world, phone)
    assert ended_reason(world) == "the announcement was over"
    record = world.record
    assert (record.caller, record.callee) == (WHO_CAN_HEAR_SERVICE, "1000@office.example")
    assert record.answered_at is not None
    assert record.state is state
    (leg,) = record.legs
    assert (leg.role, leg.aor) == ("callee", "1000@office.example")
    all_gone(world)


def test_the_phone_sees_a_number_that_brings_the_person_back_there() -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000")
    phone.answers = None
    ring(world, phone, ECHO_SERVICE)
    (invited,) = phone.saw(sip.RequestReceived)
    assert isinstance(invited, sip.RequestReceived)
    assert invited.request.from_.uri == "sip:echo@office.example"


def test_a_user_that_requires_srtp_is_not_rung_without_tls() -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000", transport="udp", policy=REQUIRE)
    there = Destination(phone.user, phone.seen_by_server, "sip:1000@192.0.2.11:5060")
    placed = world.exchange.place(there, WHO_CAN_HEAR_SERVICE, world.now)
    assert isinstance(placed, str)
    assert "TLS" in placed
    world.run(1)
    assert phone.sessions == []
    assert world.exchange.calls == {}
    all_gone(world)


def test_a_phone_that_cannot_encrypt_is_offered_the_clear_where_encryption_is_a_wish() -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000", transport="tls", policy=PREFER)
    phone.secure, phone.profile = False, "RTP/AVP"
    real = phone.answer_body

    def refuses_savp(body: bytes) -> bytes:
        if b"RTP/SAVP" in body:
            raise SdpError("no SRTP here")
        return real(body)

    phone.answer_body = refuses_savp  # type: ignore[method-assign]
    ring(world, phone)
    assert phone.session.state == "confirmed"
    hear_out(world, phone)
    hear_out(world, phone)
    world.run(2)
    assert world.record.state is CallState.OPEN
    all_gone(world)


@pytest.mark.parametrize(("status", "ended_by"), [(486, "callee"), (603, "callee"), (480, "server")])
def test_a_phone_that_refuses_is_in_the_record(status: int, ended_by: str) -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000")
    phone.answers = status
    ring(world, phone)
    assert (world.record.status, world.record.ended_by) == (status, ended_by)
    assert world.record.callee == "1000@office.example"
    all_gone(world)


def test_a_phone_that_nobody_picks_up_stops_ringing() -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000")
    phone.answers = None
    ring(world, phone)
    world.run(60)
    assert phone.saw(sip.Cancelled)
    assert world.record.status == 480
    assert world.record.reason == "Nobody answered in time"
    all_gone(world)


def test_who_hangs_up_is_the_one_that_was_called() -> None:
    world = World(codecs=ALL_CODECS)
    phone = world.phone("1000")
    ring(world, phone, ECHO_SERVICE)
    phone.do(phone.session.bye)
    world.run(1)
    assert (world.record.ended_by, world.record.reason) == ("callee", "hung up")
    all_gone(world)


def test_it_counts_among_the_calls_of_its_user() -> None:
    world = World(codecs=ALL_CODECS, max_calls_per_user=1)
    phone = world.phone("1000")
    ring(world, phone, ECHO_SERVICE)
    there = Destination(phone.user, phone.seen_by_server, "sip:1000@192.0.2.11:5060")
    assert world.exchange.place(there, ECHO_SERVICE, world.now) == "All lines are busy"


def test_a_zrtp_phone_is_told_once_there_are_keys_and_its_string_is_read_out() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    phone = world.phone("1000", policy=ENDED)
    ring(world, phone)
    world.run(3)
    (call,) = world.exchange.calls.values()
    assert call.a.security().protection is Protection.ZRTP
    assert "sas-characters" in playing(world, phone)
    assert isinstance(phone, ZrtpPhone)
    world.exchange.calls[call.id].hang_up("over", world.now)
    world.pump()
    world.run(1)
    assert world.record.state is CallState.PROTECTED_TO_SERVER
