"""A browser before a service as people run it: `sealtone serve` in a process of its own, on ports of the loopback."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sealtone
from interop.processes import LOOPBACK, Program, eventually, free_ports

CHROMIUM = Path("/usr/bin/chromium")
_ENDS_S = 15.0


class Service:
    """A server with its panel, just installed. Nobody owns it yet: `owner_link` is for whoever comes first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.sip_port = free_ports(4)
        self.tls_port, self.shared_port = self.sip_port + 1, self.sip_port + 2
        self.url = f"https://localhost:{self.shared_port}"
        media = free_ports(400, 61_000, 65_500)
        self.data.mkdir(mode=0o700)
        (self.data / "sealtone.toml").write_text(
            f'listen = ["{LOOPBACK}"]\n'
            f"sip_port = {self.sip_port}\n"
            f"tls_port = {self.tls_port}\n"
            f"shared_tls_port = {self.shared_port}\n"
            "http_port = 0\n"
            f'media_ports = "{media}-{media + 399}"\n'
            "workers = 1\n"
        )
        self._program: Program | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "sealtone.cli", "serve", "--data", str(self.data)]
        self._program = Program("sealtone", command, self.folder, PYTHONPATH=str(Path(sealtone.__file__).parents[1]))
        eventually(lambda: "Sealtone is ready" in self.output(), 90, "the server starts", self.output)
        eventually((self.data / "panel.sock").exists, 90, "the panel starts", self.output)

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop(signal.SIGINT, grace_s=_ENDS_S)

    def output(self) -> str:
        """What it printed."""
        return self._program.output() if self._program is not None else ""

    @property
    def owner_link(self) -> str:
        """As printed at the start, by the name that phones can check a certificate against."""
        found = re.search(r"https://[^/\s]+(/welcome/[\w-]+)", self.output())
        assert found is not None, self.output()
        return f"{self.url}{found[1]}"

    @property
    def authority(self) -> Path:
        return self.data / "authority" / "ca.pem"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that was never used."""
    made = Service(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture
def browser_page(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A factory of pages in a real browser: `browser_page(service.url)`. Of a test that fails it leaves a picture and a
    trace of each, in the test's own folder."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed (Debian package chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        contexts: list[Any] = []

        def open_page(url: str, **more: Any) -> Any:
            context = browser.new_context(ignore_https_errors=True, base_url=url, **more)
            context.set_default_timeout(40_000)
            context.tracing.start(screenshots=True, snapshots=True)
            contexts.append(context)
            return context.new_page()

        yield open_page
        for number, context in enumerate(contexts):
            if request.node.stash.get(_FAILED, False):
                for page in context.pages:
                    page.screenshot(path=str(tmp_path / f"failed-{number}.png"), full_page=True)
                context.tracing.stop(path=str(tmp_path / f"failed-{number}.zip"))
            context.close()
        browser.close()
