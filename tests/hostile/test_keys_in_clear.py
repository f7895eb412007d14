"""SDES keys are neither sent nor taken where the signalling is not TLS; where they are required nothing goes without."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from hostile.server import OURS, Server
from hostile.talk import forged, parties, talking
from hostile.wire import SDP, Line, Person, offer
from interop.processes import LOOPBACK
from sealtone.phone import CallFailed
from sealtone.sip.message import Request

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
        if kind != "strict":
            await line.request_received("INVITE")
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


def answered(invite: Request, status: str, contact: str, body: bytes) -> bytes:
    """A response of the called phone to the server's INVITE."""
    head = "".join(
        f"{name}: {value}{';tag=called' if name == 'To' else ''}\r\n"
        for name, value in invite.headers.items()
        if name in ("Via", "From", "To", "Call-ID", "CSeq", "Record-Route")
    )
    return (
        f"SIP/2.0 {status}\r\n{head}Contact: {contact}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@pytest.mark.parametrize("profile", ["RTP/AVP", "RTP/SAVP"])
async def test_where_srtp_is_required_no_early_media_and_no_answer_goes_without(server: Server, profile: str) -> None:
    """The called phone takes the keys out of its 183 and its 200, and sends clear voice at once."""
    async with (
        talking(server),
        parties(server, "tls") as (a, _),
        await Line.to(server, "tls", LOOPBACK) as line,
    ):
        called = await person(server, line, "strict")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind((LOOPBACK, 0))
            call = await a.phone.call(called.user)
            invite = await line.request_received("INVITE")
            offered = re.search(rb"m=audio (\d+) RTP/SAVP", invite.body)
            assert offered is not None
            body = offer(LOOPBACK, media.getsockname()[1], profile=profile)
            line.send(answered(invite, "183 Session Progress", called.contact, body))
            for sequence in range(15):
                media.sendto(forged(sequence), (LOOPBACK, int(offered[1])))
                await asyncio.sleep(0.02)
            assert a.tap.arrived == 0
            if call.reason == "":
                line.send(answered(invite, "200 OK", called.contact, body))
            with pytest.raises(CallFailed, match="488"):
                await call.answered(15)
            assert a.tap.arrived == 0
