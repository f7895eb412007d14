"""RFC 4475 and RFC 5118 against the live server: the status that the verdict tables say, or silence; never a stop."""

from __future__ import annotations

import asyncio
import csv
import re
from pathlib import Path

import pytest

import vectors
from hostile.server import Server
from hostile.talk import settled, talking
from hostile.wire import Line, is_alive
from sealtone.sip.message import Response

_SPEAKS_FOR_ITSELF = {200, 400, 401, 403, 404, 405, 406, 407, 415, 416, 420, 481, 482, 483, 488, 489, 501, 505}


def verdicts() -> dict[str, tuple[str, str, bytes]]:
    found = {}
    for rfc in ("rfc4475", "rfc5118"):
        messages = vectors.vectors(f"{rfc}.txt")
        with (Path(vectors.__file__).parent / f"{rfc}-verdicts.tsv").open(newline="") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                found[row["message"]] = row["verdict"], row["status"], messages[row["message"]].octets
    return found


def with_rport(octets: bytes) -> bytes:
    """Answers over UDP go to the port in Via unless it asks for the true one."""
    return re.sub(rb"(?im)^((?:Via|v) *:[^\r\n]*;branch=[^\r\n,;]*)", rb"\1;rport", octets, count=1)


def judge(name: str, verdict: str, status: str, line: Line) -> str | None:
    """What is wrong with the answers, None if nothing."""
    statuses = [message.status for message in line.messages if isinstance(message, Response)]
    if verdict == "drop":
        return f"{name}: a response was answered with {statuses}" if statuses else None
    if verdict == "refuse":
        # Where From, To or Call-ID is missing there is nobody to answer.
        return None if set(statuses) <= {int(status)} else f"{name}: {statuses} instead of {status}"
    return None if set(statuses) <= _SPEAKS_FOR_ITSELF else f"{name}: {statuses}"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_every_message_of_rfc_4475_and_5118_gets_its_status_or_silence(server: Server, transport: str) -> None:
    table = verdicts()
    assert len(table) == 61
    async with talking(server) as talk:
        lines: dict[str, Line] = {}
        for name, (_, _, octets) in table.items():
            line = lines[name] = await Line.to(server, transport, "127.0.0.11")
            line.send(with_rport(octets) if transport == "udp" else octets)
        await asyncio.sleep(0.3)
        await is_alive(server)

        def faults() -> list[str]:
            judged = (judge(name, verdict, status, lines[name]) for name, (verdict, status, _) in table.items())
            return [fault for fault in judged if fault]

        await settled(lambda: not faults(), lambda: "\n".join(faults()))
        for line in lines.values():
            line.close()
        answered = [name for name, line in lines.items() if line.statuses]
        assert {"badvers", "unkscm", "quotbal", "esc02", "bext01"} <= set(answered), answered
        assert lines["unkscm"].statuses[0] == 416
        assert lines["bext01"].statuses[0] == 420
        assert talk.a.established.reason == ""


async def test_responses_and_acks_to_nothing_are_passed_over(server: Server) -> None:
    async with await Line.to(server) as line:
        for message in (
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=1\r\n"
            b"To: <sip:a@b>;tag=2\r\nCall-ID: none\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
            b"ACK sip:a@ours.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKnone;rport\r\n"
            b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: none\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            b"\0" * 1200,
            b"\r\n\r\n",
            b"INVITE",
            b"GET / HTTP/1.1\r\nHost: ours.test\r\n\r\n",
        ):
            for _ in range(20):
                line.send(message)
        await asyncio.sleep(0.2)
        assert all(status >= 400 for status in line.statuses)
        await is_alive(server)
