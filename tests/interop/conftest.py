"""Fixtures for tests with real phones. They are skipped, with the reason, where a program or a right is missing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.baresip import Baresip
from interop.certificates import Certificates, make_certificates
from interop.linphone import Linphone
from interop.phones import RealPhone, Setup
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
    kinds = {"baresip": Baresip, "linphone": Linphone}
    with contextlib.ExitStack() as running:

        def start(kind: str, **settings: Any) -> RealPhone:
            program = {"baresip": "baresip", "linphone": "linphonec"}[kind]
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed (Debian package {_PROGRAMS[program]})")
            folder = tmp_path / f"{kind}-{settings['user']}"
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
