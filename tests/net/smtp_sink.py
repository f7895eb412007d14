"""A small real SMTP server (RFC 5321, 3207, 4954) that keeps what it is sent, on a thread of its own."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import queue
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from sealtone.pki.authority import Authority, private_pem


@dataclass
class SmtpSink:
    """What the server does, and what it got."""

    context: ssl.SSLContext
    starts_in_tls: bool = False
    offers_starttls: bool = True
    account: tuple[str, str] = ("", "")
    """Who has to sign in, where anybody has to."""
    refuses: str = ""
    """A recipient it does not take."""
    port: int = 0
    messages: queue.Queue[EmailMessage] = field(default_factory=queue.Queue)
    plain_commands: list[str] = field(default_factory=list)
    """What came before encryption."""

    def received(self, timeout_s: float = 10.0) -> EmailMessage:
        """The next message."""
        return self.messages.get(timeout=timeout_s)


class _Conversation(socketserver.StreamRequestHandler):
    sink: SmtpSink

    def handle(self) -> None:
        self.secure = False
        with contextlib.suppress(OSError):
            if self.sink.starts_in_tls:
                self._encrypt()
            self._say("220 sink ready")
            while line := self.rfile.readline(2000).decode().rstrip("\r\n"):
                if not self.secure:
                    self.sink.plain_commands.append(line)
                if not self._answer(*line.partition(" ")[::2]):
                    return

    def _encrypt(self) -> None:
        self.connection = self.sink.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.secure = True

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _answer(self, verb: str, rest: str) -> bool:
        match verb.upper():
            case "EHLO" | "HELO":
                offered = ["STARTTLS"] if self.sink.offers_starttls and not self.secure else []
                offered += ["AUTH PLAIN"] if self.sink.account[0] else []
                lines = ["sink", *offered, "8BITMIME"]
                for number, word in enumerate(lines):
                    self._say(f"250{' ' if number == len(lines) - 1 else '-'}{word}")
            case "STARTTLS":
                self._say("220 go on")
                self._encrypt()
            case "AUTH":
                given = base64.b64decode(rest.rpartition(" ")[2]).decode().split("\0")[1:]
                right = tuple(given) == self.sink.account
                self._say("235 welcome" if right else "535 no")
            case "RCPT":
                refused = self.sink.refuses and self.sink.refuses in rest
                self._say("550 unknown here" if refused else "250 fine")
            case "DATA":
                self._say("354 go on")
                data = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    data += line[1:] if line.startswith(b"..") else line
                message = email.message_from_bytes(data, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                self.sink.messages.put(message)
                self._say("250 kept")
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 fine")
        return True


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A context with a certificate for ``localhost``, and the file of the authority that issued it."""
    authority = Authority.open(folder)
    certificate, key = authority.issue("mail.example", [])
    file = folder / "sink.pem"
    file.write_bytes(private_pem(key) + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, authority.certificate_file


@contextlib.contextmanager
def sinking(sink: SmtpSink) -> Iterator[SmtpSink]:
    """The server, listening on a port of its own."""
    handler = type("Handler", (_Conversation,), {"sink": sink})
    with _Server(("localhost", 0), handler) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
