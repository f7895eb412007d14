"""Of a call whose messages are gathered all is told: in the log, in the feed, in the record, in its ladder."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from pathlib import Path

from sealtone.phone.login import Login
from sealtone.sip.message import Message, Response, parse_message
from sealtone.store.ladders import read_ladder
from sealtone.store.records import CallFilter
from server.whole import Whole, config_in, running

CALLER, CALLEE = "sip:1000@office.example", "sip:1001@office.example"
CALL_ID = "begun-and-ended"
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Caller:
    """1000, who writes each message on a datagram socket of its own."""

    def __init__(self, whole: Whole) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(("127.0.0.1", whole.config.sip_port))
        self._port = self._socket.getsockname()[1]

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, method: str, seq: int, *, to: str = f"<{CALLEE}>", login: tuple[str, str] | None = None) -> None:
        body = SDP if method == "INVITE" else b""
        lines = [
            f"{method} {CALLEE} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{seq};rport",
            "Max-Forwards: 70",
            f"From: <{CALLER}>;tag=a",
            f"To: {to}",
            f"Call-ID: {CALL_ID}",
            f"CSeq: {seq} {method}",
            f"Contact: <sip:1000@127.0.0.1:{self._port}>",
            *([": ".join(login)] if login else []),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._socket.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def final(self, method: str) -> Response:
        """The next final response to that."""
        async with asyncio.timeout(5):
            while True:
                message: Message = parse_message(await asyncio.get_running_loop().sock_recv(self._socket, 65536))
                if isinstance(message, Response) and message.status >= 200 and message.cseq.method == method:
                    return message


async def test_a_call_that_begins_and_ends_in_one_turn_of_the_loop_is_told_as_a_whole(tmp_path: Path) -> None:
    async with running(config_in(tmp_path)) as whole, whole.phone("1001", ring_s=30.0) as callee:
        await callee.register()
        node, journal = whole.server.node, whole.server._journal
        place = (await node.feed.wait(0, 0))["next"]
        with Caller(whole) as caller:
            caller.send("INVITE", 1)
            challenged = await caller.final("INVITE")
            caller.send("ACK", 1, to=challenged.headers.all("To")[0])
            login = Login("1000", whole.secrets["1000"], os.urandom).answer(challenged, "INVITE", CALLEE, SDP)
            journal.flush()
            before = len(whole.log.getvalue())
            whole.server._transports.moderation.came(1_000_000)
            caller.send("INVITE", 2, login=login)
            caller.send("CANCEL", 2)
            ended = await caller.final("INVITE")
            caller.send("ACK", 2, to=ended.headers.all("To")[0])
            told = (await node.feed.wait(place, 0))["events"]
            journal.flush()
            log = whole.log.getvalue()[before:]
        await whole.server._store.flush()
        (record,) = (await whole.server._store.calls(CallFilter())).records
        await node.stop()  # writes down what waits to be
        ladder = await whole.server._store.submit(lambda t: read_ladder(t.connection, record.id))
    assert ended.status == 487
    # Nothing was sent before both had come.
    assert log.index("CANCEL sip:") < log.index(" -> udp")
    assert re.findall(r"call (\w+) .*call=(\S+)", log) == [("started", record.id), ("ended", record.id)]
    assert [(one["kind"], one["call"]) for one in told] == [("call.started", record.id), ("call.ended", record.id)]
    assert (record.caller, record.status) == ("1000@office.example", 487)
    assert ladder is not None
    assert {"INVITE", "CANCEL"} <= {one.text.split(" ")[0] for one in ladder.messages}
