"""HTTPS on a port that is SIP's too: which of the two a connection speaks, and the way of HTTP to the panel's process.

A TLS connection is settled once, by its first decrypted octets. What reads as HTTP is relayed, octet for octet, to the
panel's Unix socket, after one line of JSON that says who is at the other end:
``{"remote": [host, port], "local": [host, port], "tls": version, "cipher": name, "sni": name}``.

HTTP has limits of its own: however many browsers come, no phone is turned away for them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from sealtone.net.stream import Verdict
from sealtone.net.stream_listener import count_key
from sealtone.sip.flow import Flow

PANEL_SOCKET = "panel.sock"

_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"TRACE ", b"CONNECT ", b"PRI ")
_OPTIONS = b"OPTIONS "  # of SIP as well: what follows decides
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# An empty SETTINGS frame, then GOAWAY with HTTP_1_1_REQUIRED (RFC 9113 6.5, 6.8, 7).
_HTTP_1_1_REQUIRED = bytes.fromhex("000000040000000000" + "00000807000000000000000000" + "0000000d")
_SWEEP_S = 5.0
_RETRY_S = 0.1


class RelayLimits(NamedTuple):
    """Bounds of HTTP. Times are seconds, sizes octets."""

    connections: int = 512
    per_source: int = 128
    """From one IPv4 address or one IPv6 /64; an office behind NAT is one source."""
    buffer: int = 262_144
    """What may wait in either direction before the other side is read no further."""
    idle_s: float = 120.0
    """Without an octet in either direction. The panel's event streams send something every 15 s."""
    patience_s: float = 5.0
    """How long a browser waits for a panel that is being started."""


@dataclass(slots=True)
class RelayCounters:
    """What passed and what was turned away since the start."""

    accepted: int = 0
    refused: int = 0
    """Closed since there were as many as there may be, in all or from one source."""
    unreachable: int = 0
    """The panel did not answer."""
    idle_closed: int = 0


def reads_as_http(data: bytes) -> bool | None:
    """Whether the first octets of a connection are HTTP's; None while they could be either's."""
    if data.startswith(_OPTIONS):
        target = data[len(_OPTIONS) : len(_OPTIONS) + 1]
        return target in (b"/", b"*") if target else None
    undecided = _OPTIONS.startswith(data)
    for method in _METHODS:
        if data.startswith(method):
            return True
        undecided = undecided or method.startswith(data)
    return None if undecided else False


class HttpRelay:
    """Relays to the panel behind `socket_file`. `handover` is for `Transports.listen_tls`."""

    def __init__(
        self,
        socket_file: Path,
        limits: RelayLimits | None = None,
        is_expected: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_expected`: whether a panel that does not answer is about to, so that waiting makes sense."""
        self.socket_file = socket_file
        self.limits = limits or RelayLimits()
        self.counters = RelayCounters()
        self.is_expected = is_expected
        self._open: set[_Browser] = set()
        self._by_source: dict[str, int] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def handover(self, data: bytes, flow: Flow) -> asyncio.Protocol | Verdict:
        """Settles a connection by its first octets."""
        is_http = reads_as_http(data)
        if not is_http:
            return Verdict.SIP if is_http is False else Verdict.UNDECIDED
        if data.startswith(b"PRI "):
            return _LastWord(_HTTP_1_1_REQUIRED)
        source = count_key(flow.remote[0])
        if len(self._open) >= self.limits.connections or self._by_source.get(source, 0) >= self.limits.per_source:
            self.counters.refused += 1
            return _LastWord(_unavailable("Too many connections. Close some, or try again in a minute."))
        return _Browser(self, source, flow)

    def __len__(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def opened(self, browser: _Browser) -> None:
        """Told by a connection."""
        self.counters.accepted += 1
        self._open.add(browser)
        self._by_source[browser.source] = self._by_source.get(browser.source, 0) + 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_S, self._close_idle)

    def closed(self, browser: _Browser) -> None:
        """Told by a connection."""
        if browser in self._open:
            self._open.discard(browser)
            left = self._by_source[browser.source] - 1
            if left:
                self._by_source[browser.source] = left
            else:
                del self._by_source[browser.source]

    def close(self) -> None:
        """Ends every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for browser in tuple(self._open):
            browser.abort()

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self.limits.idle_s
        for browser in tuple(self._open):
            if browser.heard_at < oldest:
                self.counters.idle_closed += 1
                browser.abort()
        self._sweep = loop.call_later(_SWEEP_S, self._close_idle) if self._open else None


class _Browser(asyncio.Protocol):
    """The browser's side; it opens the panel's."""

    def __init__(self, relay: HttpRelay, source: str, flow: Flow) -> None:
        self.source = source
        self.transport: asyncio.Transport | None = None
        self._relay = relay
        self._flow = flow
        self._early: list[bytes] = []
        self._panel: _Panel | None = None
        self._opening: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=self._relay.limits.buffer)
        transport.pause_reading()
        self._relay.opened(self)
        self._opening = self._loop.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._panel is None or self._panel.transport is None:
            self._early.append(data)  # reading is paused: the first octets, and what was under way with them
        else:
            self._panel.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._relay.closed(self)
        if self._opening is not None:
            self._opening.cancel()
        if self._panel is not None and self._panel.transport is not None:
            self._panel.transport.close()

    def pause_writing(self) -> None:
        if self._panel is not None and self._panel.transport is not None:
            self._panel.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._panel is not None and self._panel.transport is not None:
            self._panel.transport.resume_reading()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    async def _open(self) -> None:
        deadline = self._loop.time() + self._relay.limits.patience_s
        while True:
            try:
                _, panel = await self._loop.create_unix_connection(
                    lambda: _Panel(self, self._loop), str(self._relay.socket_file)
                )
                break
            except OSError:
                if self._relay.is_expected() and self._loop.time() < deadline:
                    await asyncio.sleep(_RETRY_S)
                    continue
                self._relay.counters.unreachable += 1
                if self.transport is not None:
                    self.transport.write(_unavailable("The panel is not running. Calls go on without it."))
                    self.transport.close()
                return
        self._panel = panel
        if panel.transport is None or self.transport is None:
            for left in (panel.transport, self.transport):
                if left is not None:
                    left.close()
            return
        panel.transport.set_write_buffer_limits(high=self._relay.limits.buffer)
        panel.transport.write(self._introduction() + b"".join(self._early))
        self._early.clear()
        self.transport.resume_reading()

    def _introduction(self) -> bytes:
        flow, tls = self._flow, self._flow.tls
        told = {
            "remote": flow.remote,
            "local": flow.local,
            "tls": tls.version if tls is not None else "",
            "cipher": tls.cipher if tls is not None else "",
            "sni": tls.sni if tls is not None else "",
        }
        return json.dumps(told).encode() + b"\n"


class _Panel(asyncio.Protocol):
    """The panel's side."""

    def __init__(self, browser: _Browser, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self._browser = browser
        self._loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._browser.heard_at = self._loop.time()
        if self._browser.transport is not None:
            self._browser.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._browser.transport is not None:
            self._browser.transport.close()

    def pause_writing(self) -> None:
        if self._browser.transport is not None:
            self._browser.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._browser.transport is not None:
            self._browser.transport.resume_reading()


class _LastWord(asyncio.Protocol):
    """Says one thing and closes."""

    def __init__(self, word: bytes) -> None:
        self._word = word

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        transport.write(self._word)
        transport.close()


def _unavailable(text: str) -> bytes:
    """A 503 that needs nothing of the panel."""
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Not available · Sealtone</title><h1>Not available at the moment</h1><p>{text}</p></html>\n"
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nRetry-After: 5\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
