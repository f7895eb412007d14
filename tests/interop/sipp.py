"""SIPp (Debian 3.6.1) with our own scenarios, UDP and TCP, one call a run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
from pathlib import Path

from interop.processes import LOOPBACK, Program, free_ports

SCENARIOS = Path(__file__).parent / "scenarios"


class Sipp:
    """Runs of scenarios from one local port. `fields` are [field0], [field1], … of a scenario."""

    def __init__(self, folder: Path, server: tuple[str, int], transport: str = "udp") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._server, self._transport = folder, server, transport
        self.port = free_ports(8)
        self._runs = 0
        self._running: list[Program] = []

    def start(self, scenario: str, *fields: str, timeout_s: int = 20) -> Program:
        """Begin a scenario (a file's name, or its text) in the background; `finish` waits for it."""
        self._runs += 1
        file = SCENARIOS / f"{scenario}.xml"
        if scenario.startswith("<"):
            file = self._folder / f"written-{self._runs}.xml"
            file.write_text(scenario)
        name = f"{file.stem}-{self._runs}"
        values = self._folder / f"{name}.csv"
        with values.open("w", newline="") as out:
            out.write("SEQUENTIAL\n")
            out.write(";".join(fields or ("none",)) + "\n")
        command = [
            "sipp", f"{self._server[0]}:{self._server[1]}", "-sf", str(file),
            "-inf", str(values), "-i", LOOPBACK, "-p", str(self.port), "-m", "1", "-l", "1", "-nostdin",
            "-mi", LOOPBACK, "-mp", str(self.port + 2), "-timeout", f"{timeout_s}s", "-timeout_error",
            "-trace_err", "-error_file", str(self._folder / f"{name}.err"),
            "-trace_msg", "-message_file", str(self._folder / f"{name}.msg"),
            "-t", "u1" if self._transport == "udp" else "t1",
        ]  # fmt: skip
        program = Program(name, command, self._folder)
        self._running.append(program)
        return program

    def finish(self, program: Program, timeout_s: float = 25.0) -> None:
        """Wait until the scenario went as written; else fail with what was exchanged."""
        status = program.wait(timeout_s)
        assert status == 0, f"SIPp's scenario {program.name} failed with {status}\n{self.evidence(program)}"

    def run(self, scenario: str, *fields: str, timeout_s: int = 20) -> None:
        self.finish(self.start(scenario, *fields, timeout_s=timeout_s), timeout_s + 5)

    def evidence(self, program: Program) -> str:
        texts = []
        for ending in ("err", "msg"):
            path = self._folder / f"{program.name}.{ending}"
            if path.exists():
                texts.append(f"--- {path.name} ---\n{path.read_text(errors='replace')[-5000:]}")
        return "\n".join(texts) or program.tail()

    def messages(self, program: Program) -> str:
        """What was sent and received, as text."""
        path = self._folder / f"{program.name}.msg"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        for program in self._running:
            program.stop()


def credentials(server: tuple[str, int], domain: str, user: str, secret: str, method: str, uri: str) -> str:
    """A header that authorises one request: a nonce is fetched from the server, the answer computed here.

    SIPp 3.6.1 takes the first challenge only and knows MD5 alone, so it cannot choose among several as RFC 8760 asks.
    """
    challenge = _challenge(server, domain, user)
    nonce = re.search(r'nonce="([^"]+)"', challenge)
    assert nonce, challenge

    def digest(*parts: str) -> str:
        return hashlib.sha256(":".join(parts).encode()).hexdigest()

    count, client_nonce = "00000001", os.urandom(8).hex()
    first, second = digest(user, domain, secret), digest(method, uri)
    response = digest(first, nonce[1], count, client_nonce, "auth", second)
    name = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
    return (
        f'{name}: Digest username="{user}",realm="{domain}",nonce="{nonce[1]}",uri="{uri}",response="{response}",'
        f'algorithm=SHA-256,qop=auth,nc={count},cnonce="{client_nonce}"'
    )


def _challenge(server: tuple[str, int], domain: str, user: str) -> str:
    """The answer to a REGISTER without credentials. It is so short that the server answers its repetition only."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(0.5)
        line.bind((LOOPBACK, 0))
        tag = os.urandom(6).hex()
        request = (
            f"REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {LOOPBACK}:{line.getsockname()[1]}"
            f";branch=z9hG4bK{tag};rport\r\nFrom: <sip:{user}@{domain}>;tag={tag}\r\nTo: <sip:{user}@{domain}>\r\n"
            f"Call-ID: {tag}\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        for _ in range(4):
            line.sendto(request.encode(), server)
            with contextlib.suppress(TimeoutError):
                return line.recv(4096).decode()
    raise AssertionError("the server does not answer a REGISTER")


def is_installed() -> bool:
    return shutil.which("sipp") is not None
