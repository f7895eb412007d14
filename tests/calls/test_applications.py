"""Applications on an answered leg: what is said when, which keys do what, and what is stored."""

import pytest

from calls.listening import ended_reason, hear_out, leg_of, playing, press, press_by_info, wishing
from calls.media import ALL_CODECS
from calls.scenes import all_gone
from calls.world import PCMU, PREFER, REQUIRE, World
from calls.zrtp_world import ENDED, ENDED_WISH, ZrtpPhone, ZrtpWorld
from sealtone.b2bua.zrtp_in_call import verify
from sealtone.model import CallState, Language
from sealtone.sdp import Codec


def echoes(world: World) -> bool:
    return bool(world.plane.echoes)


# The echo test


def test_the_echo_test_says_what_it_is_then_echoes_until_a_key_ends_it() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    assert playing(world, a) == ("echo-intro", "beep")
    assert not echoes(world)
    hear_out(world, a)
    assert echoes(world)
    assert playing(world, a) == ()
    press(world, a, "5")
    assert playing(world, a) == ("goodbye",)
    assert not echoes(world)
    hear_out(world, a)
    assert ended_reason(world) == "the echo test was ended with a key"
    assert world.record.ended_by == "server"
    all_gone(world)


def test_a_key_skips_the_announcement_of_the_echo_test() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    press(world, a, "#")
    assert echoes(world)
    assert playing(world, a) == ()


def test_a_phone_whose_codec_the_server_cannot_make_is_echoed_without_a_word() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.codecs = (Codec(97, "EVS", 16000),)
    a.call("*43")
    world.run(1)
    assert echoes(world)
    assert world.plane.heard == []


@pytest.mark.parametrize(("codecs", "body"), [(ALL_CODECS, b""), ({}, b""), ({}, None)])
def test_who_cannot_be_told_who_can_hear_is_refused_and_told_that(codecs: dict[str, str], body: bytes | None) -> None:
    world = World(codecs=codecs)
    a = world.phone("1000")
    if codecs:
        a.codecs = (Codec(97, "EVS", 16000),)
    a.call("*42", body=body)
    world.run(1)
    assert world.record.status == 488
    assert world.record.reason == "The server cannot speak to this phone: it makes none of its codecs"
    all_gone(world)


def test_of_a_phones_codecs_the_first_that_the_server_can_speak_in_is_chosen() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.codecs = (Codec(97, "EVS", 16000), PCMU)
    a.call("*43")
    world.run(1)
    assert a.heard is not None
    assert [codec.encoding for codec in a.heard.codecs] == ["PCMU"]
    assert playing(world, a) == ("echo-intro", "beep")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n"),
        ("application/dtmf-relay; charset=x", b"Signal = 1"),
        ("application/dtmf", b"1"),
    ],
)
def test_a_key_may_come_in_the_signalling_too(kind: str, body: bytes) -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    press_by_info(a, kind, body)
    assert echoes(world)


@pytest.mark.parametrize("body", [b"", b"Signal=", b"Signal=12", b"\xff\xff", b"Signal=!\r\n" * 100, b"Duration=1"])
def test_what_is_no_key_does_nothing(body: bytes) -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    press_by_info(a, "application/dtmf-relay", body)
    press_by_info(a, "application/dtmf", body)
    assert playing(world, a) == ("echo-intro", "beep")


def test_what_was_played_before_does_not_count_as_what_is_played_now() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.call("*43")
    world.run(1)
    first = world.plane.plays[leg_of(world, a).port.id]
    press(world, a, "1")
    press(world, a, "1")
    assert playing(world, a) == ("goodbye",)
    world.exchange.receive_played(first.leg, first.number, world.now)
    world.pump()
    world.run(2)
    assert a.session.state == "confirmed"


def test_prompts_are_in_the_language_of_the_users_domain_or_its_own() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000")
    wishing(a, language=Language.RUSSIAN)
    a.call("*43")
    world.run(1)
    assert playing(world, a) == ("ru/echo-intro", "beep")


# Who can hear me

