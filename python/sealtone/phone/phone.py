"""A softphone: one account at one server, any number of calls. Everything runs in one asyncio loop.

async with Phone(PhoneConfig("1000", "office.example", secret, proxy=("192.0.2.1", 5061), transport="tls")) as phone:
    await phone.register()
    call = await phone.call("1001")
    await call.answered()
    await asyncio.sleep(10)
    await call.hang_up()
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sealtone import __version__
from sealtone.media import Primitives
from sealtone.phone.audio import AudioSink, AudioSource, Nowhere, Silence
from sealtone.phone.call import Call, CallFailed, CallState
from sealtone.phone.connection import ConnectError, Connection, Transport, tls_context
from sealtone.phone.dispatch import Dispatch
from sealtone.phone.events import Connected, Disconnected, PhoneEvent, Registered, RegistrationLost, TransferProgress
from sealtone.phone.login import Login
from sealtone.phone.media import MediaRelay, MediaSession
from sealtone.phone.negotiation import Negotiator, Unacceptable, Wish
from sealtone.phone.zrtp_memory import ZrtpMemory
from sealtone.phone.zrtp_stream import ZrtpStream, ZrtpTerms
from sealtone.sip.endpoint import Endpoint, EndpointConfig, Invitation
from sealtone.sip.errors import SipParseError
from sealtone.sip.flow import Flow, Hop, is_secure
from sealtone.sip.grammar import decimal
from sealtone.sip.headers import MAX_DELTA_SECONDS, NameAddr
from sealtone.sip.masking import masked
from sealtone.sip.message import Headers, Request, Response
from sealtone.sip.transaction import ClientTransaction
from sealtone.zrtp import Algorithms, StandardCrypto

_REASONS: Final = {408: "no answer from the server", 503: "the connection broke"}


class RegistrationFailed(Exception):
    """The server refused (or did not answer): `status` is SIP's; 401 and 403 mean user or secret are wrong."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class PhoneConfig:
    """How a phone is set up. `proxy`: where it connects, by default the domain itself at 5060 (TLS: 5061).

    `server_name` is what the TLS certificate must cover, the domain unless given; `insecure` accepts any certificate.
    `ring_s`: how long an incoming call rings before it is answered, None: until `accept`. `busy`: refuse all with 486.
    `source` and `sink` make the audio of each call; `relay`, if given, what its media goes through.
    `ha1`: HA1 in hex by algorithm, in place of the secret. `zrtp_folder`: where the ZID and the secrets of earlier
    calls are kept, None: only in memory. `zrtp_algorithms`: in order of preference.
    """

    user: str
    domain: str
    secret: str = field(default="", repr=False)
    ha1: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: tuple[str, int] | None = None
    transport: Transport = "udp"
    ca_file: Path | None = None
    server_name: str | None = None
    insecure: bool = False
    wish: Wish = field(default_factory=Wish)
    ring_s: float | None = None
    busy: bool = False
    max_calls: int = 4
    expires_s: int = 600
    display_name: str = ""
    source: Callable[[], AudioSource] = Silence
    sink: Callable[[], AudioSink] = Nowhere
    media_address: str | None = None
    relay: Callable[[], MediaRelay] | None = None
    zrtp_folder: Path | None = None
    zrtp_algorithms: Algorithms = field(default_factory=Algorithms)


