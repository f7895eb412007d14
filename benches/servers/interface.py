"""What a SIP server under test does."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import NamedTuple, Protocol

DOMAIN = "bench.example"


class SipUser(NamedTuple):
    """A user of DOMAIN and the digest secret."""

    name: str
    secret: str


class SipServer(Protocol):
    """A SIP server in processes of its own on SERVER_CPU, UDP on 127.0.0.1."""

    name: str
    # Whether it registers phones and asks for digest; without, it sends every call to the callees' port.
    registrar: bool

    def start(self, users: int, callee_port: int) -> None:
        """Starts with users of its own making; raises BenchError with the reason when it is not there."""

    def users(self) -> Sequence[SipUser]:
        """The users that `start` made."""

    def address(self) -> tuple[str, int]:
        """Where it listens on UDP."""

    def pids(self) -> tuple[int, ...]:
        """The processes whose CPU and memory count."""

    def stop(self) -> None:
        """Ends the processes; nothing happens when it never started."""


def answers_options(address: tuple[str, int]) -> bool:
    """Whether anything SIP answers an OPTIONS there within 100 ms."""
    host, port = address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        client.connect(address)
        own = client.getsockname()[1]
        request = (
            f"OPTIONS sip:{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};rport;branch=z9hG4bKprobe{own}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:probe@{DOMAIN}>;tag=probe\r\nTo: <sip:{host}:{port}>\r\n"
            f"Call-ID: probe-{own}-{port}\r\nCSeq: 1 OPTIONS\r\n"
            f"Contact: <sip:probe@127.0.0.1:{own}>\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            client.send(request.encode())
            return client.recv(65535).startswith(b"SIP/2.0 ")
        except (TimeoutError, ConnectionRefusedError):
            return False
