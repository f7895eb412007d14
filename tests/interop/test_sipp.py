"""SIPp scenarios at the server: what the phones at hand do not do, or do not do on command."""

from __future__ import annotations

import re

import pytest

from interop.server import DOMAIN


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["options", "too_many_hops", "unknown_extension", "unknown_method"])
def test_a_single_request_gets_its_status(sipp, scenario, transport):
    sipp(transport).run(scenario, "anyone", "", DOMAIN)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_registration_comes_and_goes(server, sipp, transport):
    user = server.user()
    phone = sipp(transport)
    phone.run("register", user, server.secrets[user], DOMAIN, "300")
    phone.run("register", user, server.secrets[user], DOMAIN, "0")


def test_a_call_to_a_sipp_phone_is_answered(server, sipp):
    caller, callee = server.user(), server.user()
    callee_phone, caller_phone = sipp(), sipp()
    callee_phone.run("register", callee, server.secrets[callee], DOMAIN, "300")
    answering = callee_phone.start("callee")
    caller_phone.run("hold_by_update", caller, server.secrets[caller], DOMAIN, callee)
    callee_phone.finish(answering)
    leaked = callee_phone.messages(answering)
    assert f":{caller_phone.port}" not in leaked, "the caller's own address must not reach the callee"


@pytest.mark.parametrize("scenario", ["late_offer", "hold_by_update", "reliable", "session_timer"])
def test_a_scenario_with_the_echo_service_goes_as_written(server, sipp, scenario):
    user = server.user()
    caller = sipp()
    caller.run(scenario, user, server.secrets[user], DOMAIN, "*43")


def test_a_late_offer_reaches_the_other_phone_and_its_answer_comes_back(server, sipp):
    caller, callee = server.user(), server.user()
    callee_phone, caller_phone = sipp(), sipp()
    callee_phone.run("register", callee, server.secrets[callee], DOMAIN, "300")
    answering = callee_phone.start("callee")
    caller_phone.run("late_offer", caller, server.secrets[caller], DOMAIN, callee)
    callee_phone.finish(answering)
    assert re.search(r"m=audio \d+ RTP/AVP", callee_phone.messages(answering))
