"""Fixtures for tests with real phones. They are skipped, with the reason, where a program or a right is missing."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.baresip import Baresip
from interop.certificates import Certificates, make_certificates
from interop.linphone import Linphone
from interop.phones import RealPhone, Setup
from interop.pjsua import Pjsua
from interop.processes import LOOPBACK
from interop.server import DOMAIN, Server
from interop.sipp import Sipp, is_installed
from interop.wire import Wiretap, may_capture

PhoneFactory = Callable[..., RealPhone]

_PROGRAMS = {"linphonec": "linphone-cli", "baresip": "baresip-core"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[PhoneFactory]:
    """A factory of running phones: `phone("baresip", user="1000", tone_hz=440)`; all end with the test."""
    kinds = {"baresip": Baresip, "linphone": Linphone, "pjsua": Pjsua}
    with contextlib.ExitStack() as running:

        def start(kind: str, **settings: Any) -> RealPhone:
            program = {"baresip": "baresip", "linphone": "linphonec"}.get(kind)
            if program is not None and shutil.which(program) is None:
                pytest.skip(f"{program} is not installed (Debian package {_PROGRAMS[program]})")
            if kind == "pjsua" and importlib.util.find_spec("pjsua2") is None:
                pytest.skip("pjsua2-python (requirements/peers.in) has no wheel for this machine")
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}-{kind}-{settings['user']}"
            folder.mkdir()
            certificate = settings.pop("certificate", None)
            if certificate:
                shutil.copy(certificate, folder / "server.pem")
            return running.enter_context(kinds[kind](Setup(folder=folder, **settings)))

        yield start


@pytest.fixture
def wiretap(tmp_path: Path) -> Iterator[Callable[..., Wiretap]]:
    """A factory of running wiretaps: `wiretap((5060, 5061), phone.ports)`."""
    if not may_capture():
        pytest.skip("recording the wire needs the right to capture (root or CAP_NET_RAW)")
    with contextlib.ExitStack() as running:

        def tap(*ranges: tuple[int, int]) -> Wiretap:
            return running.enter_context(Wiretap(ranges, tmp_path))

        yield tap


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our own server with many users, for all tests of the run."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def guarded_server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test alone: wrong secrets make it throttle the address that all phones here share."""
    with Server(tmp_path / "server", media_ports=20) as running:
        yield running


@pytest.fixture
def registered(server: Server, phone: PhoneFactory) -> PhoneFactory:
    """A factory of phones at our server: `registered("baresip", 440, transport="tls", encryption="required")`.

    `at` names another server.
    """
    usual = server

    def start(kind: str, tone_hz: float, at: Server | None = None, **settings: Any) -> RealPhone:
        server = at or usual
        user = settings.pop("user", None) or server.user("srtp")
        settings.setdefault("secret", server.secret(user))
        tls = settings.get("transport") == "tls"
        # linphonec's TLS library compares names only, never a certificate's addresses.
        host = "localhost" if tls and kind == "linphone" else LOOPBACK
        return phone(
            kind,
            user=user,
            tone_hz=tone_hz,
            domain=DOMAIN,
            server=(host, server.tls_port if tls else server.sip_port),
            authority=server.authority if tls else None,
            **settings,
        )

    return start


@pytest.fixture
def sipp(server: Server, tmp_path: Path) -> Iterator[Callable[..., Sipp]]:
    """A factory of SIPp ports at our server."""
    if not is_installed():
        pytest.skip("sipp is not installed (Debian package sip-tester)")
    made: list[Sipp] = []

    def start(transport: str = "udp") -> Sipp:
        made.append(Sipp(tmp_path / f"sipp-{len(made)}", (LOOPBACK, server.sip_port), transport))
        return made[-1]

    yield start
    for each in made:
        each.stop()
