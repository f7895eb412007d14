"""A whole server within the test's event loop, on free ports of the loopback, and phones of our own."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import randrange

from sealtone.admin import secrets_shown
from sealtone.app import Ready, Server
from sealtone.config import Config
from sealtone.phone import Phone, PhoneConfig
from sealtone.server.journal import Journal
from sealtone.store.records import CallFilter

_handed_out: set[int] = set()


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring ports that are free for UDP and TCP and were not handed out before: whoever has
    those may not have opened them yet."""
    for _ in range(3000):
        start = randrange(10_000, 30_000)  # below what the system gives away by itself
        block = range(start, start + count)
        if not _handed_out.isdisjoint(block):
            continue
        try:
            for port in block:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
                        probe.bind((host, port))
        except OSError:
            continue
        _handed_out.update(block)
        return start
    raise AssertionError("no free ports")


@dataclass
class Whole:
    """A running server and what it logs."""

    server: Server
    ready: Ready
    config: Config
    log: io.StringIO
    secrets: dict[str, str] = field(default_factory=dict)

    def phone(self, user: str, transport: str = "udp", host: str = "127.0.0.1", **more: object) -> Phone:
        port = self.config.tls_port if transport == "tls" else self.config.sip_port
        return Phone(
            PhoneConfig(
                user,
                "office.example",
                self.secrets[user],
                proxy=(host, port),
                transport=transport,  # type: ignore[arg-type]
                ca_file=self.ready.ca_file,
                ring_s=more.pop("ring_s", 0.0),  # type: ignore[arg-type]
                **more,  # type: ignore[arg-type]
            )
        )

    async def records(self) -> list[object]:
        store = self.server._store
        await store.flush()
        return list((await store.calls(CallFilter())).records)


def config_in(folder: Path, listen: tuple[str, ...] = ("127.0.0.1",), **more: object) -> Config:
    first = free_ports(32)
    return Config(
        data=folder,
        listen=listen,
        sip_port=first,
        tls_port=first + 1,
        shared_tls_port=first + 2,
        media_ports=(first + 4, first + 31),
        workers=1,
        domain="office.example",
        panel=False,
        http_port=0,
    )._replace(**more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(config: Config, secrets: dict[str, str] | None = None) -> AsyncIterator[Whole]:
    log = io.StringIO()
    server = Server(config, Journal(log, tracing=True))
    ready = await server.start()
    whole = Whole(server, ready, config, log, dict(secrets or {}))
    if ready.first is not None:
        whole.secrets.update({new.user.username: new.secret for new in ready.first.users})
        await server._store.submit(secrets_shown)
    try:
        yield whole
    finally:
        await server.stop()
