"""linphonec speaks ZRTP with the server, and through it sealed with another linphonec."""

from __future__ import annotations

import pytest

from interop import wire
from interop.processes import eventually
from interop.server import DOMAIN
from interop.test_calls import A_HZ, B_HZ, PROTECTED, UDP, end_and_prove, place
from sealtone.model import CallState, KeyExchange, MediaPath, Protection, ZrtpStage
from sealtone.net.control import ask

ZRTP = {"transport": "udp", "encryption": "zrtp"}


def sas_of(phone):
    return eventually(phone.short_authentication_string, 5, "the SAS is shown", phone.evidence)


def legs_of(record):
    return {leg.aor.partition("@")[0]: leg.security for leg in record.legs if leg.chosen}


@pytest.mark.parametrize(
    ("far", "line", "kind", "state"),
    [
        pytest.param("baresip", PROTECTED, "strict", CallState.PROTECTED_TO_SERVER, id="srtp"),
        pytest.param("baresip", UDP, "open", CallState.OPEN, id="plain"),
        pytest.param("linphone", ZRTP, "ended", CallState.PROTECTED_TO_SERVER, id="zrtp"),
    ],
)
def test_zrtp_ends_at_the_server_and_the_other_side_has_what_it_has(server, registered, far, line, kind, state):
    caller = registered("linphone", A_HZ, user=server.user("ended"), **ZRTP)
    callee = registered(far, B_HZ, user=server.user(kind), **line)
    place(caller, callee)
    sas = sas_of(caller)
    end_and_prove(caller, callee)
    record = server.call_of(caller.setup.user)
    assert record.state is state
    leg = legs_of(record)[caller.setup.user]
    assert leg.protection is Protection.ZRTP
    assert leg.key_exchange is KeyExchange.ZRTP
    assert leg.media_path is MediaPath.SERVER
    assert leg.zrtp.stage is ZrtpStage.SECURE
    assert leg.zrtp.sas == sas
    assert leg.zrtp.hello_hash_matched is True


def test_a_call_between_two_zrtp_phones_is_sealed_and_both_show_the_same_string(server, registered):
    caller = registered("linphone", A_HZ, user=server.user("sealed"), **ZRTP)
    callee = registered("linphone", B_HZ, user=server.user("sealed"), **ZRTP)
    place(caller, callee)
    assert sas_of(caller) == sas_of(callee)
    end_and_prove(caller, callee)
    record = server.call_of(caller.setup.user)
    assert record.state is CallState.END_TO_END
    for leg in legs_of(record).values():
        assert leg.media_path is MediaPath.SEALED
        assert leg.suite_rx is None
        assert leg.zrtp.stage is ZrtpStage.SEEN
        assert leg.zrtp.sas == ""
        assert leg.zrtp.hello_hash_matched is True


def test_two_phones_that_want_it_talk_directly_and_both_show_the_same_string(server, registered, wiretap):
    caller = registered("linphone", A_HZ, user=server.user("direct"), **ZRTP)
    callee = registered("linphone", B_HZ, user=server.user("direct"), **ZRTP)
    tap = wiretap(*server.ports)
    place(caller, callee)
    assert sas_of(caller) == sas_of(callee)
    end_and_prove(caller, callee)
    assert wire.rtp_streams(tap.stop()) == []
    record = server.call_of(caller.setup.user)
    assert record.state is CallState.END_TO_END
    assert [(leg.packets_rx, leg.packets_tx) for leg in record.legs] == [(0, 0), (0, 0)]
    for leg in legs_of(record).values():
        assert leg.media_path is MediaPath.DIRECT
        assert leg.zrtp.stage is ZrtpStage.ANNOUNCED
        assert leg.suite_rx is None


