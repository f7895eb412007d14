"""Digest under attack: who exists is not told, guesses are not looked at, an answer counts once."""

from __future__ import annotations

import asyncio
import os
import re
import time

import pytest

from hostile.server import OURS, Server
from hostile.talk import phone_of
from hostile.wire import SDP, Line, Person, fresh, offer, written
from sealtone.sip.digest import Challenge, authorization_for
from sealtone.sip.message import Response

pytestmark = pytest.mark.usefixtures("unharmed")

METHODS = ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER")


def told(response: Response) -> tuple[object, ...]:
    """All that a scanner can see of an answer, without what is random: status, reason, headers in order, lengths."""
    headers = []
    for name, value in response.headers.items():
        value = re.sub(r'nonce="[^"]*"', lambda nonce: f"nonce of {len(nonce[0])}", value)
        if name in ("Via", "From", "To", "Call-ID", "Date"):
            value = str(len(value))
        headers.append((name, value))
    return response.status, response.reason, tuple(headers), len(response.body)


async def answers(server: Server, line: Line, method: str, user: str, secret: str) -> list[tuple[object, ...]]:
    """What a scanner sees of a user: the challenge, and the answer to a wrong password."""
    person = Person(line, user)
    tag, found = "t" + "0" * 10, []
    headers = [("Contact", person.contact)]
    body = b""
    if method == "INVITE":
        headers.append(SDP)
        body = offer(line.address, 40000)
    elif method == "REFER":
        headers.append(("Refer-To", "<sip:x@y>"))
    elif method in ("SUBSCRIBE", "PUBLISH"):
        headers.append(("Event", "presence"))
    uri = f"sip:{OURS}" if method == "REGISTER" else person.aor
    extra: list[tuple[str, str]] = []
    for seq in (1, 2):
        call_id = f"c{os.urandom(6).hex()}"
        line.send(
            written(line, method, uri, from_=f"<{person.aor}>;tag={tag}", to=f"<{person.aor}>", call_id=call_id,
                    seq=seq, branch=f"z9hG4bK{os.urandom(8).hex()}", headers=[*headers, *extra], body=body)
        )  # fmt: skip
        response = await line.final(call_id, seq)
        assert response is not None, method
        found.append(told(response))
        if method == "INVITE":
            person.acknowledge(response, uri)
        name = "WWW-Authenticate" if method == "REGISTER" else "Proxy-Authenticate"
        raw = response.headers.get(name)
        if raw is None:
            break
        value = authorization_for(
            Challenge.parse(raw), user, method, uri, cnonce="0123456789abcdef", password=secret, body=body
        )
        extra = [("Authorization" if method == "REGISTER" else "Proxy-Authorization", value)]
    return found


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_an_unknown_user_and_a_wrong_password_are_answered_alike(server: Server, transport: str) -> None:
    known = server.user("open")
    assert f"9{known[1:]}" not in server.secrets
    async with await Line.to(server, transport, f"127.0.0.{61 + len(transport)}") as line:
        if transport == "udp":  # an address that may be answered in full
            owner = server.user("open")
            assert (await Person(line, owner, server.secret(owner)).register()).status == 200
        for method in METHODS:
            of_known = await answers(server, line, method, known, "wrong")
            of_unknown = await answers(server, line, method, f"9{known[1:]}", "wrong")
            assert of_known == of_unknown, method
            assert of_known[0][0] in (401, 407, 405, 501), method


async def test_the_oracle_of_enumeration_tells_a_right_password_from_a_wrong_one(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server, "tcp", "127.0.0.67") as line:
        right = await answers(server, line, "OPTIONS", user, server.secret(user))
        wrong = await answers(server, line, "OPTIONS", user, "wrong")
        assert right != wrong


async def test_ten_thousand_guesses_are_not_looked_at_and_the_owner_still_registers(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server, "udp", "127.0.0.71") as line:
        before = server.verified()
        person = Person(line, user)
        challenge = Challenge.parse((await person.register()).headers.get("WWW-Authenticate") or "")
        template = written(
            line, "REGISTER", f"sip:{OURS}", from_=f"<{person.aor}>;tag=g", to=f"<{person.aor}>", call_id="CALLID",
            branch="z9hG4bKBRANCH", headers=(("Contact", person.contact), ("Authorization", "AUTHORIZATION")),
        )  # fmt: skip
        for guess in range(10_000):
            value = authorization_for(
                challenge, user, "REGISTER", f"sip:{OURS}", cnonce="c", password=str(guess), nc=guess + 1
            )
            message = template.replace(b"CALLID", b"guess%d" % guess).replace(b"BRANCH", b"guess%d" % guess)
            line.send(message.replace(b"AUTHORIZATION", value.encode()))
            if guess % 25 == 0:
                await asyncio.sleep(0.01)
            if guess == 5_000:
                begin = time.monotonic()
                async with phone_of(server, user, "tls") as owner:
                    await owner.register()
                assert time.monotonic() - begin <= 5
        async with asyncio.timeout(20):  # all are answered, also where the machine has other work
            while await line.final("guess9999", timeout_s=0.5) is None:
                line.send(message.replace(b"AUTHORIZATION", value.encode()))
        looked_at = server.verified() - before
        others = 8  # the phones of the call, and the owner, each with a binding to make and to take away
        assert looked_at <= 20 + others, looked_at
        assert 200 not in line.statuses
        refused = await line.final("guess9999")
        assert refused is not None
        assert refused.status == 403
        assert "wait" in refused.reason


async def test_one_address_that_tries_many_users_is_stopped_too(server: Server) -> None:
    async with await Line.to(server, "tcp", "127.0.0.72") as line:
        before = server.verified()
        for number in range(200):
            answer = await Person(line, f"77{number:02}", "wrong").register()
            assert answer.status in (401, 403)
        assert server.verified() - before <= 20
        assert answer.status == 403


async def test_a_good_answer_to_a_challenge_is_good_once(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server) as line, await Line.to(server, "udp", "127.0.0.73") as thief:
        owner = Person(line, user, server.secret(user))
        challenge = Challenge.parse((await Person(line, user).register()).headers.get("WWW-Authenticate") or "")
        value = authorization_for(
            challenge, user, "REGISTER", f"sip:{OURS}", cnonce="abc", password=server.secret(user)
        )
        statuses = []
        for from_line in (line, line, thief, thief):
            call_id = fresh()
            from_line.send(
                written(from_line, "REGISTER", f"sip:{OURS}", from_=f"<{owner.aor}>;tag=1", to=f"<{owner.aor}>",
                        call_id=call_id, headers=(("Contact", owner.contact), ("Authorization", value)))
            )  # fmt: skip
            answer = await from_line.final(call_id)
            assert answer is not None
            statuses.append(answer.status)
        assert statuses == [200, 401, 401, 401]


async def test_a_nonce_of_ones_own_making_is_refused_without_looking(server: Server) -> None:
    user = server.user("open")
    async with await Line.to(server) as line:
        before = server.verified()
        value = authorization_for(
            Challenge(OURS, "A" * 40, "MD5"), user, "REGISTER", f"sip:{OURS}", cnonce="abc",
            password=server.secret(user),
        )  # fmt: skip
        answer = await Person(line, user).register(headers=(("Authorization", value),))
        assert answer.status == 401
        assert server.verified() == before