TOLD = {
    "plain": (
        "udp", None, ("state-open", "signalling-open", "voice-none", "listen-anyone"),
    ),
    "plain over TLS": (
        "tls", None, ("state-open", "signalling-encrypted", "voice-none", "listen-anyone"),
    ),
    "srtp": (
        "tls", PREFER,
        ("state-protected-to-server", "signalling-encrypted", "voice-srtp", "cipher-aes-256", "listen-server"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", TOLD)
def test_who_can_hear_me_tells_what_the_leg_reached(how: str) -> None:
    transport, policy, told = TOLD[how]
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000", transport=transport, **({"policy": policy} if policy is not None else {}))
    a.call("*42")
    world.run(1)
    assert playing(world, a) == (*told, "press-star")
    press(world, a, "*")
    assert playing(world, a) == (*told, "press-star")
    hear_out(world, a)
    assert playing(world, a) == ("goodbye",)
    hear_out(world, a)
    assert ended_reason(world) == "the announcement was over"
    assert world.record.callee == "who-can-hear"
    all_gone(world)


def asked(phone: ZrtpPhone) -> tuple[str, ...]:
    """The SAS that the phone shows, as it is read out."""
    return tuple(f"letter-{character}" for character in phone.stream.secured.sas)


def with_zrtp(transport: str = "tls", number: str = "*42", **more: object) -> tuple[ZrtpWorld, ZrtpPhone]:
    world = ZrtpWorld(codecs=ALL_CODECS, **more)  # type: ignore[arg-type]
    a = world.phone("1000", transport=transport)
    a.call(number)
    world.run(3)
    return world, a


def test_nothing_is_said_before_the_keys_are_there() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a = world.phone("1000")
    a.hello_after_s = 5.0
    a.call("*42")
    world.run(4.9)
    assert world.plane.heard == []
    world.run(3)
    assert playing(world, a)[:3] == ("state-protected-to-server", "signalling-open", "voice-zrtp")


def test_over_zrtp_the_string_is_read_out_that_the_phone_shows() -> None:
    world, a = with_zrtp()
    assert playing(world, a) == (
        "state-protected-to-server", "signalling-encrypted", "voice-zrtp", "cipher-aes-128", "listen-server-unless",
        "sas-characters", *asked(a), "sas-press",
    )  # fmt: skip
    press(world, a, "*")
    assert playing(world, a) == ("sas-characters", *asked(a), "sas-press")


def test_one_stores_the_string_as_compared_exactly_as_the_command_line_does() -> None:
    kept = []
    for by_key in (True, False):
        world, a = with_zrtp()
        if by_key:
            press(world, a, "1")
        else:
            verify(leg_of(world, a), True, world.now)
            world.pump()
        assert world.security(a).sas_verified
        assert playing(world, a)[:2] == ("sas-matches", "state-protected-to-server-checked")
        assert any(detail.endswith("the SAS matches; protected-to-server-checked") for detail in world.told("secured"))
        (record,) = world.cache.values()
        assert record.verified
        world.hang_up(a)
        assert world.record.state is CallState.PROTECTED_CHECKED
        kept.append((world.record.state, world.recorded(a).security.sas_verified, record.verified))
    assert kept[0] == kept[1]


def test_who_has_compared_before_is_not_asked_again() -> None:
    world, a = with_zrtp()
    press(world, a, "1")
    world.hang_up(a)
    a.call("*42")
    world.run(3)
    assert playing(world, a) == (
        "state-protected-to-server-checked", "signalling-encrypted", "voice-zrtp", "cipher-aes-128", "listen-server",
        "sas-checked", "press-star",
    )  # fmt: skip


def test_two_warns_stores_that_it_differs_and_ends_the_call() -> None:
    world, a = with_zrtp()
    press(world, a, "1")
    world.hang_up(a)
    world.records.clear()
    a.cache.clear()
    a.call("*42")
    world.run(3)
    press(world, a, "2")
    assert playing(world, a) == ("sas-differs", "goodbye")
    assert any("the SAS differs" in detail for detail in world.told("warned"))
    (record,) = world.cache.values()
    assert not record.verified
    press(world, a, "1")
    assert not world.security(a).sas_verified
    hear_out(world, a)
    world.run(2)
    assert world.record.reason == "the SAS differs: somebody may be listening between phone and server"
    all_gone(world)


@pytest.mark.parametrize("why", ["signalling in the clear", "a Hello that was not announced"])
def test_a_key_confirms_nothing_where_somebody_in_the_middle_could_have_pressed_it(why: str) -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a = world.phone("1000", transport="udp" if "clear" in why else "tls")
    a.announces = "clear" in why
    a.call("*42")
    world.run(8)
    assert playing(world, a)[-1] == "sas-press-differ"
    press(world, a, "1")
    assert not world.security(a).sas_verified
    assert not any(record.verified for record in world.cache.values())
    assert playing(world, a)[-1] == "sas-press-differ"
    press(world, a, "2")
    assert playing(world, a) == ("sas-differs", "goodbye")


def test_the_string_is_read_out_three_times_and_then_nothing_is_noted() -> None:
    world, a = with_zrtp()
    for _ in range(2):
        hear_out(world, a)
        assert playing(world, a) == ("sas-characters", *asked(a), "sas-press")
    hear_out(world, a)
    assert playing(world, a) == ("sas-not-compared", "goodbye")
    hear_out(world, a)
    assert ended_reason(world) == "the announcement was over"
    assert world.record.state is CallState.PROTECTED_TO_SERVER
    all_gone(world)


def test_a_phone_that_does_not_answer_to_zrtp_is_told_so() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a = world.phone("1000", policy=ENDED_WISH)
    a.zrtp = False
    a.call("*42")
    world.run(10)
    assert playing(world, a) == (
        "state-open", "signalling-open", "voice-zrtp-absent", "listen-anyone", "press-star"
    )  # fmt: skip


def test_keys_that_come_late_are_told_anew() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a = world.phone("1000", transport="tls", policy=ENDED_WISH)
    a.hello_after_s = 8.0
    a.call("*42")
    world.run(6)
    assert playing(world, a)[0] == "state-open"
    world.run(5)
    assert playing(world, a)[0] == "state-protected-to-server"
    assert playing(world, a)[-1] == "sas-press"


def test_a_required_encryption_is_needed_for_a_service_as_for_any_call() -> None:
    world = World(codecs=ALL_CODECS)
    a = world.phone("1000", transport="tls", policy=REQUIRE)
    a.secure, a.profile = False, "RTP/AVP"
    a.call("*42")
    world.run(1)
    assert world.plane.heard == []
    assert world.record.status == 488


# Enrolment


def test_enrolment_is_confirmed_aloud_and_the_string_compared() -> None:
    world, a = with_zrtp(number="*44")
    said = playing(world, a)
    assert said[:3] == ("enrol-offered", "enrol-done", "state-protected-to-server")
    assert said[-1] == "sas-press"
    press(world, a, "1")
    assert world.security(a).sas_verified
    assert playing(world, a)[0] == "sas-matches"


def test_a_user_with_required_zrtp_hears_nothing_of_an_application_in_the_clear() -> None:
    world = ZrtpWorld(codecs=ALL_CODECS)
    a = world.phone("1000", policy=ENDED)
    a.zrtp = False
    a.call("*44")
    world.run(29)
    assert world.plane.heard == []
    world.run(3)
    assert "did not come to keys" in world.record.reason