@pytest.mark.parametrize("how", ["blind", "attended"])
def test_a_sealed_call_transferred_by_linphone_is_sealed_between_the_other_two(server, registered, how):
    transferrer, other, third = (registered("linphone", hz, user=server.user("sealed"), **ZRTP)
                                 for hz in (A_HZ, B_HZ, 1700.0))  # fmt: skip
    third.wait_registered()
    place(transferrer, other)
    old = sas_of(other)
    if how == "blind":
        transferrer.transfer(transferrer.uri(third.setup.user))
        third.wait_for("established")
    else:
        transferrer.hold()
        transferrer.wait_for("held")
        transferrer.call(transferrer.uri(third.setup.user))
        third.wait_for("established")
        sas_of(third)
        transferrer.connect_others()
    transferrer.wait_for("closed", 15)
    third.wait_audio(B_HZ)
    assert sas_of(third) == other.short_authentication_string() != old
    third.hang_up()
    third.prove_heard(B_HZ)

    def between_the_two():
        parties = f"{other.setup.user}@{DOMAIN}", f"{third.setup.user}@{DOMAIN}"
        return next((each for each in server.calls_of(other.setup.user) if (each.caller, each.callee) == parties), None)

    record = eventually(between_the_two, 5, "the record is written", server.evidence)
    assert record.state is CallState.END_TO_END
    assert {leg.media_path for leg in legs_of(record).values()} == {MediaPath.SEALED}


def test_a_compared_sas_is_remembered_for_the_next_call(server, registered):
    caller = registered("linphone", A_HZ, user=server.user("ended"), **ZRTP)
    callee = registered("linphone", B_HZ, user=server.user("ended"), **ZRTP)
    place(caller, callee)
    (live,) = [call for call in ask(server.folder, "calls.live") if call["caller"].startswith(caller.setup.user)]
    shown = {leg["aor"].partition("@")[0]: leg["zrtp"]["sas"] for leg in live["legs"]}
    assert shown == {phone.setup.user: sas_of(phone) for phone in (caller, callee)}
    for user in shown:
        ask(server.folder, "calls.verify", call=live["id"], user=user, matches=True)
    end_and_prove(caller, callee)
    assert server.call_of(caller.setup.user).state is CallState.PROTECTED_CHECKED
    caller.call(caller.uri(callee.setup.user))
    callee.wait_for("established", count=2)
    eventually(lambda: len(keyed_legs(server, caller)) == 2, 10, "both legs are secure again", server.evidence)
    caller.hang_up()
    caller.wait_for("closed", count=2)
    second = eventually(lambda: server.calls_of(caller.setup.user)[1:] and server.calls_of(caller.setup.user)[0], 5, "")
    assert second.state is CallState.PROTECTED_CHECKED
    for leg in legs_of(second).values():
        assert leg.zrtp.cache == "matched"
        assert leg.sas_verified


def keyed_legs(server, phone):
    """The legs of a phone's live call that have keys."""
    calls = [call for call in ask(server.folder, "calls.live") if call["caller"].startswith(phone.setup.user)]
    return [leg for call in calls for leg in call["legs"] if leg["protection"] == "zrtp"]


@pytest.mark.parametrize("kind", ["ended", "sealed"])
def test_hold_and_resume_of_a_phone_that_must_speak_zrtp_are_no_downgrade(server, registered, kind):
    caller = registered("linphone", A_HZ, user=server.user(kind), **ZRTP)
    callee = registered("linphone", B_HZ, user=server.user(kind), **ZRTP)
    place(caller, callee)
    for phone in (caller, callee):
        for act, seen in ((phone.hold, "held"), (phone.resume, "resumed")):
            act()
            told = f"call {seen} by {phone.setup.user}@"
            eventually(lambda told=told: told in server.output(), 5, told, server.evidence)
    caller.wait_audio(B_HZ)
    callee.wait_audio(A_HZ)
    caller.hang_up()
    callee.wait_for("closed")
    record = server.call_of(caller.setup.user)
    assert record.state is (CallState.END_TO_END if kind == "sealed" else CallState.PROTECTED_TO_SERVER)
    assert not any(leg.zrtp.warnings for leg in legs_of(record).values())
