"""The names in a TLS ClientHello, read without taking it off the socket: server name and application protocols.

Looked at only while an authority may be checking a name (RFC 8737): whoever offers `acme-tls/1` gets another
certificate than everybody else, and that has to be known before the hand-shake begins.
"""

from __future__ import annotations

import asyncio
import socket
from typing import NamedTuple

ACME_TLS = "acme-tls/1"
_LONGEST = 16_384
_WAIT_S = 5.0
_STEP_S = 0.01
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _ALPN = 0, 16


class ClientHello(NamedTuple):
    """What a client asks for."""

    server_name: str = ""
    """In lower case; empty if none."""
    protocols: tuple[str, ...] = ()
    """As offered by ALPN (RFC 7301)."""

    @property
    def is_challenge(self) -> bool:
        """RFC 8737 3: the validator offers this protocol and no other."""
        return self.protocols == (ACME_TLS,)


class Incomplete(Exception):
    """More octets are needed."""


async def peeked(sock: socket.socket) -> ClientHello:
    """The hello of an accepted, non-blocking socket, which stays on it. Nothing is known of what is no hello."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _WAIT_S
    while True:
        try:
            data = sock.recv(_LONGEST, socket.MSG_PEEK)
            return read_client_hello(data) if data else ClientHello()
        except (BlockingIOError, Incomplete):
            if loop.time() >= end:
                return ClientHello()
        except OSError:
            return ClientHello()
        await asyncio.sleep(_STEP_S)


def read_client_hello(data: bytes) -> ClientHello:
    """From the first octets of a connection (RFC 8446 4.1.2, 5.1); else it names nothing. Raises `Incomplete`."""
    if len(data) < 5:
        raise Incomplete
    if data[0] != _HANDSHAKE:
        return ClientHello()
    body = _handshake(data)
    try:
        return _names(_Octets(body))
    except IndexError:
        return ClientHello()


def _handshake(data: bytes) -> bytes:
    """The hello itself, which may be spread over several records."""
    joined, place = b"", 0
    while len(joined) < 4 or len(joined) < 4 + int.from_bytes(joined[1:4]):
        if joined and joined[0] != _CLIENT_HELLO:
            return b""
        if len(data) < place + 5:
            raise Incomplete
        length = int.from_bytes(data[place + 3 : place + 5])
        if data[place] != _HANDSHAKE or not 0 < length <= _LONGEST:
            return b""
        if len(data) < place + 5 + length:
            if len(data) >= _LONGEST:
                return b""
            raise Incomplete
        joined += data[place + 5 : place + 5 + length]
        place += 5 + length
    return joined[4 : 4 + int.from_bytes(joined[1:4])]


class _Octets:
    """Reads lengths and what they measure. Raises `IndexError` past the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        if len(taken) != count:
            raise IndexError
        self.place += count
        return taken

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets))

    def vector(self, octets: int) -> _Octets:
        return _Octets(self.take(self.number(octets)))

    @property
    def is_more(self) -> bool:
        return self.place < len(self.data)


def _names(hello: _Octets) -> ClientHello:
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression
    name, protocols = "", []
    extensions = hello.vector(2)
    while extensions.is_more:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            names = body.vector(2)
            if names.number(1) == 0:
                name = names.vector(2).data.decode("ascii", "replace").lower().rstrip(".")
        elif kind == _ALPN:
            offered = body.vector(2)
            while offered.is_more:
                protocols.append(offered.vector(1).data.decode("ascii", "replace"))
    return ClientHello(name, tuple(protocols))
