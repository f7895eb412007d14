"""linphonec speaks ZRTP with the server, and through it sealed with another linphonec."""

from __future__ import annotations

import pytest

from interop.processes import eventually
from interop.test_calls import A_HZ, B_HZ, PROTECTED, UDP, end_and_prove, place
from sealtone.model import CallState, KeyExchange, MediaPath, Protection, ZrtpStage

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
