"""Whether a TLS port of this machine answers, asked as a phone would, from this machine itself."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import NamedTuple

_TIME_S = 2.5
_MOST = 24


class PortAnswer(NamedTuple):
    """What was found."""

    host: str
    port: int
    state: str
    """``ok``, ``refused`` (nothing listens), ``silent`` (no answer in time), ``no-tls`` (something else answers)."""
    version: str = ""
    """Of TLS."""


async def check_tls_ports(places: Iterable[tuple[str, int]], server_name: str) -> tuple[PortAnswer, ...]:
    """Opens a connection to each, no more than 24, at once."""
    wanted = list(dict.fromkeys(places))[:_MOST]
    return tuple(await asyncio.gather(*(_check(host, port, server_name) for host, port in wanted)))


async def _check(host: str, port: int, server_name: str) -> PortAnswer:
    # The certificate is looked at elsewhere: here it only matters that somebody answers.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TIME_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=server_name or host)
    except TimeoutError:
        return PortAnswer(host, port, "silent")
    except ssl.SSLError:
        return PortAnswer(host, port, "no-tls")
    except ConnectionRefusedError:
        return PortAnswer(host, port, "refused")
    except OSError:
        return PortAnswer(host, port, "silent")
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    return PortAnswer(host, port, "ok", (tls.version() or "") if tls is not None else "")
