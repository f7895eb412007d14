"""Requests in the name of others: with guessed and with right tags, from other addresses, for other users."""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from hostile.server import OURS, Server
from hostile.talk import Party, connect, parties, phone_of, talking
from hostile.wire import SDP, Line, Person, fresh, offer, written
from sealtone.phone import CallFailed, CallState
from sealtone.phone.login import Login

IN_DIALOG = ("BYE", "INVITE", "UPDATE", "REFER", "INFO", "MESSAGE", "NOTIFY", "OPTIONS")
CARRIERS = pytest.mark.parametrize("transport", ["udp", "tls"])


def in_dialog(
    line: Line,
    party: Party,
    method: str,
    *,
    guess: str = "",
    later: int = 100,
    more: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A request in the dialog of a party's phone, as if that phone had sent it; `guess` spoils one of its three names.

    `later`: how far its CSeq is beyond the phone's own.
    """
    dialog = party.dialog
    local, remote, call_id = dialog.local_uri, dialog.remote_uri, dialog.call_id
    if guess == "from":
        local = local.replace(dialog.local_tag, fresh())
    elif guess == "to":
        remote = remote.replace(dialog.remote_tag, fresh())
    elif guess == "call-id":
        call_id = fresh()
    headers = [("Contact", f"<sip:evil@{line.address}:{line.port}>"), *more]
    body = b""
    if method in ("INVITE", "UPDATE"):
        headers.append(SDP)
        body = offer(line.address, 40000)
    elif method == "REFER":
        headers.append(("Refer-To", f"<sip:1000@{OURS}>"))
    elif method in ("INFO", "MESSAGE"):
        headers.append(("Content-Type", "text/plain"))
        body = b"evil"
    elif method == "NOTIFY":
        headers += [("Event", "refer"), ("Subscription-State", "active")]
    return written(
        line, method, dialog.remote_target, from_=local, to=remote, call_id=call_id, seq=dialog.local_seq + later,
        headers=headers, body=body,
    )  # fmt: skip


@CARRIERS
async def test_nothing_from_another_address_is_honoured_even_with_the_right_tags(
    server: Server, transport: str
) -> None:
    async with talking(server, transport) as talk:
        for carrier in ("udp", "tcp", "tls"):
            for address in ("127.0.0.2", "127.0.0.51"):
                async with await Line.to(server, carrier, address) as line:
                    for party in (talk.a, talk.b):
                        for method in IN_DIALOG:
                            line.send(in_dialog(line, party, method))
                    await line.answered()
                    await asyncio.sleep(0.15)
                    assert set(line.statuses) <= {401, 403, 407, 481, 489}, line.statuses
                    assert not line.requests
        assert talk.a.established.state is talk.b.established.state is CallState.ESTABLISHED


@CARRIERS
async def test_nothing_with_a_guessed_tag_is_honoured_even_from_the_right_address(
    server: Server, transport: str
) -> None:
    async with talking(server, transport) as talk, await Line.to(server, transport, "127.0.0.1") as line:
        for party in (talk.a, talk.b):
            for method in IN_DIALOG:
                for guess in ("from", "to", "call-id"):
                    line.send(in_dialog(line, party, method, guess=guess))
        await asyncio.sleep(0.2)
        assert set(line.statuses) <= {481}, line.statuses


@CARRIERS
@pytest.mark.parametrize("other", [False, True], ids=["unproved", "another_user"])
async def test_nothing_from_another_port_of_the_phones_address_is_honoured_unproved(
    server: Server, transport: str, other: bool
) -> None:
    async with talking(server, transport) as talk, await Line.to(server, transport, "127.0.0.1") as line:
        stranger = server.user("open") if other else ""
        for party in (talk.a, talk.b):
            for method in IN_DIALOG:
                line.send(in_dialog(line, party, method))
            line.send(in_dialog(line, party, "ACK"))
            if other:
                assert await proved(line, party, "BYE", stranger, server.secret(stranger)) == 403
        await line.answered()
        await asyncio.sleep(0.2)
        assert set(line.statuses) <= {403, 407}, line.statuses
        assert not line.requests
        assert talk.a.established.state is talk.b.established.state is CallState.ESTABLISHED


@CARRIERS
async def test_a_phone_whose_nat_gives_it_another_port_ends_its_call_from_there(server: Server, transport: str) -> None:
    """Also shows that the tags of these tests are right: with a digest of that user's the BYE is honoured."""
    async with parties(server, transport) as (a, b):
        talk = await connect(a, b)
        async with await Line.to(server, transport, "127.0.0.1") as line:
            user = a.phone.config.user
            assert await proved(line, a, "BYE", user, server.secret(user)) == 200
            await talk.b.established.ended(15)


async def proved(line: Line, party: Party, method: str, user: str, secret: str) -> int:
    """The final status of a request in a party's dialog that answers its challenge as `user`."""
    login = Login(user, secret, os.urandom)
    dialog, status = party.dialog, 0
    more: tuple[tuple[str, str], ...] = ()
    for later in (200, 201):
        request = in_dialog(line, party, method, later=later, more=more)
        response = None
        for _ in range(3):  # over UDP a short request is answered when it is repeated
            line.send(request)
            response = response or await line.final(dialog.call_id, dialog.local_seq + later, 0.3)
        assert response is not None
        status = response.status
        answer = login.answer(response, method, dialog.remote_target) if status == 407 else None
        if answer is None:
            break
        more = (answer,)
    return status


async def test_a_ringing_call_is_not_cancelled_from_elsewhere(server: Server) -> None:
    seen: list[str] = []
    async with parties(server, "udp") as (a, b):
        a.phone._trace = seen.append
        call = await a.phone.call(b.phone.config.user)
        await b.phone.next_call(15)
        invite = [text for text in seen if text.startswith(">>>") and "\nINVITE " in text][-1]
        headers = dict(re.findall(r"(?m)^(Via|From|To|Call-ID|CSeq): (.*?)\r?$", invite))
        uri = invite.split("\n")[1].split()[1]
        number = headers["CSeq"].split()[0]
        for address in ("127.0.0.2", "127.0.0.52"):
            async with await Line.to(server, "udp", address) as line:
                for via in (headers["Via"], headers["Via"].replace("127.0.0.1", address)):
                    line.send(
                        f"CANCEL {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {headers['From']}\r\n"
                        f"To: {headers['To']}\r\nCall-ID: {headers['Call-ID']}\r\nCSeq: {number} CANCEL\r\n"
                        "Content-Length: 0\r\n\r\n".encode()
                    )
                await asyncio.sleep(0.2)
                assert set(line.statuses) <= {481}, line.statuses
        assert call.state is CallState.RINGING
        a.phone._trace = None
        a.call, b.call = call, b.phone.calls[0]
        await b.call.accept()
        await call.answered(15)


async def test_an_answer_to_a_ringing_call_from_elsewhere_does_not_take_it(server: Server) -> None:
    """Somebody who has seen the INVITE to the called phone answers it first, from an address of their own."""
    seen: list[str] = []
    async with parties(server, "udp") as (a, b):
        b.phone._trace = seen.append
        call = await a.phone.call(b.phone.config.user)
        await b.phone.next_call(15)
        invite = next(text for text in seen if text.startswith("<<<") and "\nINVITE " in text)
        headers = dict(re.findall(r"(?m)^(Via|From|To|Call-ID|CSeq): (.*?)\r?$", invite))
        async with await Line.to(server, "udp", "127.0.0.53") as line:
            body = offer(line.address, 40000)
            line.send(
                f"SIP/2.0 200 OK\r\nVia: {headers['Via']}\r\nFrom: {headers['From']}\r\nTo: {headers['To']};tag=evil\r\n"
                f"Call-ID: {headers['Call-ID']}\r\nCSeq: {headers['CSeq']}\r\n"
                f"Contact: <sip:evil@{line.address}:{line.port}>\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await asyncio.sleep(0.3)
            assert call.state is CallState.RINGING
            assert not line.requests
        await b.phone.calls[0].accept()
        await call.answered(15)


@CARRIERS
async def test_who_has_authenticated_cannot_speak_for_another_user(server: Server, transport: str) -> None:
    async with talking(server) as talk:
        victim = talk.a.phone.config.user
        user = server.user("open")
        async with await Line.to(server, transport) as line:
            thief = Person(line, user, server.secret(user))
            assert (await thief.register()).status == 200
            for claimed in (f"<sip:{victim}@{OURS}>", f'"{victim}" <sip:{victim}@{OURS}>', f"<sip:{victim}%30@{OURS}>"):
                for method in ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "REFER"):
                    headers: list[tuple[str, str]] = [("Contact", thief.contact)]
                    if method == "INVITE":
                        headers.append(SDP)
                    elif method == "REFER":
                        headers.append(("Refer-To", f"<sip:{victim}@{OURS}>"))
                    response = await thief.ask(
                        method, f"sip:{talk.b.phone.config.user}@{OURS}", from_=claimed, headers=headers,
                        body=offer(line.address, 40000) if method == "INVITE" else b"",
                    )  # fmt: skip
                    assert response.status in (403, 405), (method, claimed, response.status)
            assert not line.requests
        assert len(talk.b.phone.calls) == 1


async def test_an_identity_header_of_the_sender_reaches_nobody(server: Server) -> None:
    async with parties(server, "udp") as (a, b):
        seen: list[str] = []
        b.phone._trace = seen.append
        forged = f"<sip:4711@{OURS}>"
        headers = [("P-Asserted-Identity", forged), ("P-Preferred-Identity", forged), ("Remote-Party-ID", forged)]
        await a.phone.call(b.phone.config.user, headers=tuple(headers))
        ringing = await b.phone.next_call(15)
        assert not any("4711" in text for text in seen)
        assert ringing.peer.startswith(a.phone.config.user)


async def test_a_registration_for_another_user_is_refused_and_changes_nothing(server: Server) -> None:
    async with talking(server) as talk, await Line.to(server) as line:
        victim = talk.a.phone.config.user
        user = server.user("open")
        thief = Person(line, user, server.secret(user))
        for expires in (300, 0):
            answer = await thief.register(expires, to=f"<sip:{victim}@{OURS}>")
            assert answer.status == 403
            assert not answer.headers.all("Contact")
        assert (await thief.ask("REGISTER", to=f"<sip:{victim}@{OURS}>")).status == 403  # asks for the bindings
        wildcard = await thief.ask(
            "REGISTER", to=f"<sip:{victim}@{OURS}>", headers=(("Contact", "*"), ("Expires", "0"))
        )
        assert wildcard.status == 403
        async with phone_of(server, server.user("srtp"), "tls", wish=talk.a.phone.config.wish) as caller:
            await caller.register()
            call = await caller.call(victim)
            assert (await talk.a.phone.next_call(15)).peer.startswith(caller.config.user)
            await call.hang_up()


async def test_routes_and_vias_of_the_sender_lead_nowhere_else(server: Server) -> None:
    """Route, Via maddr and a foreign Request-URI: nothing is sent to a third party for the sake of a stranger."""
    async with talking(server), await Line.to(server) as line, await Line.to(server, "udp", "127.0.0.54") as third:
        target = f"{third.address}:{third.port}"
        for uri in (f"sip:x@{target}", f"sip:1000@{OURS};maddr={third.address}", f"sip:{OURS}"):
            message = written(line, "OPTIONS", uri, from_="<sip:x@y>;tag=1", to=f"<{uri}>", call_id=fresh())
            route = f"Route: <sip:{target};lr>\r\nMax-Forwards".encode()
            line.send(message.replace(b"Max-Forwards", route))
            line.send(message.replace(b";rport", f";maddr={third.address};received={third.address}".encode()))
        user = server.user("open")
        insider = Person(line, user, server.secret(user))
        headers = (("Contact", insider.contact), ("Route", f"<sip:{target};lr>"), SDP)
        answer = await insider.ask("INVITE", f"sip:x@{target}", headers=headers, body=offer(line.address, 40000))
        assert answer.status in (403, 404)
        await asyncio.sleep(0.2)
        assert not third.messages


async def test_a_refused_call_is_an_error_for_the_phone_and_not_for_the_server(server: Server) -> None:
    async with talking(server) as talk:
        call = await talk.a.phone.call("no-such-number")
        with pytest.raises(CallFailed):
            await call.answered(15)
