"""One POST to somebody else's server, without being led anywhere by it.

The host's name is resolved once, every address it has is judged, and the connection is made to that very address: a
name that resolves differently a moment later gains nothing. No redirect is followed, no proxy of the environment is
used, and little of the answer is read.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

import httpcore

from sealtone.admin.errors import InvalidInput
from sealtone.admin.webhook_targets import Address, TargetRules, target_of, why_refused

Resolve = Callable[[str, int], Awaitable[list[str]]]

_CONNECT_S = 5.0
_WHOLE_S = 15.0
_MOST_READ = 65_536
_PROBE_PORT = 0


class SendingFailed(Exception):
    """Nothing arrived; why, as a sentence for a person."""


class Answer(NamedTuple):
    """What the receiver said."""

    status: int

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class Sender:
    """Makes the connections. `resolve` gives the addresses of a name; `tls` whom to believe."""

    def __init__(self, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolve = resolve if resolve is not None else _resolved
        self._tls = tls if tls is not None else ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, rules: TargetRules) -> Answer:
        """Sends a body. Raises `SendingFailed`."""
        try:
            target = target_of(url, rules)
        except InvalidInput as error:
            raise SendingFailed(str(error)) from error
        try:
            async with asyncio.timeout(_WHOLE_S):
                address = await self._address_of(target.host, target.port, rules)
                return await self._converse(url.strip(), address, headers, body)
        except TimeoutError as error:
            raise SendingFailed(f"There was no answer within {_WHOLE_S:.0f} seconds.") from error
        except ssl.SSLCertVerificationError as error:
            raise SendingFailed(f"The receiver's certificate is not accepted: {error.verify_message}.") from error
        except (httpcore.ConnectTimeout, httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
            raise SendingFailed("The receiver did not answer in time.") from error
        except httpcore.ConnectError as error:
            raise SendingFailed(f"No connection could be made: {_cause(error)}.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise SendingFailed("The receiver broke the connection off, or does not speak HTTP.") from error

    async def _address_of(self, host: str, port: int, rules: TargetRules) -> str:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise SendingFailed(f"{host} has no address in DNS.") from error
        if not found:
            raise SendingFailed(f"{host} has no address in DNS.")
        for text in found:
            why = _objection(ipaddress.ip_address(text), rules)
            if why:
                raise SendingFailed(f"Nothing is sent to {host}: {why}.")
        return found[0]

    async def _converse(self, url: str, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=1,
            max_keepalive_connections=0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=_Pinned(address),
        )
        sent = list(headers.items())
        timeouts = {"connect": _CONNECT_S, "read": _WHOLE_S, "write": _WHOLE_S, "pool": _CONNECT_S}
        async with (
            pool,
            pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeouts}) as response,
        ):
            read = 0
            async for chunk in response.aiter_stream():
                read += len(chunk)
                if read > _MOST_READ:
                    break
            return Answer(response.status)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever name is asked for. TLS still proves the name of the URL."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_tcp(self._address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _resolved(host: str, port: int) -> list[str]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _objection(address: Address, rules: TargetRules) -> str:
    why = why_refused(address, rules)
    if why or _permitted_by_name(address, rules):
        return why
    return "it is an address of this machine" if is_own(address) else ""


def _permitted_by_name(address: Address, rules: TargetRules) -> bool:
    return any(address.version == network.version and address in network for network in rules.networks)


def is_own(address: Address) -> bool:
    """Whether this machine has the address itself: only then can a socket be bound to it."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), _PROBE_PORT))
        except OSError as error:
            return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
    return True


def _cause(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the receiver's certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection could be made"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "the receiver does not answer"
