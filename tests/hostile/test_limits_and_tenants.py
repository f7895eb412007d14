"""Limits of what one user may take, loops, and the wall between two accounts."""

from __future__ import annotations

import asyncio

import pytest

from hostile.server import OTHERS, OURS, Server
from hostile.talk import talking
from hostile.wire import SDP, Line, Person, offer, written
from interop.processes import LOOPBACK
from sealtone.phone import CallState
from sealtone.sip.message import Request, Response


async def person(server: Server, line: Line, kind: str = "open", domain: str = OURS) -> Person:
    user = server.user(kind, domain)
    found = Person(line, user, server.secret(user, domain), domain)
    assert (await found.register()).status == 200
    return found


def call_headers(who: Person) -> tuple[tuple[str, str], ...]:
    return (("Contact", who.contact), SDP)


async def test_a_user_has_so_many_contacts_and_no_more(server: Server) -> None:
    async with talking(server), await Line.to(server) as line:
        who = await person(server, line)
        statuses = []
        for number in range(14):
            contact = f"<sip:{who.user}@{line.address}:{10_000 + number}>"
            answer = await who.ask("REGISTER", headers=(("Contact", contact), ("Expires", "300")))
            statuses.append(answer.status)
        assert statuses == [200] * 9 + [403] * 5, statuses
        many = ", ".join(f"<sip:{who.user}@{line.address}:{20_000 + number}>" for number in range(100))
        answer = await who.ask("REGISTER", headers=(("Contact", many), ("Expires", "300")))
        assert answer.status == 403
        bindings = await who.ask("REGISTER")
        assert len(bindings.headers.split("Contact")) == 10


async def test_a_user_has_so_many_calls_and_no_more(server: Server) -> None:
    async with talking(server), await Line.to(server, "tcp") as line:
        who = await person(server, line)
        before = server.calls()
        answers = await asyncio.gather(
            *(
                Person(line, who.user, server.secret(who.user)).ask(
                    "INVITE", f"sip:*43@{OURS}", headers=call_headers(who), body=offer(line.address, 40000 + 2 * number)
                )
                for number in range(50)
            )
        )
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == 32, statuses
        assert set(statuses) == {200, 486}
        assert server.calls() - before == 32
        for answer in answers:
            if answer.status == 200:
                await end(who, answer)
        assert server.calls() == before


