"""Transports on loopback, driven from plain sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from sealtone.net import Limits, Transports
from sealtone.pki import Authority, CertificateStore
from sealtone.sip.flow import Flow, Hop

OPTIONS = (
    b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK1\r\n"
    b"From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Node:
    """Transports whose callbacks are written down."""

    def __init__(self, limits: Limits | None = None, certificates: CertificateStore | None = None) -> None:
        self.messages: list[tuple[bytes, Flow]] = []
        self.closed: list[Flow] = []
        self.failed: list[Hop] = []
        self.transports = Transports(
            lambda data, flow: self.messages.append((data, flow)),
            self.closed.append,
            self.failed.append,
            limits,
            certificates,
        )

    async def until(self, condition: Callable[["Node"], object], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition(self):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The server runs on uvloop; asyncio's own loop shows that nothing leans on one of its oddities."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def nodes() -> AsyncIterator[Callable[..., Node]]:
    made: list[Node] = []

    def make(limits: Limits | None = None, certificates: CertificateStore | None = None) -> Node:
        made.append(Node(limits, certificates))
        return made[-1]

    yield make
    for node in made:
        await node.transports.close()


@pytest.fixture
def certificates(tmp_path: Path) -> CertificateStore:
    store = CertificateStore(tmp_path / "certificates", Authority.open(tmp_path / "authority"))
    store.refresh(["office.example", "other.example"], ["127.0.0.1", "::1"])
    return store
