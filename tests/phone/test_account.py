"""An account that a link set up: fetched over a checked connection, kept for its owner alone."""

from __future__ import annotations

import http.server
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from interop.certificates import make_certificates
from sealtone.model import LegPolicy, Protection, Strictness
from sealtone.phone.account import NoAccount, fetch_account, kept_account
from sealtone.phone.connection import tls_context
from sealtone.phone.login import Login
from sealtone.provisioning import PhoneSettings, ServerPlace, own_phone_settings
from sealtone.sip.digest import Credentials, ha1, verify
from sealtone.sip.message import Headers, Response

SETTINGS = PhoneSettings(
    "1000",
    "office.example",
    ServerPlace("localhost", 5061, authority="-----BEGIN CERTIFICATE-----\n"),
    LegPolicy(Protection.ZRTP, Strictness.REQUIRE),
    ha1_md5="a" * 32,
    ha1_sha256="b" * 64,
)


class Served(NamedTuple):
    url: str
    authority: Path
    answers: list[tuple[int, bytes]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server that gives the answers in turn, the last one again and again."""
    answers: list[tuple[int, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    certificates = make_certificates(tmp_path)
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Served(f"https://localhost:{server.server_address[1]}/p/token", certificates.authority, answers)
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_a_link_gives_is_kept_for_the_owner_alone(served: Served, tmp_path: Path) -> None:
    served.answers.append((200, own_phone_settings(SETTINGS)))
    folder = tmp_path / "phone"
    fetched = fetch_account(served.url, tls_context(served.authority, False), folder)
    assert fetched.settings == SETTINGS
    assert fetched.ca_file is not None
    assert fetched.ca_file.read_text() == SETTINGS.server.authority
    assert kept_account("1000@office.example", folder) == fetched
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_server_that_is_not_trusted_is_told_nothing(served: Served, tmp_path: Path) -> None:
    served.answers.append((200, own_phone_settings(SETTINGS)))
    with pytest.raises(NoAccount, match="is not trusted"):
        fetch_account(served.url, tls_context(None, False), tmp_path / "phone")
    assert not (tmp_path / "phone").exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"no"), "does not work"),
        ((302, b""), "does not work"),
        ((200, b"<html>"), "no settings"),
        ((200, b" " * 100_000), "no settings"),
    ],
)
def test_what_is_no_settings_is_said(served: Served, tmp_path: Path, answer: tuple[int, bytes], said: str) -> None:
    served.answers.append(answer)
    with pytest.raises(NoAccount, match=said):
        fetch_account(served.url, tls_context(served.authority, False), tmp_path / "phone")


def test_plain_http_and_an_unknown_account_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoAccount, match="https"):
        fetch_account("http://localhost/p/x", tls_context(None, False), tmp_path)
    with pytest.raises(NoAccount, match="There is no account"):
        kept_account("1000@office.example", tmp_path)


@pytest.mark.parametrize("algorithms", [("SHA-256", "MD5"), ("MD5",)])
def test_digests_log_in_as_the_secret_would(algorithms: tuple[str, ...]) -> None:
    digests = {name: ha1("1000", "office.example", "the secret", name) for name in ("MD5", "SHA-256")}
    headers = [
        ("WWW-Authenticate", f'Digest realm="office.example", nonce="n", algorithm={name}, qop="auth"')
        for name in algorithms
    ]
    challenge = Response(401, "Unauthorized", Headers(headers))
    answered = Login("1000", "", bytes, digests).answer(challenge, "REGISTER", "sip:office.example")
    assert answered is not None
    credentials = Credentials.parse(answered[1])
    assert credentials.algorithm == algorithms[0]
    assert verify(credentials, "REGISTER", digests[algorithms[0]])
