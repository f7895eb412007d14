"""Session timers (RFC 4028) and glare (RFC 3261 14.1) with SIPp at the other end: what real phones seldom do on command."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from interop.script import (
    acknowledges_refusal,
    answers,
    asks,
    calls,
    description,
    gets,
    hangs_up,
    hears,
    refuses_kept,
    rings,
    scenario,
    waits,
)
from interop.server import DOMAIN
from interop.test_sipp import allowed

TIMED = ("Supported: timer", "Allow: INVITE, ACK, CANCEL, BYE, UPDATE")
ACK = asks("ACK", 1)
REFRESHED = gets("UPDATE", within_s=50, wants="Session-Expires: *90")
GIVEN_UP = gets("BYE", within_s=70)

# The shortest interval that RFC 4028 allows is 90 s: a refresh is due after 45, the end after 60.
LONG = {
    "the server refreshes where the caller wants that": (
        calls("Session-Expires: 90;refresher=uas", *TIMED),
        hears(200, first=True, wants="Session-Expires: *90;refresher=uas"),
        ACK,
        REFRESHED,
        answers("200 OK", "Session-Expires: 90;refresher=uac", "Require: timer"),
        waits(20),
        *hangs_up(5),
    ),
    "a caller without UPDATE is refreshed by INVITE": (
        calls("Session-Expires: 90;refresher=uas", "Supported: timer", "Allow: INVITE, ACK, CANCEL, BYE"),
        hears(200, first=True, wants="Session-Expires: *90;refresher=uas"),
        ACK,
        gets("INVITE", within_s=50, wants="Session-Expires: *90"),
        answers("200 OK", "Session-Expires: 90;refresher=uac", "Require: timer", sdp=description()),
        gets("ACK"),
        *hangs_up(5),
    ),
    "a caller that refreshes stays": (
        calls("Session-Expires: 90;refresher=uac", *TIMED),
        hears(200, first=True, wants="Session-Expires: *90;refresher=uac"),
        ACK,
        waits(30),
        asks("UPDATE", 2, "Session-Expires: 90;refresher=uac", *TIMED),
        hears(200, wants="Session-Expires: *90;refresher=uac"),
        waits(36),
        *hangs_up(5),
    ),
    "a caller that does not refresh is hung up on": (
        calls("Session-Expires: 90;refresher=uac", *TIMED),
        hears(200, first=True, wants="Require: *timer"),
        ACK,
        GIVEN_UP,
        answers("200 OK"),
    ),
}


def test_calls_are_refreshed_in_both_roles_and_end_where_nobody_does(server, sipp):
    """All at once, since each takes a minute."""
    phones = {}
    for name, steps in LONG.items():
        user, phone = server.user(), sipp()
        authorised = allowed(server, user, "INVITE", f"sip:*43@{DOMAIN}")
        program = phone.start(scenario(*steps), user, authorised, DOMAIN, "*43", timeout_s=90)
        phones[name] = (phone, program, user)
    callee, called = sipp(), server.user()
    callee.run("register", called, allowed(server, called, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "300")
    answering = callee.start(
        scenario(
            *rings("Session-Expires: *1800"),
            answers("200 OK", "Session-Expires: 90;refresher=uac", "Require: timer", *TIMED,
                    sdp=description(), tagged=True),
            gets("ACK"),
            REFRESHED,
            answers("200 OK", "Session-Expires: 90;refresher=uac", "Require: timer"),
            gets("BYE", within_s=30),
            answers("200 OK"),
        ),
        timeout_s=90,
    )  # fmt: skip
    caller = server.user()
    phone = sipp()
    authorised = allowed(server, caller, "INVITE", f"sip:{called}@{DOMAIN}")
    steps = (calls(), hears(200, first=True), ACK, waits(62), *hangs_up(5))
    phones["the server refreshes a callee that answered with a shorter interval"] = (
        phone,
        phone.start(scenario(*steps), caller, authorised, DOMAIN, called, timeout_s=90),
        caller,
    )
    phones["the callee of that call"] = (callee, answering, called)
    for phone, program, _ in phones.values():
        phone.finish(program, 100)
    reasons = {name: server.call_of(user).reason for name, (_, _, user) in phones.items()}
    ended = reasons.pop("a caller that does not refresh is hung up on")
    assert ended == "the phone stopped refreshing the call"
    assert set(reasons.values()) == {"hung up"}


def test_a_callee_that_wants_longer_intervals_is_asked_again_with_them(server, sipp):
    callee, caller = sipp(), sipp()
    called, user = server.user(), server.user()
    callee.run("register", called, allowed(server, called, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "300")
    answering = callee.start(
        scenario(
            gets("INVITE", first=True, wants="Session-Expires: *1800"),
            answers("422 Session Interval Too Small", "Min-SE: 2400", tagged=True),
            gets("ACK"),
            gets("INVITE", first=True, wants="Min-SE: *2400"),
            answers("180 Ringing", tagged=True),
            answers("200 OK", "Session-Expires: 2400;refresher=uac", "Require: timer", sdp=description(), tagged=True),
            gets("ACK"),
            gets("BYE"),
            answers("200 OK"),
        )
    )
    authorised = allowed(server, user, "INVITE", f"sip:{called}@{DOMAIN}")
    caller.run(
        scenario(calls(), hears(200, first=True), ACK, waits(0.3), *hangs_up(5)), user, authorised, DOMAIN, called
    )
    callee.finish(answering)
    assert "Session-Expires: 2400" in callee.messages(answering)


@pytest.mark.parametrize("holder", ["caller", "callee"])
def test_offers_that_cross_meet_491_both_ways_and_the_server_s_comes_again_in_its_time(server, sipp, holder):
    """One phone holds; the other, when it is told, offers something itself, and refuses what it was told."""
    callee_phone, caller_phone = sipp(), sipp()
    called, user = server.user(), server.user()
    callee_phone.run("register", called, allowed(server, called, "REGISTER", f"sip:{DOMAIN}"), DOMAIN, "300")
    at_callee = holder == "caller"  # where the offers cross
    crossing = (
        gets("INVITE", keep="again_", wants="a=sendonly"),
        asks("INVITE", 20, sdp=description(version=2), callee=at_callee),
        hears(491),
        acknowledges_refusal(20, callee=at_callee),
        refuses_kept("491 Request Pending", callee=at_callee),
        gets("ACK"),
        gets("INVITE", within_s=6, wants="a=sendonly"),
        answers("200 OK", sdp=description("recvonly", 3)),
        gets("ACK"),
        gets("BYE"),
        answers("200 OK"),
    )
    holding = (
        waits(0.5),
        asks("INVITE", 30, sdp=description("sendonly", 2), callee=not at_callee),
        hears(200, wants="a=recvonly"),
        asks("ACK", 30, callee=not at_callee),
        waits(0.3),
        *hangs_up(40, callee=not at_callee),
    )
    answering = callee_phone.start(
        scenario(
            *rings(),
            answers("200 OK", sdp=description(), tagged=True),
            gets("ACK"),
            *(crossing if at_callee else holding),
        ),
        called, "", DOMAIN, user,
    )  # fmt: skip
    authorised = allowed(server, user, "INVITE", f"sip:{called}@{DOMAIN}")
    calling = caller_phone.start(
        scenario(calls(), hears(200, first=True), ACK, *(holding if at_callee else crossing)),
        user, authorised, DOMAIN, called,
    )  # fmt: skip
    caller_phone.finish(calling)
    callee_phone.finish(answering)
    phone, program = (callee_phone, answering) if at_callee else (caller_phone, calling)
    waited_s = time_from_refusal_to_next_invite(phone.messages(program))
    # RFC 3261 14.1: 2.1 to 4 s for the side that chose the Call-ID, 0 to 2 s for the other.
    shortest, longest = (2.1, 4.0) if at_callee else (0.0, 2.0)
    assert shortest <= waited_s + 0.05
    assert waited_s <= longest + 0.5


def time_from_refusal_to_next_invite(messages: str) -> float:
    blocks = re.findall(r"-{20,} (\S+ [\d:.]+)\n(.*?)(?=\n-{20,}|\Z)", messages, re.S)
    refused = next(
        number for number, (_, text) in enumerate(blocks) if "sent" in text.split("\n")[0] and "SIP/2.0 491" in text
    )
    again = next(at for at, text in blocks[refused:] if "received" in text.split("\n")[0] and "\nINVITE " in text)
    return (datetime.fromisoformat(again) - datetime.fromisoformat(blocks[refused][0])).total_seconds()