def in_call(who: Person, answer: Response, method: str, seq: int, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A request in the dialog that the server answered with 200."""
    return written(
        who.line, method, answer.contacts[0].uri, from_=answer.headers.get("From") or "",
        to=answer.headers.get("To") or "", call_id=answer.call_id, seq=seq,
        headers=(("Contact", who.contact), *headers),
    )  # fmt: skip


async def end(who: Person, answer: Response) -> None:
    """Hang up."""
    who.line.send(in_call(who, answer, "BYE", 9000))
    ended = await who.line.final(answer.call_id, 9000)
    assert ended is not None
    assert ended.status == 200


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "MESSAGE"])
async def test_no_hops_left_is_483_for_what_would_go_on(server: Server, method: str) -> None:
    async with await Line.to(server) as line:
        who = await person(server, line)
        body = offer(line.address, 40000) if method == "INVITE" else b""
        headers = call_headers(who) if body else (("Contact", who.contact),)
        answer = await who.ask(method, headers=headers, body=body, max_forwards=0)
        # An OPTIONS that ends here has no further hop to run out of (RFC 3261 11).
        assert answer.status in ((483, 200) if method == "OPTIONS" else (483,))


async def test_a_call_to_oneself_that_is_sent_round_in_a_circle_ends(server: Server) -> None:
    """A phone that sends every call it gets back to the server, addressed to itself."""
    async with talking(server), await Line.to(server, "tcp") as line:
        who = await person(server, line)
        before = server.calls()
        rounds: list[asyncio.Task[Response]] = []

        def go_round(forwards: int) -> None:
            caller = Person(line, who.user, server.secret(who.user))
            body = offer(line.address, 40000)
            rounds.append(
                asyncio.create_task(
                    caller.ask(
                        "INVITE", who.aor, headers=call_headers(who), body=body, max_forwards=forwards, timeout_s=8
                    )
                )
            )

        go_round(12)
        answered: list[Request] = []
        async with asyncio.timeout(6):
            while not any(one.done() for one in rounds):
                for invite in [request for request in line.requests if request.method == "INVITE"][len(answered) :]:
                    answered.append(invite)
                    go_round(invite.max_forwards or 0)
                await asyncio.sleep(0.01)
        refusal = next(one for one in rounds if one.done()).result()
        assert refusal.status in (482, 483), refusal.status
        assert len(answered) <= 12
        for invite in answered:
            head = "".join(
                f"{name}: {value}\r\n"
                for name, value in invite.headers.items()
                if name in ("Via", "From", "To", "Call-ID", "CSeq")
            )
            line.send(f"SIP/2.0 486 Busy Here\r\n{head}Content-Length: 0\r\n\r\n".encode())
        for one in rounds:
            assert (await one).status >= 400
        assert server.calls() == before


async def test_a_contact_that_is_the_server_itself_does_not_make_it_call_itself(server: Server) -> None:
    async with talking(server), await Line.to(server, "tcp") as line:
        user = server.user("open")
        who = Person(line, user, server.secret(user))
        contact = f"<sip:{user}@{LOOPBACK}:{server.sip_port}>"
        assert (await who.ask("REGISTER", headers=(("Contact", contact), ("Expires", "300")))).status == 200
        received = server.status()["messages"]["received"]
        call = asyncio.create_task(
            who.ask("INVITE", who.aor, headers=call_headers(who), body=offer(line.address, 40000))
        )
        invite = await line.request_received("INVITE")  # over the connection it registered on
        head = "".join(
            f"{name}: {value}\r\n"
            for name, value in invite.headers.items()
            if name in ("Via", "From", "To", "Call-ID", "CSeq")
        )
        line.send(f"SIP/2.0 480 Gone\r\n{head}Content-Length: 0\r\n\r\n".encode())
        assert (await call).status == 480
        assert server.status()["messages"]["received"] - received < 15


async def test_another_account_cannot_be_called_nor_written_to(server: Server) -> None:
    async with talking(server) as talk, await Line.to(server) as line:
        stranger = await person(server, line, domain=OTHERS)
        victim = talk.a.phone.config.user
        nobody = await stranger.ask(
            "INVITE", "sip:1@nowhere.test", headers=call_headers(stranger), body=offer(line.address, 40000)
        )
        for uri in (f"sip:{victim}@{OURS}", f"sip:{victim}@{OURS.upper()}", f"sip:{victim}@{OURS}.", f"sips:{victim}@{OURS}",
                    f"sip:{victim}%40{OURS}@{OTHERS}", f"sip:{victim}@{LOOPBACK}:{server.sip_port}", f"tel:{victim}"):  # fmt: skip
            for method in ("INVITE", "MESSAGE"):
                body = offer(line.address, 40000) if method == "INVITE" else b"evil"
                headers = call_headers(stranger) if method == "INVITE" else (("Content-Type", "text/plain"),)
                answer = await stranger.ask(method, uri, headers=headers, body=body)
                assert answer.status in (403, 404, 480), (method, uri, answer.status)
                if uri == f"sip:{victim}@{OURS}" and method == "INVITE":
                    # The domain of another customer is answered like one that does not exist.
                    assert (answer.status, answer.reason) == (nobody.status, nobody.reason)
        assert len(talk.a.phone.calls) == 1


async def test_replaces_does_not_reach_into_another_account(server: Server) -> None:
    """Even with the right Call-ID and tags."""
    async with talking(server) as talk:
        for domain in (OTHERS, OURS):
            async with await Line.to(server) as line:
                thief = await person(server, line, domain=domain)
                dialogs = [talk.a.dialog, talk.b.dialog]
                for dialog in dialogs:
                    named = [(dialog.local_tag, dialog.remote_tag), (dialog.remote_tag, dialog.local_tag)]
                    if domain == OURS:  # in the account: only with a tag guessed
                        named = [("guess", dialog.remote_tag), (dialog.remote_tag, "guess"), ("1", "2")]
                    for from_tag, to_tag in named:
                        replaces = ("Replaces", f"{dialog.call_id};from-tag={from_tag};to-tag={to_tag}")
                        answer = await thief.ask(
                            "INVITE", f"sip:{talk.b.phone.config.user}@{domain}",
                            headers=(*call_headers(thief), replaces), body=offer(line.address, 40000),
                        )  # fmt: skip
                        assert answer.status in (403, 404, 481), answer.status
                        assert not line.requests


async def test_a_refer_does_not_reach_into_another_account(server: Server) -> None:
    """A phone of the other account, in a call of its own, asks to be connected with a call and with a user of ours."""
    async with talking(server) as talk, await Line.to(server) as line:
        thief = await person(server, line, domain=OTHERS)
        answer = await thief.ask(
            "INVITE",
            f"sip:*43@{OTHERS}",
            headers=call_headers(thief),
            body=offer(line.address, 40000),
            call_id="referring",
        )
        assert answer.status == 200
        dialog = talk.a.dialog
        replaces = f"{dialog.call_id}%3Bfrom-tag%3D{dialog.local_tag}%3Bto-tag%3D{dialog.remote_tag}"
        swapped = f"{dialog.call_id}%3Bfrom-tag%3D{dialog.remote_tag}%3Bto-tag%3D{dialog.local_tag}"
        victim = f"sip:{talk.b.phone.config.user}@{OURS}"
        for seq, target in enumerate((victim, f"{victim}?Replaces={replaces}", f"{victim}?Replaces={swapped}"), 100):
            line.send(in_call(thief, answer, "REFER", seq, (("Refer-To", f"<{target}>"),)))
            response = await line.final("referring", seq)
            assert response is not None
            await asyncio.sleep(0.2)
            notes = [request.body for request in line.requests if request.method == "NOTIFY"]
            assert response.status >= 400 or (notes and b" 200 " not in notes[-1]), (response.status, notes)
        assert len(talk.b.phone.calls) == len(talk.a.phone.calls) == 1
        assert talk.a.established.state is talk.b.established.state is CallState.ESTABLISHED
        await end(thief, answer)
