"""Memory of a server per registered phone, each phone on a socket of its own, over UDP and over TLS."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from benches.machine import BenchError, kernel_memory_bytes, private_bytes
from benches.report import Outcome, alone, at_most
from benches.servers.interface import DOMAIN, SipUser
from benches.servers.sealtone_server import SealtoneServer

PHONES = 1_000
WARM = 50
# A server rightly bounds what one address may open: the phones stand at several of the loopback network.
SOURCES = 21
Say = Callable[[str], None]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def challenge_of(response: str) -> dict[str, str]:
    """The parameters of the MD5 challenge in a 401; raises BenchError without one."""
    for line in response.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() != "www-authenticate":
            continue
        pairs = (part.strip().partition("=") for part in value.strip().removeprefix("Digest").split(","))
        found = {key: text.strip('"') for key, _, text in pairs}
        if found.get("algorithm", "MD5").upper() == "MD5":
            return found
    raise BenchError(f"no MD5 challenge in {response.partition(chr(13))[0]!r}")


# What phones say of themselves. A server gives an address that has proved nothing little more than it got, so that a
# REGISTER shorter than any phone's would have to be repeated.
_USUAL_HEADERS = (
    "User-Agent: a phone of the benchmark\r\nSupported: outbound, path, replaces, timer\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, MESSAGE, INFO, UPDATE, PRACK\r\n"
)


class Phone:
    """A phone that registers, and keeps its socket open."""

    def __init__(self, user: SipUser, source: str, tls: ssl.SSLContext | None) -> None:
        self._user = user
        self._tls = tls
        kind = socket.SOCK_STREAM if tls else socket.SOCK_DGRAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.settimeout(10)
        self._socket.bind((source, 0))
        self._call_id = secrets.token_hex(8)

    def connect(self, address: tuple[str, int]) -> None:
        self._socket.connect(address)
        if self._tls:
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=DOMAIN)

    def register(self) -> None:
        """Raises BenchError unless the answer is 200."""
        first = self._exchange(1, "")
        parts = challenge_of(first)
        uri, nonce, qop = f"sip:{DOMAIN}", parts["nonce"], "auth"
        ha1 = _md5(f"{self._user.name}:{parts['realm']}:{self._user.secret}")
        ha2 = _md5(f"REGISTER:{uri}")
        response = _md5(f"{ha1}:{nonce}:00000001:c0ffee:{qop}:{ha2}")
        credentials = (
            f'Authorization: Digest username="{self._user.name}", realm="{parts["realm"]}", nonce="{nonce}", '
            f'uri="{uri}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0ffee", response="{response}"'
        )
        if "opaque" in parts:
            credentials += f', opaque="{parts["opaque"]}"'
        answer = self._exchange(2, credentials + "\r\n")
        if not answer.startswith("SIP/2.0 200"):
            raise BenchError(f"registration was answered {answer.partition(chr(13))[0]!r}")

    def _exchange(self, sequence: int, credentials: str) -> str:
        host, port = self._socket.getsockname()
        transport = "TLS" if self._tls else "UDP"
        suffix = ";transport=tls" if self._tls else ""
        address = f"<sip:{self._user.name}@{DOMAIN}>"
        self._socket.send(
            (
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
                f"Via: SIP/2.0/{transport} {host}:{port};rport;branch=z9hG4bK{self._call_id}{sequence}\r\n"
                f"Max-Forwards: 70\r\nFrom: {address};tag={self._call_id}\r\nTo: {address}\r\n"
                f"Call-ID: {self._call_id}\r\nCSeq: {sequence} REGISTER\r\n"
                f"Contact: <sip:{self._user.name}@{host}:{port}{suffix}>\r\nExpires: 3600\r\n"
                f"{_USUAL_HEADERS}{credentials}Content-Length: 0\r\n\r\n"
            ).encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self._socket.recv(65535)
            if not chunk:
                raise BenchError("the server closed the connection of a registering phone")
            received += chunk
        return received.decode()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()


def lenient_tls() -> ssl.SSLContext:
    """TLS as a phone speaks it; the server's own CA is not checked, for nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def memory_per_phone(server: SealtoneServer, tls: bool) -> float:
    """Octets a phone. The phones' sockets exist before the first look, so that only the server's side counts.

    (What a TCP socket of a phone takes when it connects is counted with the server's: the figure errs upwards.)
    """
    context = lenient_tls() if tls else None
    address = server.tls_address() if tls else server.address()
    users = server.users()
    phones = [Phone(user, f"127.0.1.{1 + index % SOURCES}", context) for index, user in enumerate(users)]

    def memory() -> float:
        time.sleep(1.0)
        return kernel_memory_bytes() + sum(private_bytes(pid) for pid in server.pids())

    try:
        for phone in phones[:WARM]:
            phone.connect(address)
            phone.register()
        before = memory()
        for phone in phones[WARM:]:
            phone.connect(address)
            phone.register()
        return (memory() - before) / PHONES
    finally:
        for phone in phones:
            phone.close()


def run_phone_memory(work: Path, rounds: int, say: Say) -> Outcome:
    taken: dict[str, list[float]] = {"UDP": [], "TLS": []}
    for turn in range(rounds):
        for transport, kept in taken.items():
            server = SealtoneServer(work / f"phones-{transport}-{turn}")
            try:
                server.start(WARM + PHONES, 0)
                octets = memory_per_phone(server, transport == "TLS")
            finally:
                server.stop()
            kept.append(octets / 1000)
            say(f"memory a phone registered over {transport}: {octets / 1000:.1f} kB")
    note = "1,000 phones, kernel included"
    rows = [
        alone("memory a registered phone, UDP", "kB", taken["UDP"], None, note),
        alone("memory a registered phone, TLS", "kB", taken["TLS"], at_most(100), note),
    ]
    return Outcome(rows, [], {"memory kB a phone": taken})
