"""SDES keys are neither sent nor taken where the signalling is not TLS."""

from __future__ import annotations

import asyncio

import pytest

from hostile.server import OURS, Server
from hostile.talk import talking
from hostile.wire import SDP, Line, Person, offer
from interop.processes import LOOPBACK

CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
CLEAR = pytest.mark.parametrize("transport", ["udp", "tcp"])


async def person(server: Server, line: Line, kind: str) -> Person:
    user = server.user(kind)
    found = Person(line, user, server.secret(user))
    assert (await found.register()).status == 200
    return found


@CLEAR
@pytest.mark.parametrize("kind", ["open", "srtp", "strict"])
@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/AVP"])
async def test_keys_offered_in_the_clear_are_not_taken_and_none_are_sent(
    server: Server, transport: str, kind: str, profile: str
) -> None:
    async with await Line.to(server, transport, LOOPBACK) as line:
        caller = await person(server, line, kind)
        body = offer(LOOPBACK, 40000, CRYPTO, profile=profile)
        headers = (("Contact", caller.contact), SDP)
        answer = await caller.ask("INVITE", f"sip:*43@{OURS}", headers=headers, body=body)
        assert not any(b"crypto" in message.body or b"inline:" in message.body for message in line.messages)
        if profile == "RTP/SAVP" or kind == "strict":
            assert answer.status == 488
        else:
            assert answer.status in (200, 488)
            assert b"SAVP" not in answer.body


@CLEAR
@pytest.mark.parametrize("kind", ["open", "srtp", "strict"])
async def test_no_key_is_offered_to_a_phone_that_is_reached_in_the_clear(
    server: Server, transport: str, kind: str
) -> None:
    async with talking(server) as talk, await Line.to(server, transport, LOOPBACK) as line:
        called = await person(server, line, kind)
        call = await talk.a.phone.call(called.user)
        await asyncio.sleep(0.2)
        invites = [request for request in line.requests if request.method == "INVITE"]
        assert bool(invites) == (kind != "strict")
        for request in line.requests:
            assert b"crypto" not in request.body
            assert b"inline:" not in request.body
            assert b"SAVP" not in request.body
        await call.hang_up()


async def test_the_oracle_sees_keys_over_tls(server: Server) -> None:
    async with await Line.to(server, "tls", LOOPBACK) as line:
        caller = await person(server, line, "srtp")
        body = offer(LOOPBACK, 40000, CRYPTO, profile="RTP/SAVP")
        headers = (("Contact", caller.contact), SDP)
        answer = await caller.ask("INVITE", f"sip:*43@{OURS}", headers=headers, body=body)
        assert answer.status == 200
        assert b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in answer.body