class Phone:
    """See the module. `on_event` is told everything that happens; `trace` gets each message with secrets masked.

    Raises `MemoryUnusable` where what it remembers of ZRTP cannot be read.
    """

    def __init__(
        self,
        config: PhoneConfig,
        on_event: Callable[[PhoneEvent], None] | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config
        self.calls: list[Call] = []
        self.registered_until: float | None = None
        self._on_event, self._trace = on_event, trace
        self._connection: Connection | None = None
        self._flow: Flow | None = None
        self._loop = asyncio.get_running_loop()
        self._endpoint = Endpoint(
            EndpointConfig(user_agent=f"Sealtone-phone/{__version__}", contact_for=self._contact_for, max_sessions=64),
            os.urandom,
        )
        self._dispatch = Dispatch(self)
        self._timer: asyncio.TimerHandle | None = None
        self._responses: dict[ClientTransaction, asyncio.Future[Response | int]] = {}
        self._transfers: dict[ClientTransaction, asyncio.Future[Response | int]] = {}
        self._incoming: asyncio.Queue[Call] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._media_closing: set[asyncio.Task[None]] = set()
        self._refresh: asyncio.Task[None] | None = None
        self._register_call_id, self._register_seq = uuid4().hex, 0
        self._instance = f"<urn:uuid:{uuid4()}>"
        self._closing = False
        self._zrtp: ZrtpTerms | None = None
        if config.wish.speaks_zrtp:
            memory = ZrtpMemory(config.zrtp_folder, f"{config.user}@{config.domain}")
            self._zrtp = ZrtpTerms(StandardCrypto(Primitives()), memory, config.zrtp_algorithms)

    # life

    async def __aenter__(self) -> Phone:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Open the connection to the server. Raises `ConnectError`."""
        config = self.config
        context = tls_context(config.ca_file, config.insecure) if config.transport == "tls" else None
        host, port = self._server
        connection = Connection(config.transport, self._receive, self._connection_lost)
        self._flow = await connection.open(host, port, config.server_name or config.domain, context)
        self._connection = connection
        tls = self._flow.tls
        self.tell(Connected(config.transport, f"{host}:{port}", f"{tls.version}, {tls.cipher}" if tls else ""))

    @property
    def _server(self) -> tuple[str, int]:
        return self.config.proxy or (self.config.domain, 5061 if self.config.transport == "tls" else 5060)

    async def close(self) -> None:
        """Hang up, unregister, and let go of everything."""
        self._closing = True
        for call in list(self.calls):
            await call.hang_up()
        if self._refresh is not None:
            self._refresh.cancel()
        if self.registered_until is not None and self._connection is not None:
            with contextlib.suppress(RegistrationFailed, TimeoutError):
                await asyncio.wait_for(self.unregister(), 3.0)
        for task in list(self._tasks):
            task.cancel()
        if self._media_closing:
            await asyncio.gather(*self._media_closing)  # recordings get their lengths, sockets are let go
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _login(self) -> Login:
        return Login(self.config.user, self.config.secret, os.urandom, self.config.ha1)

    # registering

    async def register(self) -> int:
        """Register and keep registered. Returns the seconds granted; raises `RegistrationFailed`."""
        granted = await self._register(self.config.expires_s)
        self.tell(Registered(self.address_of_record, granted))
        if self._refresh is not None:
            self._refresh.cancel()
        self._refresh = self._loop.create_task(self._keep_registered(granted))
        return granted

    async def unregister(self) -> None:
        """Take this phone's binding away. Raises `RegistrationFailed`."""
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None
        await self._register(0)
        self.registered_until = None

    async def _register(self, expires_s: int) -> int:
        response = await self._send_register(expires_s)
        if response.status == 423:  # RFC 3261 10.2.8: too brief
            shortest = _seconds(response.headers.get("Min-Expires"))
            if shortest is not None and expires_s:
                expires_s = shortest
                response = await self._send_register(expires_s)
        if not 200 <= response.status < 300:
            raise RegistrationFailed(response.status, response.reason)
        granted = self._granted(response, expires_s)
        self.registered_until = self.now() + granted if granted else None
        return granted

    def _granted(self, response: Response, asked: int) -> int:
        own = self._contact_uri()
        told = [_seconds(contact.param("expires")) for contact in response.contacts if contact.uri == own]
        told.append(_seconds(response.headers.get("Expires")))
        return next((seconds for seconds in told if seconds is not None), asked)

    async def _send_register(self, expires_s: int) -> Response:
        aor = self.address_of_record
        self._register_seq += 1
        contact = f'<{self._contact_uri()}>;expires={expires_s};+sip.instance="{self._instance}"'
        supported = "path"
        if self.config.transport != "udp":
            contact += ";reg-id=1"  # RFC 5626: this binding is this connection
            supported = "path, outbound"
        tag = os.urandom(6).hex()

        def build(extra: tuple[tuple[str, str], ...]) -> Request:
            headers = [
                ("From", f"<{aor}>;tag={tag}"), ("To", f"<{aor}>"), ("Call-ID", self._register_call_id),
                ("CSeq", f"{self._register_seq} REGISTER"), ("Contact", contact), ("Expires", str(expires_s)),
                ("Supported", supported), *extra,
            ]  # fmt: skip
            return Request("REGISTER", f"sip:{self.config.domain}", Headers(headers))

        response = await self._transact(build)
        if isinstance(response, int):
            raise RegistrationFailed(response, _REASONS.get(response, "failed"))
        return response

    async def _keep_registered(self, granted: int) -> None:
        pause = 2.0
        while True:
            await asyncio.sleep(granted * random.uniform(0.75, 0.9))  # noqa: S311 - spreads load, guards nothing
            while True:
                try:
                    if self._connection is None:
                        await self._reconnect()
                    granted = await self._register(self.config.expires_s)
                    self.tell(Registered(self.address_of_record, granted))
                    pause = 2.0
                    break
                except (RegistrationFailed, ConnectError) as error:
                    status = error.status if isinstance(error, RegistrationFailed) else 503
                    self.tell(RegistrationLost(status, str(error)))
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
                    pause = min(pause * 2, 60.0)

    async def _reconnect(self) -> None:
        await self.connect()
        for call in self.calls:
            if call.session is not None and self._flow is not None:
                call.session.hop = self._flow  # in-dialog requests of running calls use the new connection

    # calling

    async def call(
        self,
        target: str,
        source: AudioSource | None = None,
        sink: AudioSink | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Call:
        """Place a call to a number, user or SIP URI; returns at once, `await call.answered()` tells the outcome.

        Raises `CallFailed` when it cannot even be tried (encryption required without TLS).
        """
        uri = self.uri_of(target)
        call = await self._new_call("out", uri.partition(":")[2].partition(";")[0], source, sink)
        try:
            assert call.negotiator is not None
            body = call.negotiator.offer()
        except Unacceptable as error:
            await call.media.close()
            raise CallFailed(error.status, error.reason) from None
        name = NameAddr(self.config.display_name, self.address_of_record)
        invitation = Invitation(
            request_uri=uri, from_=str(name), to=f"<{uri}>", hop=self._require_flow(), body=body, headers=headers,
            contact_user=self.config.user, owner=call, supported=("100rel", "timer", "replaces"),
        )  # fmt: skip
        self._dispatch.invite(call, invitation, self._login())
        self.flush()
        return call

    async def next_call(self, timeout_s: float | None = None) -> Call:
        """The next incoming call; it is ringing. Raises TimeoutError."""
        return await asyncio.wait_for(self._incoming.get(), timeout_s)

    async def message(self, target: str, text: str) -> int:
        """Send a text message (RFC 3428); returns the final SIP status."""
        uri, tag, call_id = self.uri_of(target), os.urandom(6).hex(), uuid4().hex

        def build(extra: tuple[tuple[str, str], ...]) -> Request:
            sequence = 2 if extra else 1
            headers = [
                ("From", f"<{self.address_of_record}>;tag={tag}"), ("To", f"<{uri}>"), ("Call-ID", call_id),
                ("CSeq", f"{sequence} MESSAGE"), ("Content-Type", "text/plain;charset=utf-8"), *extra,
            ]  # fmt: skip
            return Request("MESSAGE", uri, Headers(headers), text.encode())

        response = await self._transact(build)
        return response if isinstance(response, int) else response.status

    async def options(self, target: str | None = None) -> int:
        """Ask the server (or another phone) for its abilities; returns the final SIP status."""
        uri = self.uri_of(target) if target else f"sip:{self.config.domain}"
        tag, call_id = os.urandom(6).hex(), uuid4().hex

        def build(extra: tuple[tuple[str, str], ...]) -> Request:
            sequence = 2 if extra else 1
            headers = [
                ("From", f"<{self.address_of_record}>;tag={tag}"), ("To", f"<{uri}>"), ("Call-ID", call_id),
                ("CSeq", f"{sequence} OPTIONS"), ("Accept", "application/sdp"), *extra,
            ]  # fmt: skip
            return Request("OPTIONS", uri, Headers(headers))

        response = await self._transact(build)
        return response if isinstance(response, int) else response.status

    # naming

    @property
    def address_of_record(self) -> str:
        return f"sip:{self.config.user}@{self.config.domain}"

    @property
    def flow(self) -> Flow | None:
        return self._flow

    def uri_of(self, target: str) -> str:
        """A SIP URI from a number, a user, `user@domain` or a URI."""
        if target.startswith(("sip:", "sips:", "tel:")):
            return target
        return f"sip:{target}" if "@" in target else f"sip:{target}@{self.config.domain}"

    def _contact_for(self, hop: Hop) -> tuple[str, int]:
        flow = self._flow
        return (flow.local[0], flow.local[1]) if flow else ("127.0.0.1", 5060)

    def _contact_uri(self) -> str:
        host, port = self._contact_for(self._require_flow())
        host = f"[{host}]" if ":" in host else host
        transport = "" if self.config.transport == "udp" else f";transport={self.config.transport}"
        return f"sip:{self.config.user}@{host}:{port}{transport}"

    def _require_flow(self) -> Flow:
        if self._flow is None:
            raise ConnectError("The phone is not connected.")
        return self._flow

    def now(self) -> float:
        return self._loop.time()

    # what calls and the dispatch use

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    def tell(self, event: PhoneEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

    async def _new_call(
        self, direction: str, peer: str, source: AudioSource | None = None, sink: AudioSink | None = None
    ) -> Call:
        flow = self._require_flow()
        config = self.config
        address = config.media_address or flow.local[0]
        media = MediaSession(
            address, source or config.source(), sink or config.sink(), config.relay() if config.relay else None
        )
        call = Call(self, "out" if direction == "out" else "in", peer, media)
        media.dtmf.pressed = call.key_pressed
        hello_hash = ""
        if self._zrtp is not None:
            call.stream = ZrtpStream(self._zrtp, call, media.ssrc)
            media.zrtp_received, media.authenticated = call.stream.receive, call.stream.media_authenticated
            hello_hash = call.stream.hello_hash
        await media.open()
        call.negotiator = Negotiator(config.wish, *media.advertised, is_secure(flow), os.urandom, hello_hash)
        self.calls.append(call)
        return call

    async def incoming_call(self, peer: str) -> Call:
        """The call object for an INVITE that came."""
        return await self._new_call("in", peer)

    def offer_to_owner(self, call: Call) -> None:
        """An incoming call rings: hand it to `next_call`, and answer it by itself where the phone is set up so."""
        self._incoming.put_nowait(call)
        if self.config.ring_s is not None:
            self.spawn(self._answer_later(call, self.config.ring_s))

    async def _answer_later(self, call: Call, ring_s: float) -> None:
        await asyncio.sleep(ring_s)
        if call.state is CallState.INCOMING:
            with contextlib.suppress(CallFailed):
                await call.accept()

    async def accept_call(self, call: Call) -> None:
        """Answer an incoming call with our description."""
        assert call.session is not None
        assert call.negotiator is not None
        request = call.session.invite_request
        offered = request.body if request is not None else b""
        try:
            body = call.negotiator.answer(offered) if offered else call.negotiator.offer()
        except Unacceptable as error:
            await call.reject(error.status, error.reason)
            raise CallFailed(error.status, error.reason) from None
        call.session.accept(body, self.now())
        if call.negotiator.agreement:
            call.apply(call.negotiator.agreement)
        self._dispatch.established(call)
        self.flush()

    def call_finished(self, call: Call) -> None:
        if call in self.calls:
            self.calls.remove(call)
        self._dispatch.ended(call)
        if not self._closing:
            closing = self._loop.create_task(call.media.close())
            self._media_closing.add(closing)
            closing.add_done_callback(self._media_closing.discard)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside; it is cancelled when the phone closes."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def refer(self, call: Call, refer_to: str, timeout_s: float) -> None:
        """Send REFER in the call's dialog and wait until it is accepted. Raises `CallFailed`."""
        assert call.session is not None
        headers = (("Refer-To", refer_to), ("Referred-By", f"<{self.address_of_record}>"))
        tx = call.session.request("REFER", self.now(), headers)
        if tx is None:
            raise CallFailed(481, "The call is not up.")
        outcome: asyncio.Future[Response | int] = self._loop.create_future()
        self._transfers[tx] = outcome
        self.flush()
        response = await asyncio.wait_for(outcome, timeout_s)
        status = response if isinstance(response, int) else response.status
        reason = _REASONS.get(status, "failed") if isinstance(response, int) else response.reason
        if status >= 300:
            raise CallFailed(status, reason)
        self.tell(TransferProgress(call, status, reason))

    def settle(self, tx: ClientTransaction, outcome: Response | int) -> None:
        """The final outcome of a request of ours; passed over where nobody waits."""
        for table in (self._responses, self._transfers):
            future = table.pop(tx, None)
            if future is not None and not future.done():
                future.set_result(outcome)

    async def _transact(self, build: Callable[[tuple[tuple[str, str], ...]], Request]) -> Response | int:
        """Send what `build` makes, answering challenges; the final response, or 408/503 where none came."""
        login = self._login()
        extra: tuple[tuple[str, str], ...] = ()
        while True:
            request = build(extra)
            future: asyncio.Future[Response | int] = self._loop.create_future()
            tx = self._endpoint.request(request, self._require_flow(), self.now())
            self._responses[tx] = future
            self.flush()
            response = await future
            if isinstance(response, int) or response.status not in (401, 407):
                return response
            answer = login.answer(response, request.method, request.uri, request.body)
            if answer is None:
                return response
            extra = (answer,)
            if request.method == "REGISTER":
                self._register_seq += 1

    # the endpoint's driver

    def _receive(self, data: bytes, flow: Flow) -> None:
        if self._trace:
            self._trace(f"<<< {flow.transport.upper()} {flow.remote[0]}:{flow.remote[1]}\n{masked(data)}")
        self._endpoint.receive(data, flow, self.now())
        self.flush()

    def _connection_lost(self) -> None:
        flow = self._flow
        self._connection = None
        if flow is not None:
            self._endpoint.flow_closed(flow, self.now())
            self.flush()
        if not self._closing:
            self.tell(Disconnected("the server closed it"))
            if self._refresh is not None:
                # The binding went with the connection: renew both now, not when the refresh is due.
                self._refresh.cancel()
                self._refresh = self._loop.create_task(self._keep_registered(1))

    def flush(self) -> None:
        """Send what is to be sent, tell what happened, wind the clock: after everything that takes `now`."""
        while True:
            for data, _ in self._endpoint.transmits():
                if self._trace and self._flow:
                    host, port = self._flow.remote
                    self._trace(f">>> {self._flow.transport.upper()} {host}:{port}\n{masked(data)}")
                if self._connection is not None:
                    self._connection.send(data)
            events = self._endpoint.events()
            if not events:
                break
            for event in events:
                self._dispatch.take(event)
        due = self._endpoint.next_timeout()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick) if due is not None else None

    def _tick(self) -> None:
        self._timer = None
        self._endpoint.handle_timeout(self.now())
        self.flush()


def _seconds(text: str | None) -> int | None:
    """delta-seconds (RFC 3261 section 25.1); what is malformed counts as absent."""
    if text is None:
        return None
    try:
        return decimal(text, MAX_DELTA_SECONDS, "a time")
    except SipParseError:
        return None
