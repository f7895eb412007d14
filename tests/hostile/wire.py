"""SIP as an attacker sends it: octets of any kind over a socket of any source address, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import ssl
from collections.abc import Sequence
from typing import Any

from hostile.server import OURS, Server
from interop.processes import LOOPBACK
from sealtone.phone.login import Login
from sealtone.sip.framing import StreamFramer
from sealtone.sip.message import Request, Response, parse_message

ATTACKER = "127.0.0.2"
Message = Request | Response
_numbers = itertools.count(1)


def trusting_nobody() -> ssl.SSLContext:
    """TLS for attackers, who do not care whom they talk to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Line(asyncio.DatagramProtocol):
    """A connection to the server (for UDP: a socket) from an address of one's choice."""

    def __init__(self, transport: str, address: str) -> None:
        self.transport = transport
        self.address = address
        self.port = 0
        self.messages: list[Message] = []
        self._finals: dict[str, list[Response]] = {}
        self.octets_out = self.octets_in = 0
        self.closed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._datagrams: asyncio.DatagramTransport | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def to(cls, server: Server, transport: str = "udp", address: str = ATTACKER, port: int = 0) -> Line:
        """`port`: another of the server's than the usual one of that transport."""
        line = cls(transport, address)
        if transport == "udp":
            line._datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: line, local_addr=(address, 0), remote_addr=(LOOPBACK, server.sip_port)
            )
            line.port = line._datagrams.get_extra_info("sockname")[1]
            return line
        port = port or (server.tls_port if transport == "tls" else server.sip_port)
        reader, line._writer = await asyncio.open_connection(
            LOOPBACK,
            port,
            local_addr=(address, 0),
            ssl=trusting_nobody() if transport == "tls" else None,
            server_hostname=OURS if transport == "tls" else None,
        )
        line.port = line._writer.get_extra_info("sockname")[1]
        line._reading = asyncio.create_task(line._read(reader))
        return line

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._datagrams is not None:
            self._datagrams.close()
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    def send(self, data: bytes) -> None:
        self.octets_out += len(data)
        if self._datagrams is not None:
            self._datagrams.sendto(data)
        elif self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    # what comes back

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._take(data)

    def error_received(self, exc: Exception) -> None:
        pass

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = StreamFramer()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                for piece in framer.feed(data):
                    if isinstance(piece, bytes):
                        self._take(piece)
        self.closed.set()
        self._arrived.set()

    def _take(self, data: bytes) -> None:
        self.octets_in += len(data)
        message = parse_message(data)
        self.messages.append(message)
        if isinstance(message, Response) and message.status >= 200:
            self._finals.setdefault(message.call_id, []).append(message)
        self._arrived.set()

    @property
    def statuses(self) -> list[int]:
        return [message.status for message in self.messages if isinstance(message, Response)]

    async def answered(self, within_s: float = 10.0) -> None:
        """Returns once anything has been answered."""
        async with asyncio.timeout(within_s):
            while not self.statuses:
                self._arrived.clear()
                await self._arrived.wait()

    @property
    def requests(self) -> list[Request]:
        return [message for message in self.messages if isinstance(message, Request)]

    async def final(self, call_id: str, seq: int | None = None, timeout_s: float = 6.0) -> Response | None:
        """The final response to the request with this Call-ID (and CSeq number); None where none comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    for message in self._finals.get(call_id, ()):
                        if seq in (None, message.cseq.seq):
                            return message
                    if self.closed.is_set():
                        return None
                    self._arrived.clear()
                    await self._arrived.wait()
        return None

    async def request_received(self, method: str, timeout_s: float = 10.0) -> Request:
        """The first request of this method that the server sent here."""
        async with asyncio.timeout(timeout_s):
            while True:
                for request in self.requests:
                    if request.method == method:
                        return request
                self._arrived.clear()
                await self._arrived.wait()


def fresh(prefix: str = "x") -> str:
    return f"{prefix}{next(_numbers)}{os.urandom(5).hex()}"


def written(
    line: Line,
    method: str,
    uri: str,
    *,
    from_: str,
    to: str,
    call_id: str,
    seq: int = 1,
    branch: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    max_forwards: int = 70,
) -> bytes:
    """A request as octets. `from_` and `to` are whole header values."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{line.transport.upper()} {line.address}:{line.port};branch={branch or fresh('z9hG4bK')};rport",
        f"Max-Forwards: {max_forwards}",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {seq} {method}",
        *(f"{name}: {value}" for name, value in headers),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def offer(address: str, port: int, *more: str, profile: str = "RTP/AVP") -> bytes:
    """An SDP offer of PCMU."""
    lines = [
        "v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0",
        f"m=audio {port} {profile} 0", "a=rtpmap:0 PCMU/8000", *more,
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n"


SDP = ("Content-Type", "application/sdp")


class Person:
    """Somebody with a line, a name and perhaps a secret, who says what they like in each header."""

    def __init__(self, line: Line, user: str, secret: str = "", domain: str = OURS) -> None:
        self.line = line
        self.user = user
        self.domain = domain
        self.aor = f"sip:{user}@{domain}"
        self.contact = f"<sip:{user}@{line.address}:{line.port};transport={line.transport}>"
        self._secret = secret
        self.seq = 0

    async def ask(
        self,
        method: str,
        uri: str | None = None,
        *,
        from_: str | None = None,
        to: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        call_id: str | None = None,
        max_forwards: int = 70,
        timeout_s: float = 6.0,
    ) -> Response:
        """Send a request, answer its challenge, and give the final response. Fails where there is none."""
        default = f"sip:{self.domain}" if method == "REGISTER" else self.aor
        uri = uri or default
        call_id = call_id or fresh("c")
        tag = fresh()
        login = Login(self.user, self._secret, os.urandom)
        extra: tuple[tuple[str, str], ...] = ()
        while True:
            self.seq += 1
            request = written(
                self.line, method, uri,
                from_=f"{from_ or f'<{self.aor}>'};tag={tag}",
                to=to or (f"<{self.aor}>" if method == "REGISTER" else f"<{uri}>"),
                call_id=call_id, seq=self.seq, headers=(*headers, *extra), body=body, max_forwards=max_forwards,
            )  # fmt: skip
            self.line.send(request)
            response = await self._final(request, call_id, timeout_s)
            assert response is not None, f"no answer to {method} {uri}"
            if method == "INVITE" and response.status >= 300:
                self.acknowledge(response, uri)
            if response.status not in (401, 407) or not self._secret:
                return response
            answer = login.answer(response, method, uri, body)
            if answer is None:
                return response
            extra = (answer,)

    async def _final(self, request: bytes, call_id: str, timeout_s: float) -> Response | None:
        """The final response; over UDP a request that gets no answer is repeated once, as SIP has it."""
        if self.line.transport != "udp":
            return await self.line.final(call_id, self.seq, timeout_s)
        response = await self.line.final(call_id, self.seq, 0.5)
        if response is None:
            self.line.send(request)
            response = await self.line.final(call_id, self.seq, timeout_s - 0.5)
        return response

    def acknowledge(self, response: Response, uri: str) -> None:
        """ACK a refusal, in its transaction."""
        self.line.send(
            written(
                self.line, "ACK", uri,
                from_=response.headers.get("From") or "", to=response.headers.get("To") or "",
                call_id=response.call_id, seq=response.cseq.seq, branch=response.via.branch,
            )
        )  # fmt: skip

    async def register(self, expires_s: int = 300, **more: Any) -> Response:
        headers = (("Contact", self.contact), ("Expires", str(expires_s)), *more.pop("headers", ()))
        return await self.ask("REGISTER", headers=headers, **more)


async def is_alive(server: Server, within_s: float = 1.0) -> None:
    """The server answers an OPTIONS over UDP in time."""
    async with await Line.to(server, "udp", LOOPBACK) as line:
        call_id = fresh()
        line.send(written(line, "OPTIONS", f"sip:{OURS}", from_="<sip:a@b>;tag=1", to=f"<sip:{OURS}>", call_id=call_id))
        answer = await line.final(call_id, timeout_s=within_s)
        assert answer is not None, server.evidence()
        assert answer.status == 200
