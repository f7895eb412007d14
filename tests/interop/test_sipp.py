"""SIPp scenarios at the server: what the phones at hand do not do, or do not do on command."""

from __future__ import annotations

import re

import pytest

from interop.processes import LOOPBACK
from interop.server import DOMAIN
from interop.sipp import credentials


def allowed(server, user, method, uri):
    return credentials((LOOPBACK, server.sip_port), DOMAIN, user, server.secret(user), method, uri)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["options", "too_many_hops", "unknown_extension", "unknown_method"])
def test_a_single_request_gets_its_status(sipp, scenario, transport):
    sipp(transport).run(scenario, "anyone", "", DOMAIN)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_registration_comes_and_goes(server, sipp, transport):
    user = server.user()
    phone = sipp(transport)
    phone.run("register", user, allowed(server, user, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "300")
    phone.run("register", user, allowed(server, user, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "0")


@pytest.mark.parametrize(
    ("scenario", "callee_scenario"),
    [
        ("caller", "callee"),
        ("reliable", "callee"),
        ("late_offer", "callee"),
        ("hold_by_update", "callee_held"),
    ],
)
def test_a_call_from_phone_to_phone_goes_as_written_and_shows_neither_the_other(
    server, sipp, scenario, callee_scenario
):
    caller, callee = server.user(), server.user()
    callee_phone, caller_phone = sipp(), sipp()
    callee_phone.run("register", callee, allowed(server, callee, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "300")
    answering = callee_phone.start(callee_scenario)
    invite = allowed(server, caller, "INVITE", f"sip:{callee}@{DOMAIN}")
    calling = caller_phone.start(scenario, caller, invite, DOMAIN, callee)
    caller_phone.finish(calling)
    callee_phone.finish(answering)
    for phone, program, other in ((callee_phone, answering, caller_phone), (caller_phone, calling, callee_phone)):
        messages = phone.messages(program)
        assert re.search(r"m=audio \d+ RTP/AVP", messages)
        assert f":{other.port}" not in messages, "the address of one phone must not reach the other"
        assert f"m=audio {other.port + 2} " not in messages


@pytest.mark.parametrize("scenario", ["caller", "late_offer", "hold_by_update", "session_timer"])
def test_a_scenario_with_the_echo_service_goes_as_written(server, sipp, scenario):
    user = server.user()
    caller = sipp()
    caller.run(scenario, user, allowed(server, user, "INVITE", f"sip:*43@{DOMAIN}"), DOMAIN, "*43")
